/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The commands in the text of a shell script. They are found by where they stand, as far as that
 * can be told without executing it: not in comments, quotes, here-documents or as arguments.
 */

#include <stdbool.h>
#include <stddef.h>

typedef struct ShellCommand {
        unsigned line; /* the first is 1 */
        char name[32]; /* without its directory */
} ShellCommand;

/* Whether the command NAME, without its directory, is one; REST is the text behind it. */
typedef bool ShellCommandWanted(const char *name, const char *rest, size_t size);

/*
 * The first command that the script waits for and that IS_WANTED. Returns false where there is
 * none, or the text cannot be followed.
 */
bool shell_commands_find(const char *text, size_t size, ShellCommandWanted *is_wanted,
                         ShellCommand *ret);
