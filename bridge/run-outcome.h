/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What came of a run. The names are the interface's.
 */

typedef enum RunOutcome {
        RUN_SUCCESS,   /* all scripts ended with status 0 */
        RUN_NO_SCRIPT, /* there was none */
        RUN_FAILED,    /* the last one that failed ended with another status */
        RUN_KILLED,    /* the last one that failed was killed by a signal */
        RUN_TIMED_OUT, /* ended by us, since its time was over */
        RUN_CANCELLED, /* ended by us, since somebody asked for it */
        RUN_REFUSED,   /* a script must not be run, could not be started, or its end was lost */
        RUN_INVALID_OUTPUT, /* a filter's output is not what the operation can go on with */
        RUN_OUTCOME_MAX,
} RunOutcome;

const char *run_outcome_to_string(RunOutcome outcome);
RunOutcome run_outcome_from_string(const char *s); /* RUN_OUTCOME_MAX where there is none */
