/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "run-outcome.h"

#include "util.h"

static const char *const run_outcomes[RUN_OUTCOME_MAX] = {
        [RUN_SUCCESS] = "success",     [RUN_NO_SCRIPT] = "no-script",
        [RUN_FAILED] = "failed",       [RUN_KILLED] = "killed",
        [RUN_TIMED_OUT] = "timed-out", [RUN_CANCELLED] = "cancelled",
        [RUN_REFUSED] = "refused",     [RUN_INVALID_OUTPUT] = "invalid-output",
};

const char *run_outcome_to_string(RunOutcome outcome) {
        return run_outcomes[outcome];
}

RunOutcome run_outcome_from_string(const char *s) {
        RunOutcome outcome = 0;

        while (outcome < RUN_OUTCOME_MAX && !streq(s, run_outcomes[outcome]))
                outcome++;
        return outcome;
}
