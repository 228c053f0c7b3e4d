/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The signals. Listeners find gaps by the sequence, and a restart of the service by the instance.
 */

#include "report.h"

#include <uuid.h>

#include "bus-names.h"
#include "log.h"
#include "text.h"

struct Report {
        sd_bus *bus;
        char instance[UUID_TEXT_SIZE];
        uint64_t sequence;
};

static int append_string(sd_bus_message *signal, const char *key, const char *value) {
        if (empty(value))
                return 0;
        return sd_bus_message_append(signal, "{sv}", key, "s", value);
}

static int append_port(sd_bus_message *signal, const DocumentInfo *info) {
        int r;

        if (!info->has_port)
                return 0;
        r = append_string(signal, "port_uuid", info->port_uuid);
        if (r >= 0)
                r = append_string(signal, "port_mac", info->port_mac);
        if (r >= 0)
                r = append_string(signal, "port_owner", info->port_owner);
        if (r >= 0)
                r = append_string(signal, "port_owner_uuid", info->port_owner_uuid);
        return r;
}

static int append_caller(sd_bus_message *signal, const Caller *caller) {
        int r;

        r = sd_bus_message_append(signal, "{sv}{sv}", "caller_uid", "u", (uint32_t) caller->uid,
                                  "caller_pid", "u", (uint32_t) caller->pid);
        if (r >= 0)
                r = append_string(signal, "caller_comm", caller->comm);
        if (r >= 0)
                r = append_string(signal, "caller_unit", caller->unit);
        return r;
}

/* The details that both signals have. */
static int append_common(Report *report, sd_bus_message *signal, const Run *run) {
        int r;

        r = append_string(signal, "uuid", run->request->info.uuid);
        if (r >= 0)
                r = append_port(signal, &run->request->info);
        if (r >= 0)
                r = sd_bus_message_append(signal, "{sv}{sv}", "sequence", "t", report->sequence,
                                          "instance", "s", report->instance);
        if (r >= 0)
                r = append_caller(signal, run->caller);
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

        r = sd_bus_message_append(signal, "{sv}", "scripts", "u", run->scripts);
        return r < 0 ? r : append_string(signal, "reason", run->reason);
}

static int send_finished(Report *report, const Run *run) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        int r;

        r = new_signal(report, &signal, "HookFinished", run);
        if (r >= 0)
                r = sd_bus_message_append(signal, "sst", run_outcome_to_string(run->outcome),
                                          hook_effect_to_string(run_effect(run)),
                                          run->ended - run->started);
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

void report_started(Report *report, const Run *run) {
        int r = send_started(report, run);

        if (r < 0)
                log_warning("HookStarted of run %s could not be sent, ignoring: %s", run->id,
                            strerror(-r));
}

void report_finished(Report *report, const Run *run) {
        int r = send_finished(report, run);

        if (r < 0)
                log_warning("HookFinished of run %s could not be sent, ignoring: %s", run->id,
                            strerror(-r));
        if (run_effect(run) != HOOK_EFFECT_PROCEED)
                log_line(run_effect(run) == HOOK_EFFECT_IGNORED ? LOG_WARNING : LOG_ERR,
                         "%s %s %s: %s (%s)", hook_type_to_string(run->request->operation.type),
                         run->request->object, run->request->operation.name,
                         run->message ? run->message : run_outcome_to_string(run->outcome),
                         hook_effect_to_string(run_effect(run)));
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
