/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Processes that do the same at the same time.
 */

#include "util.h"

typedef struct Work {
        void *(*begin)(const void *userdata, unsigned number); /* in the worker; may return NULL */
        void (*step)(void *state);
        const void *userdata;
} Work;

/* N workers take one step after the other for USEC. Returns the steps of all, per second. */
double workers_run(const Work *work, unsigned n, uint64_t usec);
