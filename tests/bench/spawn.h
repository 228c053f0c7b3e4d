/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Scripts run without any service, as a program that does the least does it: posix_spawn, three
 * pipes, wait. That is the physical limit.
 */

#include <sys/types.h>

#include "util.h"

typedef struct Spawn {
        pid_t pid;
        int input_fd, output_fd, error_fd;
} Spawn;

/* Starts PATH with the arguments of qemu's hook. ENVP NULL: a script's own. */
void spawn_start(Spawn *spawn, const char *path, char *const *envp);

/* Feeds it DOCUMENT, reads all that it prints, waits for it, and dies unless it succeeded. */
void spawn_finish(Spawn *spawn, const char *document, size_t size);

/* Both. */
void spawn_run(const char *path, char *const *envp, const char *document, size_t size);

/* A program that runs until spawn_end_program(), and does not outlive us. ARGV[0] is looked for in
 * PATH. FD is its standard error and, unless LISTEN_FD is negative, LISTEN_FD its descriptor 3, as
 * from systemd. */
pid_t spawn_program(char *const *argv, char *const *envp, int fd, int listen_fd);
void spawn_end_program(pid_t pid);
