/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The small changes that attach and detach are made of. Each leads from one state of the disk to
 * another and back again; done half, or twice, it is still brought to its end in either direction.
 */

#include "util.h"

typedef enum AttachStepKind {
        ATTACH_LINK,  /* there is none, then there is the symbolic link A with the text B */
        ATTACH_TEXT,  /* the symbolic link A has the text B, then C */
        ATTACH_TIME,  /* the folder A was changed at B (seconds.nanoseconds), whatever is done in it
                       */
        ATTACH_NAME,  /* the script A has one name, then the other name B, too */
        ATTACH_STAND, /* A is the script that is also B, then the symbolic link C */
        ATTACH_MOVE, /* the folder or file is A, then B; C is "empty" where an empty folder was B */
        ATTACH_STEP_KIND_MAX,
        ATTACH_STEP_KIND_INVALID = -EINVAL,
} AttachStepKind;

const char *attach_step_kind_to_string(AttachStepKind kind);
AttachStepKind attach_step_kind_from_string(const char *name);

/* Paths are those inside of the root. */
typedef struct AttachStep {
        AttachStepKind kind;
        bool backwards; /* it is to be taken from its second state to the first */
        char *a, *b, *c;
} AttachStep;

typedef struct AttachPlan {
        AttachStep *steps;
        size_t n;
} AttachPlan;

void attach_plan_clear(AttachPlan *plan);

/* Adds a copy of STEP. Returns 0 or -ENOMEM. */
int attach_plan_add(AttachPlan *plan, const AttachStep *step);

/* PATH, which begins with a slash, as seen from outside of ROOT ("" where there is no other).
 * Ownership: the caller frees it. NULL where memory is short. */
char *attach_path(const char *root, const char *path);

/* FOLDER/NAME. Ownership as above. */
char *attach_join(const char *folder, const char *name);

/* Whether PATH is a symbolic link with the text TEXT. */
bool attach_is_link(const char *path, const char *text);

/*
 * Takes PLAN's steps, in their order; with UNDO all of them back, the last first, as far as they
 * were taken. Returns 0; or the negative errno of the first one that could not be, with
 * *ret_failed.
 */
int attach_plan_apply(const AttachPlan *plan, const char *root, bool undo,
                      const AttachStep **ret_failed);
