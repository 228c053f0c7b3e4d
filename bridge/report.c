/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The signals. Listeners find gaps by the sequence, and a restart of the service by the instance.
 */

#include "report.h"

#include <uuid.h>

#include "bus-names.h"
#include "journal.h"
#include "log.h"
#include "run-bus.h"

struct Report {
        sd_bus *bus;
        char instance[UUID_TEXT_SIZE];
        uint64_t sequence;
};

/* The details that both signals have. */
static int append_common(Report *report, sd_bus_message *signal, const Run *run) {
        int r = run_append_subject(signal, run);

        if (r >= 0)
                r = sd_bus_message_append(signal, "{sv}{sv}", "sequence", "t", report->sequence,
                                          "instance", "s", report->instance);
        return r;
}

static int new_signal(Report *report, sd_bus_message **ret, const char *name, const Run *run) {
        const Request *request = run->request;
        int r;

        report->sequence++;
        r = sd_bus_message_new_signal(report->bus, ret, BRIDGE_PATH, BRIDGE_INTERFACE, name);
        if (r < 0)
                return r;
        return sd_bus_message_append(*ret, "ssssss", hook_type_to_string(request->operation.type),
                                     request->object, request->operation.name,
                                     request->suboperation, request->extra, run->id);
}

static int send_started(Report *report, const Run *run) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        int r;

        r = new_signal(report, &signal, "HookStarted", run);
        if (r >= 0)
                r = sd_bus_message_open_container(signal, 'a', "{sv}");
        if (r >= 0)
                r = append_common(report, signal, run);
        if (r >= 0)
                r = sd_bus_message_close_container(signal);
        return r < 0 ? r : sd_bus_send(report->bus, signal, NULL);
}

static int append_result(sd_bus_message *signal, const Run *run) {
        int r;

        r = sd_bus_message_append(signal, "{sv}", "scripts", "u", (uint32_t) run->scripts);
        return r < 0 ? r : run_append_text(signal, "reason", run->reason);
}

static int send_finished(Report *report, const Run *run) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        int r;

        r = new_signal(report, &signal, "HookFinished", run);
        if (r >= 0)
                r = sd_bus_message_append(signal, "sst", run_outcome_to_string(run->outcome),
                                          hook_effect_to_string(run_effect(run)), run->duration);
        if (r >= 0)
                r = sd_bus_message_open_container(signal, 'a', "{sv}");
        if (r >= 0)
                r = append_common(report, signal, run);
        if (r >= 0)
                r = append_result(signal, run);
        if (r >= 0)
                r = sd_bus_message_close_container(signal);
        return r < 0 ? r : sd_bus_send(report->bus, signal, NULL);
}

void report_started(Report *report, Run *run) {
        int r = send_started(report, run);

        run->sequence_started = report->sequence;
        if (r < 0)
                log_warning("HookStarted of run %s could not be sent, ignoring: %s", run->id,
                            strerror(-r));
}

void report_finished(Report *report, Run *run) {
        int r = send_finished(report, run);

        run->sequence_finished = report->sequence;
        if (r < 0)
                log_warning("HookFinished of run %s could not be sent, ignoring: %s", run->id,
                            strerror(-r));
        journal_run_finished(run);
}

const char *report_instance(const Report *report) {
        return report->instance;
}

int report_new(Report **ret, sd_bus *bus) {
        Report *report = malloc(sizeof(Report));
        uuid_t instance;

        if (!report)
                return -ENOMEM;
        *report = (Report){ .bus = bus };
        uuid_generate_random(instance);
        uuid_unparse_lower(instance, report->instance);
        *ret = report;
        return 0;
}

Report *report_free(Report *report) {
        free(report);
        return NULL;
}
