/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service may go away at any time, and so may the bus. What tells whether scripts may have run
 * is the byte on the socket that came with the call: closing our end before looking for it makes
 * the answer final, since who has not sent it by then can't, and won't run anything.
 */

#include "forward-call.h"

#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "bus-names.h"
#include "bus-open.h"
#include "dictionary.h"
#include "text.h"

/* A bus that does not let us in within this is as good as none. */
#define CONNECT_TIMEOUT (10 * USEC_PER_SEC)

/* libvirt has cleared our environment, and the address of the bus with it. */
static int open_user_bus(sd_bus **ret) {
        char address[64];

        if (getenv("DBUS_SESSION_BUS_ADDRESS") || getenv("XDG_RUNTIME_DIR"))
                return sd_bus_open_user_with_description(ret, program_invocation_short_name);
        (void) snprintf(address, sizeof(address), "unix:path=/run/user/%u/bus",
                        (unsigned) geteuid());
        return bus_open_address(ret, address);
}

/* Whoever is not root has hooks of its own, which are nothing to the system's service. */
static int open_bus(sd_bus **ret) {
        uint64_t until = now_usec(CLOCK_MONOTONIC) + CONNECT_TIMEOUT, now;
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = geteuid() == 0
                    ? sd_bus_open_system_with_description(&bus, program_invocation_short_name)
                    : open_user_bus(&bus);
        while (r >= 0 && (r = sd_bus_is_ready(bus)) == 0) {
                now = now_usec(CLOCK_MONOTONIC);
                if (now >= until)
                        return -ETIMEDOUT;
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, until - now);
        }
        if (r >= 0)
                *ret = TAKE_PTR(bus);
        return r;
}

/*
 * A daemon that stops must not have the service started: systemd would start it when the daemon has
 * stopped, for which that one waits for us.
 */
static bool may_start_service(const RequestArguments *arguments) {
        return arguments->type != HOOK_DAEMON || !streq(arguments->operation, "shutdown");
}

static int append_options(sd_bus_message *message, const ForwardCall *call, int started_fd) {
        int r;

        r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(message, "{sv}{sv}", "lenient", "b", 1, "started", "h",
                                          started_fd);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", "environment");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(message, call->environment);
        for (int i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(message);
        return r;
}

static int new_message(sd_bus *bus, const ForwardCall *call, int started_fd, sd_bus_message **ret) {
        const RequestArguments *arguments = &call->arguments;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        _cleanup_close_ int document_fd = -EBADF;
        int r;

        document_fd = bytes_to_sealed_fd("virt-hooks-document",
                                         call->document ? call->document->data : NULL,
                                         call->document ? call->document->size : 0);
        if (document_fd < 0)
                return document_fd;
        r = sd_bus_message_new_method_call(bus, &message, BRIDGE_NAME, BRIDGE_PATH,
                                           BRIDGE_INTERFACE, "Run");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(message, may_start_service(arguments));
        if (r >= 0)
                r = sd_bus_message_append(message, "sssssh", hook_type_to_string(arguments->type),
                                          arguments->object, arguments->operation,
                                          arguments->suboperation, arguments->extra, document_fd);
        if (r >= 0)
                r = append_options(message, call, started_fd);
        if (r >= 0)
                *ret = TAKE_PTR(message);
        return r;
}

static int read_detail(const char *key, sd_bus_message *reply, void *userdata,
                       sd_bus_error *error) {
        const char **message = userdata;

        return streq(key, "message") ? sd_bus_message_read(reply, "v", "s", message)
                                     : sd_bus_message_skip(reply, "v");
}

static int read_verdict(sd_bus_message *reply, Verdict *verdict) {
        const char *outcome, *run, *message = NULL;
        int status, output_fd, errors_fd, r;

        r = sd_bus_message_read(reply, "sihhs", &outcome, &status, &output_fd, &errors_fd, &run);
        if (r >= 0)
                r = dictionary_read(reply, "detail", read_detail, &message, NULL);
        if (r >= 0)
                r = bytes_new_sealed(&verdict->output, output_fd, SIZE_MAX);
        if (r >= 0)
                r = bytes_new_sealed(&verdict->errors, errors_fd, SIZE_MAX);
        if (r < 0)
                return r;
        verdict->status = status;
        verdict->outcome = run_outcome_from_string(outcome);
        switch (verdict->outcome) {
        case RUN_SUCCESS:
        case RUN_NO_SCRIPT:
        case RUN_FAILED:
        case RUN_KILLED:
                return 0;
        default:
                verdict_refuse(verdict, "%s", message ? message : outcome);
                return 0;
        }
}

/* Whether the service has begun to run scripts. Afterwards it can't begin any more. */
static bool has_started(int fd) {
        char byte;

        (void) shutdown(fd, SHUT_RD);
        return recv(fd, &byte, 1, MSG_DONTWAIT) == 1;
}

/* Errors by which the service itself has decided that the hook must not pass. */
static bool is_refusal(const sd_bus_error *error) {
        return sd_bus_error_has_names(error, ERROR_SCRIPT_REFUSED, ERROR_TIMED_OUT, ERROR_CANCELLED,
                                      ERROR_WOULD_DEADLOCK);
}

/* There is no reply, but R or ERROR. Returns as forward_call(). */
static bool judge_error(int r, const sd_bus_error *error, int started_fd, Verdict *verdict,
                        char **ret_why_not) {
        bool started = has_started(started_fd);
        const char *words = error->message ? error->message : strerror(-r);

        if (is_refusal(error)) {
                verdict_refuse(verdict, "%s", words);
                return true;
        }
        /* It says that nothing was run, though it was about to. */
        if (started && !sd_bus_error_has_name(error, ERROR_LIMIT_EXCEEDED)) {
                verdict_refuse(
                        verdict,
                        "the service was lost while the scripts ran (%s), and what they said "
                        "with it: see journalctl -u virt-hooks",
                        words);
                return true;
        }
        *ret_why_not = text_format("%s", words);
        return false;
}

bool forward_call(const ForwardCall *call, Verdict *verdict, char **ret_why_not) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        int fds[2], r;

        r = open_bus(&bus);
        if (r < 0) {
                *ret_why_not = text_format("there is no bus: %s", strerror(-r));
                return false;
        }
        r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;
        if (r >= 0) {
                ours = fds[0];
                theirs = fds[1];
                r = new_message(bus, call, theirs, &message);
        }
        if (r < 0) {
                *ret_why_not = text_format("the call cannot be made: %s", strerror(-r));
                return false;
        }

        r = sd_bus_call(bus, message, UINT64_MAX, &error, &reply);
        if (r >= 0)
                r = read_verdict(reply, verdict);
        return r >= 0 || judge_error(r, &error, ours, verdict, ret_why_not);
}
