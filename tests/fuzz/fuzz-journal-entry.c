/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An entry read back from the journal: its fields, and what is shown of them. A field is a line
 * "NAME=value"; a line that starts with a blank goes on with the one before it, as the value of a
 * field may have line ends.
 */

#include "journal-entry.h"

#include <stdio.h>

#include "fuzz.h"
#include "message-json.h"
#include "run-record.h"

/* The end of the field at P. */
static const char *field_end(const char *p, const char *end) {
        for (; p < end; p++)
                if (*p == '\n' && (p + 1 == end || p[1] != ' '))
                        break;
        return p;
}

static void take_fields(json_object *run, const char *data, size_t size) {
        const char *end = data + size, *next;

        for (const char *p = data; p < end; p = next + 1) {
                const char *name;

                next = field_end(p, end);
                for (size_t i = 0; (name = journal_entry_field(i)); i++)
                        if ((size_t) (next - p) > strlen(name) &&
                            memcmp(p, name, strlen(name)) == 0 && p[strlen(name)] == '=')
                                must(journal_entry_take(run, i, p, (size_t) (next - p)) == 0);
        }
}

/* It is about the other fields, so it comes last. */
static void take_message(json_object *run, const char *data, size_t size) {
        static const char name[] = "MESSAGE=";
        const char *end = data + size, *next;

        for (const char *p = data; p < end; p = next + 1) {
                next = field_end(p, end);
                if ((size_t) (next - p) < strlen(name) || memcmp(p, name, strlen(name)) != 0)
                        continue;
                p += strlen(name);
                must(journal_entry_take_message(run, p, (size_t) (next - p)) == 0);
        }
}

static void check_json(json_object *run) {
        _cleanup_free_ char *printed = NULL;
        json_object *again;
        size_t size;

        stdout_start();
        json_print_line(run);
        printed = stdout_end(&size);
        must(strlen(printed) == size && strchr(printed, '\n') == printed + size - 1);
        must_be_sendable(printed);
        again = json_tokener_parse(printed);
        must(again);
        must(json_object_equal(run, again));
        (void) json_object_put(again);
}

/* How many lines TEXT has. INDENTED: all but the first begin with two blanks, as where a table does
 * not fit. */
static unsigned count_lines(const char *text, bool *indented) {
        unsigned lines = 0;

        *indented = true;
        for (const char *end; (end = strchr(text, '\n')); text = end + 1)
                *indented &= lines++ == 0 || strncmp(text, "  ", 2) == 0;
        return lines;
}

/* The table's own line ends are all that it may have, or those of what is printed in its place. */
static void check_table(json_object *run, int (*print)(json_object *, bool, const char *)) {
        _cleanup_free_ char *printed = NULL;
        json_object *runs = json_object_new_array();
        unsigned lines;
        bool indented;
        size_t size;

        must(runs && json_object_array_add(runs, json_object_get(run)) == 0);
        stdout_start();
        must(print(runs, false, "none") == EXIT_SUCCESS);
        printed = stdout_end(&size);
        must(strlen(printed) == size);
        lines = count_lines(printed, &indented);
        must(lines == 2 || (lines == 3 && indented));
        must_be_sendable(printed);
        (void) json_object_put(runs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        json_object *run = json_object_new_object();

        must(run);
        take_fields(run, (const char *) data, size);
        take_message(run, (const char *) data, size);
        check_json(run);
        check_table(run, run_record_print_ended);
        check_table(run, run_record_print_unfinished);
        (void) json_object_put(run);
        return 0;
}
