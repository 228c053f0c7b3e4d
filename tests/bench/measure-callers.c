/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Callers side by side, each about an object of its own, beside as many that spawn the script
 * themselves.
 */

#include <stdio.h>

#include "client.h"
#include "domain.h"
#include "fatal.h"
#include "measures.h"
#include "site.h"
#include "spawn.h"
#include "subject.h"
#include "workers.h"

#define DOCUMENT_SIZE 2048

typedef struct Caller {
        sd_bus *bus;
        char *object, *document;
} Caller;

static void *caller_begin(const void *userdata, unsigned number) {
        Caller *caller = must_have(calloc(1, sizeof(Caller)));

        if (asprintf(&caller->object, "guest-%u", number) < 0)
                fatal("memory is short");
        caller->document = domain_dense(caller->object, DOCUMENT_SIZE);
        if (userdata)
                caller->bus = message_bus_connect(userdata);
        return caller;
}

static void caller_call(void *state) {
        const Caller *caller = state;

        client_call(caller->bus, caller->object, OPERATION_PLAIN, caller->document);
}

static void caller_spawn(void *state) {
        const Caller *caller = state;

        spawn_run(hooks_path(SCRIPT_SHELL), NULL, caller->document, strlen(caller->document));
}

/* The median rate of each. */
static void measure_rates(const Bench *bench, const Site *site, unsigned n, double *ret_spawns,
                          double *ret_calls) {
        const Work spawn = { caller_begin, caller_spawn, NULL };
        const Work call = { caller_begin, caller_call, site->bus };
        Samples spawns = {}, calls = {};

        for (unsigned i = 0; i < bench->plan->rounds; i++) {
                samples_add(&spawns,
                            (uint64_t) (1000 * workers_run(&spawn, n, bench->plan->round_usec)));
                samples_add(&calls,
                            (uint64_t) (1000 * workers_run(&call, n, bench->plan->round_usec)));
        }
        *ret_spawns = samples_quantile(&spawns, 0.5) / 1000;
        *ret_calls = samples_quantile(&calls, 0.5) / 1000;
        samples_clear(&spawns);
        samples_clear(&calls);
}

void measure_callers(const Bench *bench) {
        _cleanup_(site_free_pointer) Site *site = site_new(bench->bus, "", false);
        static const unsigned numbers[] = { 1, 4, 16, 64 };

        hooks_use(SCRIPT_SHELL);
        for (size_t i = 0; i < ELEMENTS(numbers); i++) {
                _cleanup_free_ char *spawners = NULL, *callers = NULL;
                double spawns, calls;

                measure_rates(bench, site, numbers[i], &spawns, &calls);
                if (asprintf(&spawners, "%u bare spawners", numbers[i]) < 0 ||
                    asprintf(&callers, "%u callers", numbers[i]) < 0)
                        fatal("memory is short");
                results_add_value(bench->results, spawners, spawns, "per second", NULL, 0);
                results_add_value(bench->results, callers, calls, "per second", spawners, spawns);
                if (numbers[i] == 16)
                        results_add_target(bench->results,
                                           "what 16 bare spawners get, in what 16 callers get",
                                           spawns / calls, 1);
        }
}
