/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The signals. Listeners find gaps by the sequence, and a restart of the service by the instance.
 *
 * A bus hands a signal to all who listen before it passes on what came after it, and dbus-daemon
 * even what it has read before. Signals that went out at once would have the reply of a script that
 * takes a millisecond wait for hundreds of listeners, hence the delays. Who asks about runs does
 * not get ahead of the signals, though.
 */

#include "report.h"

#include <uuid.h>

#include "bus-names.h"
#include "journal.h"
#include "log.h"
#include "memory.h"
#include "run-bus.h"

#define TIMER_ACCURACY 100U /* microseconds */

/* A signal that is ready to go. */
typedef struct Letter Letter;

struct Letter {
        sd_bus_message *signal;
        TAILQ_ENTRY(Letter) letters;
};

struct Report {
        sd_bus *bus;
        sd_bus_slot *filter;
        sd_event_source *timer;        /* on where it will be called */
        TAILQ_HEAD(, Run) unannounced; /* runs that have started, in that order */
        TAILQ_HEAD(, Letter) outbox;   /* in the order of their numbers */
        uint64_t outbox_due;           /* of the first: microseconds of CLOCK_MONOTONIC */
        char instance[UUID_TEXT_SIZE];
        uint64_t sequence;
};

static void report_send(Report *report, sd_bus_message *signal) {
        int r = sd_bus_send(report->bus, signal, NULL);

        if (memory_try_again(r))
                r = sd_bus_send(report->bus, signal, NULL);
        if (r < 0)
                log_warning("A %s could not be sent, ignoring: %s",
                            sd_bus_message_get_member(signal), strerror(-r));
}

static void report_flush_outbox(Report *report) {
        Letter *letter;

        while ((letter = TAILQ_FIRST(&report->outbox))) {
                TAILQ_REMOVE(&report->outbox, letter, letters);
                report_send(report, letter->signal);
                sd_bus_message_unref(letter->signal);
                free(letter);
        }
}

/* Takes SIGNAL. What goes out at once takes all along that has an earlier number. */
static void report_post(Report *report, sd_bus_message *signal) {
        Letter *letter = malloc(sizeof(Letter));

        if (!letter) {
                report_flush_outbox(report);
                report_send(report, signal);
                sd_bus_message_unref(signal);
                return;
        }
        *letter = (Letter){ .signal = signal };
        if (TAILQ_EMPTY(&report->outbox))
                report->outbox_due = now_usec(CLOCK_MONOTONIC) + REPORT_DELAY_FINISHED;
        TAILQ_INSERT_TAIL(&report->outbox, letter, letters);
}

/* The details that both signals have. */
static int append_common(Report *report, sd_bus_message *signal, const RunFacts *run) {
        int r = run_append_subject(signal, run);

        if (r >= 0)
                r = sd_bus_message_append(signal, "{sv}{sv}", "sequence", "t", report->sequence,
                                          "instance", "s", report->instance);
        return r;
}

static int new_signal(Report *report, sd_bus_message **ret, const char *name, const RunFacts *run) {
        int r;

        r = sd_bus_message_new_signal(report->bus, ret, BRIDGE_PATH, BRIDGE_INTERFACE, name);
        if (r < 0)
                return r;
        return sd_bus_message_append(*ret, "ssssss", hook_type_to_string(run->type), run->object,
                                     run->operation, run->suboperation, run->extra, run->id);
}

static int post_started(Report *report, const RunFacts *run) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        int r;

        r = new_signal(report, &signal, "HookStarted", run);
        if (r >= 0)
                r = sd_bus_message_open_container(signal, 'a', "{sv}");
        if (r >= 0)
                r = append_common(report, signal, run);
        if (r >= 0)
                r = sd_bus_message_close_container(signal);
        if (r >= 0)
                report_post(report, TAKE_PTR(signal));
        return r;
}

static int append_result(sd_bus_message *signal, const RunFacts *run) {
        int r;

        r = sd_bus_message_append(signal, "{sv}", "scripts", "u", (uint32_t) run->scripts);
        return r < 0 ? r : run_append_text(signal, "reason", run->reason);
}

static int post_finished(Report *report, const RunFacts *run) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        int r;

        r = new_signal(report, &signal, "HookFinished", run);
        if (r >= 0)
                r = sd_bus_message_append(signal, "sst", run_outcome_to_string(run->outcome),
                                          hook_effect_to_string(run->effect), run->duration);
        if (r >= 0)
                r = sd_bus_message_open_container(signal, 'a', "{sv}");
        if (r >= 0)
                r = append_common(report, signal, run);
        if (r >= 0)
                r = append_result(signal, run);
        if (r >= 0)
                r = sd_bus_message_close_container(signal);
        if (r >= 0)
                report_post(report, TAKE_PTR(signal));
        return r;
}

