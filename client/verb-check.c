/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks check: what keeps hooks from doing what their author thinks.
 */

#include <limits.h>
#include <stdio.h>

#include "attachment-check.h"
#include "complain.h"
#include "findings.h"
#include "hooks-check.h"
#include "hooks-directories.h"
#include "text.h"
#include "verbs.h"

enum {
        OPTION_CONFIG = VERB_OPTION,
};

static const struct option check_options[] = {
        { "config", required_argument, NULL, OPTION_CONFIG },
        {},
};

static const char *config; /* the settings' file; NULL for the machine's */

static int parse(int option, const char *argument) {
        config = argument;
        return 0;
}

static int print_all_well(char *const *directories, unsigned scripts) {
        _cleanup_free_ char *text = hooks_directories_to_string(directories);

        if (!text)
                return trouble("out of memory");
        if (scripts == 0)
                (void) printf("There is no script in %s.\n", text);
        else
                (void) printf("All is well: %u script%s in %s.\n", scripts, scripts == 1 ? "" : "s",
                              text);
        return EXIT_SUCCESS;
}

static void check_settings(const Settings *settings, Findings *findings) {
        for (const SettingsFault *f = settings->faults; f < settings->faults + settings->n_faults;
             f++) {
                _cleanup_free_ char *word = text_shell_word(f->file);
                const Subject subject = { f->file, word, HOOK_TYPE_INVALID };

                if (f->line > 0)
                        findings_add(
                                findings, &subject, "wrong-setting",
                                text_format("mend line %u; virt-hooks.conf(5) has all settings",
                                            f->line),
                                "line %u: %s", f->line, f->text);
                else
                        findings_add(findings, &subject, "unreadable-settings",
                                     strdup("run this as root, or put a readable file there"), "%s",
                                     f->text);
        }
}

/* Of the machine's own hooks. */
static int check_attachment(Findings *findings) {
        _cleanup_(attachment_free_pointer) Attachment *attachment = NULL;
        int r;

        r = attachment_new(&attachment, NULL);
        return r < 0 ? r : attachment_check(attachment, findings);
}

static int check(const Options *options, int n_arguments, char **arguments) {
        _cleanup_(settings_free_pointer) Settings *settings = NULL;
        _cleanup_(findings_free_pointer) Findings *findings = NULL;
        _cleanup_strv_ char **directories = NULL;
        unsigned scripts;

        if (settings_load(&settings, config ? config : SETTINGS_FILE, config) < 0)
                return EXIT_TROUBLE;
        if (hooks_directories_new(&directories, arguments, settings) < 0)
                return EXIT_USAGE;
        if (findings_new(&findings) < 0)
                return trouble("out of memory");
        check_settings(settings, findings);
        if (n_arguments == 0 && !config) {
                int r = check_attachment(findings);

                if (r < 0)
                        return r == -ENOMEM ? trouble("out of memory") : EXIT_TROUBLE;
        }
        if (hooks_check(directories, settings, findings, &scripts) < 0 ||
            findings_print(findings, options->json) < 0)
                return trouble("out of memory");
        if (findings_count(findings) > 0)
                return EXIT_TROUBLE;
        return options->json ? EXIT_SUCCESS : print_all_well(directories, scripts);
}

const Verb verb_check = {
        .name = "check",
        .arguments = "[DIR...]",
        .summary = "Tell why hooks do not run, or would not, and what mends it",
        .help = "      --config=FILE      Take the directories from FILE, not from the settings\n",
        .max_arguments = INT_MAX,
        .options = check_options,
        .parse = parse,
        .local = true,
        .run = check,
};
