/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The check of folders: of each type the chain of its scripts, then whatever else lies there.
 */

#include "hooks-check.h"

#include <dirent.h>
#include <stdio.h>
#include <strings.h>

#include "dispatched-check.h"
#include "forwarder.h"
#include "hook-name.h"
#include "script-check.h"
#include "script-text.h"
#include "scripts.h"
#include "text.h"

/* A script that would run. */
typedef struct ActiveScript {
        char *path, *name;
        HookType type;
        dev_t device;
        ino_t inode;
} ActiveScript;

typedef struct HooksCheck {
        char *const *directories;
        const Settings *settings;
        Findings *findings;
        const char *server[HOOK_TYPE_MAX]; /* the folder that serves the type; NULL: none so far */
        unsigned scripts;
        /* Of the folder that is being looked at. */
        const char *directory;
        ActiveScript *active;
        size_t n_active;
        bool promised[HOOK_TYPE_MAX][2]; /* a remedy moves something to TYPE, or to TYPE.d */
        bool failed;                     /* memory was short */
} HooksCheck;

static void forget_active(HooksCheck *check) {
        for (size_t i = 0; i < check->n_active; i++) {
                free(check->active[i].path);
                free(check->active[i].name);
        }
        free(check->active);
        check->active = NULL;
        check->n_active = 0;
}

static void remember_active(HooksCheck *check, const Candidate *candidate, HookType type,
                            const struct stat *st) {
        ActiveScript *grown = reallocarray(check->active, check->n_active + 1, sizeof(*grown));
        _cleanup_free_ char *path = strdup(candidate->path), *name = strdup(candidate->name);

        if (grown)
                check->active = grown;
        if (!grown || !path || !name) {
                check->failed = true;
                return;
        }
        grown[check->n_active++] = (ActiveScript){
                .path = TAKE_PTR(path),
                .name = TAKE_PTR(name),
                .type = type,
                .device = st->st_dev,
                .inode = st->st_ino,
        };
}

/* Whether the script at PATH speaks of a file called NAME. */
static bool mentions(const char *path, const char *name) {
        _cleanup_free_ char *element = text_format("/%s", name);

        return element && script_text_has(path, element);
}

/* A backup in a .d folder runs as the original does. */
static void check_backup(HooksCheck *check, const Subject *subject) {
        if (hook_name_is_backup(strrchr(subject->path, '/') + 1))
                findings_add(check->findings, subject, "backup-file",
                             text_format("chmod -x %s, or: rm %s", subject->word, subject->word),
                             "its name is that of a file put aside, but it runs as all others do");
}

/* Whether the chain has run the very same file before. */
static void check_twice(HooksCheck *check, const Subject *subject, const struct stat *st) {
        for (size_t i = 0; i < check->n_active; i++) {
                const ActiveScript *earlier = &check->active[i];

                if (earlier->type != subject->type || earlier->device != st->st_dev ||
                    earlier->inode != st->st_ino)
                        continue;
                findings_add(check->findings, subject, "twice", text_format("rm %s", subject->word),
                             "it is the same file as %s, which therefore runs twice",
                             earlier->name);
                return;
        }
}

