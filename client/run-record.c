/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs in tables.
 */

#include "run-record.h"

#include "complain.h"
#include "message-json.h"
#include "when.h"

const Column run_record_columns[] = {
        { "STARTED", false, false },  { "TYPE", false, false },    { "OBJECT", false, true },
        { "OPERATION", false, true }, { "OUTCOME", false, false }, { "TIME", true, false },
        { "RUN", false, false },      { "REASON", false, true },
};
const size_t run_record_n_columns = ELEMENTS(run_record_columns);

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

/* The script that runs, or for whom a call waits, or why the run failed. */
static void add_remark(Table *table, json_object *run) {
        const char *state = json_text(run, "state");

        if (streq(state, "running"))
                table_addf(table, COLOUR_PLAIN, "%s, for %s", script_name(json_text(run, "script")),
                           json_text(run, "caller_comm"));
        else if (streq(state, "waiting"))
                table_addf(table, COLOUR_PLAIN, "for %s", json_text(run, "caller_comm"));
        else
                table_add(table, COLOUR_PLAIN, json_text(run, "reason"));
}

void run_record_add_row(Table *table, json_object *run) {
        uint64_t started = json_number(run, "started_at"), queued = json_number(run, "queued_at");
        uint64_t span = json_number(run, "duration_usec");
        const char *outcome = json_text(run, "outcome");
        char when[WHEN_SIZE], time[WHEN_SIZE];

        if (started == 0 && queued > 0)
                span = now_usec(CLOCK_REALTIME) - queued;
        table_add(table, COLOUR_FAINT, when_format(when, started > 0 ? started : queued));
        table_add(table, COLOUR_PLAIN, json_text(run, "type"));
        table_add(table, COLOUR_BOLD, json_text(run, "object"));
        table_add(table, COLOUR_PLAIN, json_text(run, "operation"));
        table_add(table, run_record_colour(run), *outcome ? outcome : json_text(run, "state"));
        table_add(table, COLOUR_PLAIN, when_format_span(time, span));
        table_addf(table, COLOUR_FAINT, "%.8s", json_text(run, "run"));
        add_remark(table, run);
}

static int print_table(json_object *runs, const char *none) {
        _cleanup_(table_free_pointer) Table *table = NULL;
        size_t n = json_object_array_length(runs);

        if (n == 0) {
                if (terminal_width() > 0)
                        (void) puts(none);
                return EXIT_SUCCESS;
        }
        if (table_new(&table, run_record_columns, run_record_n_columns) < 0)
                return trouble("out of memory");
        for (size_t i = 0; i < n; i++)
                run_record_add_row(table, json_object_array_get_idx(runs, i));
        return table_print(table) < 0 ? trouble("out of memory") : EXIT_SUCCESS;
}

int run_record_print_list(json_object *runs, bool json, const char *none) {
        if (!json)
                return print_table(runs, none);
        for (size_t i = 0; i < json_object_array_length(runs); i++)
                json_print_line(json_object_array_get_idx(runs, i));
        return EXIT_SUCCESS;
}
