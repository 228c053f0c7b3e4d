/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Documents of all sizes, by a descriptor and in the message, to a script that reads them.
 */

#include <stdio.h>

#include "client.h"
#include "domain.h"
#include "fatal.h"
#include "measures.h"
#include "subject.h"

enum {
        WAY_SPAWN,
        WAY_RUN,
        WAY_METHOD,
        WAY_MAX,
};

static void report_targets(const Bench *bench, Subject *s, const char *shape, double run_limit) {
        _cleanup_free_ char *run = NULL, *method = NULL;
        double bare = subject_median(&s[WAY_SPAWN]);

        if (asprintf(&run, "1 MiB through Run, %s, in bare spawns", shape) < 0 ||
            asprintf(&method, "1 MiB through the method, %s, in bare spawns", shape) < 0)
                fatal("memory is short");
        results_add_target(bench->results, run, subject_median(&s[WAY_RUN]) / bare, run_limit);
        results_add_target(bench->results, method, subject_median(&s[WAY_METHOD]) / bare, 2.5);
}

static void measure_one(const Bench *bench, const Site *site, const char *size_name, size_t size,
                        bool dense) {
        const char *shape = dense ? "many elements" : "one long text";
        _cleanup_free_ char *document =
                dense ? domain_dense("guest", size - 512) : domain_long("guest", size - 512);
        static const char *const ways[] = { "bare spawn", "Run", "method" };
        Subject s[WAY_MAX] = {
                [WAY_SPAWN] = { .act = subject_spawn },
                [WAY_RUN] = { .act = subject_run, .site = site },
                [WAY_METHOD] = { .act = subject_call, .site = site },
        };
        char *names[WAY_MAX];

        for (size_t i = 0; i < WAY_MAX; i++) {
                if (asprintf(&names[i], "%s, %s: %s", size_name, shape, ways[i]) < 0)
                        fatal("memory is short");
                s[i].name = names[i];
                s[i].script = SCRIPT_READ;
                s[i].document = document;
        }
        subjects_measure(s, WAY_MAX, bench->plan->large_calls, bench->caches);
        for (size_t i = 0; i < WAY_MAX; i++)
                subject_report(&s[i], bench->results, i == WAY_SPAWN ? NULL : &s[WAY_SPAWN]);
        if (streq(size_name, "1 MiB"))
                report_targets(bench, s, shape, dense ? 1.4 : 1.1);
        for (size_t i = 0; i < WAY_MAX; i++) {
                samples_clear(&s[i].samples);
                free(names[i]);
        }
}

void measure_documents(const Bench *bench) {
        _cleanup_(site_free_pointer) Site *site = site_new(bench->bus, "", false);

        for (unsigned dense = 0; dense < 2; dense++) {
                measure_one(bench, site, "4 KiB", 4U << 10, dense);
                measure_one(bench, site, "64 KiB", 64U << 10, dense);
                measure_one(bench, site, "1 MiB", 1U << 20, dense);
                measure_one(bench, site, "4 MiB", 4U << 20, dense);
        }
}