static bool is_folder(const char *path) {
        struct stat st;

        return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whether the script at PATH speaks of FOLDER, a .d folder, or makes its name of its own. One that
 * cannot be read may. */
static bool looks_into(const char *path, const char *folder) {
        static const char *const own[] = { "$0.d", "${0}.d", "$0\".d", "${0}\".d" };

        for (size_t i = 0; i < ELEMENTS(own); i++)
                if (script_text_has(path, own[i]))
                        return true;
        return access(path, R_OK) < 0 || script_text_has(path, folder);
}

/* A folder in a .d folder that a script takes care of: many have one for each guest. */
static bool is_dispatched(const HooksCheck *check, const Subject *subject) {
        _cleanup_free_ char *folder = text_format("%s.d", hook_type_to_string(subject->type));

        if (!folder || !is_folder(subject->path))
                return false;
        for (size_t i = 0; i < check->n_active; i++)
                if (check->active[i].type == subject->type &&
                    looks_into(check->active[i].path, folder))
                        return true;
        return false;
}

/* Whether the script has the path of a .d folder in it that has moved, since the forwarder took its
 * place. */
static void check_moved_folder(HooksCheck *check, const Subject *subject, bool in_folder) {
        const char *type = hook_type_to_string(subject->type);

        for (char *const *directory = check->directories; *directory; directory++) {
                _cleanup_free_ char *script = text_format("%s/%s", *directory, type);
                _cleanup_free_ char *folder = text_format("%s/%s.d", *directory, type);
                unsigned line = 0;

                if (!script || !folder)
                        check->failed = true;
                else if (forwarder_is(script) && access(folder, F_OK) < 0)
                        line = script_text_speaks_of(subject->path, *directory,
                                                     strrchr(folder, '/') + 1);
                if (line > 0)
                        findings_add(check->findings, subject, "moved-folder",
                                     script_text_remedy(subject->path, *directory, in_folder,
                                                        check->directory, "detach"),
                                     "in line %u it looks into %s, which has moved to %s/%s.d",
                                     line, folder, check->directory, type);
        }
}

static void check_candidate(HooksCheck *check, HookType type, const Candidate *candidate) {
        _cleanup_free_ char *word = text_shell_word(candidate->path);
        const Subject subject = { .path = candidate->path, .word = word, .type = type };
        bool in_folder = strchr(candidate->name, '/') != NULL;
        bool strict = check->settings->ownership == OWNERSHIP_STRICT;
        struct stat st;

        if (!word) {
                check->failed = true;
                return;
        }
        if (in_folder && strchr(candidate->name, '/')[1] == '.' && is_folder(candidate->path))
                return; /* a repository's, or that of an editor */
        if (in_folder && is_dispatched(check, &subject)) {
                if (dispatched_check(&subject, strict, check->findings) < 0)
                        check->failed = true;
                return;
        }
        if (script_check(&subject, in_folder, strict, check->findings, &st) != SCRIPT_ACTIVE)
                return;
        if (forwarder_is_copy(subject.path, FORWARDER_PATH)) {
                findings_add(check->findings, &subject, "forwarder-copy",
                             text_format("rm %s", word),
                             "it is a copy of %s and no script: it calls the service, which if it "
                             "runs it lets the hook fail; 'virt-hooks attach' makes links",
                             FORWARDER_PATH);
                return;
        }
        if (!forwarder_is(subject.path)) {
                check->scripts++;
                check_moved_folder(check, &subject, in_folder);
        }
        if (in_folder)
                check_backup(check, &subject);
        check_twice(check, &subject, &st);
        remember_active(check, candidate, type, &st);
}

/* Where scripts of TYPE belong that lie in a folder from which the service does not run them. */
static const char *proper_folder(const HooksCheck *check, HookType type) {
        if (check->server[type])
                return check->server[type];
        for (char *const *d = check->directories; *d; d++)
                if (!streq(*d, check->directory))
                        return *d;
        return NULL;
}

static char *move_command(const HooksCheck *check, const ActiveScript *script) {
        const char *folder = proper_folder(check, script->type);
        _cleanup_free_ char *destination = NULL, *word = NULL, *script_word = NULL;
        _cleanup_free_ char *same = NULL, *same_word = NULL;

        if (!folder)
                return strdup("move it to a folder that the service looks into");
        destination = text_format("%s/%s.d/", folder, hook_type_to_string(script->type));
        same = text_format("%s/%s", folder, script->name);
        word = destination ? text_shell_word(destination) : NULL;
        same_word = same ? text_shell_word(same) : NULL;
        script_word = text_shell_word(script->path);
        if (!same_word || !word || !script_word)
                return NULL;
        if (access(same, F_OK) == 0) /* another version of it, most likely */
                return text_format("rm the one that is out of date: %s or %s", script_word,
                                   same_word);
        return text_format("mkdir -p %s && mv -n %s %s", word, script_word, word);
}

/* SCRIPT does not run: an earlier folder serves its type, or its place is taken by the forwarder.
 */
static void add_unreached(HooksCheck *check, const ActiveScript *script, bool forwarded) {
        const Subject subject = { .path = script->path, .word = "", .type = script->type };
        const char *type = hook_type_to_string(script->type);

        /* It was to be the forwarder, and the remedy for that is the one for this, too. */
        if (findings_has(check->findings, script->path, "not-attached"))
                return;
        if (forwarded)
                findings_add(check->findings, &subject, "beside-forwarder",
                             move_command(check, script),
                             "it lies beside the forwarder %s/%s: libvirt runs it, and the "
                             "service does not",
                             check->directory, type);
        else
                findings_add(check->findings, &subject, "shadowed", move_command(check, script),
                             "the service never runs it: the hooks of %s are those in %s", type,
                             check->server[script->type]);
}

/* What the scripts of TYPE in this folder are to the service. */
static void check_chain(HooksCheck *check, HookType type) {
        bool forwarded = false, served = check->server[type] != NULL;

        for (size_t i = 0; i < check->n_active; i++)
                forwarded |= check->active[i].type == type && forwarder_is(check->active[i].path);
        for (size_t i = 0; i < check->n_active; i++) {
                const ActiveScript *script = &check->active[i];

                if (script->type != type || forwarder_is(script->path))
                        continue;
                if (forwarded || served)
                        add_unreached(check, script, forwarded);
                else
                        check->server[type] = check->directory;
        }
}

/* The .d folder itself. */
static void check_folder(HooksCheck *check, const Subject *subject) {
        struct stat st;

        if (lstat(subject->path, &st) < 0 && errno == ENOENT)
                return;
        if (stat(subject->path, &st) < 0)
                script_check_link(subject, errno, check->findings);
        else if (!S_ISDIR(st.st_mode))
                findings_add(check->findings, subject, "no-directory",
                             text_format("rm %s, or make it a folder with its scripts in it",
                                         subject->word),
                             "it is no folder, so nothing runs from it");
        else if (access(subject->path, R_OK | X_OK) < 0)
                findings_add_unreadable(check->findings, subject, "listed", errno);
        else if (check->settings->ownership == OWNERSHIP_STRICT)
                script_check_safety(subject, NULL, SCRIPT_CHECK_REFUSED, check->findings);
}

/* Calls LOOK with the subject NAME in this folder. */
static void look_at(HooksCheck *check, const char *name, const char *end, HookType type,
                    void (*look)(HooksCheck *check, const Subject *subject)) {
        _cleanup_free_ char *path = NULL, *word = NULL;

        if (asprintf(&path, "%s/%s%s", check->directory, name, end) < 0)
                path = NULL;
        word = path ? text_shell_word(path) : NULL;
        if (word)
                look(check, &(Subject){ .path = path, .word = word, .type = type });
        else
                check->failed = true;
}

static void check_type(HooksCheck *check, HookType type) {
        CandidateList list = {};

        look_at(check, hook_type_to_string(type), ".d", type, check_folder);
        /* What is wrong with the folder has been said; the main script can be looked at anyway. */
        if (candidate_list_fill(&list, check->directory, type) == -ENOMEM)
                check->failed = true;
        for (size_t i = 0; i < list.n; i++)
                check_candidate(check, type, &list.candidates[i]);
        candidate_list_clear(&list);
        check_chain(check, type);
}

/* A file that the scripts of this folder are linked to, or call, has a name of its own. */
static bool is_used(const HooksCheck *check, const char *name, const struct stat *st) {
        for (size_t i = 0; i < check->n_active; i++) {
                const ActiveScript *script = &check->active[i];

                if (script->device == st->st_dev && script->inode == st->st_ino)
                        return true;
                if (mentions(script->path, name))
                        return true;
        }
        return false;
}

/* The command that gives the file or folder at SUBJECT the name that it was meant to have. */
static char *rename_command(HooksCheck *check, const Subject *subject, bool is_folder) {
        bool *promised = &check->promised[subject->type][is_folder], will_have = *promised;
        _cleanup_free_ char *path = NULL, *word = NULL;

        if (asprintf(&path, "%s/%s%s", check->directory, hook_type_to_string(subject->type),
                     is_folder ? ".d" : "") < 0) {
                path = NULL;
                return NULL;
        }
        *promised = true;
        if (is_folder)
                return script_check_rename_folder(subject, path, will_have);
        word = text_shell_word(path);
        if (!word)
                return NULL;
        if (access(path, F_OK) < 0 && !will_have)
                return text_format("mv %s %s", subject->word, word);
        return text_format("mkdir -p %s.d && mv -n %s %s.d/", word, subject->word, word);
}

/* An executable file that no hook is called like. */
static void add_other_file(HooksCheck *check, const Subject *subject, const char *name) {
        const char *type =
                subject->type == HOOK_TYPE_INVALID ? NULL : hook_type_to_string(subject->type);

        if (type && hook_name_is_backup(name))
                findings_add(check->findings, subject, "backup-file",
                             text_format("rm %s", subject->word),
                             "it is executable, and its name is that of a hook of %s put aside; it "
                             "does not run",
                             type);
        else if (type)
                findings_add(check->findings, subject, "unknown-name",
                             rename_command(check, subject, false),
                             "it never runs, for no hook has this name; did you mean %s?", type);
        else
                findings_add(check->findings, subject, "unknown-name",
                             text_format("mv it into a .d folder, or if it is no hook: chmod -x %s",
                                         subject->word),
                             "it never runs, for no hook has this name");
}

/* Something that is not of a type. Files that are not executable are nobody's business. */
static void check_other(HooksCheck *check, const Subject *subject) {
        const char *name = strrchr(subject->path, '/') + 1;
        size_t n = strlen(name);
        struct stat st;

        if (stat(subject->path, &st) < 0 || is_used(check, name, &st))
                return;
        if (S_ISREG(st.st_mode) && (st.st_mode & 0111))
                add_other_file(check, subject, name);
        else if (S_ISDIR(st.st_mode) && n > 2 && strcasecmp(name + n - 2, ".d") == 0 &&
                 subject->type != HOOK_TYPE_INVALID &&
                 script_text_any_executable(subject->path, NULL, NULL))
                findings_add(check->findings, subject, "unknown-name",
                             rename_command(check, subject, true),
                             "nothing in it runs, for no folder of hooks has this name; did you "
                             "mean %s.d?",
                             hook_type_to_string(subject->type));
}

/* Whether NAME is a type's, or that of a type's folder. */
static bool is_hooks_name(const char *name) {
        size_t n = strlen(name);

        for (HookType type = 0; type < HOOK_TYPE_MAX; type++) {
                const char *type_name = hook_type_to_string(type);

                if (streq(name, type_name) || (n > 2 && strncmp(name, type_name, n - 2) == 0 &&
                                               !type_name[n - 2] && streq(name + n - 2, ".d")))
                        return true;
        }
        return false;
}

static void check_others(HooksCheck *check) {
        struct dirent **entries = NULL;
        int n = scandir(check->directory, &entries, NULL, alphasort);

        for (int i = 0; i < n; i++) {
                const char *name = entries[i]->d_name;

                if (!is_hooks_name(name))
                        look_at(check, name, "", hook_name_resembles(name), check_other);
                free(entries[i]);
        }
        free(entries);
}

static void check_directory(HooksCheck *check) {
        _cleanup_free_ char *word = text_shell_word(check->directory);

        if (!word) {
                check->failed = true;
                return;
        }
        check_folder(
                check,
                &(Subject){ .path = check->directory, .word = word, .type = HOOK_TYPE_INVALID });
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                check_type(check, type);
        check_others(check);
}

/* A folder that is named twice, or by two ways, is one folder. */
static bool is_repeated(char *const *directories, char *const *directory) {
        struct stat st, earlier;

        if (stat(*directory, &st) < 0)
                return false;
        for (char *const *d = directories; d < directory; d++)
                if (stat(*d, &earlier) == 0 && earlier.st_dev == st.st_dev &&
                    earlier.st_ino == st.st_ino)
                        return true;
        return false;
}

int hooks_check(char *const *directories, const Settings *settings, Findings *findings,
                unsigned *ret_scripts) {
        HooksCheck check = {
                .directories = directories,
                .settings = settings,
                .findings = findings,
        };

        for (char *const *d = directories; *d; d++) {
                if (is_repeated(directories, d))
                        continue;
                check.directory = *d;
                memset(check.promised, 0, sizeof(check.promised));
                check_directory(&check);
                forget_active(&check);
        }
        *ret_scripts = check.scripts;
        return check.failed ? -ENOMEM : 0;
}
