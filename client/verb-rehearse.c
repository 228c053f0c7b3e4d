/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks rehearse: the scripts of a folder, and the life of an object that is not there.
 */

#include <signal.h>
#include <stdio.h>

#include "complain.h"
#include "document-file.h"
#include "hooks-directories.h"
#include "rehearsal-report.h"
#include "rehearsal.h"
#include "type-argument.h"
#include "verbs.h"

enum {
        OPTION_HOOKS_DIRECTORY = VERB_OPTION,
        OPTION_OPERATIONS,
        OPTION_PORT_XML,
        OPTION_CONFIG,
};

static const struct option rehearse_options[] = {
        { "hooks-directory", required_argument, NULL, OPTION_HOOKS_DIRECTORY },
        { "operations", required_argument, NULL, OPTION_OPERATIONS },
        { "port-xml", required_argument, NULL, OPTION_PORT_XML },
        { "config", required_argument, NULL, OPTION_CONFIG },
        {},
};

static struct {
        char **directories;
        const char *operations;
        const char *port_xml;
        const char *config;
} arguments;

static int parse(int option, const char *argument) {
        switch (option) {
        case OPTION_HOOKS_DIRECTORY:
                return strv_add(&arguments.directories, argument);
        case OPTION_OPERATIONS:
                arguments.operations = argument;
                return 0;
        case OPTION_PORT_XML:
                arguments.port_xml = argument;
                return 0;
        default:
                arguments.config = argument;
                return 0;
        }
}

/* All that one call of the command needs; the rehearsal points into it. */
typedef struct Rehearse {
        const Options *options;
        Settings *settings;
        char **directories;
        char **operations; /* those that were asked for; NULL for whole lives */
        Bytes *document, *port;
        RehearsalSpec spec;
        Rehearsal *rehearsal;
        Life chosen; /* of the operations that were asked for */
        bool failed; /* a script has */
} Rehearse;

static void rehearse_clear(Rehearse *rehearse) {
        rehearsal_free(rehearse->rehearsal);
        settings_free(rehearse->settings);
        strv_free(rehearse->directories);
        strv_free(rehearse->operations);
        bytes_unref(rehearse->document);
        bytes_unref(rehearse->port);
        arguments.directories = strv_free(arguments.directories);
}

static int check_operation(HookType type, const char *name) {
        _cleanup_free_ char *names = NULL;

        if (hook_operation_find(type, name))
                return 0;
        names = hook_operation_names(type);
        complain("there is no %s operation '%s': libvirt has %s", hook_type_to_string(type), name,
                 names ? names : "others");
        return -EINVAL;
}

/* "a,b,c" */
static int split_operations(HookType type, const char *text, char ***ret) {
        _cleanup_free_ char *copy = strdup(text);
        _cleanup_strv_ char **operations = NULL;
        char *rest = copy, *name;

        while ((name = strsep(&rest, ",")))
                if (check_operation(type, name) < 0 || strv_add(&operations, name) < 0)
                        return -EINVAL;
        *ret = TAKE_PTR(operations);
        return copy ? 0 : -ENOMEM;
}

/* Returns 0, or negative where the command line is wrong, which has been said. */
static int read_command_line(Rehearse *rehearse, int n, char **words) {
        HookType type = type_argument_read(words[0]);

        if (type == HOOK_TYPE_INVALID)
                return -EINVAL;
        if (document_file_check_names(type, n > 1 ? words[1] : NULL, NULL, arguments.port_xml) < 0)
                return -EINVAL;
        rehearse->spec.type = type;
        if (arguments.operations &&
            split_operations(type, arguments.operations, &rehearse->operations) < 0)
                return -EINVAL;
        return hooks_directories_new(&rehearse->directories, arguments.directories,
                                     rehearse->settings);
}

/* Tells of R, and of ERROR if it is set. Returns R. */
static int tell(int r, const sd_bus_error *error) {
        if (r < 0)
                complain("%s", error->message ? error->message : strerror(-r));
        return r;
}

static int tell_of_memory(void) {
        return tell(-ENOMEM, &SD_BUS_ERROR_NULL);
}

/* Whether the document is right for all of LIFE: nothing must have run when it turns out not to be.
 */
static int check_life(Rehearsal *rehearsal, const Life *life) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        for (const char *const *operation = life->operations; *operation; operation++)
                if (tell(rehearsal_check(rehearsal, *operation, &error), &error) < 0)
                        return -EBADMSG;
        return 0;
}

/* The first life, or the one after LIFE; NULL where there is no more. */
static const Life *next_life(const Rehearse *rehearse, const Life *life) {
        if (rehearse->operations)
                return life ? NULL : &rehearse->chosen;
        return life_next(rehearse->spec.type, life);
}

