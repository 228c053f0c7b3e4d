/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From folder to folder. How a script looks for others it alone knows, so only names are found
 * fault with that are nearly an operation's, and files only below an operation.
 */

#include "dispatched-check.h"

#include <dirent.h>
#include <stdio.h>

#include "hook-name.h"
#include "script-check.h"
#include "script-text.h"
#include "text.h"

/* OBJECT, OPERATION, SUBOPERATION, and one of a script's own. Links may lead in circles. */
#define LEVELS 4U

typedef struct DispatchedCheck {
        bool strict;
        SafePathProblems above; /* those of the .d folder, which have been told */
        Findings *findings;
        bool failed; /* memory was short */
} DispatchedCheck;

static const char *name_of(const Subject *subject) {
        return strrchr(subject->path, '/') + 1;
}

/* Nothing runs from the folder at SUBJECT, which should have been called NAME. */
static char *rename_command(const Subject *subject, const char *name) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%.*s%s", (int) (name_of(subject) - subject->path), subject->path,
                     name) < 0) {
                path = NULL;
                return NULL;
        }
        return script_check_rename_folder(subject, path, false);
}

static bool has(const Subject *folder, const char *name) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", folder->path, name) < 0)
                path = NULL;
        return path && access(path, F_OK) == 0;
}

/* Whether something in the folder at SUBJECT was meant to run: it may as well be called "state". */
static bool has_scripts(const Subject *subject) {
        return has(subject, "begin") || has(subject, "end") ||
               script_text_any_executable(subject->path, NULL, NULL);
}

static void check_operation_name(DispatchedCheck *check, const Subject *subject) {
        const HookOperation *meant = hook_name_resembles_operation(subject->type, name_of(subject));

        if (meant && has_scripts(subject))
                findings_add(check->findings, subject, "unknown-operation",
                             rename_command(subject, meant->name),
                             "no operation of %s has this name, so nothing in it runs; did you "
                             "mean %s?",
                             hook_type_to_string(subject->type), meant->name);
}

/* Returns whether OPERATION comes with such a sub-operation, or it is the name of something else.
 */
static bool check_suboperation_name(DispatchedCheck *check, const Subject *subject,
                                    const HookOperation *operation) {
        const char *name = name_of(subject);

        if (!operation->suboperation || streq(name, operation->suboperation) ||
            (!streq(name, "begin") && !streq(name, "end")))
                return true;
        findings_add(check->findings, subject, "unknown-operation",
                     rename_command(subject, operation->suboperation),
                     "%s comes with %s and never with %s, so nothing in it runs", operation->name,
                     operation->suboperation, name);
        return false;
}

static void check_safety(DispatchedCheck *check, const Subject *subject) {
        if (check->strict)
                script_check_safety(subject, &check->above,
                                    "and the service does not see what its scripts run from there",
                                    check->findings);
}

static void check_file(DispatchedCheck *check, const Subject *subject) {
        struct stat st;

        if (script_check(subject, true, false, check->findings, &st) == SCRIPT_ACTIVE)
                check_safety(check, subject);
}

static void look_into(DispatchedCheck *check, const Subject *folder, const HookOperation *operation,
                      unsigned level);

/* OPERATION is NULL above that level. */
static void look_at(DispatchedCheck *check, const Subject *subject, const HookOperation *operation,
                    unsigned level) {
        const HookOperation *named =
                operation ? NULL : hook_operation_find(subject->type, name_of(subject));
        struct stat st;

        if (stat(subject->path, &st) < 0 || !S_ISDIR(st.st_mode)) {
                if (operation || named)
                        check_file(check, subject);
        } else if (named)
                look_into(check, subject, named, level + 1);
        else if (!operation)
                check_operation_name(check, subject);
        else if (check_suboperation_name(check, subject, operation))
                look_into(check, subject, operation, level + 1);
}

static void look_into(DispatchedCheck *check, const Subject *folder, const HookOperation *operation,
                      unsigned level) {
        struct dirent **entries = NULL;
        int n;

        if (level >= LEVELS)
                return;
        check_safety(check, folder);
        n = scandir(folder->path, &entries, NULL, alphasort);
        if (n < 0 && errno == ENOMEM)
                check->failed = true;
        else if (n < 0)
                findings_add_unreadable(check->findings, folder, "listed", errno);
        for (int i = 0; i < n; i++) {
                const char *name = entries[i]->d_name;
                _cleanup_free_ char *path = NULL, *word = NULL;

                if (asprintf(&path, "%s/%s", folder->path, name) < 0)
                        path = NULL;
                word = path ? text_shell_word(path) : NULL;
                if (!word)
                        check->failed = true;
                else if (*name != '.')
                        look_at(check, &(Subject){ path, word, folder->type }, operation, level);
                free(entries[i]);
        }
        free(entries);
}

int dispatched_check(const Subject *folder, bool strict, Findings *findings) {
        DispatchedCheck check = { .strict = strict, .findings = findings };
        _cleanup_free_ char *above =
                strndup(folder->path, (size_t) (name_of(folder) - folder->path));

        if (!above || (strict && safe_path_find_problems(above, &check.above) < 0))
                return -ENOMEM;
        look_into(&check, folder, hook_operation_find(folder->type, name_of(folder)), 0);
        safe_path_problems_clear(&check.above);
        return check.failed ? -ENOMEM : 0;
}
