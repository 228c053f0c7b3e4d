/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Documents from files and pipes.
 */

#include "document-file.h"

#include <fcntl.h>

#include "complain.h"

#define DOCUMENT_MAX (64U * 1024U * 1024U) /* more than any service takes */

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
        r = bytes_new_read(ret, opened >= 0 ? opened : STDIN_FILENO, DOCUMENT_MAX);
        if (r < 0)
                complain("%s cannot be read: %s", path, strerror(-r));
        return r;
}
