/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs in messages: the same keys in signals, lists and replies.
 */

#include "run-bus.h"

#include <sys/wait.h>

#include "capture.h"
#include "text.h"

/* A message must not be larger than the bus takes, and each bad byte becomes three. */
#define RESULTS_TEXT_MAX (4U * 1024U * 1024U)

int run_append_text(sd_bus_message *message, const char *key, const char *value) {
        return empty(value) ? 0 : sd_bus_message_append(message, "{sv}", key, "s", value);
}

/* Bytes that may be anything. */
static int append_bytes(sd_bus_message *message, const char *key, const char *data, size_t size) {
        _cleanup_free_ char *text = NULL;

        if (size == 0)
                return 0;
        text = text_to_utf8(data, size);
        return text ? run_append_text(message, key, text) : -ENOMEM;
}

static int append_time(sd_bus_message *message, const char *key, uint64_t value) {
        return sd_bus_message_append(message, "{sv}", key, "t", value);
}

/* A path, or a document's own text: XML has characters that D-Bus does not carry. */
static int append_value(sd_bus_message *message, const char *key, const char *value) {
        return value ? append_bytes(message, key, value, strlen(value)) : 0;
}

static int append_port(sd_bus_message *message, const RunFacts *run) {
        int r;

        r = run_append_text(message, "port_uuid", run->port_uuid);
        if (r >= 0)
                r = append_value(message, "port_mac", run->port_mac);
        if (r >= 0)
                r = append_value(message, "port_owner", run->port_owner);
        if (r >= 0)
                r = run_append_text(message, "port_owner_uuid", run->port_owner_uuid);
        return r;
}

int run_append_subject(sd_bus_message *message, const RunFacts *run) {
        int r;

        r = run_append_text(message, "uuid", run->uuid);
        if (r >= 0)
                r = append_port(message, run);
        if (r >= 0)
                r = sd_bus_message_append(message, "{sv}{sv}", "caller_uid", "u",
                                          (uint32_t) run->caller_uid, "caller_pid", "u",
                                          (uint32_t) run->caller_pid);
        if (r >= 0)
                r = run_append_text(message, "caller_comm", run->caller_comm);
        if (r >= 0)
                r = run_append_text(message, "caller_unit", run->caller_unit);
        return r;
}

static int append_identity(sd_bus_message *message, const RunFacts *run) {
        return sd_bus_message_append(
                message, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "run", "s", run->id, "type", "s",
                hook_type_to_string(run->type), "object", "s", run->object, "operation", "s",
                run->operation, "suboperation", "s", run->suboperation, "extra", "s", run->extra,
                "state", "s", run_state_to_string(run->state), "queued_at", "t", run->queued_at);
}

static int append_progress(sd_bus_message *message, const RunFacts *run) {
        int r = 0;

        if (run->started_at == 0)
                return 0;
        r = append_time(message, "started_at", run->started_at);
        if (r >= 0)
                r = append_time(message, "duration_usec", run->duration);
        if (r >= 0)
                r = sd_bus_message_append(message, "{sv}", "scripts", "u", (uint32_t) run->scripts);
        if (r >= 0 && run->pid > 0)
                r = sd_bus_message_append(message, "{sv}", "pid", "u", (uint32_t) run->pid);
        if (r >= 0)
                r = append_value(message, "script", run->script);
        if (r >= 0 && run->sequence_started > 0)
                r = append_time(message, "sequence_started", run->sequence_started);
        if (r >= 0 && run->sequence_finished > 0)
                r = append_time(message, "sequence_finished", run->sequence_finished);
        return r;
}

int run_append_summary(sd_bus_message *message, const RunFacts *run) {
        int r;

        r = append_identity(message, run);
        if (r >= 0)
                r = run_append_subject(message, run);
        if (r >= 0)
                r = append_progress(message, run);
        if (r < 0 || run->state != RUN_STATE_FINISHED)
                return r;
        r = run_append_text(message, "outcome", run_outcome_to_string(run->outcome));
        if (r >= 0)
                r = run_append_text(message, "effect", hook_effect_to_string(run->effect));
        if (r >= 0)
                r = run_append_text(message, "reason", run->reason);
        return r;
}

int run_append_entry(sd_bus_message *message, const RunFacts *run) {
        int r;

        r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r >= 0)
                r = run_append_summary(message, run);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* Kept text, or that its TOTAL bytes are left out where it is too much for ROOM, which it takes. */
static int append_captured(sd_bus_message *message, const char *key, const char *data, size_t size,
                           uint64_t total, size_t *room) {
        char gap[CAPTURE_GAP_SIZE];

        if (size > *room)
                return run_append_text(message, key, capture_format_gap(gap, total));
        *room -= size;
        return append_bytes(message, key, data, size);
}

/* The a{sv} of one script. */
static int append_result(sd_bus_message *message, const ScriptResult *result, size_t *room) {
        bool exited = WIFEXITED(result->status);
        int r;

        r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r >= 0)
                r = append_value(message, "path", result->path);
        if (r >= 0 && !result->lost)
                r = sd_bus_message_append(message, "{sv}", exited ? "status" : "signal", "i",
                                          exited ? WEXITSTATUS(result->status)
                                                 : WTERMSIG(result->status));
        if (r >= 0)
                r = append_time(message, "started_at", result->started);
        if (r >= 0)
                r = append_time(message, "duration_usec", result->duration);
        if (r >= 0)
                r = append_time(message, "user_usec", result->user);
        if (r >= 0)
                r = append_time(message, "system_usec", result->system);
        if (r >= 0)
                r = append_captured(message, "errors", result->error, result->error_size,
                                    result->error_total, room);
        if (r >= 0)
                r = append_time(message, "errors_size", result->error_total);
        if (r >= 0)
                r = append_captured(message, "output", result->output, result->output_size,
                                    result->output_total, room);
        if (r >= 0)
                r = append_time(message, "output_size", result->output_total);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* "results": aa{sv}, in the order in which the scripts ran. */
int run_append_results(sd_bus_message *message, const RunFacts *run) {
        size_t room = RESULTS_TEXT_MAX;
        int r;

        r = run_append_text(message, "message", run->message);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", "results");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "a{sv}");
        for (unsigned i = 0; i < run->scripts && r >= 0; i++)
                r = append_result(message, &run->results[i], &room);
        for (unsigned i = 0; i < 3 && r >= 0; i++)
                r = sd_bus_message_close_container(message);
        return r;
}

int run_append_details(sd_bus_message *reply, const Run *run) {
        RunFacts facts;
        int r;

        run_describe(run, &facts);

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}", "effect", "s",
                                          hook_effect_to_string(facts.effect), "duration_usec", "t",
                                          facts.duration, "scripts", "u", (uint32_t) facts.scripts);
        if (r >= 0)
                r = run_append_text(reply, "uuid", facts.uuid);
        if (r >= 0)
                r = run_append_text(reply, "reason", facts.reason);
        if (r >= 0)
                r = run_append_text(reply, "remedy", run->remedy);
        if (r >= 0)
                r = run_append_text(reply, "message", facts.message);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}
