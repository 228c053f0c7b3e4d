/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is told of runs: the signals HookStarted and HookFinished for everybody, and an entry in the
 * log for each that ended. Signals have no XML and nothing that a script printed.
 */

#include "run.h"

typedef struct Report Report;

/* BUS must outlive the report. */
int report_new(Report **ret, sd_bus *bus);
Report *report_free(Report *report); /* takes NULL, returns NULL */

/* The id of this start of the service, in every signal. */
const char *report_instance(const Report *report);

/*
 * Exactly once each for every run, in this order. A signal that cannot be sent is logged; its
 * number is used up, so that listeners know.
 */
void report_started(Report *report, Run *run);
void report_finished(Report *report, Run *run);

DEFINE_CLEANUP(Report, report_free);
