/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls. Arguments are read once, straight into a request; strings of a message live as long as the
 * message, so that a document is never copied on its way to the script.
 */

#include "call.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "bus-error.h"
#include "bus-names.h"
#include "descriptors.h"
#include "dictionary.h"
#include "log.h"
#include "memory.h"
#include "run-bus.h"

static void call_end_intake(Call *call) {
        if (!call->intake)
                return;
        call->intake = intake_free(call->intake);
        queue_give_back(call->bridge->queue, call->caller);
}

Call *call_free(Call *call) {
        Bridge *bridge;

        if (!call)
                return NULL;
        bridge = call->bridge;
        TAILQ_REMOVE(&bridge->calls, call, calls);
        call_end_intake(call);
        if (call->message) /* on no path does a caller wait for ever */
                (void) bus_reply_errorf(call->message, ERROR_SHUTTING_DOWN,
                                        "The service is going away: call again");
        if (call->run)
                report_forget(bridge->report, call->run);
        run_free(call->run);
        request_free(call->request);
        close_fd(call->started_fd);
        close_fd(call->output_fd);
        close_fd(call->errors_fd);
        caller_unref(call->caller);
        sd_bus_message_unref(call->message);
        queue_leave(call->ticket); /* others may run before this returns */
        free(call);
        bridge_call_ended(bridge);
        return NULL;
}

static int call_new(Bridge *bridge, sd_bus_message *message, Caller *caller, Call **ret) {
        Call *call;

        call = malloc(sizeof(Call));
        if (!call)
                return -ENOMEM;
        *call = (Call){
                .bridge = bridge,
                .message = sd_bus_message_ref(message),
                .caller = caller_ref(caller),
                .started_fd = -EBADF,
                .output_fd = -EBADF,
                .errors_fd = -EBADF,
        };
        TAILQ_INSERT_TAIL(&bridge->calls, call, calls);
        *ret = call;
        return 0;
}

bool call_is_running(const Call *call) {
        return call->ticket && ticket_is_running(call->ticket);
}

/* The handler answers for a call that failed before it waited for anything. */
static int call_fail(Call *call, int r, const sd_bus_error *error) {
        log_debug("A call of %s is refused: %s", call->caller->name,
                  error->message ? error->message : strerror(-r));
        call->message = sd_bus_message_unref(call->message);
        call_free(call);
        return r;
}

static int shutting_down(const Request *request, sd_bus_error *error) {
        return bus_error_setf(error, ERROR_SHUTTING_DOWN,
                              "The service is shutting down, and nothing was run for %s '%s': call "
                              "again when it is back",
                              hook_type_to_string(request->operation.type), request->object);
}

void call_send_away(Call *call) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) shutting_down(call->run ? call->run->request : call->request, &error);
        (void) sd_bus_reply_method_error(call->message, &error);
        call_drop(call);
}

void call_cancel(Call *call, const Caller *by) {
        char why[64];

        (void) snprintf(why, sizeof(why), "cancelled by uid %u", (unsigned) by->uid);
        if (call_is_running(call)) {
                run_cancel(call->run, why);
                return;
        }
        (void) bus_reply_errorf(call->message, ERROR_CANCELLED,
                                "The call about %s '%s' was %s while it waited, and nothing was "
                                "run: call again if it should run",
                                hook_type_to_string(call->run->request->operation.type),
                                call->run->request->object, why);
        call_drop(call);
}

void call_drop(Call *call) {
        call->message = sd_bus_message_unref(call->message);
        call_free(call);
}

static void call_reply_error(Call *call, int r, const sd_bus_error *error) {
        bus_reply_errno(call->message, r, error);
        call->message = sd_bus_message_unref(call->message);
}

/* What the five methods say of a run that did not succeed. */
static int reply_failure(Call *call) {
        const Run *run = call->run;

        return bus_reply_errorf(call->message, run->error_name, "%s",
                                run->message ? run->message : run_outcome_to_string(run->outcome));
}

