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
#include <uuid.h>

#include "bus-names.h"
#include "environment.h"
#include "log.h"
#include "script-error.h"
#include "text.h"

#define OUTPUT_TAIL 4096U /* bytes kept of an output that nobody asked for */

static const char *const run_outcomes[RUN_OUTCOME_MAX] = {
        [RUN_SUCCESS] = "success",     [RUN_NO_SCRIPT] = "no-script",
        [RUN_FAILED] = "failed",       [RUN_KILLED] = "killed",
        [RUN_TIMED_OUT] = "timed-out", [RUN_CANCELLED] = "cancelled",
        [RUN_REFUSED] = "refused",     [RUN_INVALID_OUTPUT] = "invalid-output",
};

const char *run_outcome_to_string(RunOutcome outcome) {
        return run_outcomes[outcome];
}

HookEffect run_effect(const Run *run) {
        if (run->outcome == RUN_SUCCESS || run->outcome == RUN_NO_SCRIPT)
                return HOOK_EFFECT_PROCEED;
        return run->request->operation.on_failure;
}

static const ScriptLimits *limits(const Run *run) {
        return &run->context->settings->scripts[run->request->operation.type];
}

static const char *type_name(const Run *run) {
        return hook_type_to_string(run->request->operation.type);
}

int run_new(Run **ret, const RunContext *context, Request *request, Caller *caller) {
        uuid_t id;
        Run *run;

        run = malloc(sizeof(Run));
        if (!run) {
                request_free(request);
                return -ENOMEM;
        }
        *run = (Run){
                .request = request,
                .caller = caller_ref(caller),
                .started_fd = -EBADF,
                .context = context,
        };
        uuid_generate_random(id);
        uuid_unparse_lower(id, run->id);
        *ret = run;
        return 0;
}

Run *run_free(Run *run) {
        if (!run)
                return NULL;
        process_free(run->process);
        sd_event_source_disable_unref(run->timeout_source);
        sd_event_source_disable_unref(run->warn_source);
        sd_event_source_disable_unref(run->kill_source);
        script_list_clear(&run->list);
        strv_free(run->environment);
        bytes_unref(run->current);
        bytes_unref(run->output);
        free(run->message);
        free(run->reason);
        free(run->error);
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
 * Keeps why the run failed, in place of an earlier failure. MESSAGE and REASON are taken; NULL is
 * short memory, and then the outcome must do.
 */
static void run_fail(Run *run, RunOutcome outcome, const char *error_name, char *message,
                     char *reason) {
        run->failed = true;
        run->outcome = outcome;
        run->status = 0;
        run->error_name = error_name;
        free(run->message);
        free(run->reason);
        run->message = message;
        run->reason = reason;
        free(run->error);
        run->error = NULL;
        run->error_size = 0;
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
                 reason);
}

static void run_finish(Run *run) {
        run->timeout_source = sd_event_source_disable_unref(run->timeout_source);
        run->warn_source = sd_event_source_disable_unref(run->warn_source);
        run->kill_source = sd_event_source_disable_unref(run->kill_source);
        run->ended = now_usec(CLOCK_MONOTONIC);
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

        if (!run->output || run->request->lenient) /* a lenient caller judges itself */
                return;
        r = request_check_output(run->request, run->output->data, run->output->size, &output_limits,
                                 &problem);
        if (r == -EBADMSG) /* what is wrong may show what the script printed: that is for the caller
                              alone */
                run_fail(
                        run, RUN_INVALID_OUTPUT, ERROR_INVALID_OUTPUT,
                        text_format(
                                "The output of the %s hook '%s' for '%s' %s: print a domain with the "
                                "same name and uuid, or nothing",
                                type_name(run), run->request->operation.name, run->request->object,
                                problem),
                        text_format("the output of its scripts is no document of the same domain"));
        else if (r < 0)
                run_fail_with(run, RUN_INVALID_OUTPUT, ERROR_INVALID_OUTPUT, "try again",
                              "the output of its scripts could not be checked: %s", strerror(-r));
}

static void run_take_failure(Run *run, const Script *script) {
        Process *process = run->process;
        char *text = NULL, *message = NULL;
        size_t size = 0;

        if (capture_text(&process->error, &text, &size) >= 0) {
                char *const *environment = run->request->environment ? run->request->environment
                                                                     : run->context->environment;

                message = script_error_message(environment, run->argv, process->status, text, size);
        }
        run_fail(run, WIFEXITED(process->status) ? RUN_FAILED : RUN_KILLED, ERROR_SCRIPT_FAILED,
                 message, script_error_reason(script->name, process->status));
        run->status = WIFEXITED(process->status) ? WEXITSTATUS(process->status)
                                                 : WTERMSIG(process->status);
        run->error = text;
        run->error_size = size;
}

/*
 * A successful filter's output is the next one's input, unless it is blank. It ends at its first
 * NUL, as a C string does.
 */
static void run_take_output(Run *run, const Script *script) {
        Capture *output = &run->process->output;
        Bytes *bytes = NULL;
        size_t size;

        if (capture_lost(output) > 0) {
                run_fail_with(run, RUN_INVALID_OUTPUT, ERROR_INVALID_OUTPUT,
                              "print less, or raise MaxOutput= in virt-hooks.conf",
                              "%s printed %" PRIu64 " bytes, more than the %" PRIu64
                              " that are allowed",
                              script->name, output->total, run->context->settings->max_output);
                return;
        }
        size = strnlen(output->head ? output->head : "", output->head_size);
        if (text_is_blank(output->head, size))
                return;
        if (bytes_new_take(&bytes, TAKE_PTR(output->head), size) < 0) {
                run_fail_with(run, RUN_INVALID_OUTPUT, ERROR_INVALID_OUTPUT, "try again",
                              "the output of %s did not fit into memory", script->name);
                return;
        }
        bytes_unref(run->output);
        run->output = bytes;
        bytes_unref(run->current);
        run->current = bytes_ref(bytes);
}

