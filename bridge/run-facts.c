/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A copy is one piece of memory: the facts, its scripts' results, then all that they point to.
 */

#include "run-facts.h"

static const char *const run_states[RUN_STATE_MAX] = {
        [RUN_STATE_WAITING] = "waiting",
        [RUN_STATE_RUNNING] = "running",
        [RUN_STATE_FINISHED] = "finished",
};

const char *run_state_to_string(RunState state) {
        return run_states[state];
}

static const char *or_null(const char *s) {
        return empty(s) ? NULL : s;
}

void run_describe(const Run *run, RunFacts *ret) {
        const Request *request = run->request;
        const DocumentInfo *info = &request->info;
        const Caller *caller = run->caller;

        *ret = (RunFacts){
                .id = run->id,
                .object = request->object,
                .operation = request->operation.name,
                .suboperation = request->suboperation,
                .extra = request->extra,
                .type = request->operation.type,
                .uuid = or_null(info->uuid),
                .port_uuid = or_null(info->port_uuid),
                .port_mac = or_null(info->port_mac),
                .port_owner = or_null(info->port_owner),
                .port_owner_uuid = or_null(info->port_owner_uuid),
                .caller_comm = or_null(caller->comm),
                .caller_unit = or_null(caller->unit),
                .caller_uid = caller->uid,
                .caller_pid = caller->pid,
                .state = run->finished         ? RUN_STATE_FINISHED
                         : run->started_at > 0 ? RUN_STATE_RUNNING
                                               : RUN_STATE_WAITING,
                .queued_at = run->queued_at,
                .started_at = run->started_at,
                .duration = run_duration(run),
                .sequence_started = run->sequence_started,
                .sequence_finished = run->sequence_finished,
                .pid = run_pid(run),
                .script = run_pid(run) > 0 ? run->list.scripts[run->scripts].path : NULL,
                .results = run->results,
                .scripts = run->scripts,
        };
        if (!run->finished)
                return;
        ret->outcome = run->outcome;
        ret->effect = run_effect(run);
        ret->reason = or_null(run->reason);
        ret->message = or_null(run->message);
}

/* A piece of memory that is filled from its start. Where there is none it is counted how large it
 * would have to be. */
typedef struct Piece {
        char *data; /* NULL: it is only counted */
        size_t used;
} Piece;

static void *piece_add(Piece *piece, const void *data, size_t size) {
        void *copy = NULL;

        if (piece->data && size > 0)
                copy = memcpy(piece->data + piece->used, data, size);
        piece->used += size;
        return copy;
}

static char *piece_add_string(Piece *piece, const char *s) {
        return s ? piece_add(piece, s, strlen(s) + 1) : NULL;
}

static ScriptResult copy_result(Piece *piece, const ScriptResult *result) {
        ScriptResult copy = *result;

        copy.path = piece_add_string(piece, result->path);
        copy.error = piece_add(piece, result->error, result->error_size);
        copy.output = piece_add(piece, result->output, result->output_size);
        return copy;
}

/* Adds FACTS to an empty piece. */
static void copy_facts(Piece *piece, const RunFacts *facts) {
        RunFacts copy = *facts, *place = piece_add(piece, facts, sizeof(*facts));
        ScriptResult *results =
                piece_add(piece, facts->results, facts->scripts * sizeof(ScriptResult));

        for (unsigned i = 0; i < facts->scripts; i++) {
                ScriptResult result = copy_result(piece, &facts->results[i]);

                if (results)
                        results[i] = result;
        }
        copy.results = results;
        copy.id = piece_add_string(piece, facts->id);
        copy.object = piece_add_string(piece, facts->object);
        copy.operation = piece_add_string(piece, facts->operation);
        copy.suboperation = piece_add_string(piece, facts->suboperation);
        copy.extra = piece_add_string(piece, facts->extra);
        copy.uuid = piece_add_string(piece, facts->uuid);
        copy.port_uuid = piece_add_string(piece, facts->port_uuid);
        copy.port_mac = piece_add_string(piece, facts->port_mac);
        copy.port_owner = piece_add_string(piece, facts->port_owner);
        copy.port_owner_uuid = piece_add_string(piece, facts->port_owner_uuid);
        copy.caller_comm = piece_add_string(piece, facts->caller_comm);
        copy.caller_unit = piece_add_string(piece, facts->caller_unit);
        copy.script = piece_add_string(piece, facts->script);
        copy.reason = piece_add_string(piece, facts->reason);
        copy.message = piece_add_string(piece, facts->message);
        if (place)
                *place = copy;
}

size_t run_facts_size(const RunFacts *facts) {
        Piece piece = {};

        copy_facts(&piece, facts);
        return piece.used;
}

RunFacts *run_facts_copy(const RunFacts *facts, void *place) {
        Piece piece = { .data = place };

        copy_facts(&piece, facts);
        return place;
}
