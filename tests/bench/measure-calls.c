/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One call at a time, with small documents.
 */

#include <stdio.h>
#include <sys/stat.h>

#include "client.h"
#include "delegation.h"
#include "dispatcher.h"
#include "domain.h"
#include "fatal.h"
#include "measures.h"
#include "place.h"
#include "subject.h"

#define HISTORY 1000U
#define WAITING 1000U

/* Two medians of the same differ by less. */
#define NO_MORE 1.05

/* A service that keeps as many runs as it may. */
static Site *new_full_site(const Bench *bench, const char *document) {
        Site *site = site_new(bench->bus, "HistoryRuns=1000\n", false);

        hooks_use(SCRIPT_NONE);
        for (unsigned i = 0; i < HISTORY; i++)
                client_call(site->client, "guest", OPERATION_PLAIN, document);
        return site;
}

/* A service where as many calls wait for one that lasts. */
static Site *new_waiting_site(const Bench *bench, Flight *flight, const char *document) {
        Site *site = site_new(bench->bus, "MaxWaitingPerCaller=2000\nHistoryRuns=0\n", false);

        flight->bus = message_bus_connect(site->bus);
        for (unsigned i = 0; i < WAITING + 1; i++)
                flight_start(flight, "Lxc", "guest", document);
        must(sd_bus_flush(flight->bus), "the private bus");
        client_ping(flight->bus); /* answered after what was sent before */
        return site;
}

/* A service whose runs have cgroups, as those of the installed one do. */
static Site *new_site_inside(const Bench *bench) {
        const char *why_not = delegation_why_not();

        if (!why_not)
                return site_new_inside(bench->bus, delegation_directory());
        results_add_note(bench->results, "Not measured: a cgroup for each run: %s.", why_not);
        return NULL;
}

/* virt-hooks-forward, where libvirt expects a script: by its name it knows the type. */
static char *make_forwarder(void) {
        _cleanup_free_ char *program = place_program("client/virt-hooks-forward"),
                            *directory = place_path("forward");
        char *path = place_path("forward/qemu");

        if (access(path, F_OK) == 0)
                return path;
        must_sys(mkdir(directory, 0755), directory);
        must_sys(symlink(program, path), path);
        return path;
}

static Dispatcher *dispatcher;

static Dispatcher *new_dispatcher(const Bench *bench) {
        const char *why_not = dispatcher_why_not();

        if (!why_not)
                return dispatcher_new(bench->bus);
        results_add_note(bench->results, "Not measured: NetworkManager's dispatcher: %s.", why_not);
        return NULL;
}

static void dispatch(const Subject *subject) {
        dispatcher_act(dispatcher);
}

typedef enum Index {
        SPAWN_SHELL,
        SPAWN_TRUE,
        SPAWN_CAT,
        CALL_PING,
        CALL_NONE,
        CALL_SHELL,
        CALL_TRUE,
        RUN_SHELL,
        FORWARD_SHELL,
        CALL_CHAIN,
        CALL_FILTER,
        JOURNAL_NONE,
        JOURNAL_SHELL,
        RESTED_SHELL,
        CGROUP_SHELL,
        EMPTY_NONE,
        EMPTY_SHELL,
        FULL_NONE,
        FULL_SHELL,
        WAITING_NONE,
        WAITING_SHELL,
        DISPATCHER,
        INDEX_MAX,
} Index;

static void report_rows(const Bench *bench, Subject *s, size_t n) {
        static const Index others[INDEX_MAX] = {
                [SPAWN_TRUE] = SPAWN_SHELL,    [SPAWN_CAT] = SPAWN_SHELL,
                [CALL_NONE] = CALL_PING,       [CALL_SHELL] = SPAWN_SHELL,
                [CALL_TRUE] = SPAWN_TRUE,      [RUN_SHELL] = SPAWN_SHELL,
                [FORWARD_SHELL] = SPAWN_SHELL, [CALL_CHAIN] = SPAWN_SHELL,
                [CALL_FILTER] = SPAWN_CAT,     [JOURNAL_NONE] = CALL_NONE,
                [JOURNAL_SHELL] = CALL_SHELL,  [RESTED_SHELL] = CALL_SHELL,
                [CGROUP_SHELL] = RESTED_SHELL, [EMPTY_NONE] = CALL_PING,
                [EMPTY_SHELL] = SPAWN_SHELL,   [FULL_NONE] = EMPTY_NONE,
                [FULL_SHELL] = EMPTY_SHELL,    [WAITING_NONE] = EMPTY_NONE,
                [WAITING_SHELL] = EMPTY_SHELL, [DISPATCHER] = SPAWN_SHELL,
        };

        for (size_t i = 0; i < n; i++)
                if (s[i].act)
                        subject_report(&s[i], bench->results,
                                       i == SPAWN_SHELL || i == CALL_PING ? NULL : &s[others[i]]);
}

static void report_targets(const Bench *bench, Subject *s) {
        double bare = subject_median(&s[SPAWN_SHELL]), ping = subject_median(&s[CALL_PING]);
        double call = subject_median(&s[CALL_SHELL]);
        Results *results = bench->results;

        results_add_target(results, "a call without a script, in Pings",
                           subject_median(&s[CALL_NONE]) / ping, 1.5);
        results_add_target(results, "a call with a trivial script, in bare spawns", call / bare,
                           1.1);
        results_add_target(results, "what it takes more than a bare spawn, in Pings",
                           (call - bare) / ping, 1);
        results_add_target(
                results, "through virt-hooks-forward, in bare spawns + 3 of true",
                subject_median(&s[FORWARD_SHELL]) / (bare + 3 * subject_median(&s[SPAWN_TRUE])), 1);
        results_add_target(results, "without a script, a full history, in calls with none",
                           subject_median(&s[FULL_NONE]) / subject_median(&s[EMPTY_NONE]), NO_MORE);
        results_add_target(results, "with a trivial script, a full history, in calls with none",
                           subject_median(&s[FULL_SHELL]) / subject_median(&s[EMPTY_SHELL]),
                           NO_MORE);
        results_add_target(results, "without a script, 1,000 waiting, in calls with none",
                           subject_median(&s[WAITING_NONE]) / subject_median(&s[EMPTY_NONE]),
                           NO_MORE);
        results_add_target(results, "with a trivial script, 1,000 waiting, in calls with none",
                           subject_median(&s[WAITING_SHELL]) / subject_median(&s[EMPTY_SHELL]),
                           NO_MORE);
}

