/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "proc-stat.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool proc_stat_read(pid_t pid, ProcStat *ret) {
        char path[64], stat[512], *end;
        FILE *file;
        size_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        file = fopen(path, "re");
        if (!file)
                return false;
        n = fread(stat, 1, sizeof(stat) - 1, file);
        (void) fclose(file);
        stat[n] = '\0';
        end = strrchr(stat, ')'); /* the process's name may have any characters, parentheses too */
        /* From the third field on; the 22nd is the time of the start. */
        return end &&
               sscanf(end,
                      ") %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
                      "%llu",
                      &ret->state, &ret->parent, &ret->group, &ret->started) == 4;
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
