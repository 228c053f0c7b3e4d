/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The benchmark has no use for half of its figures: whatever goes wrong ends it, with a word.
 */

#include "util.h"

_printf_(1, 2)
_Noreturn void fatal(const char *format, ...);

/* Returns R, unless it is a negative errno: then WHAT has failed. */
int must(int r, const char *what);

/* The same for the system calls that return -1 and set errno. */
long must_sys(long r, const char *what);

/* Returns P, which is not NULL. */
void *must_have(void *p);
