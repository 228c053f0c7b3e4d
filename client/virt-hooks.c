/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks: the common options, then the subcommand with its own.
 */

#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "bus-open.h"
#include "complain.h"
#include "typo.h"
#include "verbs.h"

static const Verb verb_help; /* it tells of the others */

static const Verb *const verbs[] = {
        &verb_run,    &verb_monitor, &verb_list,    &verb_history, &verb_show,
        &verb_cancel, &verb_status,  &verb_scripts, &verb_check,   &verb_rehearse,
        &verb_reload, &verb_attach,  &verb_detach,  &verb_help,
};

#define LETTERS_MAX 32U

enum {
        OPTION_SYSTEM = 0x100,
        OPTION_USER,
        OPTION_ADDRESS,
        OPTION_HOST,
        OPTION_MACHINE,
        OPTION_JSON,
        OPTION_VERSION,
};

static const struct option common_options[] = {
        { "system", no_argument, NULL, OPTION_SYSTEM },
        { "user", no_argument, NULL, OPTION_USER },
        { "address", required_argument, NULL, OPTION_ADDRESS },
        { "host", required_argument, NULL, OPTION_HOST },
        { "machine", required_argument, NULL, OPTION_MACHINE },
        { "json", no_argument, NULL, OPTION_JSON },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "help", no_argument, NULL, 'h' },
};

static const char bus_help[] =
        "      --system           Use the system bus (default)\n"
        "      --user             Use the user's session bus\n"
        "      --address=ADDRESS  Use the bus at ADDRESS\n"
        "  -H, --host=[USER@]HOST Use the system bus of another host, over ssh\n"
        "  -M, --machine=NAME     Use the system bus of a local container\n";

static const char common_help[] =
        "      --json             Print one JSON object a line\n"
        "      --version          Print the version and exit\n"
        "  -h, --help             Print help and exit; with a command, its own\n";

