/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The cgroup is below our own, in the second version's hierarchy, wherever that is mounted.
 */

#include "delegation.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "fatal.h"

static char *directory;
static pid_t owner;

/* The first line of FILE that has MARK, or NULL. */
static char *find_line(const char *file, const char *mark) {
        FILE *stream = fopen(file, "re");
        size_t allocated = 0;
        char *line = NULL;
        bool found = false;

        while (stream && !found && getline(&line, &allocated, stream) >= 0)
                found = strstr(line, mark);
        if (stream)
                (void) fclose(stream);
        if (!found) {
                free(line);
                return NULL;
        }
        return line;
}

/* A service that has not been ended yet goes first. */
static void delegation_remove(void) {
        _cleanup_free_ char *path = NULL;
        int fd;

        if (getpid() != owner)
                return;
        if (asprintf(&path, "%s/cgroup.kill", directory) >= 0) {
                fd = open(path, O_WRONLY | O_CLOEXEC);
                if (fd >= 0 && write(fd, "1", 1) < 0)
                        (void) fprintf(stderr, "bench: %s: %m\n", path);
                close_fd(fd);
        }
        for (unsigned i = 0; i < 100 && rmdir(directory) < 0 && errno == EBUSY; i++)
                (void) usleep(10000);
        free(directory);
}

static void delegation_make(void) {
        _cleanup_free_ char *mounts = find_line("/proc/self/mountinfo", " - cgroup2 "),
                            *own = find_line("/proc/self/cgroup", "0::/"), *mount = NULL;
        char *path;

        if (!mounts || !own || sscanf(mounts, "%*s %*s %*s %*s %ms", &mount) != 1)
                return;
        own[strcspn(own, "\n")] = '\0';
        if (asprintf(&path, "%s%s/virt-hooks-bench-%d", mount, own + strlen("0::"),
                     (int) getpid()) < 0)
                fatal("memory is short");
        if (mkdir(path, 0755) < 0) {
                free(path);
                return;
        }
        directory = path;
        owner = getpid();
        (void) atexit(delegation_remove);
}

const char *delegation_why_not(void) {
        static bool made;

        if (!made)
                delegation_make();
        made = true;
        if (!directory)
                return "none can be made here";
        return setxattr(directory, "trusted.delegate", "1", 1, 0) < 0 ? "none can be delegated here"
                                                                      : NULL;
}

const char *delegation_directory(void) {
        return directory;
}
