/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The checks of one file, from the outside in: what is at its path, whether it may be executed,
 * what the kernel would make of it, who could change it.
 */

#include "script-check.h"

#include <stdio.h>
#include <sys/statvfs.h>

#include "forwarder.h"
#include "hook-name.h"
#include "interpreter.h"
#include "libvirt-call.h"
#include "paths.h"
#include "script-syntax.h"
#include "script-text.h"
#include "text.h"

/* The command that takes the forwarder away from SUBJECT: detach works in one folder of this
 * system, or of one that is below another root. Ownership: the caller frees it. */
static char *detach_command(const Subject *subject) {
        const char *type = hook_type_to_string(subject->type);
        _cleanup_free_ char *end = text_format("%s/libvirt/hooks/%s", SYSCONFDIR, type);
        size_t n = strlen(subject->path), n_end = end ? strlen(end) : SIZE_MAX;
        _cleanup_free_ char *root = NULL, *word = NULL;

        if (n_end > n || !streq(subject->path + n - n_end, end ? end : ""))
                return text_format("rm %s", subject->word);
        root = strndup(subject->path, n - n_end);
        word = root && *root ? text_shell_word(root) : NULL;
        return text_format("virt-hooks detach%s%s %s, or: rm %s", word ? " --root=" : "",
                           word ? word : "", type, subject->word);
}

void script_check_link(const Subject *subject, int error, Findings *findings) {
        char target[256];
        ssize_t n = readlink(subject->path, target, sizeof(target));
        char *remedy =
                subject->type != HOOK_TYPE_INVALID && forwarder_is(subject->path)
                        ? detach_command(subject)
                        : text_format("ln -sfn SCRIPT %s, or: rm %s", subject->word, subject->word);

        if (n >= 0 && (error == ENOENT || error == ENOTDIR))
                findings_add(findings, subject, "dangling-link", remedy,
                             "it is a symbolic link to %.*s, which is not there", (int) n, target);
        else if (n >= 0 && error == ELOOP)
                findings_add(findings, subject, "link-loop", remedy,
                             "it is a symbolic link that leads back to itself");
        else {
                free(remedy);
                findings_add_unreadable(findings, subject, "looked at", error);
        }
}

void script_check_safety(const Subject *subject, const SafePathProblems *told,
                         const char *consequence, Findings *findings) {
        SafePathProblems problems;

        if (safe_path_find_problems(subject->path, &problems) <= 0)
                return; /* short memory has been short before, or will be soon */
        for (const SafePathProblem *p = problems.problems; p < problems.problems + problems.n;
             p++) {
                _cleanup_free_ char *word = text_shell_word(p->path);

                if (!told || !safe_path_has_problem(told, p))
                        findings_add(findings, &(Subject){ p->path, word, subject->type }, "unsafe",
                                     strdup(p->remedy ? p->remedy : "mend the path"), "it %s, %s",
                                     p->problem, consequence);
        }
        safe_path_problems_clear(&problems);
}

char *script_check_rename_folder(const Subject *subject, const char *path, bool will_have) {
        _cleanup_free_ char *word = text_shell_word(path);
        struct stat st;

        if (!word)
                return NULL;
        if (!will_have && access(path, F_OK) < 0)
                return text_format("mv -T %s %s", subject->word, word);
        if (lstat(subject->path, &st) == 0 && S_ISLNK(st.st_mode)) /* it may be others' */
                return text_format("rm %s", subject->word);
        return text_format("mv -n %s/* %s/ && rmdir %s", subject->word, word, subject->word);
}

/* The folder that SUBJECT lies in, as a shell takes it. Ownership: the caller frees it. */
static char *parent_word(const Subject *subject) {
        _cleanup_free_ char *parent =
                strndup(subject->path, (size_t) (strrchr(subject->path, '/') + 1 - subject->path));

        return parent ? text_shell_word(parent) : NULL;
}