/* The document to go on with, for a filter; the message gets the one copy that it needs. */
static int append_output(sd_bus_message *reply, const Run *run) {
        const Bytes *output = run->output ? run->output : run->request->document;
        char *space;
        int r;

        if (!run->request->operation.filter || !output)
                return sd_bus_message_append(reply, "s", "");
        r = sd_bus_message_append_string_space(reply, output->size, &space);
        if (r < 0)
                return r;
        memcpy(space, output->data, output->size);
        return 0;
}

static int reply_verdict(Call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Run *run = call->run;
        int r;

        if (run_effect(run) != HOOK_EFFECT_PROCEED)
                return reply_failure(call);
        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = append_output(reply, run);
        if (r >= 0)
                r = sd_bus_message_append(reply, "us", run->scripts, run->id);
        return r < 0 ? r : sd_bus_send(call->bridge->bus, reply, NULL);
}

/* The message gets a copy of the descriptor, and we let go of ours, so that none more is needed. */
static int append_fd(sd_bus_message *reply, int *fd) {
        int r;

        descriptors_give_spare();
        r = sd_bus_message_append(reply, "h", *fd);
        *fd = close_fd(*fd);
        descriptors_take_spare();
        return r;
}

static int reply_raw(Call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Run *run = call->run;
        int r;

        /* Nothing was run, and the caller may try elsewhere: that is no result. */
        if (run->error_name && streq(run->error_name, ERROR_LIMIT_EXCEEDED))
                return reply_failure(call);

        r = bytes_fill_fd(call->output_fd, run->output ? run->output->data : NULL,
                          run->output ? run->output->size : 0);
        if (r >= 0)
                r = bytes_fill_fd(call->errors_fd, run->failure ? run->failure->error : NULL,
                                  run->failure ? run->failure->error_size : 0);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "si", run_outcome_to_string(run->outcome),
                                          run->status);
        if (r >= 0)
                r = append_fd(reply, &call->output_fd);
        if (r >= 0)
                r = append_fd(reply, &call->errors_fd);
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", run->id);
        if (r >= 0)
                r = run_append_details(reply, run);
        return r < 0 ? r : sd_bus_send(call->bridge->bus, reply, NULL);
}

/* What ran has run, and the caller must not take this for a verdict, nor for a call that never ran.
 */
static void reply_without_result(Call *call, int r) {
        const Run *run = call->run;

        r = bus_reply_errorf(
                call->message, SD_BUS_ERROR_FAILED,
                "The %s hook '%s' for '%s' has run (%s), but its result cannot be sent: %s: "
                "GetRun('%s') has it",
                hook_type_to_string(run->request->operation.type), run->request->operation.name,
                run->request->object, run_outcome_to_string(run->outcome), strerror(-r), run->id);
        if (r < 0)
                log_warning("A call could not be answered, ignoring: %s", strerror(-r));
}

/* The reply goes first, then the signal: no caller waits for the observers. */
static void on_run_done(Run *run, void *userdata) {
        Call *call = userdata;
        Bridge *bridge = call->bridge;
        int r;

        caller_look_up_process(call->caller);
        r = call->raw ? reply_raw(call) : reply_verdict(call);
        if (!call->raw && memory_try_again(r)) /* the raw one has given its descriptors away */
                r = reply_verdict(call);
        if (r < 0)
                reply_without_result(call, r);
        call->message = sd_bus_message_unref(call->message);

        bridge->n_runs++;
        if (run_effect(run) != HOOK_EFFECT_PROCEED)
                bridge->n_failures++;
        report_finished(bridge->report, run);
        history_add(bridge->history, run);
        call_free(call);
}

