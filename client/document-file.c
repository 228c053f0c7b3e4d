/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Documents from files and pipes.
 */

#include "document-file.h"

#include <fcntl.h>

#include "complain.h"

#define DOCUMENT_MAX (64U * 1024U * 1024U) /* more than any service takes */

/* Reads all that FD has. Returns 0 or a negative errno. */
static int read_all(int fd, Bytes **ret) {
        _cleanup_free_ char *data = NULL;
        size_t size = 0, allocated = 0;
        ssize_t n;

        do {
                if (size == allocated) {
                        char *grown = realloc(data, allocated += 65536);

                        if (!grown)
                                return -ENOMEM;
                        data = grown;
                }
                n = read(fd, data + size, allocated - size);
                if (n < 0 && errno != EINTR)
                        return -errno;
                size += n > 0 ? (size_t) n : 0;
        } while (n != 0 && size <= DOCUMENT_MAX);
        return bytes_new_take(ret, TAKE_PTR(data), size);
}

int document_file_read(const char *path, Bytes **ret) {
        _cleanup_close_ int opened = -EBADF;
        int r;

        *ret = NULL;
        if (!path)
                return 0;
        if (!streq(path, "-")) {
                opened = open(path, O_RDONLY | O_CLOEXEC);
                if (opened < 0) {
                        r = -errno;
                        complain("%s cannot be read: %m", path);
                        return r;
                }
        }
        r = read_all(opened >= 0 ? opened : STDIN_FILENO, ret);
        if (r < 0)
                complain("%s cannot be read: %s", path, strerror(-r));
        return r;
}
