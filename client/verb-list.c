/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks list: what runs and what waits.
 */

#include "connection.h"
#include "message-json.h"
#include "run-record.h"
#include "service.h"
#include "verbs.h"

/* Those that have ended are history's. */
static void drop_finished(json_object *runs) {
        for (size_t i = json_object_array_length(runs); i > 0; i--)
                if (run_record_finished(json_object_array_get_idx(runs, i - 1)))
                        (void) json_object_array_del_idx(runs, i - 1, 1);
}

static int list(const Options *options, int n_arguments, char **arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(json_put_pointer) json_object *runs = NULL;

        if (connection_open(&bus, options) < 0 ||
            service_list_runs(bus, &(ListFilter){}, &runs) < 0)
                return EXIT_TROUBLE;
        drop_finished(runs);
        return run_record_print_unfinished(runs, options->json, "Nothing runs and nothing waits.");
}

const Verb verb_list = {
        .name = "list",
        .arguments = "",
        .summary = "List the runs that run and the calls that wait, with how long and for whom",
        .help = "",
        .run = list,
};
