/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The runs that have ended, the newest first, as many as the caps allow.
 */

#include "run.h"

typedef struct History History;

int history_new(History **ret);
History *history_free(History *history); /* takes NULL, returns NULL */

/* At most RUNS runs and about SIZE bytes are kept; the oldest go. */
void history_set_limits(History *history, uint64_t runs, uint64_t size);

/* Takes RUN, which has ended, and frees what only the run itself needed. It may be gone at once. */
void history_add(History *history, Run *run);

/* The run with ID, or NULL. It is the history's. */
const Run *history_find(const History *history, const char *id);

/* From the newest to the oldest: NULL gives the newest, the oldest is followed by NULL. */
const Run *history_next(const History *history, const Run *run);

DEFINE_CLEANUP(History, history_free);
