/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The filter of ListRuns(): every key that is given must match.
 */

#include "run-filter.h"

#include "bus-error.h"
#include "dictionary.h"

static int read_entry(const char *key, sd_bus_message *message, void *userdata,
                      sd_bus_error *error) {
        RunFilter *filter = userdata;

        if (streq(key, "run"))
                return sd_bus_message_read(message, "v", "s", &filter->run);
        if (streq(key, "type"))
                return sd_bus_message_read(message, "v", "s", &filter->type);
        if (streq(key, "object"))
                return sd_bus_message_read(message, "v", "s", &filter->object);
        if (streq(key, "state"))
                return sd_bus_message_read(message, "v", "s", &filter->state);
        if (streq(key, "outcome"))
                return sd_bus_message_read(message, "v", "s", &filter->outcome);
        if (streq(key, "since"))
                return sd_bus_message_read(message, "v", "t", &filter->since);
        if (streq(key, "limit"))
                return sd_bus_message_read(message, "v", "u", &filter->limit);
        return bus_error_setf(
                error, SD_BUS_ERROR_INVALID_ARGS,
                "ListRuns() has no filter '%.64s': it has run, type, object, state, outcome, "
                "since and limit",
                key);
}

int run_filter_read(RunFilter *ret, sd_bus_message *message, sd_bus_error *error) {
        int r;

        *ret = (RunFilter){ .limit = RUN_FILTER_LIMIT_MAX };
        r = dictionary_read(message, "filter of ListRuns()", read_entry, ret, error);
        ret->limit = MIN(ret->limit, RUN_FILTER_LIMIT_MAX);
        return r;
}

static bool matches(const char *wanted, const char *value) {
        return !wanted || streq(wanted, value);
}

bool run_filter_match(const RunFilter *filter, const RunFacts *run) {
        if (run->queued_at < filter->since)
                return false;
        if (filter->outcome && (run->state != RUN_STATE_FINISHED ||
                                !streq(filter->outcome, run_outcome_to_string(run->outcome))))
                return false;
        if (filter->run && strncmp(run->id, filter->run, strlen(filter->run)) != 0)
                return false;
        return matches(filter->type, hook_type_to_string(run->type)) &&
               matches(filter->object, run->object) &&
               matches(filter->state, run_state_to_string(run->state));
}
