/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Children of the benchmark.
 */

#include "spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "fatal.h"

static char *const script_environment[] = {
        (char *) "LC_ALL=C",
        (char *) "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        (char *) "HOME=/root",
        (char *) "USER=root",
        (char *) "LOGNAME=root",
        NULL,
};

void spawn_start(Spawn *spawn, const char *path, char *const *envp) {
        char *const argv[] = { (char *) path,    (char *) "guest", (char *) "prepare",
                               (char *) "begin", (char *) "-",     NULL };
        posix_spawn_file_actions_t actions;
        int in[2], out[2], err[2], r;

        must_sys(pipe2(in, O_CLOEXEC), "pipe");
        must_sys(pipe2(out, O_CLOEXEC), "pipe");
        must_sys(pipe2(err, O_CLOEXEC), "pipe");
        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
        (void) posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
        (void) posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
        r = posix_spawn(&spawn->pid, path, &actions, NULL, argv, envp ? envp : script_environment);
        (void) posix_spawn_file_actions_destroy(&actions);
        must(-r, path);
        (void) close(in[0]);
        (void) close(out[1]);
        (void) close(err[1]);
        spawn->input_fd = in[1];
        spawn->output_fd = out[0];
        spawn->error_fd = err[0];
}

/* Returns what is left of SIZE. */
static size_t feed(Spawn *spawn, const char **document, size_t size) {
        ssize_t n = write(spawn->input_fd, *document, size);

        if (n < 0 && errno == EAGAIN)
                return size;
        *document += n > 0 ? n : 0;
        return n < 0 ? 0 : size - (size_t) n;
}

static void swallow(int *fd) {
        char buffer[65536];
        ssize_t n = read(*fd, buffer, sizeof(buffer));

        if (n == 0 || (n < 0 && errno != EINTR))
                *fd = close_fd(*fd);
}

void spawn_finish(Spawn *spawn, const char *document, size_t size) {
        int status;

        must_sys(fcntl(spawn->input_fd, F_SETFL, O_NONBLOCK), "a pipe");
        while (spawn->input_fd >= 0 || spawn->output_fd >= 0 || spawn->error_fd >= 0) {
                struct pollfd fds[] = {
                        { .fd = spawn->output_fd, .events = POLLIN },
                        { .fd = spawn->error_fd, .events = POLLIN },
                        { .fd = spawn->input_fd, .events = POLLOUT },
                };

                if (spawn->input_fd >= 0) {
                        size = feed(spawn, &document, size);
                        if (size == 0) {
                                spawn->input_fd = close_fd(spawn->input_fd);
                                continue;
                        }
                }
                must_sys(poll(fds, ELEMENTS(fds), -1), "poll");
                if (fds[0].revents)
                        swallow(&spawn->output_fd);
                if (fds[1].revents)
                        swallow(&spawn->error_fd);
        }
        must_sys(waitpid(spawn->pid, &status, 0), "waitpid");
        if (status != 0)
                fatal("a script that should succeed ended with the status 0x%x", (unsigned) status);
}

void spawn_run(const char *path, char *const *envp, const char *document, size_t size) {
        Spawn spawn;

        spawn_start(&spawn, path, envp);
        spawn_finish(&spawn, document, size);
}

pid_t spawn_program(char *const *argv, char *const *envp, int fd, int listen_fd) {
        pid_t parent = getpid(), pid = (pid_t) must_sys(fork(), "fork");
        char number[64];

        if (pid != 0)
                return pid;
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(EXIT_FAILURE);
        (void) signal(SIGINT, SIG_DFL);
        (void) signal(SIGTERM, SIG_DFL);
        (void) dup2(fd, STDOUT_FILENO);
        (void) dup2(fd, STDERR_FILENO);
        for (char *const *e = envp; e && *e; e++)
                (void) putenv(*e);
        if (listen_fd >= 0) {
                /* dup2() of a descriptor to itself would leave it to be closed. */
                (void) dup2(listen_fd, 9);
                (void) dup2(9, 3);
                (void) close(9);
                (void) snprintf(number, sizeof(number), "%d", (int) getpid());
                (void) setenv("LISTEN_PID", number, 1);
                (void) setenv("LISTEN_FDS", "1", 1);
        }
        (void) execvp(argv[0], argv);
        _exit(127);
}

void spawn_end_program(pid_t pid) {
        for (unsigned i = 0; i < 1000; i++) {
                /* The second tells our service to hurry. */
                if (i < 2)
                        (void) kill(pid, SIGTERM);
                (void) usleep(10000);
                if (waitpid(pid, NULL, WNOHANG) != 0)
                        return;
        }
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}
