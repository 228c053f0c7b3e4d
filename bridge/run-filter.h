/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which runs ListRuns() is asked for.
 */

#include <systemd/sd-bus.h>

#include "run-facts.h"

/* So many runs fit into a message, whatever their names. */
#define RUN_FILTER_LIMIT_MAX 10000U

typedef struct RunFilter {
        const char *type, *object, *state, *outcome; /* the message's; NULL where all match */
        const char *run;                             /* the beginning of the id */
        uint64_t since; /* queued then or later, microseconds of CLOCK_REALTIME */
        uint32_t limit; /* of the list, for whoever makes it */
} RunFilter;

/*
 * Reads the a{sv} at MESSAGE's position; *ret is valid as long as MESSAGE.
 * Returns 0, or a negative errno with *error set: InvalidArgs.
 */
int run_filter_read(RunFilter *ret, sd_bus_message *message, sd_bus_error *error);

bool run_filter_match(const RunFilter *filter, const RunFacts *run);
