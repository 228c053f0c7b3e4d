/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The measures: what is measured together is one. Each adds its rows, and the targets that it can
 * judge.
 */

#include "caches.h"
#include "results.h"

/* How much of all. */
typedef struct Plan {
        unsigned calls;       /* samples of what takes milliseconds */
        unsigned large_calls; /* of what takes tens of them */
        unsigned rounds;      /* of a throughput, each for round_usec */
        uint64_t round_usec;
        unsigned starts;
        unsigned many_calls; /* before the memory is looked at again */
} Plan;

typedef struct Bench {
        const char *bus; /* its kind */
        Caches caches;
        const Plan *plan;
        Results *results;
} Bench;

void measure_calls(const Bench *bench);
void measure_documents(const Bench *bench);
void measure_callers(const Bench *bench);
void measure_flight(const Bench *bench);
void measure_subscribers(const Bench *bench);
void measure_memory(const Bench *bench);
void measure_start(const Bench *bench);
