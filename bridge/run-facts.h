/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is told of a run, in messages and to those who ask later. It is a view of a run that lives,
 * or a copy, which is all that the history keeps.
 */

#include "run.h"

typedef enum RunState {
        RUN_STATE_WAITING,
        RUN_STATE_RUNNING,
        RUN_STATE_FINISHED,
        RUN_STATE_MAX,
} RunState;

const char *run_state_to_string(RunState state);

/* Strings are NULL where there is nothing to tell, but those of the first line never are. */
typedef struct RunFacts {
        const char *id, *object, *operation, *suboperation, *extra;
        HookType type;

        /* Whom the document is about: the object, and a network's port. */
        const char *uuid, *port_uuid, *port_mac, *port_owner, *port_owner_uuid;

        const char *caller_comm, *caller_unit;
        uid_t caller_uid;
        pid_t caller_pid;

        RunState state;
        uint64_t queued_at;        /* microseconds of CLOCK_REALTIME */
        uint64_t started_at;       /* the same; 0 while it waits */
        uint64_t duration;         /* microseconds, so far or in all */
        uint64_t sequence_started; /* of its signals; 0 while there is none */
        uint64_t sequence_finished;
        const char *script; /* the path of the one that runs, as PID */
        pid_t pid;          /* 0 where none does */

        /* Valid once it has ended. */
        RunOutcome outcome;
        HookEffect effect;
        const char *reason, *message; /* in our own words, and with the script's */

        const ScriptResult *results; /* of the scripts that have ended */
        unsigned scripts;            /* how many have */
} RunFacts;

/* *ret is valid until anything happens to RUN. */
void run_describe(const Run *run, RunFacts *ret);

/* How many bytes a copy takes. */
size_t run_facts_size(const RunFacts *facts);

/* Copies FACTS to PLACE, with all that they point to. PLACE has room for them, and is aligned for
 * them; it stays the caller's, and to forget the copy is enough. */
RunFacts *run_facts_copy(const RunFacts *facts, void *place);
