/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Measured times, of one thing.
 */

#include "util.h"

typedef struct Samples {
        uint64_t *values; /* nanoseconds */
        size_t n, allocated;
} Samples;

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t now_nsec(void);

void samples_add(Samples *samples, uint64_t nsec);

/* The value that the share QUANTILE (0.5: the median) of all does not exceed, in nanoseconds. Sorts
 * the samples. There must be one. */
double samples_quantile(Samples *samples, double quantile);
void samples_clear(Samples *samples);
