/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is to be done to attach some types of hooks, or to detach them, and what must be true when
 * it is done.
 */

#include <sys/types.h>

#include "attachment.h"

/* A link that must lead where it led. */
typedef struct LinkPromise {
        char *before, *after; /* its path; inside of the root */
        dev_t device;
        ino_t inode;
} LinkPromise;

typedef struct AttachTask {
        const Attachment *attachment;
        bool detach;
        bool wanted[HOOK_TYPE_MAX];
        /* Set by attach_task_plan(). */
        AttachPlan plan;
        bool changed[HOOK_TYPE_MAX];
        bool had_script[HOOK_TYPE_MAX]; /* something of the type was there that libvirt could run */
        char **moved;                   /* names in the folder that change it: "qemu", "qemu.d" */
        char **left[HOOK_TYPE_MAX];     /* detach: paths of what stays, since it is not attached */
        LinkPromise *promises;
        size_t n_promises;
} AttachTask;

void attach_task_clear(AttachTask *task);

/*
 * Looks at the disk, and changes nothing there. An empty plan means that nothing is to be done.
 * Returns 0, or a negative errno, which has been told of: -EEXIST, -EINVAL and the like where
 * something is in the way.
 */
int attach_task_plan(AttachTask *task);

/* Whether each link leads where it led, after the plan was carried out. Returns as above. */
int attach_task_verify(const void *task);
