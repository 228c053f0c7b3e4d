/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A run goes from script to script. Whatever happens to a script it goes on to the next, as libvirt
 * does; only we ourselves end it earlier: on a time-out, on Cancel, or where a script could not be
 * started at all.
 */

#include "run.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-id128.h>

#include "bus-names.h"
#include "environment.h"
#include "log.h"
#include "script-error.h"
#include "text.h"

#define OUTPUT_TAIL 4096U /* bytes kept of an output that nobody asked for */

HookEffect run_effect(const Run *run) {
        if (run->outcome == RUN_SUCCESS || run->outcome == RUN_NO_SCRIPT)
                return HOOK_EFFECT_PROCEED;
        return run->request->operation.on_failure;
}

static uint64_t timeval_usec(const struct timeval *t) {
        return (uint64_t) t->tv_sec * USEC_PER_SEC + (uint64_t) t->tv_usec;
}

static const ScriptLimits *limits(const Run *run) {
        return &run->context->settings->scripts[run->request->operation.type];
}

static const char *type_name(const Run *run) {
        return hook_type_to_string(run->request->operation.type);
}

int run_new(Run **ret, const RunContext *context, Request *request, Caller *caller) {
        sd_id128_t id;
        Run *run;
        int r;

        /* libuuid's own asks for the time, the process and its parents each time. */
        r = sd_id128_randomize(&id);
        if (r < 0) {
                request_free(request);
                return r;
        }
        run = malloc(sizeof(Run));
        if (!run) {
                request_free(request);
                return -ENOMEM;
        }
        *run = (Run){
                .request = request,
                .caller = caller_ref(caller),
                .started_fd = -EBADF,
                .queued_at = now_usec(CLOCK_REALTIME),
                .context = context,
        };
        (void) sd_id128_to_uuid_string(id, run->id);
        *ret = run;
        return 0;
}

Run *run_free(Run *run) {
        if (!run)
                return NULL;
        process_free(run->process);
        cgroup_free(run->cgroup);
        sd_event_source_disable_unref(run->timeout_source);
        sd_event_source_disable_unref(run->warn_source);
        sd_event_source_disable_unref(run->kill_source);
        for (unsigned i = 0; i < run->scripts; i++) {
                free(run->results[i].error);
                free(run->results[i].output);
        }
        free(run->results);
        script_list_clear(&run->list);
        strv_free(run->environment);
        bytes_unref(run->current);
        bytes_unref(run->output);
        free(run->message);
        free(run->reason);
        free(run->remedy);
        close_fd(run->started_fd);
        request_free(run->request);
        caller_unref(run->caller);
        free(run);
        return NULL;
}

pid_t run_pid(const Run *run) {
        return run->process ? run->process->pid : 0;
}

/*
 * Keeps why the run failed, in place of an earlier failure. MESSAGE, REASON and REMEDY are taken;
 * NULL is short memory, and then the outcome must do, or that there is no remedy.
 */
static void run_fail(Run *run, RunOutcome outcome, const char *error_name, char *message,
                     char *reason, char *remedy) {
        run->failed = true;
        run->outcome = outcome;
        run->status = 0;
        run->error_name = error_name;
        free(run->message);
        free(run->reason);
        free(run->remedy);
        run->message = message;
        run->reason = reason;
        run->remedy = remedy;
        run->failure = NULL;
}

/*
 * As run_fail(), for trouble whose message is the reason with the object before it and the remedy
 * behind.
 */
_printf_(5, 6)
static void run_fail_with(Run *run, RunOutcome outcome, const char *error_name, const char *remedy,
                          const char *format, ...) {
        char *reason;
        va_list arguments;

        va_start(arguments, format);
        reason = text_vformat(format, arguments);
        va_end(arguments);
        run_fail(run, outcome, error_name,
                 text_format("The %s hook '%s' for '%s': %s: %s", type_name(run),
                             run->request->operation.name, run->request->object,
                             reason ? reason : run_outcome_to_string(outcome), remedy),
                 reason, strdup(remedy));
}

