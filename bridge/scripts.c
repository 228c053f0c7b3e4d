/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The scripts on disk. No name in here comes from the bus: a path is made of a settings' directory,
 * a type's name, and what the folder holds.
 */

#include "scripts.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "forwarder.h"
#include "hooks-lock.h"
#include "journal-ids.h"
#include "log.h"
#include "safe-path.h"
#include "text.h"

struct Scripts {
        char *const *directories;
        bool strict;
        bool cached;
        const char *lock;            /* NULL: nobody moves the scripts meanwhile */
        bool present[HOOK_TYPE_MAX]; /* as of loaded_at */
        uint64_t loaded_at;
        char **warned; /* files without an execute bit that were told of */
};

void script_list_clear(ScriptList *list) {
        for (size_t i = 0; i < list->n; i++) {
                free(list->scripts[i].path);
                free(list->scripts[i].name);
                free(list->scripts[i].why_not);
        }
        free(list->scripts);
        *list = (ScriptList){};
}

static int script_list_add(ScriptList *list, Script **ret) {
        Script *grown = reallocarray(list->scripts, list->n + 1, sizeof(Script));

        if (!grown)
                return -ENOMEM;
        list->scripts = grown;
        *ret = &grown[list->n++];
        **ret = (Script){};
        return 0;
}

static void candidate_clear(Candidate *candidate) {
        free(candidate->path);
        free(candidate->name);
}

void candidate_list_clear(CandidateList *list) {
        for (size_t i = 0; i < list->n; i++)
                candidate_clear(&list->candidates[i]);
        free(list->candidates);
        *list = (CandidateList){};
}

static void candidate_list_drop_first(CandidateList *list, size_t n) {
        if (n == 0)
                return;
        for (size_t i = 0; i < n; i++)
                candidate_clear(&list->candidates[i]);
        list->n -= n;
        memmove(list->candidates, list->candidates + n, list->n * sizeof(Candidate));
}

/* DIRECTORY/NAME; NAME is below the hooks' directory. */
static int candidate_list_add(CandidateList *list, const char *directory, const char *name) {
        Candidate *grown = reallocarray(list->candidates, list->n + 1, sizeof(Candidate));

        if (!grown)
                return -ENOMEM;
        list->candidates = grown;
        grown += list->n;
        *grown = (Candidate){ .name = strdup(name) };
        if (asprintf(&grown->path, "%s/%s", directory, name) < 0)
                grown->path = NULL;
        list->n++; /* from here on the list owns what there is */
        return grown->name && grown->path ? 0 : -ENOMEM;
}

static int is_no_dot(const struct dirent *entry) {
        return !streq(entry->d_name, ".") && !streq(entry->d_name, "..");
}

/* By bytes, as libvirt does, and not by locale as alphasort() does. */
static int by_bytes(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* The files of TYPE's .d folder in DIRECTORY. A folder that is not there has none. */
static int list_folder(CandidateList *list, const char *directory, const char *type) {
        _cleanup_free_ char *folder = NULL;
        struct dirent **entries = NULL;
        int n, r = 0;

        if (asprintf(&folder, "%s/%s.d", directory, type) < 0)
                return -ENOMEM;
        n = scandir(folder, &entries, is_no_dot, by_bytes);
        if (n < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *name = NULL;

                if (r >= 0 && asprintf(&name, "%s.d/%s", type, entries[i]->d_name) < 0)
                        r = -ENOMEM;
                if (r >= 0)
                        r = candidate_list_add(list, directory, name);
                free(entries[i]);
        }
        free(entries);
        return r;
}

int candidate_list_fill(CandidateList *list, const char *directory, HookType type) {
        const char *name = hook_type_to_string(type);
        int r = candidate_list_add(list, directory, name);

        return r < 0 ? r : list_folder(list, directory, name);
}

/*
 * As candidate_list_fill(). But where the main script is the forwarder, libvirt runs what else lies
 * there: it is not for us to run it once more.
 */
static int list_own(CandidateList *list, const char *directory, HookType type) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", directory, hook_type_to_string(type)) < 0)
                return -ENOMEM;
        return forwarder_is(path) ? 0 : candidate_list_fill(list, directory, type);
}

