/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One hook call that was let in: its scripts, one after another, and what came of them.
 *
 * Source: virHookCall() in libvirt's src/util/virhook.c.
 */

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "caller.h"
#include "cgroup.h"
#include "drain.h"
#include "process.h"
#include "request.h"
#include "run-outcome.h"
#include "scripts.h"
#include "settings.h"

typedef struct Run Run;

/* What runs share. It outlives them all. */
typedef struct RunContext {
        sd_event *event;
        const Settings *settings;
        Scripts *scripts;
        Drain *drain;
        CgroupRoot *cgroups; /* NULL where none is delegated */
        char **environment;  /* of the scripts, where the caller gives none */
        const char *via;     /* who runs them, for the log: NULL for the service, "direct" */
        /* A run takes longer than WarnAfter=, AFTER microseconds. May be NULL. */
        void (*lasts)(const Run *run, uint64_t after);
} RunContext;

/* What one script of a run did. */
typedef struct ScriptResult {
        const char *path;  /* the run's list has it */
        int status;        /* as wait(2) has it */
        bool lost;         /* but it is not known */
        uint64_t started;  /* microseconds of CLOCK_REALTIME */
        uint64_t duration; /* microseconds */
        uint64_t user,
                system; /* microseconds of processor time, with those of children it waited for */
        char *error, *output; /* standard error, and the end of standard output; NULL where empty */
        size_t error_size, output_size;
        uint64_t error_total, output_total; /* bytes that it wrote in all */
} ScriptResult;

/* Called once when the run has ended; may free it. */
typedef void (*run_done_t)(Run *run, void *userdata);

struct Run {
        char id[UUID_TEXT_SIZE];
        Request *request;
        Caller *caller;
        int started_fd; /* gets a byte just before the first script is started; -EBADF where nobody
                           asked */

        uint64_t queued_at;        /* microseconds of CLOCK_REALTIME */
        uint64_t started_at;       /* the same; 0 while it waits */
        uint64_t sequence_started; /* of its signals; 0 while there is none */
        uint64_t sequence_finished;
        ScriptList list;       /* what it runs, from its start on */
        ScriptResult *results; /* of those that have ended */
        unsigned scripts;      /* how many have */

        /* Valid once it has ended. */
        bool finished;
        RunOutcome outcome;
        int status; /* the exit status of RUN_FAILED, the signal of RUN_KILLED, else 0 */
        const char *error_name; /* the D-Bus error that tells of it; NULL for a success */
        char *message;          /* and its text, with the script's words; NULL for a success */
        char *reason;  /* the same in our own words, without the script's; NULL for a success */
        char *remedy;  /* what to do about it; NULL where only the script can know */
        Bytes *output; /* what the chain of a filter printed; NULL where that is nothing */
        const ScriptResult *failure; /* of RUN_FAILED and RUN_KILLED: the script that is told of */
        uint64_t duration;           /* microseconds */

        /* The rest is run.c's own. */
        const RunContext *context;
        uint64_t started; /* microseconds of CLOCK_MONOTONIC */
        char **environment;
        Process *process;
        Cgroup *cgroup; /* NULL where there is none */
        char *argv[6];
        bool failed;         /* a script has: from here on each gets the original document */
        bool ending;         /* we are ending the scripts, outcome tells why */
        Bytes *current;      /* the document for the next script */
        uint64_t time_limit; /* of all its scripts, as it was at the start: microseconds */
        sd_event_source *timeout_source, *warn_source, *kill_source;
        run_done_t done;
        void *userdata;
        TAILQ_ENTRY(Run) in_report; /* the report's own */
        uint64_t announce_at;       /* the report's, too: microseconds of CLOCK_MONOTONIC */
};

/* What the ended run means for its object. */
HookEffect run_effect(const Run *run);

/* Takes REQUEST and references CALLER. On failure REQUEST is freed, too. Returns 0 or a negative
 * errno. */
int run_new(Run **ret, const RunContext *context, Request *request, Caller *caller);

/*
 * Starts the scripts. It never fails: what goes wrong is the run's outcome. DONE may be called
 * before this function returns.
 */
void run_start(Run *run, run_done_t done, void *userdata);

/*
 * Ends the running scripts; the run is done, with RUN_CANCELLED, when they have ended. WHY is half
 * a sentence: "was cancelled by uid 0".
 */
void run_cancel(Run *run, const char *why);

/* The process that runs now, or 0. */
pid_t run_pid(const Run *run);

/* How long it has run, or ran: microseconds. */
uint64_t run_duration(const Run *run);

Run *run_free(Run *run); /* kills what still runs; takes NULL, returns NULL */

DEFINE_CLEANUP(Run, run_free);
