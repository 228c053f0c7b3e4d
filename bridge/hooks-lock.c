/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "hooks-lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define RETRY_AFTER (5 * USEC_PER_MSEC)

/* Whether FD is still the file at PATH: the last detach removes it. */
static bool is_current(int fd, const char *path) {
        struct stat st, current;

        return fstat(fd, &st) == 0 && stat(path, &current) == 0 && st.st_dev == current.st_dev &&
               st.st_ino == current.st_ino;
}

/* One attempt. Returns as hooks_lock(). */
static int try_lock(const char *path, HooksLockKind kind) {
        bool moves = kind == HOOKS_LOCK_MOVE;
        _cleanup_close_ int fd = -EBADF;

        fd = open(path, O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | (moves ? O_RDWR | O_CREAT : O_RDONLY),
                  0600);
        if (fd < 0 || flock(fd, (moves ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
                return -errno;
        return is_current(fd, path) ? TAKE_FD(fd) : -EWOULDBLOCK;
}

int hooks_lock(const char *path, HooksLockKind kind, uint64_t timeout) {
        const struct timespec pause = { .tv_nsec = RETRY_AFTER * 1000 };
        uint64_t until = now_usec(CLOCK_MONOTONIC) + timeout;
        int fd;

        while ((fd = try_lock(path, kind)) == -EWOULDBLOCK && now_usec(CLOCK_MONOTONIC) < until)
                (void) nanosleep(&pause, NULL);
        return fd;
}

void hooks_lock_look(const char *path, struct stat *ret) {
        if (stat(path, ret) < 0)
                *ret = (struct stat){};
}

bool hooks_lock_was_quiet(const struct stat *before, const struct stat *after) {
        return before->st_size == 0 && after->st_size == 0 && before->st_ino == after->st_ino &&
               before->st_dev == after->st_dev && before->st_mtim.tv_sec == after->st_mtim.tv_sec &&
               before->st_mtim.tv_nsec == after->st_mtim.tv_nsec;
}
