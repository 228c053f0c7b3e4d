/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Subjects. Each does once what is measured next, so that none profits from the one before: all
 * find their own code and data in the caches, or, where those are made cold, nothing.
 */

#include "subject.h"

#include "client.h"
#include "spawn.h"

/* Microseconds, for the service and the bus to do what they do after the reply, signals among it.
 */
#define PAUSE 3000

/* As long as the kernel takes to go back to what it does for who does something once in a while. */
#define REST 50000

void subject_spawn(const Subject *subject) {
        spawn_run(subject->path ? subject->path : hooks_path(subject->script), subject->environment,
                  subject->document, strlen(subject->document));
}

void subject_ping(const Subject *subject) {
        client_ping(subject->site->client);
}

void subject_call(const Subject *subject) {
        client_call(subject->site->client, "guest",
                    subject->operation ? subject->operation : OPERATION_PLAIN, subject->document);
}

void subject_run(const Subject *subject) {
        client_run(subject->site->client, "guest",
                   subject->operation ? subject->operation : OPERATION_PLAIN, subject->document);
}

static void subject_measure(Subject *subject, Caches caches) {
        uint64_t start;

        if (!subject->act)
                return;
        hooks_use(subject->script);
        subject->act(subject);
        if (subject->settle)
                subject->settle();
        (void) usleep(subject->rests ? REST : PAUSE);
        if (caches == CACHES_COLD)
                caches_make_cold();
        start = now_nsec();
        subject->act(subject);
        samples_add(&subject->samples, now_nsec() - start);
        if (subject->settle)
                subject->settle();
}

void subjects_measure(Subject *subjects, size_t count, unsigned n, Caches caches) {
        for (unsigned i = 0; i < n; i++)
                for (size_t k = 0; k < count; k++)
                        subject_measure(&subjects[k], caches);
}

double subject_median(Subject *subject) {
        return samples_quantile(&subject->samples, 0.5);
}

void subject_report(Subject *subject, Results *results, Subject *other) {
        Samples copy = {};

        for (size_t i = 0; i < subject->samples.n; i++)
                samples_add(&copy, subject->samples.values[i]);
        (void) results_add_times(results, subject->name, &copy, other ? other->name : NULL,
                                 other ? subject_median(other) : 0);
}
