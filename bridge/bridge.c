/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service as a whole: setting up, reloading, and coming to an end without leaving a caller
 * unanswered.
 */

#include "bridge.h"

#include <assert.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "birth.h"
#include "bridge-bus.h"
#include "bus-names.h"
#include "call.h"
#include "environment.h"
#include "hooks-lock.h"
#include "journal-ids.h"
#include "journal.h"
#include "log-control.h"
#include "log.h"
#include "text.h"

/* How long it may take to end hooks whose time is over, and to answer for them. */
#define STOP_MARGIN (10 * USEC_PER_SEC)

/* A bus that takes nothing for so long has stopped. */
#define LEAVE_TIMEOUT (10 * USEC_PER_SEC)

#define TRIM_AFTER (2 * USEC_PER_SEC)

/* A call that waits, of CALLER or, with NULL, of anybody. */
static Call *find_waiting(Bridge *bridge, const Caller *caller) {
        Call *call;

        TAILQ_FOREACH (call, &bridge->calls, calls)
                if ((!caller || call->caller == caller) && !call_is_running(call))
                        return call;
        return NULL;
}

/* A connection is gone: what it let wait goes, what runs is finished. */
static void on_caller_gone(Caller *caller, void *userdata) {
        Bridge *bridge = userdata;
        Call *call;

        access_caller_gone(bridge->access, caller);
        /* Found anew each time: when one goes, it may be another's turn, and that one may end at
         * once. */
        while ((call = find_waiting(bridge, caller)))
                call_drop(call);
}

Ticket *bridge_find_parent(Bridge *bridge, const Caller *caller) {
        Call *call;

        /*
         * Whoever descends from a script descends from us: this spares the search for all others.
         *
         */
        if (!caller_descends_from(caller, getpid()))
                return NULL;
        TAILQ_FOREACH (call, &bridge->calls, calls) {
                pid_t pid = call->run ? run_pid(call->run) : 0;

                if (pid > 0 && caller_descends_from(caller, pid))
                        return call->ticket;
        }
        return NULL;
}

char *const *bridge_hooks_directories(const Bridge *bridge) {
        return bridge->options->hooks_directories ? bridge->options->hooks_directories
                                                  : bridge->settings->hooks_directories;
}

int bridge_reload(Bridge *bridge) {
        _cleanup_(settings_free_pointer) Settings *settings = NULL;
        Scripts *scripts;
        int r;

        r = settings_load(&settings, bridge->options->settings_file,
                          bridge->options->settings_required);
        if (r < 0)
                return r;
        settings_log_faults(settings);
        r = scripts_new(&scripts,
                        bridge->options->hooks_directories ? bridge->options->hooks_directories
                                                           : settings->hooks_directories,
                        settings->ownership == OWNERSHIP_STRICT, settings->rescan == RESCAN_DAEMON,
                        HOOKS_LOCK_PATH);
        if (r < 0) {
                log_error("The scripts cannot be looked up: %s", strerror(-r));
                return r;
        }

        scripts_free(bridge->context.scripts);
        bridge->context.scripts = scripts;
        settings_free(bridge->settings);
        bridge->settings = TAKE_PTR(settings);
        bridge->context.settings = bridge->settings;
        queue_set_limits(bridge->queue,
                         &(QueueLimits){
                                 .running = bridge->settings->max_running,
                                 .waiting = bridge->settings->max_waiting,
                                 .waiting_per_caller = bridge->settings->max_waiting_per_caller,
                         });
        callers_set_limits(bridge->callers, bridge->settings->max_waiting,
                           bridge->settings->max_waiting_per_caller);
        access_set_limits(bridge->access, bridge->settings->max_unauthorized,
                          bridge->settings->max_unauthorized_per_user);
        history_set_limits(bridge->history, bridge->settings->history_runs,
                           bridge->settings->history_size);
        bridge_bus_reloaded(bridge);
        log_debug("The settings were read");
        return 0;
}

void bridge_daemon_reported(Bridge *bridge, const HookOperation *operation) {
        if (operation->type != HOOK_DAEMON || bridge->settings->rescan != RESCAN_DAEMON)
                return;
        scripts_rescan(bridge->context.scripts);
        bridge_bus_reloaded(bridge);
}

/* WHY is for the log; the hooks' own entries and replies say that it was the shutdown. */
static void end_running(Bridge *bridge, const char *why) {
        unsigned running = queue_running(bridge->queue);
        Call *call;

        log_entry(LOG_WARNING, JOURNAL_ID_HOOKS_ENDED, NULL, "Ending %u running hook%s: %s",
                  running, running == 1 ? "" : "s", why);
        TAILQ_FOREACH (call, &bridge->calls, calls)
                if (call_is_running(call))
                        run_cancel(call->run, "ended by the service's shutdown");
}

