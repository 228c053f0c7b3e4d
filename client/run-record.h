/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A run as the client knows it: a JSON object with the interface's keys, from a signal, a list or
 * the journal.
 */

#include <json-c/json.h>

#include "table.h"

/* The colour of its outcome. */
Colour run_record_colour(json_object *run);

/* Whether it has ended: not so one that runs or waits. */
bool run_record_finished(json_object *run);

/* Whether it failed, whatever that means for its object. */
bool run_record_failed(json_object *run);

/* Prints "qemu web-01 start: failed", or the state of one that has not ended. */
void run_record_print_title(json_object *run);

/*
 * Prints RUNS, an array, as JSON lines or as a table with NONE for an empty one. Of those that have
 * not ended people want to know other things than of those that have. Returns the exit status.
 */
int run_record_print_ended(json_object *runs, bool json, const char *none);
int run_record_print_unfinished(json_object *runs, bool json, const char *none);
