/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What lies in the folders of hooks, for attach and detach. What cannot be looked at is told of.
 */

#include <dirent.h>

/* What lies at a place. */
typedef enum AttachThing {
        ATTACH_THING_NONE,
        ATTACH_THING_FILE,   /* or a link: it may be a script */
        ATTACH_THING_FOLDER, /* with something in it */
        ATTACH_THING_EMPTY_FOLDER,
        ATTACH_THING_OTHER,
} AttachThing;

/* Looks at PATH inside of ROOT. Returns 0, or a negative errno, which has been told of. */
int attach_thing_look(const char *root, const char *path, AttachThing *ret);

/*
 * The names in the folder PATH, outside of the root; a folder that is not there has none. Returns
 * their number, attach_thing_free_list() them; or a negative errno, which has been told of.
 */
int attach_thing_list(const char *path, struct dirent ***ret);
void attach_thing_free_list(struct dirent **names, int n);
