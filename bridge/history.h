/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The runs that have ended, the newest first, as many as the caps allow.
 */

#include "run-facts.h"

typedef struct History History;

int history_new(History **ret);
History *history_free(History *history); /* takes NULL, returns NULL */

/* At most RUNS runs and about SIZE bytes are kept; the oldest go. */
void history_set_limits(History *history, uint64_t runs, uint64_t size);

/* Remembers RUN, which has ended, without what only the run itself needed: documents, environment.
 * Where memory is short it does not. */
void history_add(History *history, const Run *run);

/* The run with ID, or NULL. It is the history's, until the next one is added. */
const RunFacts *history_find(const History *history, const char *id);

/* From the newest to the oldest: NULL gives the newest, the oldest is followed by NULL. */
const RunFacts *history_next(const History *history, const RunFacts *run);

DEFINE_CLEANUP(History, history_free);
