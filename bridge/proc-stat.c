/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "proc-stat.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "util.h"

/* Numbers of the fields, which begin with 1. */
enum {
        FIELD_PARENT = 4,
        FIELD_GROUP = 5,
        FIELD_STARTED = 22,
        FIELD_MAX,
};

/* STATE begins with the third field. It is called for each ancestor of a new caller, and sscanf()
 * takes five times as long. */
static bool parse(const char *state, ProcStat *ret) {
        unsigned long long fields[FIELD_MAX];
        const char *p = state + 1;

        for (size_t i = FIELD_PARENT; i < FIELD_MAX; i++) {
                char *end;

                fields[i] = strtoull(p, &end, 10);
                if (end == p)
                        return false;
                p = end;
        }
        *ret = (ProcStat){
                .state = *state,
                .parent = (pid_t) fields[FIELD_PARENT],
                .group = (pid_t) fields[FIELD_GROUP],
                .started = fields[FIELD_STARTED],
        };
        return true;
}

bool proc_stat_read(pid_t pid, ProcStat *ret) {
        _cleanup_close_ int fd = -EBADF;
        char path[64], stat[512], *end;
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        n = read(fd, stat, sizeof(stat) - 1); /* the kernel gives it at once */
        if (n < 0)
                return false;
        stat[n] = '\0';
        end = strrchr(stat, ')'); /* the process's name may have any characters, parentheses too */
        return end && strlen(end) > 2 && parse(end + 2, ret);
}

bool proc_group_has_others(pid_t group) {
        struct dirent *entry;
        bool found = false;
        ProcStat stat;
        DIR *directory;
        int pid;

        directory = opendir("/proc");
        if (!directory)
                return false;
        while (!found && (entry = readdir(directory))) {
                pid = atoi(entry->d_name);
                found = pid > 0 && pid != group && proc_stat_read(pid, &stat) &&
                        stat.group == group && stat.state != 'Z' && stat.state != 'X';
        }
        (void) closedir(directory);
        return found;
}
