/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What it costs a caller that 200 others listen. Who listens on one bus and who does not on another
 * are measured in turn.
 */

#include "client.h"
#include "domain.h"
#include "measures.h"
#include "subject.h"
#include "subscribers.h"

#define SUBSCRIBERS 200U

static Subscribers *listeners;

/* The next call must not meet the signals of this one. */
static void settle(void) {
        subscribers_wait(listeners, 1);
}

void measure_subscribers(const Bench *bench) {
        _cleanup_(site_free_pointer) Site *with = site_new(bench->bus, "", false),
                                          *without = site_new(bench->bus, "", false);
        _cleanup_free_ char *document = domain_dense("guest", 2048);
        enum {
                NONE_WITHOUT,
                SHELL_WITHOUT,
                NONE_WITH,
                SHELL_WITH,
                MAX,
        };
        Subject s[] = {
                [NONE_WITHOUT] = { "no script, no subscriber", SCRIPT_NONE, subject_call, without,
                                   document },
                [SHELL_WITHOUT] = { "#!/bin/sh exit 0, no subscriber", SCRIPT_SHELL, subject_call,
                                    without, document },
                [NONE_WITH] = { "no script, 200 subscribers", SCRIPT_NONE, subject_call, with,
                                document },
                [SHELL_WITH] = { "#!/bin/sh exit 0, 200 subscribers", SCRIPT_SHELL, subject_call,
                                 with, document },
        };

        listeners = subscribers_new(with->bus, SUBSCRIBERS);
        s[NONE_WITH].settle = s[SHELL_WITH].settle = settle;
        subjects_measure(s, MAX, bench->plan->calls, bench->caches);
        for (size_t i = 0; i < MAX; i++)
                subject_report(&s[i], bench->results, i < NONE_WITH ? NULL : &s[i - NONE_WITH]);
        results_add_target(bench->results, "with 200 subscribers, no script, in calls with none",
                           subject_median(&s[NONE_WITH]) / subject_median(&s[NONE_WITHOUT]), 1.3);
        results_add_target(bench->results,
                           "with 200 subscribers, a trivial script, in calls with none",
                           subject_median(&s[SHELL_WITH]) / subject_median(&s[SHELL_WITHOUT]), 1.3);
        for (size_t i = 0; i < MAX; i++)
                samples_clear(&s[i].samples);
        listeners = subscribers_free(listeners);
}
