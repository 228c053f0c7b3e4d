/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Runs in the log: one entry for each that ended, with fields by which it is found again.
 */

#include "run.h"

/*
 * RUN has ended. The priority goes by the effect. A failure's message is libvirt's error text; no
 * XML and no filter's output is ever in an entry.
 */
void journal_run_finished(const Run *run);

/* RUN is still running after AFTER microseconds. */
void journal_run_lasts(const Run *run, uint64_t after);
