/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What was measured, and what was to be reached.
 */

#include "caches.h"
#include "samples.h"

typedef enum ResultFormat {
        RESULTS_TEXT,
        RESULTS_MARKDOWN,
        RESULTS_JSON,
} ResultFormat;

typedef struct Results Results;

Results *results_new(void);
Results *results_free(Results *results);

/* What comes from here on was measured on a bus of kind BUS, with such CACHES. */
void results_set_column(Results *results, const char *bus, Caches caches);

/* A row of times. RATIO_TO, which may be NULL, is what its median is RATIO times. Takes what
 * SAMPLES have, and returns the median in nanoseconds. */
double results_add_times(Results *results, const char *name, Samples *samples, const char *ratio_to,
                         double reference);

/* A row of one value. */
void results_add_value(Results *results, const char *name, double value, const char *unit,
                       const char *ratio_to, double reference);

/* VALUE is to be at most LIMIT. */
void results_add_target(Results *results, const char *name, double value, double limit);

/* Something that could not be measured, and why. What was said once is not said again. */
_printf_(2, 3)
void results_add_note(Results *results, const char *format, ...);

void results_print(const Results *results, ResultFormat format);
