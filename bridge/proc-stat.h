/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel says of a process.
 *
 * Source: proc(5), "/proc/pid/stat".
 */

#include <stdbool.h>
#include <sys/types.h>

typedef struct ProcStat {
        char state; /* 'Z' and 'X': it has ended */
        pid_t parent, group;
        unsigned long long started; /* clock ticks since the boot */
} ProcStat;

/* Reads what is known of PID. Returns false where there is no such process. */
bool proc_stat_read(pid_t pid, ProcStat *ret);

/*
 * Whether a process of GROUP but the one that has its number lives: one that has ended and was not
 * waited for does not. It looks at all processes of the machine, which takes milliseconds where
 * they are many.
 */
bool proc_group_has_others(pid_t group);
