/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A hook that is a program: reads its document, and appends the name of its object to the file that
 * the extra argument names.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
        char line[256], document[4096];
        int fd, n;

        if (argc != 5)
                return 2;
        while (read(STDIN_FILENO, document, sizeof(document)) > 0)
                ;
        n = snprintf(line, sizeof(line), "%s\n", argv[1]);
        fd = open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        return fd < 0 || write(fd, line, (size_t) n) != n;
}
