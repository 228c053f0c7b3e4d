/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The symbolic links in a folder of hooks and below it, and where they lead.
 */

#include <sys/stat.h>

#include "util.h"

typedef struct FolderLink {
        char *path; /* below the folder: "qemu.d/10-x" */
        char *text;
} FolderLink;

typedef struct FolderLinks {
        FolderLink *links;
        size_t n;
} FolderLinks;

void folder_links_clear(FolderLinks *links);

/*
 * Finds them all, by the order of their names; links to folders are not followed. A folder that is
 * not there has none. Returns 0, -ENOMEM or the negative errno of what cannot be read.
 */
int folder_links_find(FolderLinks *ret, const char *folder);

/*
 * What the absolute path PATH leads to, where ROOT is the root of absolute links ("" for the real
 * one). Returns 0 or a negative errno.
 */
int folder_link_stat(const char *root, const char *path, struct stat *ret);

/*
 * Where the relative link LINK leads: *RET_UP is how many folders above the hooks' own, and the
 * result is the rest of its text; "/" after the last ".." is gone. In the hooks' own folder (0) the
 * rest begins in a folder of its own, *RET_FOLDER bytes of the link's path.
 */
const char *folder_link_follow(const FolderLink *link, size_t *ret_up, size_t *ret_folder);

/*
 * Texts of links to REST: "../" as often as there are folders in PATH, then REST; or the same from
 * FOLDER on, UP folders above it. Ownership: the caller frees it. NULL where memory is short.
 */
char *folder_link_relative(const char *path, const char *rest);
char *folder_link_absolute(const char *folder, size_t up, const char *rest);

/* What is behind PREFIX/ in TEXT; NULL where it begins otherwise. */
const char *folder_link_behind(const char *text, const char *prefix);
