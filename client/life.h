/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The lives of guests, networks and daemons: which hooks libvirt calls in which order, and what it
 * does where one fails.
 *
 * Source: libvirt's src/qemu/qemu_process.c, src/lxc/lxc_process.c, src/libxl/libxl_domain.c and
 * src/network/bridge_driver.c, and what a real libvirtd did.
 */

#include "hook.h"
#include "util.h"

typedef struct Life {
        const char *name;              /* for programs */
        const char *title;             /* for people: "a first start and stop" */
        const char *well;              /* a sentence: what happens where nothing fails */
        const char *const *operations; /* ended by NULL */
        bool sequenced;                /* what fails decides on what follows */
} Life;

/* The lives of TYPE's objects: NULL gives the first, the last is followed by NULL. */
const Life *life_next(HookType type, const Life *life);

/* A sentence: what libvirt does where TYPE's OPERATION fails. */
const char *life_meaning(HookType type, const char *operation);

/* Where in its life an object is. */
typedef struct LifeWalk {
        HookType type;
        const Life *life;
        size_t at;
        bool skip_port; /* its creation was refused, so it cannot be deleted */
} LifeWalk;

/*
 * The next operation, from the first on; NULL where the life is over. FAILED: the one before did.
 */
const char *life_walk(LifeWalk *walk, bool failed);
