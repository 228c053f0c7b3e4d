/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is told of runs: the signals HookStarted and HookFinished for everybody, and an entry in the
 * log for each that ended. Signals have no XML and nothing that a script printed.
 */

#include "run.h"

typedef struct Report Report;

/* BUS and EVENT must outlive the report. */
int report_new(Report **ret, sd_bus *bus, sd_event *event);
Report *report_free(Report *report); /* takes NULL, returns NULL */

/* The id of this start of the service, in every signal. */
const char *report_instance(const Report *report);

/*
 * Exactly once each for every run, in this order. A signal that cannot be sent is logged; its
 * number is used up, so that listeners know. HookStarted goes out after its delay, or with
 * HookFinished, if that is earlier.
 */
#define REPORT_DELAY_STARTED  (10 * USEC_PER_MSEC)
#define REPORT_DELAY_FINISHED (1 * USEC_PER_MSEC)
void report_started(Report *report, Run *run);
void report_finished(Report *report, Run *run);

/* Sends all signals that are waiting. */
void report_flush(Report *report);

/* RUN has started, and will be freed without having finished. */
void report_forget(Report *report, Run *run);

DEFINE_CLEANUP(Report, report_free);
