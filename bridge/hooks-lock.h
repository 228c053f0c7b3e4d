/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hooks that libvirt runs through the forwarder, and their scripts on the move, keep out of each
 * other's way: a lock on the file that attach and detach keep. It is there as long as a hook is
 * attached, and only root can open it.
 *
 * Source: flock(2).
 */

#include <sys/stat.h>

#include "paths.h"
#include "util.h"

#define HOOKS_LOCK_PATH SYSCONFDIR "/virt-hooks/attach.state"

/* How a hook can hold the lock: side by side with others; who moves scripts is alone. */
typedef enum HooksLockKind {
        HOOKS_LOCK_RUN,
        HOOKS_LOCK_MOVE,
} HooksLockKind;

/*
 * Waits for at most TIMEOUT microseconds. HOOKS_LOCK_MOVE makes the file where there is none.
 * Returns a descriptor, which holds the lock until it is closed; or a negative errno: -EWOULDBLOCK
 * when the time is over, -ENOENT where there is no file.
 */
int hooks_lock(const char *path, HooksLockKind kind, uint64_t timeout);

/*
 * For those who hold no lock. While scripts are on the move, and after that was broken off, the
 * file has the plan in it. *RET is what is known of the file; all of it is 0 where there is none.
 */
void hooks_lock_look(const char *path, struct stat *ret);

/* Whether no script was on the move from the look BEFORE to the look AFTER. */
bool hooks_lock_was_quiet(const struct stat *before, const struct stat *after);
