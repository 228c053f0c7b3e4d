/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What children have in common before they execute or do their work: only system calls, since they
 * may share our memory.
 */

/*
 * What runs in a child that shares our memory: the sanitizers' checks are for those who have it to
 * themselves.
 */
#define _in_child_ __attribute__((no_sanitize("address"), no_sanitize("undefined")))

/*
 * Gives every signal its default disposition and blocks none. That includes the two that glibc
 * keeps to itself, which sigaction(3) does not touch: whoever started us may have ignored them as
 * well.
 */
void child_reset_signals(void);
