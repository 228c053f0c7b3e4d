/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Samples. They are kept, all of them: quantiles of a sketch would hide the outliers that they are
 * for.
 */

#include "samples.h"

#include <assert.h>

#include "fatal.h"

uint64_t now_nsec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 * USEC_PER_SEC + (uint64_t) t.tv_nsec;
}

void samples_add(Samples *samples, uint64_t nsec) {
        if (samples->n == samples->allocated) {
                samples->allocated = 2 * samples->allocated + 64;
                samples->values = must_have(
                        reallocarray(samples->values, samples->allocated, sizeof(uint64_t)));
        }
        samples->values[samples->n++] = nsec;
}

static int by_value(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

double samples_quantile(Samples *samples, double quantile) {
        assert(samples->n > 0);
        qsort(samples->values, samples->n, sizeof(uint64_t), by_value);
        return (double) samples->values[(size_t) (quantile * (double) (samples->n - 1) + 0.5)];
}

void samples_clear(Samples *samples) {
        free(samples->values);
        *samples = (Samples){};
}
