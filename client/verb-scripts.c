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

/* Where the table does not fit: the end of a path tells scripts apart, that of a reason what mends
 * it.
 */
static void print_below_each_other(json_object *script) {
        bool usable = service_script_is_usable(script);

        terminal_print(COLOUR_BOLD, json_text(script, "path"));
        (void) fputs("\n  ", stdout);
        terminal_print(COLOUR_PLAIN, json_text(script, "type"));
        (void) fputs(": ", stdout);
        terminal_print(usable ? COLOUR_GOOD : COLOUR_BAD, usable ? "it runs" : "it does not run");
        if (!usable) {
                (void) fputs("; ", stdout);
                terminal_print(COLOUR_PLAIN, json_text(script, "why_not"));
        }
        (void) putchar('\n');
}

/* That the service runs a script is not to say that it can: nothing inside is looked at, which is
 * check's business. That goes by the settings of this machine where no directory is named. */
static void print_pointer(json_object *scripts, const Options *options) {
        static const char *const commands[] = {
                [TRANSPORT_SYSTEM] = "'virt-hooks check'",
                [TRANSPORT_USER] = "'virt-hooks check DIR'",
                [TRANSPORT_ADDRESS] = "'virt-hooks check DIR'",
                [TRANSPORT_HOST] = "'virt-hooks check' on that host",
                [TRANSPORT_MACHINE] = "'virt-hooks check' on that machine",
        };
        bool any = false;

        for (size_t i = 0; i < json_object_array_length(scripts); i++)
                any |= service_script_is_usable(json_object_array_get_idx(scripts, i));
        if (any && terminal_width() > 0)
                (void) printf("\nThis is by owner and mode; %s finds what is wrong inside.\n",
                              commands[options->transport]);
}

static int print_scripts(json_object *scripts) {
        static const Column columns[] = {
                { "TYPE", false, false },
                { "RUNS", false, false },
                { "SCRIPT", false, false },
                { "WHY NOT", false, false },
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
        if (table_fits(table))
                return table_print(table) < 0 ? trouble("out of memory") : EXIT_SUCCESS;
        for (size_t i = 0; i < n; i++)
                print_below_each_other(json_object_array_get_idx(scripts, i));
        return EXIT_SUCCESS;
}

static int scripts(const Options *options, int n_arguments, char **arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(json_put_pointer) json_object *list = NULL;

        if (connection_open(&bus, options) < 0 || service_list_scripts(bus, &list) < 0)
                return EXIT_TROUBLE;
        if (!options->json) {
                int status = print_scripts(list);

                print_pointer(list, options);
                return status;
        }
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