static void check_directory(const Subject *subject, bool in_folder, Findings *findings) {
        _cleanup_free_ char *parent = parent_word(subject), *proper = NULL;

        if (in_folder && script_text_is_used(subject->path, true))
                return;
        if (in_folder) {
                findings_add(findings, subject, "directory",
                             text_format("for a script that runs for all: mv -n %s/FILE %s",
                                         subject->word, parent ? parent : ""),
                             "it is a folder in a .d folder, and what lies in it does not run");
                return;
        }
        if (asprintf(&proper, "%s.d", subject->path) < 0)
                proper = NULL;
        findings_add(findings, subject, "directory",
                     proper ? script_check_rename_folder(subject, proper, false) : NULL,
                     "it is a folder, where a script should be; that of its scripts is "
                     "called %s.d",
                     hook_type_to_string(subject->type));
}

static const char *name_of(mode_t mode) {
        return S_ISFIFO(mode)                   ? "a pipe"
               : S_ISSOCK(mode)                 ? "a socket"
               : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
                                                : "something else";
}

static void check_mount(const Subject *subject, Findings *findings) {
        struct statvfs fs;

        if (statvfs(subject->path, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
                findings_add(findings, subject, "noexec",
                             text_format("mount -o remount,exec $(findmnt -n -o TARGET -T %s)",
                                         subject->word),
                             "its file system is mounted noexec, so it cannot be executed");
}

/* Whether the file starts as a script or a program does: then it was meant to run. */
static bool looks_executable(const char *path) {
        char head[64] = "";
        FILE *file = fopen(path, "re");
        size_t n;

        if (!file)
                return false;
        n = fread(head, 1, sizeof(head) - 1, file);
        (void) fclose(file);
        return n > 3 && (strstr(head, "#!") || memcmp(head,
                                                      "\x7f"
                                                      "ELF",
                                                      4) == 0);
}

/* A file in a .d folder that nobody means to run: it was put aside, is a text or settings, or is
 * read by those that run. */
static bool is_nobodys_business(const Subject *subject) {
        const char *name = strrchr(subject->path, '/') + 1;

        return hook_name_is_backup(name) ||
               (hook_name_is_data(name) && !looks_executable(subject->path)) ||
               script_text_is_used(subject->path, false);
}

ScriptVerdict script_check(const Subject *subject, bool in_folder, bool strict, Findings *findings,
                           struct stat *ret_st) {
        _cleanup_free_ char *program = NULL;
        struct stat link;

        if (lstat(subject->path, &link) < 0 && errno == ENOENT)
                return SCRIPT_ABSENT;
        if (stat(subject->path, ret_st) < 0) {
                script_check_link(subject, errno, findings);
                return SCRIPT_NO_FILE;
        }
        if (S_ISDIR(ret_st->st_mode)) {
                check_directory(subject, in_folder, findings);
                return SCRIPT_NO_FILE;
        }
        if (!S_ISREG(ret_st->st_mode)) {
                findings_add(findings, subject, "no-file", text_format("rm %s", subject->word),
                             "it is %s, not a file, so it does not run", name_of(ret_st->st_mode));
                return SCRIPT_NO_FILE;
        }

        /* Any bit will do: the service runs as root, and root needs no other. */
        if (!(ret_st->st_mode & 0111)) {
                if (in_folder && is_nobodys_business(subject))
                        return SCRIPT_INACTIVE;
                findings_add(findings, subject, "not-executable",
                             text_format("chmod +x %s", subject->word),
                             "it is not executable, so it does not run");
        }
        interpreter_check(subject, findings, &program);
        if (program) {
                script_syntax_check(subject, program, findings);
                libvirt_call_check(subject, program, findings);
        }
        check_mount(subject, findings);
        if (strict)
                script_check_safety(subject, NULL, SCRIPT_CHECK_REFUSED, findings);
        return ret_st->st_mode & 0111 ? SCRIPT_ACTIVE : SCRIPT_INACTIVE;
}
