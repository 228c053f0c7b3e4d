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

#define LINKS_MAX    40 /* as many as the kernel follows */
#define PROBLEMS_MAX 16 /* enough to read */

typedef struct Walk {
        char here[PATH_MAX]; /* checked so far: "" is the root */
        char rest[PATH_MAX]; /* still to go */
        unsigned links;
        bool ended; /* there is no way to go on */
        SafePathProblems *problems;
} Walk;

static void problem_clear(SafePathProblem *problem) {
        free(problem->path);
        free(problem->problem);
        free(problem->remedy);
}

void safe_path_problems_clear(SafePathProblems *problems) {
        for (size_t i = 0; i < problems->n; i++)
                problem_clear(&problems->problems[i]);
        free(problems->problems);
        *problems = (SafePathProblems){};
}

/* The path checked last. */
static const char *current(const Walk *walk) {
        return *walk->here ? walk->here : "/";
}

bool safe_path_has_problem(const SafePathProblems *problems, const SafePathProblem *problem) {
        for (size_t i = 0; i < problems->n; i++)
                if (streq(problems->problems[i].path, problem->path) &&
                    streq(problems->problems[i].problem, problem->problem))
                        return true;
        return false;
}

/*
 * What is wrong with the path checked last is FORMAT; COMMAND, given that path, mends it, or is
 * NULL where the way ends. Returns 0 or -ENOMEM.
 */
_printf_(3, 4)
static int add_problem(Walk *walk, const char *command, const char *format, ...) {
        _cleanup_free_ char *word = NULL;
        SafePathProblems *problems = walk->problems;
        SafePathProblem problem = {}, *grown;
        va_list arguments;

        walk->ended |= !command;
        va_start(arguments, format);
        if (vasprintf(&problem.problem, format, arguments) < 0)
                problem.problem = NULL;
        va_end(arguments);
        problem.path = strdup(current(walk));
        word = text_shell_word(current(walk));
        if (command && word && asprintf(&problem.remedy, "%s %s", command, word) < 0)
                problem.remedy = NULL;
        if (!problem.path || !problem.problem || !word || (!problem.remedy && command)) {
                problem_clear(&problem);
                return -ENOMEM;
        }
        /* A link may lead past the same folder again. */
        if (problems->n >= PROBLEMS_MAX || safe_path_has_problem(problems, &problem)) {
                problem_clear(&problem);
                return 0;
        }
        grown = reallocarray(problems->problems, problems->n + 1, sizeof(SafePathProblem));
        if (!grown) {
                problem_clear(&problem);
                return -ENOMEM;
        }
        problems->problems = grown;
        grown[problems->n++] = problem;
        return 0;
}

/* Checks the element at walk->here itself. */
static int check_element(Walk *walk, const struct stat *st) {
        bool is_sticky_directory = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);
        int r = 0;

        if (st->st_uid != 0 && st->st_uid != geteuid())
                r = add_problem(walk, S_ISLNK(st->st_mode) ? "chown root -h" : "chown root",
                                "belongs to uid %u", (unsigned) st->st_uid);
        if (r < 0 || S_ISLNK(st->st_mode))
                return r;
        if ((st->st_mode & (S_IWGRP | S_IWOTH)) && !is_sticky_directory)
                r = add_problem(walk, "chmod go-w", "may be written by %s",
                                st->st_mode & S_IWOTH ? "everybody" : "a group");
        if (r >= 0 && S_ISREG(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID)))
                r = add_problem(walk, "chmod ug-s",
                                "is set-uid or set-gid, which a hook has no use for");
        return r;
}

/* Puts the target of the link at walk->here in front of what is still to go. */
static int follow_link(Walk *walk) {
        char target[PATH_MAX], rest[PATH_MAX];
        ssize_t n;

        if (++walk->links > LINKS_MAX)
                return add_problem(walk, NULL, "leads through too many symbolic links");
        n = readlink(walk->here, target, sizeof(target) - 1);
        if (n < 0)
                return add_problem(walk, NULL, "cannot be read: %m");
        target[n] = '\0';
        if (strlen(target) + strlen(walk->rest) + 2 > sizeof(rest))
                return add_problem(walk, NULL, "leads to a path that is too long");
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
 * left, or the path is too long, with which the way ends; or -ENOMEM.
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
                if (length + n + 2 > sizeof(walk->here))
                        return add_problem(walk, NULL, "leads to a path that is too long");
                walk->here[length] = '/';
                memcpy(walk->here + length + 1, start, n);
                walk->here[length + 1 + n] = '\0';
        }
        (void) memmove(walk->rest, start + n, strlen(start + n) + 1);
        return 1;
}

int safe_path_find_problems(const char *path, SafePathProblems *ret) {
        Walk walk = { .problems = ret };
        struct stat st;
        int r;

        *ret = (SafePathProblems){};
        if (strlen(path) >= sizeof(walk.rest))
                r = add_problem(&walk, NULL, "leads to a path that is too long");
        else {
                (void) strcpy(walk.rest, path);
                do {
                        if (lstat(current(&walk), &st) < 0) {
                                r = add_problem(&walk, NULL, "cannot be looked at: %m");
                                break;
                        }
                        r = check_element(&walk, &st);
                        if (r >= 0 && S_ISLNK(st.st_mode))
                                r = follow_link(&walk);
                        if (r >= 0 && !walk.ended)
                                r = step(&walk);
                } while (r > 0 && !walk.ended);
        }
        if (r < 0)
                safe_path_problems_clear(ret);
        return r < 0 ? r : ret->n > 0;
}

static void write_problems(FILE *stream, const SafePathProblems *problems) {
        const char *separator = "; '", *end = "' mends it";

        for (size_t i = 0; i < problems->n; i++)
                (void) fprintf(stream, "%s%s %s", i > 0 ? ", " : "", problems->problems[i].path,
                               problems->problems[i].problem);
        for (size_t i = 0; i < problems->n; i++) {
                if (problems->problems[i].remedy) {
                        (void) fprintf(stream, "%s%s", separator, problems->problems[i].remedy);
                        separator = " && ";
                } else
                        end = "' mends a part of it";
        }
        (void) fputs(*separator == ' ' ? end : "", stream);
}

int safe_path_check(const char *path, char **ret_why) {
        SafePathProblems problems;
        size_t size;
        FILE *stream;
        int r;

        *ret_why = NULL;
        r = safe_path_find_problems(path, &problems);
        if (r <= 0)
                return r;
        stream = open_memstream(ret_why, &size);
        if (stream) {
                write_problems(stream, &problems);
                r = fclose(stream) == 0 ? 0 : -ENOMEM;
        } else
                r = -ENOMEM;
        safe_path_problems_clear(&problems);
        if (r < 0) {
                free(*ret_why);
                *ret_why = NULL;
        }
        return r;
}
