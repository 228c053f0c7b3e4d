/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "attach-thing.h"

#include <sys/stat.h>

#include "attach-step.h"
#include "complain.h"

static int is_no_dot(const struct dirent *entry) {
        return !streq(entry->d_name, ".") && !streq(entry->d_name, "..");
}

int attach_thing_list(const char *path, struct dirent ***ret) {
        int n = scandir(path, ret, is_no_dot, alphasort);

        if (n >= 0)
                return n;
        *ret = NULL;
        if (errno == ENOENT || errno == ENOTDIR)
                return 0;
        n = -errno;
        complain("%s cannot be read: %s%s", path, strerror(-n),
                 n == -EACCES ? "; run this as root" : "");
        return n;
}

void attach_thing_free_list(struct dirent **names, int n) {
        for (int i = 0; names && i < n; i++)
                free(names[i]);
        free(names);
}

int attach_thing_look(const char *root, const char *path, AttachThing *ret) {
        _cleanup_free_ char *whole = attach_path(root, path);
        struct dirent **names;
        struct stat st;
        int n;

        if (!whole)
                return -ENOMEM;
        *ret = ATTACH_THING_NONE;
        if (lstat(whole, &st) < 0) {
                if (errno == ENOENT)
                        return 0;
                n = -errno;
                complain("%s cannot be looked at: %s", whole, strerror(-n));
                return n;
        }
        *ret = S_ISREG(st.st_mode) || S_ISLNK(st.st_mode) ? ATTACH_THING_FILE : ATTACH_THING_OTHER;
        if (!S_ISDIR(st.st_mode))
                return 0;
        n = attach_thing_list(whole, &names);
        if (n < 0)
                return n;
        attach_thing_free_list(names, n);
        *ret = n > 0 ? ATTACH_THING_FOLDER : ATTACH_THING_EMPTY_FOLDER;
        return 0;
}
