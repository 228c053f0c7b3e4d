/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether nobody but root and the service's own user can change what lies at a path. What root runs
 * must not be anybody else's to write.
 */

#include <stdbool.h>
#include <stddef.h>

/* What is wrong with a path, and where. */
typedef struct SafePathProblem {
        char *path;    /* what is at fault: the file, a directory above it, or a link on the way */
        char *problem; /* what it is: "may be written by everybody" */
        char *remedy;  /* the command that mends it; NULL where there is none */
} SafePathProblem;

typedef struct SafePathProblems {
        SafePathProblem *problems;
        size_t n;
} SafePathProblems;

void safe_path_problems_clear(SafePathProblems *problems);

/* Whether PROBLEM is one of PROBLEMS. */
bool safe_path_has_problem(const SafePathProblems *problems, const SafePathProblem *problem);

/*
 * Looks at the file at PATH (absolute), at every directory above it and at every symbolic link on
 * the way: each must belong to root or to the user of this process, and none may be writable for a
 * group or for others. A sticky directory such as /tmp may: what lies in it belongs to its owner.
 * Returns 0 where the path is safe; 1 where it is not, with all that is wrong in *ret, from the
 * root on (safe_path_problems_clear() it); or -ENOMEM.
 */
int safe_path_find_problems(const char *path, SafePathProblems *ret);

/*
 * The same as one text. Returns 0, with *ret_why NULL where the path is safe, else saying what is
 * wrong with which paths and which command mends it (free() it); or -ENOMEM.
 */
int safe_path_check(const char *path, char **ret_why);
