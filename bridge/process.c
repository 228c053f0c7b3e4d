/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One child. Its end is seen through the pidfd. What it has written by then is read at once; what
 * it had better write to the end of is waited for, but not longer than its grace.
 */

#include "process.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "descriptors.h"
#include "log.h"
#include "proc-stat.h"

#define READ_SIZE     (64U * 1024U)
#define REST_POLL     (20U * USEC_PER_MSEC)
#define SPLICE_MIN    (32U * 1024U) /* a smaller document is copied as fast */
#define PIPE_SIZE_MAX (1024 * 1024) /* what an unprivileged user may ask for by default */

static int make_pipe(int *ret_read, int *ret_write) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        *ret_read = fds[0];
        *ret_write = fds[1];
        return descriptors_are_short(fds[1]) ? -EMFILE : 0;
}

static int set_nonblocking(int fd) {
        int flags = fcntl(fd, F_GETFL);

        return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static void input_close(Process *process) {
        process->input_source = sd_event_source_disable_unref(process->input_source);
        process->input_fd = close_fd(process->input_fd);
        process->input = bytes_unref(process->input);
}

/*
 * As write(2). Pages that nobody ever changes go into the pipe as they are, and are copied once,
 * when the script reads them.
 */
static ssize_t input_write_some(const Process *process) {
        const char *data = process->input->data + process->input_done;
        size_t left = process->input->size - process->input_done;
        struct iovec pages = { (void *) data, left };
        ssize_t n = -1;

        if (process->input->is_sealed && left > SPLICE_MIN) {
                n = vmsplice(process->input_fd, &pages, 1, SPLICE_F_NONBLOCK);
                if (n > 0 || errno == EAGAIN || errno == EINTR || errno == EPIPE)
                        return n;
        }
        return write(process->input_fd, data, left);
}

/*
 * Writes what the pipe takes. A reader that is gone is no error: a script need not read its
 * document.
 */
static void input_write(Process *process) {
        while (process->input_done < process->input->size) {
                ssize_t n = input_write_some(process);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return;
                if (n < 0)
                        break;
                process->input_done += (size_t) n;
        }
        input_close(process);
}

static int on_input_writable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        input_write(userdata);
        return 0;
}

/* Reads once. Returns the read's result: 0 at the end of file, -EAGAIN where nothing is there. */
static ssize_t pipe_read(int fd, Capture *capture) {
        static char buffer[READ_SIZE]; /* on the stack all its pages would be touched each time */
        ssize_t n;

        n = read(fd, buffer, sizeof(buffer));
        if (n < 0)
                return errno == EINTR ? -EAGAIN : -errno;
        capture_append(capture, buffer, (size_t) n);
        return n;
}

static void output_close(sd_event_source **source, int *fd) {
        *source = sd_event_source_disable_unref(*source);
        *fd = close_fd(*fd);
}

/* Hands a pipe that still has a writer to whoever reads on. */
static void output_hand_over(Process *process, sd_event_source **source, int *fd) {
        *source = sd_event_source_disable_unref(*source);
        if (*fd >= 0)
                drain_add(process->drain, TAKE_FD(*fd), process->name);
}

/* NULL where the child has none, or could not enter it: its group must do, then. */
static const Cgroup *cgroup_of(const Process *process) {
        return process->birth.outside_cgroup ? NULL : process->cgroup;
}

static void signal_all(const Process *process, int signal) {
        /* Until we wait for the child nobody else gets its number, nor its group's. It makes the
         * group itself, and may not have come to that. */
        if (!process->lost && kill(-process->pid, signal) < 0 && errno == ESRCH)
                (void) kill(process->pid, signal);
        if (cgroup_of(process))
                cgroup_signal(cgroup_of(process), signal);
}

static void reap(const Process *process) {
        while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

static void process_finish(Process *process) {
        process->grace_source = sd_event_source_disable_unref(process->grace_source);
        process->rest_source = sd_event_source_disable_unref(process->rest_source);
        process->pid_source = sd_event_source_disable_unref(process->pid_source);
        if (process->ending)
                signal_all(process, SIGKILL); /* who was born since we looked */
        reap(process);
        process->reaped = true;
        input_close(process);
        output_hand_over(process, &process->output_source, &process->output_fd);
        output_hand_over(process, &process->error_source, &process->error_fd);
        process->done(process, process->userdata);
}

int process_start_error(const Process *process) {
        int error = process->birth.error;

        return error == ENOMEM || error == EAGAIN || error == ENFILE || error == EMFILE ? -error
                                                                                        : 0;
}

bool process_failed(const Process *process) {
        return process->lost || !WIFEXITED(process->status) || WEXITSTATUS(process->status) != 0;
}

/* The pipe whose text still counts, and for how long. Returns -EBADF where none does. */
static int awaited_pipe(const Process *process, uint64_t *ret_grace) {
        *ret_grace = process_failed(process) ? process->error_grace : process->output_grace;
        if (*ret_grace == 0)
                return -EBADF;
        return process_failed(process) ? process->error_fd : process->output_fd;
}

/* A pipe came to its end: after the child's, this may be what was waited for. */
static void maybe_finish(Process *process) {
        uint64_t grace;

        if (process->exited && !process->ending && awaited_pipe(process, &grace) < 0)
                process_finish(process);
}

static int on_output_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Process *process = userdata;
        ssize_t n = pipe_read(fd, &process->output);

        if (n == 0 || (n < 0 && n != -EAGAIN)) {
                output_close(&process->output_source, &process->output_fd);
                maybe_finish(process);
        }
        return 0;
}