void measure_calls(const Bench *bench) {
        _cleanup_free_ char *document = domain_dense("guest", 2048), *variable = NULL,
                            *forwarder = make_forwarder();
        _cleanup_(site_free_pointer) Site *plain = site_new(bench->bus, "", false),
                                          *empty = site_new(bench->bus, "HistoryRuns=0\n", false),
                                          *full = new_full_site(bench, document), *waiting = NULL,
                                          *journal = NULL, *inside = NULL;
        Flight flight = {};
        Subject subjects[INDEX_MAX];

        waiting = new_waiting_site(bench, &flight, document);
        dispatcher = new_dispatcher(bench);
        if (asprintf(&variable, "DBUS_%s_BUS_ADDRESS=%s", geteuid() == 0 ? "SYSTEM" : "SESSION",
                     plain->bus->address) < 0)
                fatal("memory is short");
        if (place_is_private())
                journal = site_new(bench->bus, "", true);
        else
                results_add_note(bench->results,
                                 "Not measured: the journal, for which this must run as root.");
        inside = new_site_inside(bench);

        memcpy(subjects,
               (Subject[INDEX_MAX]){
                       [SPAWN_SHELL] = { BARE_SHELL, SCRIPT_SHELL, subject_spawn },
                       [SPAWN_TRUE] = { BARE_TRUE, SCRIPT_TRUE, subject_spawn },
                       [SPAWN_CAT] = { "bare spawn of cat", SCRIPT_CAT, subject_spawn },
                       [CALL_PING] = { PING, SCRIPT_SHELL, subject_ping, plain },
                       [CALL_NONE] = { "call, no script", SCRIPT_NONE, subject_call, plain },
                       [CALL_SHELL] = { "call, #!/bin/sh exit 0", SCRIPT_SHELL, subject_call,
                                        plain },
                       [CALL_TRUE] = { "call, true", SCRIPT_TRUE, subject_call, plain },
                       [RUN_SHELL] = { "Run, #!/bin/sh exit 0", SCRIPT_SHELL, subject_run, plain },
                       [FORWARD_SHELL] = { "virt-hooks-forward, #!/bin/sh exit 0", SCRIPT_SHELL,
                                           subject_spawn, plain, .path = forwarder,
                                           .environment = (char *[]){ variable, NULL } },
                       [CALL_CHAIN] = { "call, ten of #!/bin/sh exit 0", SCRIPT_CHAIN, subject_call,
                                        plain },
                       [CALL_FILTER] = { "call, filter: cat", SCRIPT_CAT, subject_call, plain,
                                         .operation = OPERATION_FILTER },
                       [JOURNAL_NONE] = { "call, no script, with a journal", SCRIPT_NONE,
                                          journal ? subject_call : NULL, journal },
                       [JOURNAL_SHELL] = { "call, #!/bin/sh exit 0, with a journal", SCRIPT_SHELL,
                                           journal ? subject_call : NULL, journal },
                       [RESTED_SHELL] = { "call, #!/bin/sh exit 0, 50 ms later", SCRIPT_SHELL,
                                          subject_call, plain, .rests = true },
                       [CGROUP_SHELL] = { "call, #!/bin/sh exit 0, 50 ms later, with a cgroup",
                                          SCRIPT_SHELL, inside ? subject_call : NULL, inside,
                                          .rests = true },
                       [EMPTY_NONE] = { "call, no script, no history", SCRIPT_NONE, subject_call,
                                        empty },
                       [EMPTY_SHELL] = { "call, #!/bin/sh exit 0, no history", SCRIPT_SHELL,
                                         subject_call, empty },
                       [FULL_NONE] = { "call, no script, 1,000 in the history", SCRIPT_NONE,
                                       subject_call, full },
                       [FULL_SHELL] = { "call, #!/bin/sh exit 0, 1,000 in the history",
                                        SCRIPT_SHELL, subject_call, full },
                       [WAITING_NONE] = { "call, no script, 1,000 waiting", SCRIPT_NONE,
                                          subject_call, waiting },
                       [WAITING_SHELL] = { "call, #!/bin/sh exit 0, 1,000 waiting", SCRIPT_SHELL,
                                           subject_call, waiting },
                       [DISPATCHER] = { "NetworkManager's dispatcher, #!/bin/sh exit 0",
                                        SCRIPT_SHELL, dispatcher ? dispatch : NULL },
               },
               sizeof(subjects));
        for (size_t i = 0; i < INDEX_MAX; i++)
                subjects[i].document = document;
        subjects_measure(subjects, INDEX_MAX, bench->plan->calls, bench->caches);
        report_rows(bench, subjects, INDEX_MAX);
        report_targets(bench, subjects);
        for (size_t i = 0; i < INDEX_MAX; i++)
                samples_clear(&subjects[i].samples);
        sd_bus_close_unref(flight.bus);
        dispatcher = dispatcher_free(dispatcher);
}