/* What the reply of Run() needs is there before anything runs: afterwards nobody could undo it. */
static int call_prepare_reply(Call *call) {
        if (!call->raw)
                return 0;
        call->output_fd = memfd_create("virt-hooks-output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (call->output_fd < 0)
                return -errno;
        call->errors_fd = memfd_create("virt-hooks-errors", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (call->errors_fd < 0)
                return -errno;
        return descriptors_are_short(call->errors_fd) ? -EMFILE : 0;
}

void call_run(void *userdata) {
        Call *call = userdata;
        int r;

        r = call_prepare_reply(call);
        if (r < 0) {
                (void) bus_reply_errorf(
                        call->message, ERROR_LIMIT_EXCEEDED,
                        "There is no room for the reply about '%s' (%s), and nothing was run: "
                        "call again",
                        call->run->request->object, strerror(-r));
                call_drop(call);
                return;
        }
        bridge_daemon_reported(call->bridge, &call->run->request->operation);
        report_started(call->bridge->report, call->run);
        run_start(call->run, on_run_done, call);
}

/*
 * The request is complete: from here on it is the queue that decides. Returns 1 or a negative
 * errno; after a success the call may be over.
 */
static int call_enqueue(Call *call, sd_bus_error *error) {
        Bridge *bridge = call->bridge;
        _cleanup_(caller_unref_pointer) Caller *caller = caller_ref(call->caller);
        int r;

        r = run_new(&call->run, &bridge->context, TAKE_PTR(call->request), call->caller);
        if (r < 0)
                return r;
        call->run->started_fd = TAKE_FD(call->started_fd);
        status_changed(bridge->status);
        if (log_max_level() >= LOG_DEBUG)
                caller_look_up_process(caller);
        log_debug("%s %s %s: called by %s (%s, pid %d, uid %u) as run %s",
                  hook_type_to_string(call->run->request->operation.type),
                  call->run->request->object, call->run->request->operation.name, caller->name,
                  caller->comm ? caller->comm : "unknown", (int) caller->pid,
                  (unsigned) caller->uid, call->run->id);
        r = queue_enter(bridge->queue, &call->ticket, call->run->request->operation.type,
                        call->run->request->object, call->caller,
                        bridge_find_parent(bridge, call->caller), call, error);
        if (r < 0)
                return r;
        caller_look_up_process(caller); /* while the script runs, or the call waits */
        return 1;
}

static void unref_message(void *message) {
        sd_bus_message_unref(message);
}

/* A string of MESSAGE as bytes that keep the message. An empty one is none. */
static int borrow_string(sd_bus_message *message, const char *s, Bytes **ret) {
        *ret = NULL;
        return *s ? bytes_new(ret, s, strlen(s), unref_message, sd_bus_message_ref(message)) : 0;
}

/* Makes the request, unless it is too late for any. */
static int call_make_request(Call *call, const RequestArguments *arguments, sd_bus_error *error) {
        int r;

        r = request_new(&call->request, arguments, error);
        if (r >= 0 && call->bridge->stopping)
                r = shutting_down(call->request, error);
        return r;
}

static int set_document(Call *call, const char *main, const char *port, sd_bus_error *error) {
        _cleanup_(bytes_unref_pointer) Bytes *main_bytes = NULL, *port_bytes = NULL;
        int r;

        r = borrow_string(call->message, main, &main_bytes);
        if (r >= 0)
                r = borrow_string(call->message, port, &port_bytes);
        if (r >= 0)
                r = request_set_document(call->request, main_bytes, port_bytes,
                                         &call->bridge->settings->document, error);
        return r;
}

/* sd-bus refuses strings with characters that D-Bus does not carry. */
static int read_arguments(sd_bus_message *message, RequestArguments *arguments,
                          sd_bus_error *error) {
        int r = 0;

        if (arguments->type != HOOK_DAEMON)
                r = sd_bus_message_read(message, "s", &arguments->object);
        if (r >= 0)
                r = sd_bus_message_read(message, "sss", &arguments->operation,
                                        &arguments->suboperation, &arguments->extra);
        if (r == -EBADMSG)
                return bus_error_setf(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "An argument for %s '%.255s' is not valid text: pass it without "
                        "characters such as U+FFFE",
                        hook_type_to_string(arguments->type), arguments->object);
        return r;
}

static int read_document(sd_bus_message *message, const RequestArguments *arguments,
                         const char **ret, sd_bus_error *error) {
        int r = sd_bus_message_read(message, "s", ret);

        if (r == -EBADMSG)
                return bus_error_setf(
                        error, ERROR_INVALID_DOCUMENT,
                        "The document for %s '%.255s' has characters that D-Bus does not "
                        "carry, such as U+FFFE: pass it by descriptor to Run()",
                        hook_type_to_string(arguments->type), arguments->object);
        return r;
}

int call_method(Bridge *bridge, sd_bus_message *message, Caller *caller, HookType type,
                sd_bus_error *error) {
        RequestArguments arguments = { .type = type, .object = "" };
        const char *main = "", *port = "";
        Call *call;
        int r;

        r = read_arguments(message, &arguments, error);
        if (r >= 0 && type != HOOK_DAEMON)
                r = read_document(message, &arguments, &main, error);
        if (r >= 0 && type == HOOK_NETWORK)
                r = read_document(message, &arguments, &port, error);
        if (r < 0)
                return r;

        r = call_new(bridge, message, caller, &call);
        if (r < 0)
                return r;
        r = call_make_request(call, &arguments, error);
        if (r >= 0)
                r = set_document(call, main, port, error);
        if (r >= 0)
                r = call_enqueue(call, error);
        return r < 0 ? call_fail(call, r, error) : r;
}

/* What the caller of Run() may ask for. The vector's strings are the message's. */
typedef struct RawOptions {
        bool has_environment; /* it may be empty, and an empty vector is NULL */
        char **environment;
        int lenient;
        uint64_t timeout;
        int started_fd; /* the message's */
} RawOptions;

static int read_environment(sd_bus_message *message, RawOptions *options) {
        int r;

        r = sd_bus_message_enter_container(message, 'v', "as");
        if (r < 0)
                return r;
        options->environment = strv_free(options->environment);
        options->has_environment = true;
        r = sd_bus_message_read_strv(message, &options->environment);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_option(const char *name, sd_bus_message *message, void *userdata,
                       sd_bus_error *error) {
        RawOptions *options = userdata;

        if (streq(name, "lenient"))
                return sd_bus_message_read(message, "v", "b", &options->lenient);
        if (streq(name, "timeout"))
                return sd_bus_message_read(message, "v", "t", &options->timeout);
        if (streq(name, "started"))
                return sd_bus_message_read(message, "v", "h", &options->started_fd);
        if (streq(name, "environment"))
                return read_environment(message, options);
        return bus_error_setf(
                error, SD_BUS_ERROR_INVALID_ARGS,
                "Run() has no option '%.64s': it has environment, lenient, timeout, started", name);
}

/* fstat(2) would ask the file system that FD is of, which may never answer. */
static int check_started_fd(int fd, sd_bus_error *error) {
        int type;
        socklen_t size = sizeof(type);

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 && fcntl(fd, F_GETPIPE_SZ) < 0)
                return bus_error_setf(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "The option 'started' takes a pipe or a socket, which this is not");
        return 0;
}

static int apply_options(Call *call, const RawOptions *options, sd_bus_error *error) {
        int r;

        if (options->has_environment) {
                /* It decides what is loaded into the scripts, which only who is them already may.
                 */
                if (!caller_is_privileged(call->caller))
                        return bus_error_setf(
                                error, SD_BUS_ERROR_ACCESS_DENIED,
                                "The option 'environment' is for root and the service's own user: "
                                "leave it out");
                r = request_set_environment(call->request, options->environment, error);
                if (r < 0)
                        return r;
        }
        call->request->timeout = options->timeout;
        if (options->started_fd >= 0) {
                r = check_started_fd(options->started_fd, error);
                if (r < 0)
                        return r;
                call->started_fd = fcntl(options->started_fd, F_DUPFD_CLOEXEC, 3);
                if (call->started_fd < 0)
                        return -errno;
        }
        return 0;
}

/* The document is there, or, with R < 0, it will never be. */
static int take_document(Call *call, int r, Bytes *document, sd_bus_error *error) {
        const Request *request = call->request;
        uint64_t max = call->bridge->settings->document.size;

        if (r == -E2BIG || r == -EFBIG || (document && document->size > max))
                return bus_error_setf(
                        error, ERROR_LIMIT_EXCEEDED,
                        "The document for %s '%s' has more than %" PRIu64
                        " bytes: pass a smaller one, or raise MaxDocument= in virt-hooks.conf",
                        hook_type_to_string(request->operation.type), request->object, max);
        if (r == -ENOMEM || memory_is_short())
                return bus_error_setf(
                        error, ERROR_LIMIT_EXCEEDED,
                        "The service is short of memory, and nothing was run for %s '%s': call "
                        "again",
                        hook_type_to_string(request->operation.type), request->object);
        if (r < 0)
                return bus_error_setf(
                        error, ERROR_INVALID_DOCUMENT,
                        "The document for %s '%s' cannot be read (%s): pass a sealed memfd, or "
                        "a file, a pipe or a socket that is open for reading",
                        hook_type_to_string(request->operation.type), request->object,
                        strerror(-r));
        /* Without an error there is one. */
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        if (document->size == 0)
                document = NULL;
        r = request_set_document(call->request, document, NULL, &call->bridge->settings->document,
                                 error);
        return r < 0 ? r : call_enqueue(call, error);
}

static void on_document(Intake *intake, int r, Bytes *document, void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(bytes_unref_pointer) Bytes *kept = document ? bytes_ref(document) : NULL;
        Call *call = userdata;

        call_end_intake(call);
        r = take_document(call, r, kept, &error);
        if (r < 0) {
                call_reply_error(call, r, &error);
                call_free(call);
        }
}

/* A copy costs a process, and its caller may take its time: such calls wait, and count. */
static int call_start_intake(Call *call, int fd, sd_bus_error *error) {
        Bridge *bridge = call->bridge;
        int r;

        r = queue_reserve(bridge->queue, call->caller, call->request->object, error);
        if (r < 0)
                return r;
        r = intake_new(&call->intake, bridge->event, fd, bridge->settings->document.size,
                       on_document, call);
        if (r < 0) {
                queue_give_back(bridge->queue, call->caller);
                return bus_error_setf(
                        error, ERROR_LIMIT_EXCEEDED,
                        "The document for '%s' cannot be copied (%s): pass a sealed memfd, or "
                        "call again",
                        call->request->object, strerror(-r));
        }
        return 1;
}

static int call_read_document(Call *call, int fd, sd_bus_error *error) {
        _cleanup_(bytes_unref_pointer) Bytes *document = NULL;
        int r;

        if (!bytes_fd_is_sealed(fd))
                return call_start_intake(call, fd, error);
        r = bytes_new_sealed(&document, fd, call->bridge->settings->document.size);
        return take_document(call, r, document, error);
}

int call_raw(Bridge *bridge, sd_bus_message *message, Caller *caller, sd_bus_error *error) {
        _cleanup_strv_ char **environment = NULL;
        RawOptions options = { .started_fd = -EBADF };
        RequestArguments arguments = {};
        const char *type;
        Call *call;
        int fd, r;

        r = sd_bus_message_read(message, "sssssh", &type, &arguments.object, &arguments.operation,
                                &arguments.suboperation, &arguments.extra, &fd);
        if (r < 0)
                return r;
        r = dictionary_read(message, "option of Run()", read_option, &options, error);
        environment = options.environment;
        if (r < 0)
                return r;
        arguments.lenient = options.lenient;
        arguments.type = hook_type_from_string(type);
        if (arguments.type == HOOK_TYPE_INVALID) {
                _cleanup_free_ char *names = hook_type_names();

                return bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                      "There is no hook type '%.64s', for '%.255s': there are %s",
                                      type, arguments.object, names ? names : "others");
        }

        r = call_new(bridge, message, caller, &call);
        if (r < 0)
                return r;
        call->raw = true;
        r = call_make_request(call, &arguments, error);
        if (r >= 0)
                r = apply_options(call, &options, error);
        if (r >= 0)
                r = call_read_document(call, fd, error);
        return r < 0 ? call_fail(call, r, error) : r;
}
