/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks history: what ran, from the journal, which outlives the service and the boot; where
 * there is none, from what the service remembers.
 */

#include "complain.h"
#include "connection.h"
#include "journal-history.h"
#include "message-json.h"
#include "quantity.h"
#include "run-record.h"
#include "service.h"
#include "type-argument.h"
#include "verbs.h"
#include "when.h"

enum {
        OPTION_SINCE = VERB_OPTION,
        OPTION_UNTIL,
        OPTION_TYPE,
        OPTION_OBJECT,
        OPTION_OPERATION,
        OPTION_FAILED,
        OPTION_DIRECTORY,
        OPTION_MEMORY,
};

static const struct option history_options[] = {
        { "since", required_argument, NULL, OPTION_SINCE },
        { "until", required_argument, NULL, OPTION_UNTIL },
        { "type", required_argument, NULL, OPTION_TYPE },
        { "object", required_argument, NULL, OPTION_OBJECT },
        { "operation", required_argument, NULL, OPTION_OPERATION },
        { "failed", no_argument, NULL, OPTION_FAILED },
        { "lines", required_argument, NULL, 'n' },
        { "directory", required_argument, NULL, OPTION_DIRECTORY },
        { "memory", no_argument, NULL, OPTION_MEMORY },
        {},
};

static HistoryQuery query = { .until = UINT64_MAX, .limit = UINT64_MAX };
static bool from_memory;

static int parse_when(const char *argument, uint64_t *ret) {
        if (when_parse(argument, ret) >= 0)
                return 0;
        complain("'%s' is no time; write it as 'yesterday', '14:30', '2026-11-22 14:30' or '-2h'",
                 argument);
        return -EINVAL;
}

static int parse(int option, const char *argument) {
        switch (option) {
        case OPTION_SINCE:
                return parse_when(argument, &query.since);
        case OPTION_UNTIL:
                return parse_when(argument, &query.until);
        case OPTION_TYPE:
                query.type = argument;
                return type_argument_read(argument) == HOOK_TYPE_INVALID ? -EINVAL : 0;
        case OPTION_OBJECT:
                query.object = argument;
                return 0;
        case OPTION_OPERATION:
                query.operation = argument;
                return 0;
        case OPTION_FAILED:
                query.failed = true;
                return 0;
        case OPTION_DIRECTORY:
                query.directory = argument;
                return 0;
        case OPTION_MEMORY:
                from_memory = true;
                return 0;
        default: /* --lines */
                if (quantity_parse_number(argument, &query.limit) >= 0)
                        return 0;
                complain("'%s' is no number of lines", argument);
                return -EINVAL;
        }
}

/* As the journal's entries, runs are in time at their end. */
static bool is_wanted(json_object *run) {
        uint64_t ended = json_number(run, "started_at") + json_number(run, "duration_usec");

        return ended >= query.since && ended <= query.until &&
               (!query.operation || streq(query.operation, json_text(run, "operation"))) &&
               (!query.failed || run_record_failed(run));
}

/* The service's list has the newest first, and what still runs before that: ours ends with the
 * newest. */
static int read_memory(const Options *options, json_object *runs) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(json_put_pointer) json_object *list = NULL;
        ListFilter filter = {
                .type = query.type,
                .object = query.object,
                .state = "finished",
        };
        size_t first, n = 0;

        if (connection_open(&bus, options) < 0 || service_list_runs(bus, &filter, &list) < 0)
                return -EIO;
        for (first = 0; first < json_object_array_length(list) && n < query.limit; first++)
                n += is_wanted(json_object_array_get_idx(list, first));
        while (first-- > 0) {
                json_object *run = json_object_array_get_idx(list, first);

                if (is_wanted(run) && json_object_array_add(runs, json_object_get(run)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Whether there may be runs that are not asked for. */
static bool chooses(void) {
        return query.since > 0 || query.until < UINT64_MAX || query.limit < UINT64_MAX ||
               query.type || query.object || query.operation || query.failed;
}

static int history(const Options *options, int n_arguments, char **arguments) {
        _cleanup_(json_put_pointer) json_object *runs = json_object_new_array();
        int r = 0;

        if (!runs)
                return trouble("out of memory");
        if (query.directory && from_memory) {
                complain("--directory is about the journal and --memory about the service; give "
                         "one of them");
                return EXIT_USAGE;
        }
        if (query.since > query.until) {
                complain("--since is after --until, and no run can be in between");
                return EXIT_USAGE;
        }
        if (query.operation)
                operation_argument_check(query.type, query.operation, "looking");
        if (history_query_set_bus(&query, options) && !from_memory)
                r = journal_history_read(&query, runs);
        if (r < 0)
                return journal_history_complain(&query, r);
        if (r == 0 && !query.directory && read_memory(options, runs) < 0)
                return EXIT_TROUBLE;
        return run_record_print_ended(runs, options->json,
                                      chooses() ? "No run that is known matches."
                                                : "No run is known.");
}

const Verb verb_history = {
        .name = "history",
        .arguments = "",
        .summary = "List what ran, the newest last, from the journal",
        .help = "      --since=TIME       Not before TIME: yesterday, 14:30, 2026-11-22 14:30, -2h\n"
                "      --until=TIME       Not after TIME\n"
                "      --type=TYPE        Only hooks of TYPE\n"
                "      --object=NAME      Only of the guest or network NAME\n"
                "      --operation=NAME   Only of the operation NAME\n"
                "      --failed           Only what failed\n"
                "  -n, --lines=N          Only the newest N\n"
                "      --directory=DIR    Read the journal files in DIR\n"
                "      --memory           Ask the service what it remembers, not the journal\n",
        .options = history_options,
        .parse = parse,
        .run = history,
};
