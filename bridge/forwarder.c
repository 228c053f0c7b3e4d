/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "forwarder.h"

#include <elf.h>
#include <fcntl.h>
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

static bool is_installed_one(const struct stat *st) {
        struct stat installed;

        return stat(FORWARDER_PATH, &installed) == 0 && st->st_dev == installed.st_dev &&
               st->st_ino == installed.st_ino;
}

bool forwarder_is(const char *path) {
        struct stat st;

        if (lstat(path, &st) < 0)
                return false;
        if (!S_ISLNK(st.st_mode))
                return is_installed_one(&st);
        return (stat(path, &st) == 0 && is_installed_one(&st)) || leads_to_its_name(path);
}

bool forwarder_is_program(const char *installed) {
        char head[SELFMAG];
        _cleanup_close_ int fd = open(installed, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        return fd >= 0 && read(fd, head, SELFMAG) == SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0;
}

/* Whether both have the same from here to their ends. */
static bool have_same_bytes(int a, int b) {
        char buffer_a[4096], buffer_b[sizeof(buffer_a)];
        ssize_t n;

        do {
                n = read(a, buffer_a, sizeof(buffer_a));
                if (n < 0 || read(b, buffer_b, sizeof(buffer_b)) != n ||
                    memcmp(buffer_a, buffer_b, (size_t) n) != 0)
                        return false;
        } while (n > 0);
        return true;
}

bool forwarder_is_copy(const char *path, const char *installed) {
        _cleanup_close_ int fd = -EBADF, installed_fd = -EBADF;
        struct stat st, st_installed;

        if (stat(path, &st) < 0 || stat(installed, &st_installed) < 0 || !S_ISREG(st.st_mode) ||
            st.st_size != st_installed.st_size || forwarder_is(path) ||
            !forwarder_is_program(installed))
                return false;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        installed_fd = open(installed, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        return fd >= 0 && installed_fd >= 0 && have_same_bytes(fd, installed_fd);
}
