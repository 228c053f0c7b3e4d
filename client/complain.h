/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Errors for people, on standard error: "virt-hooks: what is wrong; what to do".
 */

#include "util.h"

_printf_(1, 2)
void complain(const char *format, ...);

/* The same, and returns EXIT_TROUBLE. */
_printf_(1, 2)
int trouble(const char *format, ...);

/* The same for what is in the way: returns -EEXIST. */
_printf_(1, 2)
int refuse(const char *format, ...);