uint64_t run_duration(const Run *run) {
        if (run->finished)
                return run->duration;
        return run->started > 0 ? now_usec(CLOCK_MONOTONIC) - run->started : 0;
}

static void run_finish(Run *run) {
        run->timeout_source = sd_event_source_disable_unref(run->timeout_source);
        run->warn_source = sd_event_source_disable_unref(run->warn_source);
        run->kill_source = sd_event_source_disable_unref(run->kill_source);
        run->started_fd = close_fd(run->started_fd); /* nothing more will be started */
        run->duration = run_duration(run);
        run->finished = true;
        run->current = bytes_unref(run->current);
        if (run->failed)
                run->output = bytes_unref(run->output);
        run->done(run, run->userdata);
}

/* The end of a chain without failures: what it printed must be something to go on with. */
static void run_check_output(Run *run) {
        _cleanup_free_ char *problem = NULL;
        const Settings *settings = run->context->settings;
        DocumentLimits output_limits = { settings->max_output, settings->document.depth };
        int r;

        if (!run->output || !run->request->check_output)
                return;
        r = run->request->check_output(run->request, run->output->data, run->output->size,
                                       &output_limits, &problem);
        /* What is wrong may show what the script printed: that is for the caller alone, and the
         * reason is for all. */
        if (r == -EBADMSG) {
                _cleanup_free_ char *remedy = text_format(
                        "it %s; print a domain with the same name and uuid, or nothing", problem);

                run_fail_with(run, RUN_INVALID_OUTPUT, ERROR_INVALID_OUTPUT,
                              remedy ? remedy : "print a domain, or nothing",
                              "the output of its scripts is no document of the same domain");
        } else if (r < 0)
                run_fail_with(run, RUN_REFUSED, ERROR_SCRIPT_REFUSED, "try again",
                              "the output of its scripts could not be checked: %s", strerror(-r));
}

/* Keeps what the script did, for those who ask later. Text that does not fit into memory is lost.
 */
static const ScriptResult *run_take_result(Run *run, const Script *script) {
        ScriptResult *result = &run->results[run->scripts++];
        Process *process = run->process;
        Capture end = { .tail_max = OUTPUT_TAIL };

        *result = (ScriptResult){
                .path = script->path,
                .status = process->status,
                .lost = process->lost,
                .started = process->started_at,
                .duration = process->ended - process->started,
                .user = timeval_usec(&process->usage.ru_utime),
                .system = timeval_usec(&process->usage.ru_stime),
                .error_total = process->error.total,
                .output_total = process->output.total,
        };
        if (process->error.total > 0)
                (void) capture_text(&process->error, &result->error, &result->error_size);
        /* A filter's output was kept from its start. */
        capture_append(&end, process->output.head, process->output.head_size);
        end.total = process->output.total;
        if (process->output.total > 0)
                (void) capture_text(process->output.tail ? &process->output : &end, &result->output,
                                    &result->output_size);
        capture_clear(&end);
        return result;
}

static void run_take_failure(Run *run, const Script *script, const ScriptResult *result) {
        char *const *environment =
                run->request->environment ? run->request->environment : run->context->environment;
        int status = result->status;

        run_fail(run, WIFEXITED(status) ? RUN_FAILED : RUN_KILLED, ERROR_SCRIPT_FAILED,
                 script_error_message(environment, run->argv, status, result->error,
                                      result->error_size),
                 script_error_reason(script->name, status), NULL);
        run->status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
        run->failure = result;
}

/*
 * Nobody knows how the script ended: that is our trouble, and no verdict, so it does not replace
 * one.
 */
static void run_take_loss(Run *run, const Script *script) {
        if (run->failed)
                return;
        run_fail_with(run, RUN_REFUSED, ERROR_SCRIPT_REFUSED,
                      "see what it did, and call again if it should run again",
                      "%s has run, but how it ended is not known: another process waited for it",
                      script->name);
}

