/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the text of a script speaks of. Nothing of it is understood: words are looked for.
 */

#include <stdbool.h>

/* Whether the file at PATH has TEXT in its first MiB. What cannot be read has nothing. */
bool script_text_has(const char *path, const char *text);

/*
 * The command that has the script WORD, a word for the shell, look for FOLDER beside itself and no
 * longer by its path. INSIDE: the script lies in that folder. Ownership: the caller frees it. NULL
 * where memory is short.
 */
char *script_text_beside_command(const char *word, const char *folder, bool inside);
