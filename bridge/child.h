/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What children have in common before they execute or do their work: only system calls, since they
 * may share our memory.
 */

/*
 * Gives every signal its default disposition and blocks none. That includes the two that glibc
 * keeps to itself, which sigaction(3) does not touch: whoever started us may have ignored them as
 * well.
 */
void child_reset_signals(void);