/* Returns 0, or a negative errno, which has been told of. */
static int prepare(Rehearse *rehearse, const char *xml) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (document_file_read(xml, &rehearse->document) < 0 ||
            document_file_read(arguments.port_xml, &rehearse->port) < 0)
                return -EBADMSG;
        if (rehearse->document && rehearse->document->size == 0)
                rehearse->document = bytes_unref(rehearse->document);
        rehearse->spec.settings = rehearse->settings;
        rehearse->spec.directories = rehearse->directories;
        rehearse->spec.document = rehearse->document;
        rehearse->spec.port = rehearse->port;
        rehearse->chosen = (Life){
                .name = "operations",
                .title = "the operations that were asked for",
                .well = "",
                .operations = (const char *const *) rehearse->operations,
        };
        r = tell(rehearsal_new(&rehearse->rehearsal, &rehearse->spec, &error), &error);
        for (const Life *life = next_life(rehearse, NULL); r >= 0 && life;
             life = next_life(rehearse, life))
                r = check_life(rehearse->rehearsal, life);
        return r;
}

/* The runs of one life, until it is over or somebody wants us to end. */
static int run_life(Rehearse *rehearse, const Life *life, Run **runs, size_t *n) {
        LifeWalk walk = { .type = rehearse->spec.type, .life = life };
        bool failed = false;
        const char *operation;

        rehearsal_begin(rehearse->rehearsal);
        while (!rehearsal_signal(rehearse->rehearsal) && (operation = life_walk(&walk, failed))) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                Run *run;

                if (tell(rehearsal_run(rehearse->rehearsal, operation, &run, &error), &error) < 0)
                        return -EIO;
                runs[(*n)++] = run;
                failed = run_effect(run) != HOOK_EFFECT_PROCEED;
                rehearse->failed |= failed;
                if (rehearse->options->json && rehearsal_report_json(life, run) < 0)
                        return tell_of_memory();
        }
        return 0;
}

static int perform_life(Rehearse *rehearse, const Life *life) {
        size_t n_operations = 0, n = 0;
        _cleanup_free_ Run **runs = NULL;
        int r;

        while (life->operations[n_operations])
                n_operations++;
        /* Each life has an operation. */
        /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI) */
        runs = calloc(n_operations, sizeof(Run *));
        if (!runs)
                return tell_of_memory();
        r = run_life(rehearse, life, runs, &n);
        if (!rehearse->options->json && rehearsal_report_print(life, runs, n) < 0)
                r = tell_of_memory();
        (void) fflush(stdout);
        while (n > 0)
                run_free(runs[--n]);
        return r;
}

/* Ends as whoever sent the signal expects: a shell's loop ends, too. */
static void die_of(int signal_number) {
        (void) fflush(stdout);
        (void) signal(signal_number, SIG_DFL);
        (void) raise(signal_number);
}

static int perform(Rehearse *rehearse) {
        for (const Life *life = next_life(rehearse, NULL); life; life = next_life(rehearse, life)) {
                if (life != next_life(rehearse, NULL) && !rehearse->options->json)
                        (void) putchar('\n');
                if (perform_life(rehearse, life) < 0)
                        return EXIT_TROUBLE;
                if (rehearsal_signal(rehearse->rehearsal))
                        return EXIT_TROUBLE;
        }
        return rehearse->failed ? EXIT_TROUBLE : EXIT_SUCCESS;
}

static void tell_of_no_script(const Rehearse *rehearse) {
        _cleanup_free_ char *text = hooks_directories_to_string(rehearse->directories);

        complain("there is no %s script to run in %s", hook_type_to_string(rehearse->spec.type),
                 text ? text : "the folders");
}

static int rehearse_run(const Options *options, int n_words, char **words) {
        _cleanup_(rehearse_clear) Rehearse rehearse = { .options = options };
        int status, signal_number;

        if (settings_load(&rehearse.settings, arguments.config ? arguments.config : SETTINGS_FILE,
                          arguments.config) < 0)
                return EXIT_TROUBLE;
        settings_log_faults(rehearse.settings);
        if (read_command_line(&rehearse, n_words, words) < 0)
                return EXIT_USAGE;
        if (prepare(&rehearse, n_words > 1 ? words[1] : NULL) < 0)
                return EXIT_NO_VERDICT;
        if (rehearsal_count_scripts(rehearse.rehearsal) == 0) {
                tell_of_no_script(&rehearse);
                return EXIT_SUCCESS;
        }
        status = perform(&rehearse);
        signal_number = rehearsal_signal(rehearse.rehearsal);
        if (signal_number > 0)
                die_of(signal_number);
        return status;
}

const Verb verb_rehearse = {
        .name = "rehearse",
        .arguments = "TYPE [XML]",
        .summary = "Take a guest, network or daemon through its life, to try a directory's scripts",
        .help = "      --hooks-directory=DIR\n"
                "                         Run the scripts in DIR; may be given more than once\n"
                "      --operations=A,B,...\n"
                "                         Run just these, in this order\n"
                "      --port-xml=FILE    The port of the network; one is made up without it\n"
                "      --config=FILE      Take the limits, and the directories, from FILE\n",
        .min_arguments = 1,
        .max_arguments = 2,
        .options = rehearse_options,
        .parse = parse,
        .local = true,
        .run = rehearse_run,
};
