/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs in tables.
 */

#include "run-record.h"

#include "complain.h"
#include "message-json.h"
#include "when.h"

bool run_record_finished(json_object *run) {
        return streq(json_text(run, "state"), "finished");
}

bool run_record_failed(json_object *run) {
        const char *effect = json_text(run, "effect");

        return *effect && !streq(effect, "proceed");
}

Colour run_record_colour(json_object *run) {
        const char *effect = json_text(run, "effect");

        if (streq(effect, "abort") || streq(effect, "kill"))
                return COLOUR_BAD;
        if (streq(effect, "ignored"))
                return COLOUR_WARNING;
        if (streq(json_text(run, "outcome"), "no-script"))
                return COLOUR_FAINT;
        return streq(effect, "proceed") ? COLOUR_GOOD : COLOUR_PLAIN;
}

/* "qemu" or "qemu.d/20-vlan": the end of the path is what tells, and a table cuts that off. */
static const char *script_name(const char *path) {
        const char *name = strrchr(path, '/'), *folder = name;

        while (folder && folder > path && folder[-1] != '/')
                folder--;
        if (folder && name - folder > 2 && strncmp(name - 2, ".d", 2) == 0)
                return folder;
        return name ? name + 1 : path;
}

static void add_ended(Table *table, json_object *run) {
        char when[WHEN_SIZE], span[WHEN_SIZE];

        table_add(table, COLOUR_FAINT, when_format(when, json_number(run, "started_at")));
        table_add(table, COLOUR_PLAIN, json_text(run, "type"));
        table_add(table, COLOUR_BOLD, json_text(run, "object"));
        table_add(table, COLOUR_PLAIN, json_text(run, "operation"));
        table_add(table, run_record_colour(run), json_text(run, "outcome"));
        table_add(table, COLOUR_PLAIN, when_format_span(span, json_number(run, "duration_usec")));
        table_addf(table, COLOUR_FAINT, "%.8s", json_text(run, "run"));
        table_add(table, COLOUR_PLAIN, json_text(run, "reason"));
}

/* One that runs or waits. */
static void add_unfinished(Table *table, json_object *run) {
        uint64_t queued = json_number(run, "queued_at");
        bool waits = streq(json_text(run, "state"), "waiting");
        char span[WHEN_SIZE];

        table_add(table, COLOUR_PLAIN, json_text(run, "type"));
        table_add(table, COLOUR_BOLD, json_text(run, "object"));
        table_add(table, COLOUR_PLAIN, json_text(run, "operation"));
        table_add(table, COLOUR_PLAIN, json_text(run, "state"));
        table_add(table, COLOUR_PLAIN,
                  when_format_span(span, waits ? now_usec(CLOCK_REALTIME) - queued
                                               : json_number(run, "duration_usec")));
        table_addf(table, COLOUR_FAINT, "%.8s", json_text(run, "run"));
        table_add(table, COLOUR_PLAIN, json_text(run, "caller_comm"));
        table_add(table, COLOUR_PLAIN, script_name(json_text(run, "script")));
}

static int print_table(json_object *runs, bool finished, const char *none) {
        static const Column ended[] = {
                { "STARTED", false, false }, { "TYPE", false, false },
                { "OBJECT", false, true },   { "OPERATION", false, true },
                { "OUTCOME", false, false }, { "TIME", true, false },
                { "RUN", false, false },     { "REASON", false, true },
        };
        static const Column unfinished[] = {
                { "TYPE", false, false },  { "OBJECT", false, true }, { "OPERATION", false, true },
                { "STATE", false, false }, { "TIME", true, false },   { "RUN", false, false },
                { "CALLER", false, true }, { "SCRIPT", false, true },
        };
        _cleanup_(table_free_pointer) Table *table = NULL;
        size_t n = json_object_array_length(runs);
        int r;

        if (n == 0) {
                if (terminal_width() > 0)
                        (void) puts(none);
                return EXIT_SUCCESS;
        }
        r = finished ? table_new(&table, ended, ELEMENTS(ended))
                     : table_new(&table, unfinished, ELEMENTS(unfinished));
        if (r < 0)
                return trouble("out of memory");
        for (size_t i = 0; i < n; i++)
                (finished ? add_ended : add_unfinished)(table, json_object_array_get_idx(runs, i));
        return table_print(table) < 0 ? trouble("out of memory") : EXIT_SUCCESS;
}

static int print_list(json_object *runs, bool finished, bool json, const char *none) {
        if (!json)
                return print_table(runs, finished, none);
        for (size_t i = 0; i < json_object_array_length(runs); i++)
                json_print_line(json_object_array_get_idx(runs, i));
        return EXIT_SUCCESS;
}

int run_record_print_ended(json_object *runs, bool json, const char *none) {
        return print_list(runs, true, json, none);
}

int run_record_print_unfinished(json_object *runs, bool json, const char *none) {
        return print_list(runs, false, json, none);
}
