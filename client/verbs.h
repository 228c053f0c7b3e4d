/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The subcommands of virt-hooks. Each is a file of its own, verb-*.c, that describes itself to
 * main().
 */

#include <getopt.h>

#include "options.h"

/* Exit statuses, beside 0; virt-hooks(1) lists them. */
enum {
        EXIT_TROUBLE = 1,      /* it could not be done, or something is wrong */
        EXIT_USAGE = 2,        /* the command line is wrong */
        EXIT_ABSENT = 3,       /* status: the service is not there */
        EXIT_NO_VERDICT = 125, /* run: no script had its say, or the service would not go by it */
        EXIT_TIMED_OUT = 124,  /* run: as timeout(1) has it */
        EXIT_KILLED = 128,     /* run: and the signal that the script died of */
};

typedef struct Verb {
        const char *name;
        const char *arguments; /* for --help: "RUN" or "" */
        const char *summary;   /* half a line */
        const char *help;      /* the lines of its own options, or "" */
        int min_arguments, max_arguments;
        bool local;                   /* it asks no service, so that no bus can be named for it */
        const struct option *options; /* its own, ended by an empty one; NULL where it has none. A
                                         letter as value is a short option. */

        /* One of its own options. Returns 0, or negative where ARGUMENT is wrong, which it has
         * said. */
        int (*parse)(int option, const char *argument);

        /* Does it. ARGUMENTS ends with NULL. Returns the exit status. */
        int (*run)(const Options *options, int n_arguments, char **arguments);
} Verb;

/* Numbers for the verbs' own options start here; the common ones have lower ones. */
#define VERB_OPTION 0x200

extern const Verb verb_attach;
extern const Verb verb_cancel;
extern const Verb verb_check;
extern const Verb verb_detach;
extern const Verb verb_history;
extern const Verb verb_list;
extern const Verb verb_monitor;
extern const Verb verb_rehearse;
extern const Verb verb_reload;
extern const Verb verb_run;
extern const Verb verb_scripts;
extern const Verb verb_show;
extern const Verb verb_status;