/*
 * As virFileIsExecutable() has it: a regular file behind any links, and any x bit for root. Returns
 * 1, 0, or a negative errno where nobody can tell: it may be a guard.
 */
static int candidate_look(Candidate *candidate) {
        struct stat *st = &candidate->st;

        if (candidate->looked_at)
                return candidate->executable;
        if (stat(candidate->path, st) < 0) {
                *st = (struct stat){};
                if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
                        return -errno;
        }
        candidate->executable = S_ISREG(st->st_mode) && access(candidate->path, X_OK) == 0;
        candidate->looked_at = true;
        return candidate->executable;
}

/* Of those from FIRST on. */
static int candidates_have_executable(const CandidateList *list, size_t first) {
        for (size_t i = first; i < list->n; i++) {
                int r = candidate_look(&list->candidates[i]);

                if (r != 0)
                        return r;
        }
        return 0;
}

/*
 * The candidates of the first directory that has TYPE; those of all directories that come before
 * have nothing executable. Returns 1; or 0 where no directory has it: then *ret is what lies in all
 * of them, for whoever wonders why nothing runs.
 */
static int find_candidates(const Scripts *scripts, HookType type, CandidateList *ret) {
        for (char *const *directory = scripts->directories; directory && *directory; directory++) {
                size_t before = ret->n;
                int r;

                r = list_own(ret, *directory, type);
                if (r >= 0)
                        r = candidates_have_executable(ret, before);
                if (r > 0) {
                        candidate_list_drop_first(ret, before);
                        return 1;
                }
                if (r < 0) {
                        log_error("%s: the scripts cannot be listed: %s", *directory, strerror(-r));
                        return r;
                }
        }
        return 0;
}

/* A file that looks like a script and is none deserves a word, but not one at each call. */
static void warn_once(Scripts *scripts, const char *path, const char *why_not) {
        for (char **warned = scripts->warned; warned && *warned; warned++)
                if (streq(*warned, path))
                        return;
        log_entry(LOG_WARNING, JOURNAL_ID_NOT_EXECUTABLE,
                  (LogField[]){ { JOURNAL_FIELD_SCRIPT, path }, {} }, "%s: not run: %s", path,
                  why_not);
        if (strv_add(&scripts->warned, path) < 0)
                return; /* then it is told again */
}

/* Says why what is at PATH, and looks like ST, does not run. NULL: memory is short. */
static char *why_passed_over(const char *path, const struct stat *st) {
        _cleanup_free_ char *word = NULL;
        char *why;

        if (st->st_mode == 0)
                return strdup(
                        "it is a symbolic link to nothing; point it to a script or remove it");
        if (S_ISDIR(st->st_mode))
                return strdup("it is a directory: only files are run");
        if (!S_ISREG(st->st_mode))
                return strdup("it is not a regular file");
        word = text_shell_word(path); /* people paste it */
        if (!word || asprintf(&why, "it is not executable; 'chmod +x %s' lets it run", word) < 0)
                return NULL;
        return why;
}

