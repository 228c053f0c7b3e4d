/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What came of a life's rehearsal: a table with a row for each script, the words of those that
 * failed, and what that would have meant.
 */

#include "life.h"
#include "run.h"

/* Prints RUN, of LIFE, as JSON: a line for each script. Returns 0 or -ENOMEM. */
int rehearsal_report_json(const Life *life, const Run *run);

/* Prints the N runs of LIFE for people. Returns 0 or -ENOMEM. */
int rehearsal_report_print(const Life *life, Run *const *runs, size_t n);
