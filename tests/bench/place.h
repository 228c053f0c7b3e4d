/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where the benchmark works: a temporary folder, and, for root, a mount namespace with a /run of
 * its own. Both go with the program, however it ends.
 */

#include "util.h"

/* Makes the folder. BUILD is the folder where the programs were built. */
void place_make(const char *build);

/* Whether there is a namespace, with a journal that takes all that is sent to it and keeps nothing.
 */
bool place_is_private(void);

/* The path in the folder that FORMAT gives; to be freed. */
_printf_(1, 2)
char *place_path(const char *format, ...);

/* The path of a program that was built. */
char *place_program(const char *name);

/* Makes the file at PATH, and takes PATH. */
void place_write(char *path, const char *content, mode_t mode);