/*
 * A successful filter's output is the next one's input, unless it is blank. It ends at its first
 * NUL, as a C string does.
 */
static void run_take_output(Run *run, const Script *script) {
        Capture *output = &run->process->output;
        Bytes *bytes;
        int r;

        r = capture_take_document(output, &bytes);
        if (r == -E2BIG)
                run_fail_with(run, RUN_INVALID_OUTPUT, ERROR_INVALID_OUTPUT,
                              "print less, or raise MaxOutput= in virt-hooks.conf",
                              "%s printed %" PRIu64 " bytes, more than the %" PRIu64
                              " that are allowed",
                              script->name, output->total, run->context->settings->max_output);
        else if (r < 0)
                run_fail_with(run, RUN_REFUSED, ERROR_SCRIPT_REFUSED, "try again",
                              "the output of %s did not fit into memory", script->name);
        if (r < 0 || !bytes)
                return;
        bytes_unref(run->output);
        run->output = bytes;
        bytes_unref(run->current);
        run->current = bytes_ref(bytes);
}

/* Where nothing has run yet the caller may as well try elsewhere; afterwards it must not. */
static void run_fail_to_start(Run *run, const Script *script, int r) {
        const char *remedy = "the machine is short of processes, memory or descriptors";

        if (r == -ECANCELED)
                run_fail_with(run, RUN_REFUSED, ERROR_SCRIPT_REFUSED, remedy,
                              "%s had begun, but could not be watched, and was ended",
                              script->name);
        else
                run_fail_with(run, RUN_REFUSED,
                              run->scripts == 0 ? ERROR_LIMIT_EXCEEDED : ERROR_SCRIPT_REFUSED,
                              remedy, "%s could not be started: %s", script->name, strerror(-r));
}

static void run_next(Run *run);

static void on_process_done(Process *process, void *userdata) {
        Run *run = userdata;
        const Script *script = &run->list.scripts[run->scripts];
        const ScriptResult *result;
        int r = process_start_error(process);

        if (r < 0) {
                run->process = process_free(process);
                if (!run->ending)
                        run_fail_to_start(run, script, r);
                run_finish(run);
                return;
        }

        result = run_take_result(run, script);
        log_debug("%s %s %s: %s has ended (wait status 0x%04x, %" PRIu64 " ms)", type_name(run),
                  run->request->object, run->request->operation.name, script->path,
                  (unsigned) result->status, result->duration / USEC_PER_MSEC);

        if (!run->ending) {
                if (process->lost)
                        run_take_loss(run, script);
                else if (process_failed(process))
                        run_take_failure(run, script, result);
                else if (run->request->operation.filter && !run->failed)
                        run_take_output(run, script);
        }
        run->process = process_free(process);
        if (run->failed && run->request->document) {
                bytes_unref(run->current);
                run->current = bytes_ref(run->request->document);
        }
        run_next(run);
}

/* Opened anew, a pipe is non-blocking for us alone. */
static int write_to_pipe(int fd) {
        _cleanup_close_ int own = -EBADF;
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (own < 0)
                return -errno;
        return write(own, "s", 1) < 0 ? -errno : 0;
}

/* Whether R, of a pipe or a socket, says that there is nobody at the other end. */
static bool is_gone(int r) {
        return r == -EPIPE || r == -ENXIO || r == -ECONNRESET || r == -ECONNREFUSED;
}

/*
 * Whoever asked is told that from now on a script may have run. The descriptor is the caller's: it
 * must not block us, nor be changed. Returns false where the run has failed over it. The caller may
 * have given up and closed its end: then it may be running the scripts itself, and they must not
 * run twice. Neither must they where it does not get to know that they run.
 */