static int on_stop_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        end_running(userdata, "StopTimeout= is over");
        return 0;
}

static void send_waiting_away(Bridge *bridge) {
        Call *call;

        while ((call = find_waiting(bridge, NULL)))
                call_send_away(call);
}

/* systemd has a limit of its own, after which it kills us: ours may be longer. */
static void ask_for_time(uint64_t usec) {
        uint64_t time = MIN(usec, UINT64_MAX / 2) + STOP_MARGIN; /* it takes no infinity */

        (void) sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, time);
}

/* The last is said: it goes to the bus as fast as that one takes it. */
static int on_written(sd_event_source *source, void *userdata) {
        Bridge *bridge = userdata;
        uint64_t n;

        if (sd_bus_is_open(bridge->bus) > 0 && sd_bus_get_n_queued_write(bridge->bus, &n) >= 0 &&
            n > 0)
                return 0;
        return sd_event_exit(bridge->event, bridge->exit_code);
}

/* Without the name no more calls come, and those that came before it went have been read. */
static int on_released(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Bridge *bridge = userdata;

        access_send_away(bridge->access);
        if (sd_event_add_post(bridge->event, &bridge->written_source, on_written, bridge) < 0)
                return sd_event_exit(bridge->event, bridge->exit_code);
        return on_written(NULL, bridge);
}

static int on_leave_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Bridge *bridge = userdata;

        log_warning("The bus takes nothing any more: ending without the last replies");
        return sd_event_exit(bridge->event, bridge->exit_code);
}

/* Calls that the bus has passed on already are answered, too, if it goes on to take answers. */
static int on_finish(sd_event_source *source, void *userdata) {
        Bridge *bridge = userdata;
        int r;

        report_flush(bridge->report);
        r = sd_event_add_time_relative(bridge->event, &bridge->leave_source, CLOCK_MONOTONIC,
                                       LEAVE_TIMEOUT, 0, on_leave_timeout, bridge);
        if (r >= 0)
                r = sd_bus_release_name_async(bridge->bus, &bridge->release, BRIDGE_NAME,
                                              on_released, bridge);
        if (r < 0) /* the connection is lost, and the name with it */
                return sd_event_exit(bridge->event, bridge->exit_code);
        ask_for_time(LEAVE_TIMEOUT);
        return 0;
}

/* Not after each call: what one needed the next one can use. */
static int on_trim(sd_event_source *source, uint64_t usec, void *userdata) {
        Bridge *bridge = userdata;

        bridge->trim_source = sd_event_source_disable_unref(bridge->trim_source);
        if (TAILQ_EMPTY(&bridge->calls)) {
                birth_give_back();
                (void) malloc_trim(0);
        }
        return 0;
}

/* After many calls at once the heap is full of holes, which malloc() keeps. */
static void trim_soon(Bridge *bridge) {
        if (!bridge->trim_source &&
            sd_event_add_time_relative(bridge->event, &bridge->trim_source, CLOCK_MONOTONIC,
                                       TRIM_AFTER, 0, on_trim, bridge) < 0)
                bridge->trim_source = NULL; /* the next call's end tries again */
}

void bridge_call_ended(Bridge *bridge) {
        status_changed(bridge->status);
        if (!TAILQ_EMPTY(&bridge->calls))
                return;
        trim_soon(bridge);
        if (!bridge->stopping || bridge->finish_source)
                return;
        if (sd_event_add_defer(bridge->event, &bridge->finish_source, on_finish, bridge) < 0)
                (void) sd_event_exit(bridge->event, bridge->exit_code);
}

void bridge_stop(Bridge *bridge, int exit_code) {
        unsigned running;
        int r;

        if (bridge->stopping) {
                if (!TAILQ_EMPTY(&bridge->calls))
                        end_running(bridge, "told to stop a second time");
                return;
        }
        bridge->stopping = true;
        bridge->exit_code = exit_code;
        (void) sd_notify(0, "STOPPING=1");
        send_waiting_away(bridge);
        status_changed(bridge->status);
        if (TAILQ_EMPTY(&bridge->calls)) {
                bridge_call_ended(bridge);
                return;
        }
        running = queue_running(bridge->queue);
        log_info("Waiting for %u running hook%s to end", running, running == 1 ? "" : "s");
        ask_for_time(bridge->settings->stop_timeout);
        if (bridge->settings->stop_timeout == UINT64_MAX)
                return;
        r = sd_event_add_time_relative(bridge->event, &bridge->stop_source, CLOCK_MONOTONIC,
                                       bridge->settings->stop_timeout, 0, on_stop_timeout, bridge);
        if (r < 0)
                log_warning("The end of the running hooks cannot be timed, ignoring: %s",
                            strerror(-r));
}

/*
 * Without the bus nobody can be answered, nor call: what runs is finished, for the guests' sake,
 * and that is all.
 */