/* HookStarted of a run that waits for it. */
static void report_announce(Report *report, Run *run) {
        RunFacts facts;
        int r;

        TAILQ_REMOVE(&report->unannounced, run, in_report);
        run->announce_at = 0;
        run->sequence_started = ++report->sequence;
        run_describe(run, &facts);
        r = post_started(report, &facts);
        if (memory_try_again(r))
                r = post_started(report, &facts);
        if (r < 0)
                log_warning("HookStarted of run %s could not be sent, ignoring: %s", run->id,
                            strerror(-r));
}

void report_flush(Report *report) {
        Run *run;

        while ((run = TAILQ_FIRST(&report->unannounced)))
                report_announce(report, run);
        report_flush_outbox(report);
}

/* Has on_timer() called for what is due first, if it is not going to be. Where that fails nothing
 * waits any more. */
static void report_set_timer(Report *report) {
        const Run *run = TAILQ_FIRST(&report->unannounced);
        uint64_t due = run ? run->announce_at : UINT64_MAX, next = UINT64_MAX;
        int on = SD_EVENT_OFF, r;

        if (!TAILQ_EMPTY(&report->outbox))
                due = MIN(due, report->outbox_due);
        if (due == UINT64_MAX)
                return;
        /* On for something that has gone already, it comes too early, and is set anew then. */
        r = sd_event_source_get_enabled(report->timer, &on);
        if (r >= 0 && on != SD_EVENT_OFF)
                r = sd_event_source_get_time(report->timer, &next);
        if (r >= 0 && due < next)
                r = sd_event_source_set_time(report->timer, due);
        if (r >= 0 && on == SD_EVENT_OFF)
                r = sd_event_source_set_enabled(report->timer, SD_EVENT_ONESHOT);
        if (r < 0)
                report_flush(report);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Report *report = userdata;
        uint64_t now = now_usec(CLOCK_MONOTONIC);
        bool due = !TAILQ_EMPTY(&report->outbox) && report->outbox_due <= now;
        Run *run;

        while ((run = TAILQ_FIRST(&report->unannounced)) && run->announce_at <= now) {
                report_announce(report, run);
                due = true;
        }
        if (due)
                report_flush_outbox(report);
        report_set_timer(report);
        return 0;
}

/* Sees each message before anybody else does. No answer gets ahead of the signals of a run that has
 * ended. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        if (sd_bus_message_is_method_call(message, BRIDGE_INTERFACE, "ListRuns") ||
            sd_bus_message_is_method_call(message, BRIDGE_INTERFACE, "GetRun") ||
            sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", NULL))
                report_flush(userdata);
        return 0;
}

void report_started(Report *report, Run *run) {
        run->announce_at = now_usec(CLOCK_MONOTONIC) + REPORT_DELAY_STARTED;
        TAILQ_INSERT_TAIL(&report->unannounced, run, in_report);
        report_set_timer(report);
}

void report_forget(Report *report, Run *run) {
        if (run->announce_at == 0)
                return;
        TAILQ_REMOVE(&report->unannounced, run, in_report);
        run->announce_at = 0;
}

void report_finished(Report *report, Run *run) {
        RunFacts facts;
        int r;

        if (run->announce_at > 0)
                report_announce(report, run);
        run->sequence_finished = ++report->sequence;
        run_describe(run, &facts);
        r = post_finished(report, &facts);
        if (memory_try_again(r))
                r = post_finished(report, &facts);
        if (r < 0)
                log_warning("HookFinished of run %s could not be sent, ignoring: %s", run->id,
                            strerror(-r));
        report_set_timer(report);
        journal_run_finished(run);
}

const char *report_instance(const Report *report) {
        return report->instance;
}

int report_new(Report **ret, sd_bus *bus, sd_event *event) {
        _cleanup_(report_free_pointer) Report *report = malloc(sizeof(Report));
        uuid_t instance;
        int r;

        if (!report)
                return -ENOMEM;
        *report = (Report){ .bus = bus };
        TAILQ_INIT(&report->unannounced);
        TAILQ_INIT(&report->outbox);
        uuid_generate_random(instance);
        uuid_unparse_lower(instance, report->instance);
        r = sd_event_add_time(event, &report->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY, on_timer,
                              report);
        if (r >= 0)
                r = sd_event_source_set_enabled(report->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_bus_add_filter(bus, &report->filter, on_message, report);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(report);
        return 0;
}

Report *report_free(Report *report) {
        if (!report)
                return NULL;
        report_flush_outbox(report);
        sd_bus_slot_unref(report->filter);
        sd_event_source_disable_unref(report->timer);
        free(report);
        return NULL;
}