static void print_help(void) {
        (void) printf("Usage: %s [OPTION...] COMMAND ...\n"
                      "\n"
                      "Sees, runs and tries libvirt's hook scripts.\n"
                      "\n"
                      "Commands:\n",
                      program_invocation_short_name);
        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                (void) printf("  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
        (void) printf("\nOptions:\n%s%s\nSee virt-hooks(1).\n", bus_help, common_help);
}

static void print_verb_help(const Verb *verb) {
        (void) printf(
                "Usage: %s [OPTION...] %s%s%s\n\n%s.\n\nOptions:\n%s%s%s\nSee virt-hooks(1).\n",
                program_invocation_short_name, verb->name, *verb->arguments ? " " : "",
                verb->arguments, verb->summary, verb->help, verb->local ? "" : bus_help,
                common_help);
}

/* The nearest to NAME, or NULL. */
static const Verb *find_mistyped(const char *name) {
        const Verb *found = NULL;
        unsigned nearest = TYPO_NONE;

        for (size_t i = 0; i < ELEMENTS(verbs); i++) {
                unsigned distance = typo_distance(name, verbs[i]->name);

                if (distance < nearest) {
                        nearest = distance;
                        found = verbs[i];
                }
        }
        return found;
}

/* Returns NULL where there is none of this name, which has been told of. */
static const Verb *find_verb(const char *name) {
        const Verb *meant;

        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                if (streq(verbs[i]->name, name))
                        return verbs[i];
        meant = find_mistyped(name);
        if (meant)
                complain("there is no command '%s'; did you mean %s? see --help", name,
                         meant->name);
        else
                complain("there is no command '%s'; see --help", name);
        return NULL;
}

static int help(const Options *options, int n_arguments, char **arguments) {
        const Verb *verb = n_arguments > 0 ? find_verb(arguments[0]) : NULL;

        if (n_arguments > 0 && !verb)
                return EXIT_USAGE;
        if (verb)
                print_verb_help(verb);
        else
                print_help();
        return EXIT_SUCCESS;
}

static const Verb verb_help = {
        .name = "help",
        .arguments = "[COMMAND]",
        .summary = "Print the commands, or the options of one",
        .help = "",
        .max_arguments = 1,
        .run = help,
};

/* Returns 1 where the option is a common one, 0 where it is not, and -EINVAL where its argument is
 * wrong, which has been said. */
static int take_common_option(Options *options, int option, const char *argument) {
        switch (option) {
        case OPTION_SYSTEM:
                options->transport = TRANSPORT_SYSTEM;
                break;
        case OPTION_USER:
                options->transport = TRANSPORT_USER;
                break;
        case OPTION_ADDRESS:
                if (!bus_address_is_valid(argument)) {
                        complain(BUS_ADDRESS_WRONG, argument);
                        return -EINVAL;
                }
                options->transport = TRANSPORT_ADDRESS;
                break;
        case OPTION_HOST:
        case 'H':
                options->transport = TRANSPORT_HOST;
                break;
        case OPTION_MACHINE:
        case 'M':
                options->transport = TRANSPORT_MACHINE;
                break;
        case OPTION_JSON:
                options->json = true;
                return 1;
        default:
                return 0;
        }
        options->where = argument;
        options->names_bus = true;
        return 1;
}

/* The common options and VERB's own as one vector for getopt_long(3). VERB may be NULL. */
static struct option *merge_options(const Verb *verb) {
        size_t n = 0;
        struct option *merged;

        while (verb && verb->options && verb->options[n].name)
                n++;
        merged = calloc(ELEMENTS(common_options) + n + 1, sizeof(struct option));
        if (!merged)
                return NULL;
        memcpy(merged, common_options, sizeof(common_options));
        if (n > 0)
                memcpy(merged + ELEMENTS(common_options), verb->options, n * sizeof(struct option));
        return merged;
}

/* The letters of VERB's own options, all of which have an argument, behind the common ones. */
static void find_letters(const Verb *verb, char letters[static LETTERS_MAX]) {
        size_t n = strlen(strcpy(letters, verb ? "hH:M:" : "+hH:M:"));

        for (const struct option *o = verb ? verb->options : NULL; o && o->name; o++)
                if (o->val <= UCHAR_MAX && n + 3 <= LETTERS_MAX) {
                        letters[n++] = (char) o->val;
                        letters[n++] = ':';
                }
        letters[n] = '\0';
}

/* Where somebody finds what there is. */
static void complain_with_help(const Verb *verb) {
        complain("see '%s%s%s --help'", program_invocation_short_name, verb ? " " : "",
                 verb ? verb->name : "");
}

/*
 * Reads options, with VERB its own as well, without it up to the first argument.
 * Returns -1 to go on, else the exit status.
 */
static int read_options(Options *options, const Verb *verb, int argc, char **argv) {
        _cleanup_free_ struct option *table = merge_options(verb);
        char letters[LETTERS_MAX];
        int c;

        if (!table)
                return trouble("out of memory");
        find_letters(verb, letters);
        while ((c = getopt_long(argc, argv, letters, table, NULL)) >= 0) {
                int r = take_common_option(options, c, optarg);

                if (r < 0)
                        return EXIT_USAGE;
                if (r > 0)
                        continue;
                if (c == 'h') {
                        if (verb)
                                print_verb_help(verb);
                        else
                                print_help();
                        return EXIT_SUCCESS;
                }
                if (c == OPTION_VERSION) {
                        (void) puts(PACKAGE_STRING);
                        return EXIT_SUCCESS;
                }
                /* Without a verb there are common options only. */
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
                if (c != '?' && verb->parse(c, optarg) >= 0)
                        continue;
                if (c == '?') /* getopt(3) has said what is wrong */
                        complain_with_help(verb);
                return EXIT_USAGE;
        }
        return -1;
}

static int check_arguments(const Options *options, const Verb *verb, int n, char **arguments) {
        if (verb->local && options->names_bus) {
                complain("%s looks at the files of this machine, and asks no service on any bus; "
                         "see '%s %s --help'",
                         verb->name, program_invocation_short_name, verb->name);
                return -EINVAL;
        }
        if (n > verb->max_arguments) {
                complain("there is no argument '%s'; see '%s %s --help'",
                         arguments[verb->max_arguments], program_invocation_short_name, verb->name);
                return -EINVAL;
        }
        if (n >= verb->min_arguments)
                return 0;
        complain("usage: %s %s %s; see '%s %s --help'", program_invocation_short_name, verb->name,
                 verb->arguments, program_invocation_short_name, verb->name);
        return -EINVAL;
}

/* Does what the command line says. Returns the exit status. */
static int run(int argc, char **argv) {
        Options options = {};
        const Verb *verb;
        int status;

        argv[0] = program_invocation_short_name; /* getopt(3) begins its complaints with it */
        status = read_options(&options, NULL, argc, argv);
        if (status >= 0)
                return status;
        if (optind >= argc) {
                complain("no command; see --help");
                return EXIT_USAGE;
        }
        verb = find_verb(argv[optind]);
        if (!verb)
                return EXIT_USAGE;

        argc -= optind;
        argv += optind;
        argv[0] = program_invocation_short_name;
        optind = 0; /* getopt(3) starts anew, behind the command */
        status = read_options(&options, verb, argc, argv);
        if (status >= 0)
                return status;
        if (check_arguments(&options, verb, argc - optind, argv + optind) < 0)
                return EXIT_USAGE;
        return verb->run(&options, argc - optind, argv + optind);
}

int main(int argc, char **argv) {
        int status;

        (void) setlocale(LC_ALL, "");
        (void) signal(SIGPIPE, SIG_DFL); /* "| head" ends us without a word */
        status = run(argc, argv);
        if (fflush(stdout) != 0 || ferror(stdout))
                return trouble("standard output cannot be written: %m");
        return status;
}
