/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The results are JSON from the start; tables are made of it.
 */

#include "results.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "fatal.h"

struct Results {
        json_object *root, *rows, *targets, *notes;
        const char *bus;
        Caches caches;
};

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static void set(json_object *object, const char *key, json_object *value) {
        (void) json_object_object_add(object, key, value);
}

static void set_string(json_object *object, const char *key, const char *value) {
        set(object, key, value ? json_object_new_string(value) : NULL);
}

static const char *get_string(json_object *object, const char *key) {
        const char *s = json_object_get_string(json_object_object_get(object, key));

        return s ? s : "";
}

static double get_number(json_object *object, const char *key) {
        return json_object_get_double(json_object_object_get(object, key));
}

/* The processor's name, from /proc/cpuinfo. */
static void set_processor(json_object *machine) {
        char line[256], *name = NULL;
        FILE *file = fopen("/proc/cpuinfo", "re");

        while (file && !name && fgets(line, sizeof(line), file))
                if (strncmp(line, "model name", 10) == 0 && (name = strstr(line, ": ")))
                        name[strcspn(name, "\n")] = '\0';
        if (file)
                (void) fclose(file);
        set_string(machine, "processor", name ? name + 2 : "unknown");
}

Results *results_new(void) {
        Results *results = must_have(calloc(1, sizeof(Results)));
        json_object *machine = must_have(json_object_new_object());
        struct utsname name;

        results->root = must_have(json_object_new_object());
        results->rows = must_have(json_object_new_array());
        results->targets = must_have(json_object_new_array());
        results->notes = must_have(json_object_new_array());
        (void) uname(&name);
        set_processor(machine);
        set(machine, "processors", json_object_new_int64(sysconf(_SC_NPROCESSORS_ONLN)));
        set_string(machine, "kernel", name.release);
        set(results->root, "version", json_object_new_string(PACKAGE_VERSION));
        set(results->root, "sanitized", json_object_new_boolean(SANITIZED));
        set(results->root, "machine", machine);
        set(results->root, "rows", results->rows);
        set(results->root, "targets", results->targets);
        set(results->root, "notes", results->notes);
        return results;
}

Results *results_free(Results *results) {
        if (!results)
                return NULL;
        (void) json_object_put(results->root);
        free(results);
        return NULL;
}

void results_set_column(Results *results, const char *bus, Caches caches) {
        results->bus = bus;
        results->caches = caches;
}

/* Where it was measured, for programs and for people. */
static void set_column(const Results *results, json_object *object) {
        char column[64];

        (void) snprintf(column, sizeof(column), "%s, %s", results->bus,
                        caches_to_string(results->caches));
        set_string(object, "bus", results->bus);
        set_string(object, "caches", caches_to_string(results->caches));
        set_string(object, "column", column);
}

static json_object *new_row(Results *results, const char *name, const char *unit) {
        json_object *row = must_have(json_object_new_object());

        set_column(results, row);
        set_string(row, "name", name);
        set_string(row, "unit", unit);
        (void) json_object_array_add(results->rows, row);
        return row;
}

static void set_ratio(json_object *row, double value, const char *ratio_to, double reference) {
        if (!ratio_to)
                return;
        set(row, "ratio", json_object_new_double(value / reference));
        set_string(row, "ratio_to", ratio_to);
}

double results_add_times(Results *results, const char *name, Samples *samples, const char *ratio_to,
                         double reference) {
        json_object *row = new_row(results, name, "ms");
        double median = samples_quantile(samples, 0.5);

        set(row, "samples", json_object_new_int64((int64_t) samples->n));
        set(row, "median", json_object_new_double(median / 1e6));
        set(row, "p99", json_object_new_double(samples_quantile(samples, 0.99) / 1e6));
        set_ratio(row, median, ratio_to, reference);
        samples_clear(samples);
        return median;
}

void results_add_value(Results *results, const char *name, double value, const char *unit,
                       const char *ratio_to, double reference) {
        json_object *row = new_row(results, name, unit);

        set(row, "value", json_object_new_double(value));
        set_ratio(row, value, ratio_to, reference);
}

void results_add_target(Results *results, const char *name, double value, double limit) {
        json_object *target = must_have(json_object_new_object());

        set_column(results, target);
        set_string(target, "name", name);
        set(target, "value", json_object_new_double(value));
        set(target, "limit", json_object_new_double(limit));
        set(target, "reached", json_object_new_boolean(value <= limit));
        (void) json_object_array_add(results->targets, target);
}

static bool has_note(const Results *results, const char *note) {
        for (size_t i = 0; i < json_object_array_length(results->notes); i++)
                if (streq(json_object_get_string(json_object_array_get_idx(results->notes, i)),
                          note))
                        return true;
        return false;
}

void results_add_note(Results *results, const char *format, ...) {
        _cleanup_free_ char *note = NULL;
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(&note, format, arguments) < 0)
                fatal("memory is short");
        va_end(arguments);
        if (!has_note(results, note))
                (void) json_object_array_add(results->notes, json_object_new_string(note));
}

