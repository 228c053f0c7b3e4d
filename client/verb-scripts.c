/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks scripts: those that the service would run, and those that it would not.
 */

#include "complain.h"
#include "connection.h"
#include "message-json.h"
#include "service.h"
#include "table.h"
#include "verbs.h"

static int print_scripts(json_object *scripts) {
        static const Column columns[] = {
                { "TYPE", false, false },
                { "RUNS", false, false },
                { "SCRIPT", false, true },
                { "WHY NOT", false, true },
        };
        _cleanup_(table_free_pointer) Table *table = NULL;
        size_t n = json_object_array_length(scripts);

        if (n == 0) {
                if (terminal_width() > 0)
                        (void) puts("There is no script.");
                return EXIT_SUCCESS;
        }
        if (table_new(&table, columns, ELEMENTS(columns)) < 0)
                return trouble("out of memory");
        for (size_t i = 0; i < n; i++) {
                json_object *script = json_object_array_get_idx(scripts, i);

                table_add(table, COLOUR_PLAIN, json_text(script, "type"));
                table_add(table, service_script_is_usable(script) ? COLOUR_GOOD : COLOUR_BAD,
                          service_script_is_usable(script) ? "yes" : "no");
                table_add(table, COLOUR_PLAIN, json_text(script, "path"));
                table_add(table, COLOUR_PLAIN, json_text(script, "why_not"));
        }
        return table_print(table) < 0 ? trouble("out of memory") : EXIT_SUCCESS;
}

static int scripts(const Options *options, int n_arguments, char **arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(json_put_pointer) json_object *list = NULL;

        if (connection_open(&bus, options) < 0 || service_list_scripts(bus, &list) < 0)
                return EXIT_TROUBLE;
        if (!options->json)
                return print_scripts(list);
        for (size_t i = 0; i < json_object_array_length(list); i++)
                json_print_line(json_object_array_get_idx(list, i));
        return EXIT_SUCCESS;
}

const Verb verb_scripts = {
        .name = "scripts",
        .arguments = "",
        .summary = "List the scripts that would run, and those that would not, with the reason",
        .help = "",
        .run = scripts,
};