static int on_error_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Process *process = userdata;
        ssize_t n = pipe_read(fd, &process->error);

        if (n == 0 || (n < 0 && n != -EAGAIN)) {
                output_close(&process->error_source, &process->error_fd);
                maybe_finish(process);
        }
        return 0;
}

static int on_grace_over(sd_event_source *source, uint64_t usec, void *userdata) {
        process_finish(userdata);
        return 0;
}

/*
 * Reads what the ended child left in the pipe: it is at most what the pipe holds, so that a
 * background child that goes on writing does not keep us here.
 */
static void read_rest(sd_event_source **source, int *fd, Capture *capture) {
        int left;
        ssize_t n;

        if (*fd < 0)
                return;
        left = fcntl(*fd, F_GETPIPE_SZ);
        do {
                n = pipe_read(*fd, capture);
                left -= (int) n;
        } while (n > 0 && left > 0);
        if (n == 0 || (n < 0 && n != -EAGAIN))
                output_close(source, fd);
}

/* Whether anything of what the child started lives that is to end. */
static bool has_rest(const Process *process) {
        return cgroup_of(process) ? cgroup_is_populated(cgroup_of(process))
                                  : !process->lost && proc_group_has_others(process->pid);
}

static int on_rest_poll(sd_event_source *source, uint64_t usec, void *userdata) {
        Process *process = userdata;

        if (!process->exited)
                return 0;
        if (process->killed || !has_rest(process) ||
            sd_event_source_set_time_relative(source, REST_POLL) < 0 ||
            sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) < 0)
                process_finish(process);
        return 0;
}

/*
 * Looks, from the event loop, whether there is still something to wait for. The kernel tells us of
 * the child's end, but not of that of its group, hence the clock.
 */
static bool poll_rest(Process *process) {
        int r;

        if (process->rest_source) {
                r = sd_event_source_set_time_relative(process->rest_source, 0);
                if (r >= 0)
                        r = sd_event_source_set_enabled(process->rest_source, SD_EVENT_ONESHOT);
        } else
                r = sd_event_add_time_relative(process->event, &process->rest_source,
                                               CLOCK_MONOTONIC, 0, 1, on_rest_poll, process);
        if (r < 0)
                log_warning("%s: the end of what it started cannot be watched, ignoring: %s",
                            process->name, strerror(-r));
        return r >= 0;
}

/*
 * Learns how the child ended, but leaves it to be waited for: as long as it is there, its number is
 * its own, and its group can be signalled. Returns false where it has not ended.
 */
static bool child_status(Process *process) {
        siginfo_t info = { 0 };
        long r;

        /* The system call tells of the times, too; glibc's function does not. */
        r = syscall(SYS_waitid, P_PID, process->pid, &info, WEXITED | WNOWAIT | WNOHANG,
                    &process->usage);
        if (r < 0 && errno == EINTR)
                return false;
        if (r < 0) {
                log_error("%s: its end was lost: %m", process->name);
                process->lost = true;
                return true;
        }
        if (info.si_pid == 0)
                return false;
        process->status = info.si_code == CLD_EXITED   ? W_EXITCODE(info.si_status, 0)
                          : info.si_code == CLD_DUMPED ? info.si_status | WCOREFLAG
                                                       : info.si_status;
        return true;
}

static int on_child_exit(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Process *process = userdata;
        uint64_t grace;
        int r;

        if (!child_status(process))
                return 0;
        process->exited = true;
        process->ended = now_usec(CLOCK_MONOTONIC);
        process->pid_source = sd_event_source_disable_unref(process->pid_source);
        process->pid_fd = close_fd(process->pid_fd);

        read_rest(&process->output_source, &process->output_fd, &process->output);
        read_rest(&process->error_source, &process->error_fd, &process->error);

        if (process->ending) {
                if (!poll_rest(process))
                        process_finish(process);
                return 0;
        }
        if (awaited_pipe(process, &grace) < 0) {
                process_finish(process);
                return 0;
        }
        if (grace == UINT64_MAX)
                return 0;
        r = sd_event_add_time_relative(process->event, &process->grace_source, CLOCK_MONOTONIC,
                                       grace, 1, on_grace_over, process);
        if (r < 0) {
                log_warning("%s: the grace for its output cannot be timed, doing without: %s",
                            process->name, strerror(-r));
                process_finish(process);
        }
        return 0;
}

/*
 * The document goes into the pipe before the child exists where it fits: most do, and then there is
 * nothing left to watch.
 */
