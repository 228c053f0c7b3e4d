/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the text of a script speaks of. Nothing of it is understood: words are looked for.
 */

#include <stdbool.h>
#include <stddef.h>

#define SCRIPT_TEXT_MAX (1024U * 1024U) /* bytes that are looked at */

/* Reads the file at PATH, no more than SCRIPT_TEXT_MAX. Ownership: the caller frees *ret, a string
 * that may have NULs in it. Returns its size; 0 where there is nothing, or it cannot be read. */
size_t script_text_read(const char *path, char **ret);

/* Whether the file at PATH has TEXT in what is read of it. What cannot be read has nothing. */
bool script_text_has(const char *path, const char *text);

/*
 * The same for the path of NAME in FOLDER, or of FOLDER itself, from which the script may make it.
 * Other names in FOLDER are not meant, and comments do nothing. Returns the first line that has it;
 * 0 where none has.
 */
unsigned script_text_speaks_of(const char *path, const char *folder, const char *name);

typedef bool ScriptUses(const char *path, const char *text);

/* Whether FOLDER has an executable file, and where USES is not NULL one for whose path it is true:
 * of many only some are looked at. */
bool script_text_any_executable(const char *folder, ScriptUses *uses, const char *text);

/*
 * Whether a script beside the file or folder at PATH, or in the folder above, makes use of it:
 * reads the file as a shell does, which need not be executable for that, or has a path through the
 * folder.
 */
bool script_text_is_used(const char *path, bool is_folder);

/*
 * What has the script PATH no longer speak of FOLDER: if it is for a shell a command, after which
 * it finds the same from its own place, LEVELS folders below FOLDER. Else what to write, or a
 * command after which it speaks of TO; then the verb BACK is refused in turn. Ownership: the caller
 * frees it. NULL where memory is short.
 */
char *script_text_remedy(const char *path, const char *folder, unsigned levels, const char *to,
                         const char *back);
