/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether a script can go from one folder to the other: it must find there what it looks for, and
 * the service must run it.
 */

#include "hook.h"
#include "util.h"

typedef struct AttachMove {
        const char *root;      /* in front of all paths */
        const char *from, *to; /* the folders that scripts leave, and come to; inside of the root */
        bool attach;           /* the service will run them */
        bool strict;           /* it refuses what others may change */
        bool refused;          /* a script has the path of what moves in it, which has been told */
} AttachMove;

/*
 * Judges TYPE's script PATH, in the first of the folders; *FOUND is set if libvirt could run it.
 * Returns 0, also where MOVE is refused by its text: there may be others that are to be told of in
 * one go; -ENOMEM; or another negative errno, which has been told of: -EEXIST where it must not
 * move.
 */
int attach_script_check(AttachMove *move, HookType type, const char *path, bool *found);

/* The same for all that is in TYPE's folder PATH. */
int attach_script_check_folder(AttachMove *move, HookType type, const char *path, bool *found);

/* Whether others may change what lies at PATH, or it is in a folder that they may. Returns as
 * above. */
int attach_script_check_safety(const AttachMove *move, const char *path);
