/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A child between its clone and its execve().
 */

#include <stdbool.h>
#include <sys/types.h>

/* What the child has to tell of it. It is complete when the child has executed or ended. */
typedef struct BirthResult {
        int error;           /* the errno for which it could not execute; 0: it has, or will */
        bool outside_cgroup; /* it could not enter its cgroup */
} BirthResult;

/* What the child needs. */
typedef struct Birth {
        char *const *argv, *const *envp; /* must live until the child has executed or ended */
        int input_fd, output_fd, error_fd;
        int cgroup_fd;       /* of the cgroup to enter, or negative */
        BirthResult *result; /* must live as long; the child writes to it */
} Birth;

/*
 * Starts a child that executes argv[0], and does not wait until it has. One that cannot says so on
 * its standard error, as libvirt has it, and ends with 127 or 126. Returns 0 or a negative errno.
 */
int birth_start(const Birth *birth, pid_t *ret_pid, int *ret_pid_fd);

/* Gives back the memory that is kept for children to come. One that is being born keeps its own. */
void birth_give_back(void);
