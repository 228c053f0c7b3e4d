/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "forwarder.h"

#include <limits.h>
#include <sys/stat.h>

#include "util.h"

static bool has_its_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return streq(slash ? slash + 1 : path, FORWARDER_NAME);
}

/* Where the link at PATH leads, as far as it leads somewhere. */
static bool leads_to_its_name(const char *path) {
        _cleanup_free_ char *resolved = realpath(path, NULL);
        char target[PATH_MAX];
        ssize_t n;

        if (resolved)
                return has_its_name(resolved);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return false;
        target[n] = '\0';
        return has_its_name(target);
}

static bool is_installed_one(const char *path) {
        struct stat st, installed;

        return stat(path, &st) == 0 && stat(FORWARDER_PATH, &installed) == 0 &&
               st.st_dev == installed.st_dev && st.st_ino == installed.st_ino;
}

bool forwarder_is(const char *path) {
        struct stat st;

        if (lstat(path, &st) < 0)
                return false;
        return is_installed_one(path) || (S_ISLNK(st.st_mode) && leads_to_its_name(path));
}
