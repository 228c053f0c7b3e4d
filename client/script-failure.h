/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What to do about a script that failed before it could do anything, for people who try it.
 */

#include <stddef.h>

/*
 * The half sentence that follows what a script left which exited with STATUS: ERRORS, of SIZE
 * bytes. Ownership: the caller frees it. NULL where its words must do, and where memory is short.
 */
char *script_failure_remedy(int status, const char *errors, size_t size);
