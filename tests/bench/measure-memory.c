/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the service needs of the memory when it has just started, after many calls, and at most.
 */

#include <stdio.h>

#include "client.h"
#include "domain.h"
#include "fatal.h"
#include "measures.h"
#include "subject.h"

#define IN_FLIGHT 16U
#define SCRIPTED  10U                /* of so many calls one runs a script */
#define REST      (3 * USEC_PER_SEC) /* with nothing to do the service gives memory back in less */

/* N calls with SCRIPT, some of them at a time. */
static void call_often(const Site *site, HookScript script, unsigned n) {
        Flight flight = { .bus = site->client };
        char *objects[IN_FLIGHT], *documents[IN_FLIGHT];

        hooks_use(script);
        for (unsigned i = 0; i < IN_FLIGHT; i++) {
                if (asprintf(&objects[i], "guest-%u", i) < 0)
                        fatal("memory is short");
                documents[i] = domain_dense(objects[i], 2048);
        }
        for (unsigned i = 0; i < n; i++) {
                flight_start(&flight, "Qemu", objects[i % IN_FLIGHT], documents[i % IN_FLIGHT]);
                flight_wait(&flight, IN_FLIGHT - 1);
        }
        flight_wait(&flight, 0);
        for (unsigned i = 0; i < IN_FLIGHT; i++) {
                free(objects[i]);
                free(documents[i]);
        }
}

static Memory memory_at_rest(const Site *site) {
        (void) usleep(REST);
        return service_memory(site->service);
}

static void report(const Bench *bench, const char *when, Memory memory) {
        _cleanup_free_ char *resident = NULL, *proportional = NULL;

        if (asprintf(&resident, "memory %s: resident", when) < 0 ||
            asprintf(&proportional, "memory %s: proportional", when) < 0)
                fatal("memory is short");
        results_add_value(bench->results, resident, memory.resident, "MiB", NULL, 0);
        results_add_value(bench->results, proportional, memory.proportional, "MiB", NULL, 0);
}

void measure_memory(const Bench *bench) {
        _cleanup_(site_free_pointer) Site *site = site_new(bench->bus, "", false);
        _cleanup_free_ char *large = domain_dense("guest", (4U << 20) - 512), *when = NULL;
        Memory rest, after;

        rest = memory_at_rest(site);
        /* Those with a script come last: of each the history keeps more, and it is full then. */
        call_often(site, SCRIPT_NONE, bench->plan->many_calls - bench->plan->many_calls / SCRIPTED);
        call_often(site, SCRIPT_TRUE, bench->plan->many_calls / SCRIPTED);
        after = memory_at_rest(site);
        hooks_use(SCRIPT_CAT);
        for (unsigned i = 0; i < 4; i++) {
                client_call(site->client, "guest", OPERATION_FILTER, large);
                client_run(site->client, "guest", OPERATION_FILTER, large);
        }
        if (asprintf(&when, "after %u calls", bench->plan->many_calls) < 0)
                fatal("memory is short");
        report(bench, "at rest", rest);
        report(bench, when, after);
        report(bench, "after filters of 4 MiB", memory_at_rest(site));
        results_add_value(bench->results, "memory at its peak: resident",
                          service_peak(site->service), "MiB", NULL, 0);
        results_add_target(bench->results, "MiB resident at rest", rest.resident, 5.5);
        results_add_target(bench->results, "MiB proportional at rest", rest.proportional, 3);
        results_add_target(bench->results, "MiB resident that many calls add",
                           after.resident - rest.resident, 1);
}
