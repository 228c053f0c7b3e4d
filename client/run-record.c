/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs in tables.
 */

#include "run-record.h"

#include "complain.h"
#include "message-json.h"
#include "when.h"

#define ID_SHOWN 8 /* characters of a run's id: enough to ask for it */

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

void run_record_print_title(json_object *run) {
        const char *outcome = json_text(run, "outcome");

        terminal_print(COLOUR_PLAIN, json_text(run, "type"));
        (void) putchar(' ');
        terminal_print(COLOUR_BOLD, json_text(run, "object"));
        (void) putchar(' ');
        terminal_print(COLOUR_PLAIN, json_text(run, "operation"));
        (void) fputs(": ", stdout);
        terminal_print(run_record_colour(run), *outcome ? outcome : json_text(run, "state"));
        (void) putchar('\n');
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
        table_addf(table, COLOUR_FAINT, "%.*s", ID_SHOWN, json_text(run, "run"));
        table_add(table, COLOUR_PLAIN, json_text(run, "reason"));
}

/* For how long one runs or waits. */
static const char *format_age(char span[static WHEN_SIZE], json_object *run) {
        bool waits = streq(json_text(run, "state"), "waiting");

        return when_format_span(span,
                                waits ? now_usec(CLOCK_REALTIME) - json_number(run, "queued_at")
                                      : json_number(run, "duration_usec"));
}

/* One that runs or waits. */
static void add_unfinished(Table *table, json_object *run) {
        char span[WHEN_SIZE];

        table_add(table, COLOUR_PLAIN, json_text(run, "type"));
        table_add(table, COLOUR_BOLD, json_text(run, "object"));
        table_add(table, COLOUR_PLAIN, json_text(run, "operation"));
        table_add(table, COLOUR_PLAIN, json_text(run, "state"));
        table_add(table, COLOUR_PLAIN, format_age(span, run));
        table_addf(table, COLOUR_FAINT, "%.*s", ID_SHOWN, json_text(run, "run"));
        table_add(table, COLOUR_PLAIN, json_text(run, "caller_comm"));
        table_add(table, COLOUR_PLAIN, script_name(json_text(run, "script")));
}

static void print_indented(const char *text) {
        if (!*text)
                return;
        (void) fputs("  ", stdout);
        terminal_print(COLOUR_PLAIN, text);
        (void) putchar('\n');
}

/* "took 47ms, run c565d6cb", or what else stands in place of TOOK. */
static void print_span_and_id(const char *took, const char *span, json_object *run) {
        _cleanup_free_ char *id = strndup(json_text(run, "run"), ID_SHOWN);

        (void) printf("%s %s, run ", took, span);
        terminal_print(COLOUR_PLAIN, id ? id : "");
}

/* Where the table does not fit: names that are cut to nothing tell nothing. */
static void print_below_each_other(json_object *run, bool finished) {
        char when[WHEN_SIZE], span[WHEN_SIZE];

        run_record_print_title(run);
        (void) fputs("  ", stdout);
        if (finished) {
                (void) printf("%s, ", when_format(when, json_number(run, "started_at")));
                print_span_and_id("took", when_format_span(span, json_number(run, "duration_usec")),
                                  run);
                (void) putchar('\n');
                print_indented(json_text(run, "reason"));
        } else {
                print_span_and_id("for", format_age(span, run), run);
                (void) fputs(", called by ", stdout);
                terminal_print(COLOUR_PLAIN, json_text(run, "caller_comm"));
                (void) putchar('\n');
                print_indented(script_name(json_text(run, "script")));
        }
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
        if (table_fits(table))
                return table_print(table) < 0 ? trouble("out of memory") : EXIT_SUCCESS;
        for (size_t i = 0; i < n; i++)
                print_below_each_other(json_object_array_get_idx(runs, i), finished);
        return EXIT_SUCCESS;
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
