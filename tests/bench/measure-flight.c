/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A thousand calls at once, whose scripts sleep a second.
 */

#include <stdio.h>
#include <sys/resource.h>

#include "client.h"
#include "domain.h"
#include "fatal.h"
#include "measures.h"
#include "spawn.h"
#include "subject.h"

#define CALLS 1000U

static void raise_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
}

static uint64_t spawn_all(void) {
        Spawn *spawns = must_have(calloc(CALLS, sizeof(Spawn)));
        uint64_t start = now_nsec();

        for (unsigned i = 0; i < CALLS; i++)
                spawn_start(&spawns[i], hooks_path(SCRIPT_SLEEP), NULL);
        for (unsigned i = 0; i < CALLS; i++)
                spawn_finish(&spawns[i], "", 0);
        free(spawns);
        return now_nsec() - start;
}

/* So many calls are for a connection that the service knows: of a new one it keeps fewer until it
 * has asked the bus who that is. */
static void introduce(const Site *site) {
        _cleanup_free_ char *document = domain_dense("guest", 2048);

        hooks_use(SCRIPT_NONE);
        client_call(site->client, "guest", OPERATION_PLAIN, document);
}

static uint64_t call_all(const Site *site, unsigned *ret_descriptors, Memory *ret_memory) {
        Flight flight = { .bus = site->client };
        uint64_t start = now_nsec();

        for (unsigned i = 0; i < CALLS; i++) {
                _cleanup_free_ char *object = NULL, *document = NULL;

                if (asprintf(&object, "guest-%u", i) < 0)
                        fatal("memory is short");
                document = domain_dense(object, 2048);
                flight_start(&flight, "Qemu", object, document);
        }
        flight_wait(&flight, CALLS - 1); /* the first: nearly all others run now */
        *ret_descriptors = service_descriptors(site->service);
        *ret_memory = service_memory(site->service);
        flight_wait(&flight, 0);
        return now_nsec() - start;
}

void measure_flight(const Bench *bench) {
        _cleanup_(site_free_pointer) Site *site = site_new(bench->bus, "", false);
        Results *results = bench->results;
        Samples spawns = {}, calls = {};
        unsigned before, during = 0;
        Memory memory = {};
        double bare;

        raise_limit();
        introduce(site);
        hooks_use(SCRIPT_SLEEP);
        before = service_descriptors(site->service);
        for (unsigned i = 0; i < bench->plan->rounds; i++) {
                samples_add(&spawns, spawn_all());
                samples_add(&calls, call_all(site, &during, &memory));
        }
        bare = results_add_times(results, "1,000 bare spawns of sleep 1", &spawns, NULL, 0);
        (void) results_add_times(results, "1,000 calls in flight, sleep 1", &calls,
                                 "1,000 bare spawns", bare);
        results_add_value(results, "descriptors at rest", before, "", NULL, 0);
        results_add_value(results, "descriptors, when the first of them is answered", during, "",
                          NULL, 0);
        results_add_value(results, "descriptors after them", service_descriptors(site->service), "",
                          NULL, 0);
        results_add_value(results, "memory then: resident", memory.resident, "MiB", NULL, 0);
        results_add_value(results, "memory then: proportional", memory.proportional, "MiB", NULL,
                          0);
}
