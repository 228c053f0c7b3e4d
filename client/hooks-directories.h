/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The folders with hooks that a command is to look at.
 */

#include "settings.h"

/*
 * Those that the command line has NAMED, as absolute paths; where it has none, those of SETTINGS,
 * which may be missing. A named one must be there. Ownership: the caller frees *ret with
 * strv_free(). Returns 0, or a negative errno, which has been told of: -ENOMEM, or what is wrong
 * with a named one.
 */
int hooks_directories_new(char ***ret, char *const *named, const Settings *settings);

/* "/a, /b", harmless on a terminal. Ownership: the caller frees it. NULL where memory is short. */
char *hooks_directories_to_string(char *const *directories);
