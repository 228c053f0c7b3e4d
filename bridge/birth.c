/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A child is started as posix_spawn() does it, in our memory until it executes, which costs the
 * same however large we are, and a fork() would not; posix_spawn() itself can neither set limits
 * nor give a pidfd. Unlike there nobody stands still meanwhile: where more want to run than there
 * are processors it takes milliseconds until a child has executed. So each has a stack of its own,
 * which the kernel says it has left, and makes only system calls, which leave errno alone.
 *
 * It is born in its cgroup. Who enters one waits until all processors have passed a quiet moment,
 * which takes ten milliseconds and more where that is not done all the time.
 *
 * Source: cgroup_attach_lock() and cgroup_css_set_fork() in Linux's kernel/cgroup/cgroup.c.
 */

#include "birth.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "child.h"
#include "descriptors.h"
#include "raw-syscall.h"
#include "util.h"
#include "valgrind.h"

#define STACK_SIZE ((size_t) 16 * 1024)

/* Where a child lives until it executes. */
typedef struct Cradle Cradle;

struct Cradle {
        alignas(64) char stack[STACK_SIZE];
        Birth birth;
        bool enters; /* its cgroup, and was not born there */
        int taken;   /* the kernel clears it when the child lets go of our memory */
        Cradle *next;
};

/* As many as there were children at a time that had not executed yet, since they were last given
 * back. */
static Cradle *cradles;

_in_child_ static void write_exec_error(const char *path, int error) {
        const char *description = strerrordesc_np(error);
        const struct iovec text[] = {
                { (void *) "libvirt:  error : cannot execute binary ", 40 },
                { (void *) path, strlen(path) },
                { (void *) ": ", 2 },
                { (void *) description, description ? strlen(description) : 0 },
                { (void *) "\n", 1 },
        };

        (void) raw_syscall(SYS_writev, STDERR_FILENO, (long) text, ELEMENTS(text), 0);
}

/* Makes the pipes the three standard descriptors, and closes all others. Returns 0; or a negative
 * errno where the limit of descriptors is in the way. */
_in_child_ static long set_standard_fds(const Birth *birth) {
        long fds[] = { birth->input_fd, birth->output_fd, birth->error_fd }, r;

        /* Out of the way first, where we were started without standard descriptors and a pipe got
         * their numbers. */
        for (size_t i = 0; i < ELEMENTS(fds); i++)
                if (fds[i] <= STDERR_FILENO) {
                        fds[i] = raw_syscall(SYS_fcntl, fds[i], F_DUPFD, 3, 0);
                        if (fds[i] < 0)
                                return fds[i];
                }
        for (size_t i = 0; i < ELEMENTS(fds); i++) {
                r = raw_syscall(SYS_dup3, fds[i], (long) i, 0, 0);
                if (r < 0)
                        return r;
        }
        (void) raw_syscall(SYS_close_range, 3, ~0U, 0, 0);
        return 0;
}

_in_child_ _Noreturn static void end(int status) {
        for (;;)
                (void) raw_syscall(SYS_exit_group, status, 0, 0, 0);
}

_in_child_ static bool enter_cgroup(int fd) {
        long list = raw_syscall(SYS_openat, fd, (long) "cgroup.procs", O_WRONLY | O_CLOEXEC, 0);

        return list >= 0 && raw_syscall(SYS_write, list, (long) "0", 1, 0) >= 0;
}

_in_child_ static int child(void *userdata) {
        const Cradle *cradle = userdata;
        const Birth *birth = &cradle->birth;
        long r;

        (void) raw_syscall(SYS_setsid, 0, 0, 0, 0);
        if (cradle->enters && !enter_cgroup(birth->cgroup_fd))
                birth->result->outside_cgroup = true;
        r = set_standard_fds(birth);
        if (r < 0) {
                birth->result->error = (int) -r;
                end(126);
        }
        if (raw_syscall(SYS_chdir, (long) "/", 0, 0, 0) < 0)
                end(126);
        (void) raw_syscall(SYS_umask, 0022, 0, 0, 0);
        descriptors_restore_limit();
        child_reset_signals();

        r = raw_syscall(SYS_execve, (long) birth->argv[0], (long) birth->argv, (long) birth->envp,
                        0);
        birth->result->error = (int) -r;
        write_exec_error(birth->argv[0], (int) -r);
        end(r == -ENOENT ? 127 : 126);
}

static bool cradle_is_taken(const Cradle *cradle) {
        return __atomic_load_n(&cradle->taken, __ATOMIC_ACQUIRE);
}

/* Takes one that is free, or makes one more. */
static Cradle *cradle_take(void) {
        Cradle *cradle = cradles;

        while (cradle && cradle_is_taken(cradle))
                cradle = cradle->next;
        if (!cradle) {
                cradle = aligned_alloc(alignof(Cradle), sizeof(Cradle));
                if (!cradle)
                        return NULL;
                cradle->next = cradles;
                cradles = cradle;
        }
        cradle->taken = true;
        return cradle;
}

/* Returns a negative errno where a kernel before 5.7 or a filter of system calls has no such thing,
 * or the cgroup is out of reach. */
static pid_t clone_into_cgroup(Cradle *cradle, int *ret_pid_fd) {
        const struct clone_args args = {
                .flags = CLONE_VM | CLONE_PIDFD | CLONE_CHILD_CLEARTID | CLONE_INTO_CGROUP,
                .pidfd = (uintptr_t) ret_pid_fd,
                .child_tid = (uintptr_t) &cradle->taken,
                .exit_signal = SIGCHLD,
                .stack = (uintptr_t) cradle->stack,
                .stack_size = STACK_SIZE,
                .cgroup = (unsigned) cradle->birth.cgroup_fd,
        };

        return (pid_t) raw_clone3(&args, child, cradle);
}

int birth_start(const Birth *birth, pid_t *ret_pid, int *ret_pid_fd) {
        bool goes_on = RAW_SYSCALL_KEEPS_ERRNO && !valgrind_is_used();
        int own = goes_on ? CLONE_CHILD_CLEARTID : CLONE_VFORK;
        Cradle *cradle = cradle_take();
        sigset_t all, before;
        pid_t pid = -ENOSYS;
        int r = 0;

        if (!cradle)
                return -ENOMEM;
        cradle->birth = *birth;
        cradle->enters = false;
        *birth->result = (BirthResult){};

        /* No signal may find the child in our memory. */
        (void) sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, &before);
        if (goes_on && birth->cgroup_fd >= 0)
                pid = clone_into_cgroup(cradle, ret_pid_fd);
        if (pid < 0) {
                cradle->enters = birth->cgroup_fd >= 0;
                pid = clone(child, cradle->stack + STACK_SIZE,
                            CLONE_VM | CLONE_PIDFD | SIGCHLD | own, cradle, ret_pid_fd, NULL,
                            &cradle->taken);
                r = pid < 0 ? -errno : 0;
        }
        (void) sigprocmask(SIG_SETMASK, &before, NULL);
        if (pid < 0 || !goes_on)
                cradle->taken = false;
        *ret_pid = pid;
        return r;
}

void birth_give_back(void) {
        Cradle **next = &cradles;

        while (*next) {
                Cradle *cradle = *next;

                if (cradle_is_taken(cradle)) {
                        next = &cradle->next;
                        continue;
                }
                *next = cradle->next;
                free(cradle);
        }
}