static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Bridge *bridge = userdata;

        log_error("The connection to the bus is lost, ending");
        if (bridge->stopping) /* that is no second request to hurry */
                bridge->exit_code = EXIT_FAILURE;
        else
                bridge_stop(bridge, EXIT_FAILURE);
        return 0;
}

/* Any one that runs, for there is only one in most cases. */
static const Request *find_running(const Bridge *bridge) {
        const Call *call;

        TAILQ_FOREACH (call, &bridge->calls, calls)
                if (call->run && call_is_running(call))
                        return call->run->request;
        return NULL;
}

/* Names have no control characters: the request has seen to that. */
static char *status_text(void *userdata) {
        Bridge *bridge = userdata;
        unsigned running = queue_running(bridge->queue), waiting = queue_waiting(bridge->queue);
        const Request *request = find_running(bridge);
        char more[32] = "", queue[32] = "";

        if (!request)
                return text_format("Waiting for calls; runs so far: %" PRIu64 ", failed: %" PRIu64,
                                   bridge->n_runs, bridge->n_failures);
        if (running > 1)
                (void) snprintf(more, sizeof(more), " and %u more", running - 1);
        if (waiting > 0)
                (void) snprintf(queue, sizeof(queue), ", %u calls wait", waiting);
        return text_format("%s %s %s %s%s%s", bridge->stopping ? "Stopping after" : "Running",
                           hook_type_to_string(request->operation.type), request->object,
                           request->operation.name, more, queue);
}

static int bridge_set_up(Bridge *bridge) {
        int r;

        r = drain_new(&bridge->context.drain, bridge->event);
        if (r < 0)
                return r;
        r = cgroup_root_new(&bridge->context.cgroups);
        if (r < 0)
                return r;
        r = environment_new(&bridge->context.environment);
        if (r < 0)
                return r;
        r = queue_new(&bridge->queue, call_run);
        if (r < 0)
                return r;
        r = history_new(&bridge->history);
        if (r < 0)
                return r;
        r = status_new(&bridge->status, bridge->event, status_text, bridge);
        if (r < 0)
                return r;
        r = report_new(&bridge->report, bridge->bus, bridge->event);
        if (r < 0)
                return r;
        r = callers_new(&bridge->callers, bridge->bus, on_caller_gone, bridge);
        if (r < 0)
                return r;
        r = access_new(&bridge->access, bridge->bus, bridge->callers);
        if (r < 0)
                return r;
        r = sd_bus_add_match(bridge->bus, NULL,
                             "type='signal',sender='org.freedesktop.DBus.Local',"
                             "path='/org/freedesktop/DBus/Local',"
                             "interface='org.freedesktop.DBus.Local',member='Disconnected'",
                             on_disconnected, bridge);
        if (r < 0)
                return r;
        r = log_control_publish(bridge->bus, bridge->callers);
        if (r < 0)
                return r;
        return bridge_bus_publish(bridge);
}

int bridge_new(Bridge **ret, sd_event *event, sd_bus *bus, const BridgeOptions *options) {
        _cleanup_(bridge_free_pointer) Bridge *bridge = NULL;
        int r;

        bridge = malloc(sizeof(Bridge));
        if (!bridge)
                return -ENOMEM;
        *bridge = (Bridge){
                .event = sd_event_ref(event),
                .bus = sd_bus_ref(bus),
                .options = options,
                .context.event = event,
                .context.lasts = journal_run_lasts,
        };
        TAILQ_INIT(&bridge->calls);
        r = bridge_set_up(bridge);
        if (r < 0) {
                log_error("The service cannot be set up: %s", strerror(-r));
                return r;
        }
        r = bridge_reload(bridge);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bridge);
        return 0;
}

Bridge *bridge_free(Bridge *bridge) {
        if (!bridge)
                return NULL;
        while (!TAILQ_EMPTY(&bridge->calls))
                call_free(TAILQ_FIRST(&bridge->calls));
        access_free(bridge->access);
        callers_free(bridge->callers);
        report_free(bridge->report);
        queue_free(bridge->queue);
        status_free(bridge->status);
        history_free(bridge->history);
        sd_event_source_disable_unref(bridge->stop_source);
        sd_event_source_disable_unref(bridge->finish_source);
        sd_event_source_disable_unref(bridge->leave_source);
        sd_event_source_disable_unref(bridge->written_source);
        sd_event_source_disable_unref(bridge->trim_source);
        scripts_free(bridge->context.scripts);
        strv_free(bridge->context.environment);
        drain_free(bridge->context.drain);
        cgroup_root_free(bridge->context.cgroups);
        settings_free(bridge->settings);
        sd_bus_slot_unref(bridge->release);
        sd_bus_unref(bridge->bus);
        sd_event_unref(bridge->event);
        free(bridge);
        return NULL;
}