static int take_candidate(Scripts *scripts, Candidate *candidate, bool present, bool all,
                          ScriptList *list) {
        _cleanup_free_ char *why_not = NULL;
        struct stat link;
        bool executable;
        Script *script;
        int r;

        r = candidate_look(candidate);
        if (r < 0)
                return r;
        if (candidate->st.st_mode == 0 && lstat(candidate->path, &link) < 0)
                return 0; /* there is none */
        executable = r > 0;
        if (forwarder_is(candidate->path)) {
                executable = false;
                why_not = text_format("it is " FORWARDER_NAME
                                      ", which calls this service; remove it");
                if (!why_not)
                        return -ENOMEM;
                warn_once(scripts, candidate->path, why_not);
        } else if (!executable) {
                why_not = why_passed_over(candidate->path, &candidate->st);
                if (!why_not)
                        return -ENOMEM;
                warn_once(scripts, candidate->path, why_not);
        } else if (!present)
                why_not = strdup(
                        "its type had no script when they were last looked for (Rescan=daemon); "
                        "reload the service");
        else if (scripts->strict) {
                r = safe_path_check(candidate->path, &why_not);
                if (r < 0)
                        return r;
        }
        if (!all && (!executable || !present))
                return 0;

        r = script_list_add(list, &script);
        if (r < 0)
                return r;
        script->path = TAKE_PTR(candidate->path);
        script->name = TAKE_PTR(candidate->name);
        script->why_not = TAKE_PTR(why_not);
        script->unsafe = executable && present && script->why_not;
        return 0;
}

static int take_candidates(Scripts *scripts, CandidateList *candidates, bool present, bool all,
                           ScriptList *ret) {
        ScriptList list = {};
        int r = 0;

        for (size_t i = 0; i < candidates->n && r >= 0; i++)
                r = take_candidate(scripts, &candidates->candidates[i], present, all, &list);
        if (r < 0)
                script_list_clear(&list);
        else
                *ret = list;
        return r;
}

static int find_scripts(Scripts *scripts, HookType type, bool all, ScriptList *ret) {
        bool present = !scripts->cached || scripts->present[type];
        CandidateList candidates = {};
        int r = 0;

        *ret = (ScriptList){};
        if (present || all)
                r = find_candidates(scripts, type, &candidates);
        if (r >= 0)
                r = take_candidates(scripts, &candidates, present, all, ret);
        candidate_list_clear(&candidates);
        return r;
}

static void look_at_lock(const Scripts *scripts, struct stat *ret) {
        *ret = (struct stat){};
        if (scripts->lock)
                hooks_lock_look(scripts->lock, ret);
}

/* Otherwise half of a type's scripts may be in one folder, and half in the other. */
static bool was_quiet_since(const Scripts *scripts, const struct stat *before) {
        struct stat after;

        look_at_lock(scripts, &after);
        return hooks_lock_was_quiet(before, &after);
}

int scripts_find(Scripts *scripts, HookType type, bool all, ScriptList *ret) {
        struct stat before;
        int r;

        look_at_lock(scripts, &before);
        r = find_scripts(scripts, type, all, ret);
        if (all || was_quiet_since(scripts, &before))
                return r;
        if (r >= 0)
                script_list_clear(ret);
        return -EBUSY;
}

void scripts_rescan(Scripts *scripts) {
        struct stat before;

        look_at_lock(scripts, &before);
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++) {
                CandidateList candidates = {};

                /* A folder that cannot be read may hold a guard: the call itself will find out. */
                scripts->present[type] = find_candidates(scripts, type, &candidates) != 0;
                candidate_list_clear(&candidates);
        }
        if (!was_quiet_since(scripts, &before))
                for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                        scripts->present[type] = true; /* as above */
        scripts->warned = strv_free(scripts->warned);
        scripts->loaded_at = now_usec(CLOCK_REALTIME);
}

uint64_t scripts_loaded_at(const Scripts *scripts) {
        return scripts->loaded_at;
}

int scripts_new(Scripts **ret, char *const *directories, bool strict, bool cached,
                const char *lock) {
        Scripts *scripts = malloc(sizeof(Scripts));

        if (!scripts)
                return -ENOMEM;
        *scripts = (Scripts){
                .directories = directories,
                .strict = strict,
                .cached = cached,
                .lock = lock,
        };
        scripts_rescan(scripts);
        *ret = scripts;
        return 0;
}

Scripts *scripts_free(Scripts *scripts) {
        if (!scripts)
                return NULL;
        strv_free(scripts->warned);
        free(scripts);
        return NULL;
}
