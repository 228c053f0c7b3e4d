/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks cancel: the end of a run, or of a call that waits for its turn.
 */

#include "connection.h"
#include "service.h"
#include "verbs.h"

static int cancel(const Options *options, int n_arguments, char **arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_free_ char *run = NULL;
        int r;

        if (service_read_run_id(arguments[0]) < 0)
                return EXIT_USAGE;
        if (connection_open(&bus, options) < 0)
                return EXIT_TROUBLE;
        r = service_find_run(bus, arguments[0], true, &run);
        if (r == -ENOENT)
                service_complain_no_run(options, arguments[0]);
        if (r < 0 || connection_new_call(bus, &call, "Cancel") < 0)
                return EXIT_TROUBLE;
        r = sd_bus_message_append(call, "s", run);
        return r < 0 || connection_call(bus, call, false, &reply) < 0 ? EXIT_TROUBLE : EXIT_SUCCESS;
}

const Verb verb_cancel = {
        .name = "cancel",
        .arguments = "RUN",
        .summary = "End a run with all that its scripts started, or a call that waits",
        .help = "",
        .min_arguments = 1,
        .max_arguments = 1,
        .run = cancel,
};
