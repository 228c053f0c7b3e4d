/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Measures what the service adds to the scripts that it runs, beside running them without it, in
 * one run: figures of one machine and one moment mean little, their ratios a lot.
 */

#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>

#include "fatal.h"
#include "hooks.h"
#include "measures.h"
#include "message-bus.h"
#include "place.h"

static const Plan full_plan = {
        .calls = 300,
        .large_calls = 50,
        .rounds = 5,
        .round_usec = 1 * USEC_PER_SEC,
        .starts = 30,
        .many_calls = 100000,
};

static const Plan quick_plan = {
        .calls = 10,
        .large_calls = 3,
        .rounds = 1,
        .round_usec = 100 * USEC_PER_MSEC,
        .starts = 3,
        .many_calls = 2000,
};

static const struct {
        const char *name;
        void (*measure)(const Bench *bench);
        bool cold; /* with cold caches, too */
} measures[] = {
        { "calls", measure_calls, true },
        { "documents", measure_documents, true },
        { "callers", measure_callers },
        { "flight", measure_flight },
        { "subscribers", measure_subscribers, true },
        { "memory", measure_memory },
        { "start", measure_start },
};

typedef struct Options {
        const char *bus; /* the only one, or NULL */
        ResultFormat format;
        bool quick;
} Options;

static void print_help(void) {
        (void) printf(
                "Usage: %s [OPTION...] [MEASURE...]\n"
                "\n"
                "Measures virt-hooksd on private buses, beside scripts that run without it.\n"
                "\n"
                "      --bus=KIND   Only on a bus of KIND: dbus-daemon or dbus-broker\n"
                "      --quick      Little of all: to see that it works, not for the figures\n"
                "      --json       Print JSON\n"
                "      --markdown   Print tables for a document\n"
                "  -h, --help       Print this help and exit\n"
                "\n"
                "Measures:",
                program_invocation_short_name);
        for (size_t i = 0; i < ELEMENTS(measures); i++)
                (void) printf(" %s", measures[i].name);
        (void) puts(". All, where none is named.");
}

static bool is_measure(const char *name) {
        for (size_t i = 0; i < ELEMENTS(measures); i++)
                if (streq(measures[i].name, name))
                        return true;
        return false;
}

static bool is_bus(const char *kind) {
        for (const char *const *k = message_bus_kinds; *k; k++)
                if (streq(*k, kind))
                        return true;
        return false;
}

/* Nothing would be measured, and nobody told. */
_Noreturn static void refuse(const char *what, const char *word) {
        (void) fprintf(stderr, "%s: there is no %s '%s': see --help\n",
                       program_invocation_short_name, what, word);
        exit(2);
}

static void parse_options(Options *options, int argc, char **argv) {
        static const struct option table[] = {
                { "bus", required_argument, NULL, 'b' }, { "quick", no_argument, NULL, 'q' },
                { "json", no_argument, NULL, 'j' },      { "markdown", no_argument, NULL, 'm' },
                { "help", no_argument, NULL, 'h' },      {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", table, NULL)) >= 0)
                switch (c) {
                case 'b':
                        options->bus = optarg;
                        break;
                case 'q':
                        options->quick = true;
                        break;
                case 'j':
                        options->format = RESULTS_JSON;
                        break;
                case 'm':
                        options->format = RESULTS_MARKDOWN;
                        break;
                case 'h':
                        print_help();
                        exit(EXIT_SUCCESS);
                default:
                        exit(2);
                }
        if (options->bus && !is_bus(options->bus))
                refuse("kind of bus", options->bus);
        for (int i = optind; i < argc; i++)
                if (!is_measure(argv[i]))
                        refuse("measure", argv[i]);
}

/* Whether NAME is among those on the command line, or there is none. */
static bool is_wanted(const char *name, char **names) {
        if (!*names)
                return true;
        for (; *names; names++)
                if (streq(*names, name))
                        return true;
        return false;
}

static void measure_bus(const Bench *bench, char **names) {
        results_set_column(bench->results, bench->bus, bench->caches);
        for (size_t i = 0; i < ELEMENTS(measures); i++) {
                if (!is_wanted(measures[i].name, names) ||
                    (bench->caches == CACHES_COLD && !measures[i].cold))
                        continue;
                (void) fprintf(stderr, "bench: %s, %s caches: %s\n", bench->bus,
                               caches_to_string(bench->caches), measures[i].name);
                measures[i].measure(bench);
        }
}

/* We lie in tests/bench of the folder where all was built. */
static void find_build(char build[static PATH_MAX]) {
        ssize_t n = readlink("/proc/self/exe", build, PATH_MAX - 1);

        must_sys(n, "/proc/self/exe");
        build[n] = '\0';
        for (unsigned i = 0; i < 3; i++)
                (void) dirname(build);
}

int main(int argc, char **argv) {
        Options options = {};
        char build[PATH_MAX];
        Bench bench = {};

        parse_options(&options, argc, argv);
        find_build(build);
        place_make(build);
        hooks_make();
        bench.plan = options.quick ? &quick_plan : &full_plan;
        bench.results = results_new();
        for (const char *const *kind = message_bus_kinds; *kind; kind++) {
                const char *why_not = message_bus_why_not(*kind);

                if (options.bus && !streq(options.bus, *kind))
                        continue;
                bench.bus = *kind;
                if (why_not)
                        results_add_note(bench.results, "Not measured: %s, as %s.", *kind, why_not);
                else
                        for (bench.caches = 0; bench.caches < CACHES_MAX; bench.caches++)
                                measure_bus(&bench, argv + optind);
        }
        results_print(bench.results, options.format);
        results_free(bench.results);
        return EXIT_SUCCESS;
}
