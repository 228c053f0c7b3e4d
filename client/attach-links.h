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
