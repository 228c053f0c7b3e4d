/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Walks a path as the kernel would, element by element, and looks at each. What is found safe stays
 * so: only root and the service's own user could change it afterwards.
 */

#include "safe-path.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "text.h"
#include "util.h"

#define LINKS_MAX 40 /* as many as the kernel follows */

typedef struct Walk {
        char here[PATH_MAX]; /* checked so far: "" is the root */
        char rest[PATH_MAX]; /* still to go */
        unsigned links;
        SafePathProblem *problem;
} Walk;

void safe_path_problem_clear(SafePathProblem *problem) {
        free(problem->path);
        free(problem->problem);
        free(problem->remedy);
        *problem = (SafePathProblem){};
}

/* The path checked last. */
static const char *current(const Walk *walk) {
        return *walk->here ? walk->here : "/";
}

/*
 * What is wrong with the path checked last is FORMAT; COMMAND, given that path, mends it, or is
 * NULL. Returns 1, "not safe".
 */
_printf_(3, 4)
static int unsafe(Walk *walk, const char *command, const char *format, ...) {
        _cleanup_free_ char *word = NULL;
        SafePathProblem *problem = walk->problem;
        va_list arguments;

        *problem = (SafePathProblem){};
        va_start(arguments, format);
        if (vasprintf(&problem->problem, format, arguments) < 0)
                problem->problem = NULL;
        va_end(arguments);
        problem->path = strdup(current(walk));
        word = text_shell_word(current(walk));
        if (command && word && asprintf(&problem->remedy, "%s %s", command, word) < 0)
                problem->remedy = NULL;
        if (problem->path && problem->problem && word && (problem->remedy || !command))
                return 1;
        safe_path_problem_clear(problem);
        return -ENOMEM;
}

/* Checks the element at walk->here itself. Returns 0 where it is safe. */
static int check_element(Walk *walk, const struct stat *st) {
        bool is_sticky_directory = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);

        if (st->st_uid != 0 && st->st_uid != geteuid())
                return unsafe(walk, S_ISLNK(st->st_mode) ? "chown root -h" : "chown root",
                              "belongs to uid %u", (unsigned) st->st_uid);
        if (S_ISLNK(st->st_mode))
                return 0;
        if ((st->st_mode & (S_IWGRP | S_IWOTH)) && !is_sticky_directory)
                return unsafe(walk, "chmod go-w", "may be written by %s",
                              st->st_mode & S_IWOTH ? "everybody" : "a group");
        if (S_ISREG(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID)))
                return unsafe(walk, "chmod ug-s",
                              "is set-uid or set-gid, which a hook has no use for");
        return 0;
}

/* Puts the target of the link at walk->here in front of what is still to go. */
static int follow_link(Walk *walk) {
        char target[PATH_MAX], rest[PATH_MAX];
        ssize_t n;

        if (++walk->links > LINKS_MAX)
                return unsafe(walk, NULL, "leads through too many symbolic links");
        n = readlink(walk->here, target, sizeof(target) - 1);
        if (n < 0)
                return unsafe(walk, NULL, "cannot be read: %m");
        target[n] = '\0';
        if (strlen(target) + strlen(walk->rest) + 2 > sizeof(rest))
                return unsafe(walk, NULL, "leads to a path that is too long");
        (void) strcpy(stpcpy(stpcpy(rest, target), "/"), walk->rest);
        (void) strcpy(walk->rest, rest);

        /* A relative target starts where the link lies. */
        if (*target == '/')
                *walk->here = '\0';
        else
                *strrchr(walk->here, '/') = '\0';
        return 0;
}

/*
 * Takes the next element from walk->rest to the end of walk->here. Returns 1; 0 where there is none
 * left, or the path is too long, which is a problem then; or -ENOMEM.
 */
static int step(Walk *walk) {
        char *start = walk->rest + strspn(walk->rest, "/");
        size_t n = strcspn(start, "/"), length = strlen(walk->here);

        if (n == 0)
                return 0;
        if (n == 2 && memcmp(start, "..", 2) == 0) {
                char *slash = strrchr(walk->here, '/');

                if (slash)
                        *slash = '\0';
        } else if (n != 1 || *start != '.') {
                if (length + n + 2 > sizeof(walk->here)) {
                        int r = unsafe(walk, NULL, "leads to a path that is too long");

                        return MIN(r, 0);
                }
                walk->here[length] = '/';
                memcpy(walk->here + length + 1, start, n);
                walk->here[length + 1 + n] = '\0';
        }
        (void) memmove(walk->rest, start + n, strlen(start + n) + 1);
        return 1;
}

int safe_path_find_problem(const char *path, SafePathProblem *ret) {
        Walk walk = { .problem = ret };
        struct stat st;
        int r;

        *ret = (SafePathProblem){};
        if (strlen(path) >= sizeof(walk.rest))
                return unsafe(&walk, NULL, "leads to a path that is too long");
        (void) strcpy(walk.rest, path);

        do {
                if (lstat(current(&walk), &st) < 0)
                        r = unsafe(&walk, NULL, "cannot be looked at: %m");
                else
                        r = check_element(&walk, &st);
                if (r == 0 && S_ISLNK(st.st_mode))
                        r = follow_link(&walk);
                if (r != 0)
                        return r;
                r = step(&walk);
        } while (r > 0);
        return r < 0 ? r : ret->problem != NULL;
}

int safe_path_check(const char *path, char **ret_why) {
        SafePathProblem problem;
        int r;

        *ret_why = NULL;
        r = safe_path_find_problem(path, &problem);
        if (r <= 0)
                return r;
        if (problem.remedy)
                r = asprintf(ret_why, "%s %s; '%s' mends it", problem.path, problem.problem,
                             problem.remedy);
        else
                r = asprintf(ret_why, "%s %s", problem.path, problem.problem);
        safe_path_problem_clear(&problem);
        if (r >= 0)
                return 0;
        *ret_why = NULL;
        return -ENOMEM;
}