static void run_next(Run *run);

static void on_process_done(Process *process, void *userdata) {
        Run *run = userdata;
        const Script *script = &run->list.scripts[run->next++];

        run->scripts++;
        if (!run->ending) {
                if (process_failed(process))
                        run_take_failure(run, script);
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

/*
 * Whoever asked is told that from now on a script may have run. The descriptor is the caller's: it
 * must not block us, nor be changed.
 */
static void tell_started(Run *run) {
        _cleanup_close_ int fd = TAKE_FD(run->started_fd), own = -EBADF;
        char path[64];
        ssize_t n;

        if (fd < 0)
                return;
        n = send(fd, "s", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == ENOTSOCK) {
                /* Opened anew, a pipe is non-blocking for us alone. */
                (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
                n = own < 0 ? -1 : write(own, "s", 1);
        }
        if (n < 0)
                log_warning(
                        "%s %s: the caller could not be told that the scripts start, ignoring: %m",
                        type_name(run), run->request->object);
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
                .drain = run->context->drain,
        };

        run->argv[0] = script->path;
        return process_spawn(&run->process, run->context->event, &spec, on_process_done, run);
}

static void run_next(Run *run) {
        const Script *script;
        int r;

        if (run->ending || run->next >= run->list.n) {
                if (!run->ending && !run->failed)
                        run_check_output(run);
                run_finish(run);
                return;
        }

        script = &run->list.scripts[run->next];
        r = spawn(run, script);
        if (r < 0) {
                /*
                 * Where nothing has run yet the caller may as well try elsewhere; afterwards it
                 * must not.
                 */
                run_fail_with(run, RUN_REFUSED,
                              run->scripts == 0 ? ERROR_LIMIT_EXCEEDED : ERROR_SCRIPT_REFUSED,
                              "the machine is short of processes, memory or descriptors",
                              "%s could not be started: %s", script->name, strerror(-r));
                run_finish(run);
        }
}

/* TERM now, KILL when the grace is over. */
static int on_kill(sd_event_source *source, uint64_t usec, void *userdata) {
        Run *run = userdata;

        if (run->process)
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

        if (run->ending)
                return 0;
        run_fail_with(run, RUN_TIMED_OUT, ERROR_TIMED_OUT,
                      "mend the script, or give it more time with Timeout= in virt-hooks.conf",
                      "%s timed out", run->list.scripts[run->next].name);
        run_end_scripts(run);
        return 0;
}

void run_cancel(Run *run, const char *why) {
        if (run->ending)
                return;
        run_fail_with(run, RUN_CANCELLED, ERROR_CANCELLED, "call again if it should run",
                      "%s while %s ran", why, run->list.scripts[run->next].name);
        run_end_scripts(run);
}

static int on_warn(sd_event_source *source, uint64_t usec, void *userdata) {
        Run *run = userdata;

        log_warning("%s %s %s: still running after %" PRIu64 " s: %s (pid %d)", type_name(run),
                    run->request->object, run->request->operation.name,
                    limits(run)->warn_after / USEC_PER_SEC, run->list.scripts[run->next].path,
                    (int) run_pid(run));
        return 0;
}

static void run_set_timers(Run *run) {
        uint64_t timeout =
                run->request->timeout != UINT64_MAX ? run->request->timeout : limits(run)->timeout;
        int r = 0;

        if (timeout != UINT64_MAX)
                r = sd_event_add_time_relative(run->context->event, &run->timeout_source,
                                               CLOCK_MONOTONIC, timeout, 1, on_timeout, run);
        if (r >= 0 && limits(run)->warn_after != UINT64_MAX)
                r = sd_event_add_time_relative(run->context->event, &run->warn_source,
                                               CLOCK_MONOTONIC, limits(run)->warn_after, 0, on_warn,
                                               run);
        if (r < 0)
                log_warning("%s %s: the run cannot be timed, ignoring: %s", type_name(run),
                            run->request->object, strerror(-r));
}

/* Finds what to run. Returns false where the run has failed over it. */
static bool run_find_scripts(Run *run) {
        int r;

        r = scripts_find(run->context->scripts, run->request->operation.type, false, &run->list);
        if (r >= 0)
                r = environment_for_run(&run->environment,
                                        run->request->environment ? run->request->environment
                                                                  : run->context->environment,
                                        run->id);
        if (r < 0) {
                run_fail_with(run, RUN_REFUSED,
                              r == -ENOMEM ? ERROR_LIMIT_EXCEEDED : ERROR_SCRIPT_REFUSED,
                              "mend it, so that no guard is passed over",
                              "its scripts cannot be looked up: %s", strerror(-r));
                return false;
        }
        for (size_t i = 0; i < run->list.n; i++)
                if (run->list.scripts[i].unsafe) {
                        run_fail_with(run, RUN_REFUSED, ERROR_SCRIPT_REFUSED,
                                      "or set Ownership=libvirt in virt-hooks.conf",
                                      "%s is not safe to run: %s", run->list.scripts[i].path,
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
        run_set_timers(run);
        tell_started(run);
        run_next(run);
}