static int prepare_input(Process *process, int *ret_child_fd) {
        int r;

        if (!process->input) {
                *ret_child_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
                return *ret_child_fd < 0 ? -errno : 0;
        }
        r = make_pipe(ret_child_fd, &process->input_fd);
        if (r < 0)
                return r;
        r = set_nonblocking(process->input_fd);
        if (r < 0)
                return r;
        if (process->input->size > READ_SIZE) /* refused is fine, too: then it takes more turns */
                (void) fcntl(process->input_fd, F_SETPIPE_SZ,
                             (int) MIN(process->input->size, PIPE_SIZE_MAX));
        input_write(process);
        return 0;
}

static int watch_pipes(Process *process) {
        int r;

        if (process->input_fd >= 0) {
                r = sd_event_add_io(process->event, &process->input_source, process->input_fd,
                                    EPOLLOUT, on_input_writable, process);
                if (r < 0)
                        return r;
        }
        r = sd_event_add_io(process->event, &process->output_source, process->output_fd, EPOLLIN,
                            on_output_readable, process);
        if (r < 0)
                return r;
        return sd_event_add_io(process->event, &process->error_source, process->error_fd, EPOLLIN,
                               on_error_readable, process);
}

static int start(Process *process, const ProcessSpec *spec) {
        _cleanup_close_ int input_fd = -EBADF, output_fd = -EBADF, error_fd = -EBADF;
        Birth birth;
        int r;

        r = prepare_input(process, &input_fd);
        if (r < 0)
                return r;
        r = make_pipe(&process->output_fd, &output_fd);
        if (r < 0)
                return r;
        r = make_pipe(&process->error_fd, &error_fd);
        if (r < 0)
                return r;
        r = set_nonblocking(process->output_fd);
        if (r < 0)
                return r;
        r = set_nonblocking(process->error_fd);
        if (r < 0)
                return r;

        r = watch_pipes(process);
        if (r < 0)
                return r;

        birth = (Birth){
                .argv = spec->argv,
                .envp = spec->envp,
                .input_fd = input_fd,
                .output_fd = output_fd,
                .error_fd = error_fd,
                .cgroup_fd = spec->cgroup ? cgroup_fd(spec->cgroup) : -EBADF,
                .result = &process->birth,
        };
        process->started = now_usec(CLOCK_MONOTONIC);
        process->started_at = now_usec(CLOCK_REALTIME);
        r = birth_start(&birth, &process->pid, &process->pid_fd);
        if (r < 0)
                return r;
        r = sd_event_add_io(process->event, &process->pid_source, process->pid_fd, EPOLLIN,
                            on_child_exit, process);
        return r < 0 ? -ECANCELED : 0;
}

int process_spawn(Process **ret, sd_event *event, const ProcessSpec *spec, process_done_t done,
                  void *userdata) {
        _cleanup_(process_free_pointer) Process *process = NULL;
        int r;

        process = malloc(sizeof(Process));
        if (!process)
                return -ENOMEM;
        *process = (Process){
                .output = { .head_max = spec->output_head, .tail_max = spec->output_tail },
                .error = { .head_max = spec->error_max - spec->error_max / 2,
                           .tail_max = spec->error_max / 2 },
                .event = sd_event_ref(event),
                .drain = spec->drain,
                .cgroup = spec->cgroup,
                .input = spec->input ? bytes_ref(spec->input) : NULL,
                .input_fd = -EBADF,
                .output_fd = -EBADF,
                .error_fd = -EBADF,
                .pid_fd = -EBADF,
                .output_grace = spec->output_grace,
                .error_grace = spec->error_grace,
                .done = done,
                .userdata = userdata,
        };
        process->name = strdup(spec->name);
        if (!process->name)
                return -ENOMEM;

        r = start(process, spec);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(process);
        return 0;
}

void process_kill(Process *process, int signal) {
        if (process->reaped)
                return;
        process->killed = process->killed || signal == SIGKILL;
        signal_all(process, signal);
        /* The end of the child is watched as it is. Afterwards, where nobody would see that of the
         * others, its text is still waited for, and those who could write any were told to end. */
        if (process->exited && !poll_rest(process))
                return;
        process->ending = true;
        process->grace_source = sd_event_source_disable_unref(process->grace_source);
}

Process *process_free(Process *process) {
        if (!process)
                return NULL;
        if (process->pid > 0 && !process->reaped) {
                if (!process->exited || process->ending)
                        signal_all(process, SIGKILL);
                reap(process);
        }
        sd_event_source_disable_unref(process->grace_source);
        sd_event_source_disable_unref(process->rest_source);
        sd_event_source_disable_unref(process->pid_source);
        input_close(process);
        output_close(&process->output_source, &process->output_fd);
        output_close(&process->error_source, &process->error_fd);
        close_fd(process->pid_fd);
        capture_clear(&process->output);
        capture_clear(&process->error);
        sd_event_unref(process->event);
        free(process->name);
        free(process);
        return NULL;
}