/* What a row says of its ratio: "1.05 × bare". */
static const char *ratio_text(json_object *row, char text[static 128]) {
        if (!json_object_object_get(row, "ratio"))
                return "";
        (void) snprintf(text, 128, "%.2f × %s", get_number(row, "ratio"),
                        get_string(row, "ratio_to"));
        return text;
}

static void print_row(json_object *row, bool markdown) {
        bool times = json_object_object_get(row, "median");
        char value[64], p99[64] = "", ratio[128];

        (void) snprintf(value, sizeof(value), "%.*f %s", times ? 3 : 1,
                        get_number(row, times ? "median" : "value"), get_string(row, "unit"));
        if (times)
                (void) snprintf(p99, sizeof(p99), "%.3f", get_number(row, "p99"));
        (void) printf(markdown ? "| %s | %s | %s | %s |\n" : "  %-52s %16s %10s  %s\n",
                      get_string(row, "name"), value, p99, ratio_text(row, ratio));
}

static bool is_reached(json_object *target) {
        return json_object_get_boolean(json_object_object_get(target, "reached"));
}

static void print_target(json_object *target, bool markdown) {
        (void) printf("  %-62s %8.2f %8.2f  %s\n", get_string(target, "name"),
                      get_number(target, "value"), get_number(target, "limit"),
                      is_reached(target) ? "reached" : "missed");
}

static json_object *find_target(json_object *targets, const char *name, const char *column) {
        for (size_t i = 0; i < json_object_array_length(targets); i++) {
                json_object *target = json_object_array_get_idx(targets, i);

                if (streq(get_string(target, "name"), name) &&
                    streq(get_string(target, "column"), column))
                        return target;
        }
        return NULL;
}

/* Whether none of ARRAY before ITEM has the same KEY. */
static bool is_first(json_object *array, json_object *item, const char *key) {
        json_object *other;

        for (size_t i = 0; (other = json_object_array_get_idx(array, i)) != item; i++)
                if (streq(get_string(other, key), get_string(item, key)))
                        return false;
        return true;
}

/* What was measured of the target NAME, in each column. What is too much is in bold. */
static void print_target_columns(json_object *targets, const char *name) {
        for (size_t i = 0; i < json_object_array_length(targets); i++) {
                json_object *item = json_object_array_get_idx(targets, i), *target;

                if (!is_first(targets, item, "column"))
                        continue;
                target = find_target(targets, name, get_string(item, "column"));
                if (target)
                        (void) printf(is_reached(target) ? " %.2f |" : " **%.2f** |",
                                      get_number(target, "value"));
                else
                        (void) printf(" |");
        }
        (void) printf("\n");
}

/* One table, for a README: what, how much at most, and what it was. */
static void print_targets_markdown(json_object *targets) {
        size_t n = json_object_array_length(targets);

        if (n == 0)
                return;
        (void) printf("\n| What | At most |");
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(targets, i);

                if (is_first(targets, item, "column"))
                        (void) printf(" %s |", get_string(item, "column"));
        }
        (void) printf("\n|---|---:|");
        for (size_t i = 0; i < n; i++)
                if (is_first(targets, json_object_array_get_idx(targets, i), "column"))
                        (void) printf("---:|");
        (void) printf("\n");
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(targets, i);

                if (!is_first(targets, item, "name"))
                        continue;
                (void) printf("| %s | %.2f |", get_string(item, "name"), get_number(item, "limit"));
                print_target_columns(targets, get_string(item, "name"));
        }
}

/* Those of ARRAY that belong to one column, after the other. */
static void print_by_column(json_object *array, bool markdown, const char *title,
                            const char *columns, void (*print)(json_object *item, bool markdown)) {
        const char *column = "";

        for (size_t i = 0; i < json_object_array_length(array); i++) {
                json_object *item = json_object_array_get_idx(array, i);

                if (!streq(column, get_string(item, "column"))) {
                        column = get_string(item, "column");
                        (void) printf(markdown ? "\n%s, %s:\n\n%s" : "\n%s, %s\n\n", title, column,
                                      columns);
                }
                print(item, markdown);
        }
}

static void print_tables(const Results *results, bool markdown) {
        json_object *machine = json_object_object_get(results->root, "machine");

        (void) printf("virt-hooks %s, %s, %d processors, Linux %s\n",
                      get_string(results->root, "version"), get_string(machine, "processor"),
                      (int) get_number(machine, "processors"), get_string(machine, "kernel"));
        if (markdown)
                print_targets_markdown(results->targets);
        print_by_column(results->rows, markdown, "Measured",
                        "| What | Median | 99 % | Ratio |\n|---|---:|---:|---|\n", print_row);
        if (!markdown)
                print_by_column(results->targets, false, "To be reached", NULL, print_target);
        for (size_t i = 0; i < json_object_array_length(results->notes); i++)
                (void) printf("\n%s\n",
                              json_object_get_string(json_object_array_get_idx(results->notes, i)));
}

void results_print(const Results *results, ResultFormat format) {
        if (format == RESULTS_JSON)
                (void) puts(json_object_to_json_string_ext(results->root, JSON_C_TO_STRING_PRETTY));
        else
                print_tables(results, format == RESULTS_MARKDOWN);
}