static bool tell_started(Run *run) {
        _cleanup_close_ int fd = TAKE_FD(run->started_fd);
        int r = 0;

        if (fd < 0)
                return true;
        if (send(fd, "s", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                r = errno == ENOTSOCK ? write_to_pipe(fd) : -errno;
        if (is_gone(r))
                run_fail_with(run, RUN_CANCELLED, ERROR_CANCELLED, "call again if it should run",
                              "the caller gave up before the first script was started");
        else if (r != -EAGAIN && errno_is_shortage(r))
                run_fail_with(run, RUN_REFUSED, ERROR_LIMIT_EXCEEDED,
                              "the machine is short of memory or descriptors",
                              "the caller could not be told that the scripts start: %s",
                              strerror(-r));
        else if (r < 0)
                log_warning("%s %s: the caller could not be told that the scripts start, "
                            "ignoring: %s",
                            type_name(run), run->request->object, strerror(-r));
        return run->outcome != RUN_CANCELLED && run->outcome != RUN_REFUSED;
}

static int spawn(Run *run, const Script *script) {
        const Settings *settings = run->context->settings;
        bool filter = run->request->operation.filter;
        const ProcessSpec spec = {
                .name = script->path,
                .argv = run->argv,
                .envp = run->environment,
                .input = run->current,
                .output_head = filter ? settings->max_output : 0,
                .output_tail = filter ? 0 : OUTPUT_TAIL,
                .error_max = settings->max_stderr,
                .output_grace = filter ? limits(run)->output_grace : 0,
                .error_grace = limits(run)->error_grace,
                .cgroup = run->cgroup,
                .drain = run->context->drain,
        };
        int r;

        run->argv[0] = script->path;
        r = process_spawn(&run->process, run->context->event, &spec, on_process_done, run);
        if (r >= 0)
                log_debug("%s %s %s: %s runs as pid %d", type_name(run), run->request->object,
                          run->request->operation.name, script->path, (int) run_pid(run));
        return r;
}

static void run_next(Run *run) {
        const Script *script;
        int r;

        if (run->ending || run->scripts >= run->list.n) {
                if (!run->ending && !run->failed)
                        run_check_output(run);
                run_finish(run);
                return;
        }

        script = &run->list.scripts[run->scripts];
        r = spawn(run, script);
        if (r < 0) {
                run_fail_to_start(run, script, r);
                run_finish(run);
        }
}

/* TERM now, KILL when the grace is over. */
static int on_kill(sd_event_source *source, uint64_t usec, void *userdata) {
        Run *run = userdata;

        process_kill(run->process, SIGKILL);
        return 0;
}

static void run_end_scripts(Run *run) {
        uint64_t grace = limits(run)->kill_after;

        run->ending = true;
        if (!run->process)
                return;
        process_kill(run->process, SIGTERM);
        if (grace == UINT64_MAX)
                return;
        if (sd_event_add_time_relative(run->context->event, &run->kill_source, CLOCK_MONOTONIC,
                                       grace, 1, on_kill, run) < 0)
                process_kill(run->process, SIGKILL);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Run *run = userdata;
        char remedy[128];

        if (run->ending)
                return 0;
        (void) snprintf(remedy, sizeof(remedy),
                        "mend the script, or give it more time than the %.10g s that %s",
                        (double) run->time_limit / USEC_PER_SEC,
                        run->request->timeout > 0 ? "the caller has set"
                                                  : "Timeout= in virt-hooks.conf allows");
        run_fail_with(run, RUN_TIMED_OUT, ERROR_TIMED_OUT, remedy, "%s timed out",
                      run->list.scripts[run->scripts].name);
        run_end_scripts(run);
        return 0;
}

void run_cancel(Run *run, const char *why) {
        if (run->ending)
                return;
        run_fail_with(run, RUN_CANCELLED, ERROR_CANCELLED, "call again if it should run",
                      "%s while %s ran", why, run->list.scripts[run->scripts].name);
        run_end_scripts(run);
}

static int on_warn(sd_event_source *source, uint64_t usec, void *userdata) {
        Run *run = userdata;

        if (run->context->lasts)
                run->context->lasts(run, limits(run)->warn_after);
        return 0;
}

/* AFTER microseconds from now, unless that is never. */
static void run_add_timer(Run *run, sd_event_source **source, uint64_t after, uint64_t accuracy,
                          sd_event_time_handler_t handler) {
        int r;

        if (after > UINT64_MAX / 2) /* infinity, or as good as that */
                return;
        r = sd_event_add_time_relative(run->context->event, source, CLOCK_MONOTONIC, after,
                                       accuracy, handler, run);
        if (r < 0)
                log_warning("%s %s: the run cannot be timed, ignoring: %s", type_name(run),
                            run->request->object, strerror(-r));
}

static void run_set_timers(Run *run) {
        run->time_limit = run->request->timeout > 0 ? run->request->timeout : limits(run)->timeout;
        run_add_timer(run, &run->timeout_source, run->time_limit, 1, on_timeout);
        run_add_timer(run, &run->warn_source, limits(run)->warn_after, 0, on_warn);
}

/* One for all scripts of the run. Without it the run can still be ended, but for what has detached
 * itself. */
static void run_enter_cgroup(Run *run) {
        int r;

        if (!run->context->cgroups)
                return;
        r = cgroup_new(&run->cgroup, run->context->cgroups, run->id);
        if (r < 0)
                log_warning("%s %s: there is no cgroup for the run, doing without: %s",
                            type_name(run), run->request->object, strerror(-r));
}

/* Finds what to run. Returns false where the run has failed over it. */
static bool run_find_scripts(Run *run) {
        int r;

        r = scripts_find(run->context->scripts, run->request->operation.type, false, &run->list);
        if (r >= 0 && run->list.n > 0) {
                run->results = calloc(run->list.n, sizeof(ScriptResult));
                r = run->results ? environment_for_run(&run->environment,
                                                       run->request->environment
                                                               ? run->request->environment
                                                               : run->context->environment,
                                                       run->id)
                                 : -ENOMEM;
        }
        if (r == -EBUSY) {
                run_fail_with(run, RUN_REFUSED, ERROR_LIMIT_EXCEEDED,
                              "call again; if it lasts, 'virt-hooks check' as root takes back what "
                              "was broken off",
                              "its scripts are on the move between libvirt's folder and the "
                              "service's");
                return false;
        }
        if (r < 0) {
                run_fail_with(run, RUN_REFUSED,
                              errno_is_shortage(r) ? ERROR_LIMIT_EXCEEDED : ERROR_SCRIPT_REFUSED,
                              "mend it, so that no guard is passed over",
                              "its scripts cannot be looked up: %s", strerror(-r));
                return false;
        }
        for (size_t i = 0; i < run->list.n; i++)
                if (run->list.scripts[i].unsafe) {
                        run_fail_with(run, RUN_REFUSED, ERROR_SCRIPT_REFUSED,
                                      "Ownership=libvirt in virt-hooks.conf lets it run as it is",
                                      "%s is not safe to run: %s", run->list.scripts[i].name,
                                      run->list.scripts[i].why_not);
                        return false;
                }
        return true;
}

void run_start(Run *run, run_done_t done, void *userdata) {
        Request *request = run->request;

        run->done = done;
        run->userdata = userdata;
        run->started = now_usec(CLOCK_MONOTONIC);
        run->started_at = now_usec(CLOCK_REALTIME);
        if (!run_find_scripts(run)) {
                run_finish(run);
                return;
        }
        if (run->list.n == 0) {
                run->outcome = RUN_NO_SCRIPT;
                run_finish(run);
                return;
        }

        run->argv[1] = request->object;
        run->argv[2] = (char *) request->operation.name;
        run->argv[3] = request->suboperation;
        run->argv[4] = request->extra;
        if (request->document)
                run->current = bytes_ref(request->document);
        if (!tell_started(run)) {
                run_finish(run);
                return;
        }
        run_enter_cgroup(run);
        run_set_timers(run);
        run_next(run);
}
