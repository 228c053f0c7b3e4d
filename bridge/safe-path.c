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

#include "util.h"

#define LINKS_MAX 40 /* as many as the kernel follows */

typedef struct Walk {
        char here[PATH_MAX]; /* checked so far: "" is the root */
        char rest[PATH_MAX]; /* still to go */
        unsigned links;
        char **why;
} Walk;

/* Sets *why. Returns 1, "not safe". */
_printf_(2, 3)
static int unsafe(Walk *walk, const char *format, ...) {
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vasprintf(walk->why, format, arguments);
        va_end(arguments);
        return n < 0 ? -ENOMEM : 1;
}

/* Checks the element at walk->here itself. Returns 0 where it is safe. */
static int check_element(Walk *walk, const struct stat *st) {
        const char *path = *walk->here ? walk->here : "/";
        bool is_sticky_directory = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);

        if (st->st_uid != 0 && st->st_uid != geteuid())
                return unsafe(walk, "%s belongs to uid %u; 'chown root %s%s' mends it", path,
                              (unsigned) st->st_uid, S_ISLNK(st->st_mode) ? "-h " : "", path);
        if (S_ISLNK(st->st_mode))
                return 0;
        if ((st->st_mode & (S_IWGRP | S_IWOTH)) && !is_sticky_directory)
                return unsafe(walk, "%s may be written by %s; 'chmod go-w %s' mends it", path,
                              st->st_mode & S_IWOTH ? "everybody" : "a group", path);
        if (S_ISREG(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID)))
                return unsafe(
                        walk,
                        "%s is set-uid or set-gid, which a hook has no use for; 'chmod ug-s %s' mends it",
                        path, path);
        return 0;
}

/* Puts the target of the link at walk->here in front of what is still to go. */
static int follow_link(Walk *walk) {
        char target[PATH_MAX], rest[PATH_MAX];
        ssize_t n;

        if (++walk->links > LINKS_MAX)
                return unsafe(walk, "%s leads through too many symbolic links", walk->here);
        n = readlink(walk->here, target, sizeof(target) - 1);
        if (n < 0)
                return unsafe(walk, "%s cannot be read: %m", walk->here);
        target[n] = '\0';
        if (strlen(target) + strlen(walk->rest) + 2 > sizeof(rest))
                return unsafe(walk, "%s leads to a path that is too long", walk->here);
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
 * Takes the next element from walk->rest to the end of walk->here. Returns 1, or 0 where there is
 * none left.
 */
static int step(Walk *walk) {
        char *start = walk->rest + strspn(walk->rest, "/");
        size_t n = strcspn(start, "/"), here = strlen(walk->here);

        if (n == 0)
                return 0;
        if (n == 2 && memcmp(start, "..", 2) == 0) {
                char *slash = strrchr(walk->here, '/');

                if (slash)
                        *slash = '\0';
        } else if (n != 1 || *start != '.') {
                if (here + n + 2 > sizeof(walk->here))
                        return unsafe(walk, "%s leads to a path that is too long", walk->here) < 0
                                       ? -ENOMEM
                                       : 0;
                walk->here[here] = '/';
                memcpy(walk->here + here + 1, start, n);
                walk->here[here + 1 + n] = '\0';
        }
        (void) memmove(walk->rest, start + n, strlen(start + n) + 1);
        return 1;
}

int safe_path_check(const char *path, char **ret_why) {
        Walk walk = { .why = ret_why };
        struct stat st;
        int r;

        *ret_why = NULL;
        if (strlen(path) >= sizeof(walk.rest))
                return unsafe(&walk, "the path is too long") < 0 ? -ENOMEM : 0;
        (void) strcpy(walk.rest, path);

        do {
                if (lstat(*walk.here ? walk.here : "/", &st) < 0)
                        r = unsafe(&walk, "%s cannot be looked at: %m", walk.here);
                else
                        r = check_element(&walk, &st);
                if (r == 0 && S_ISLNK(st.st_mode))
                        r = follow_link(&walk);
                if (r != 0)
                        return MIN(r, 0);
                r = step(&walk);
        } while (r > 0);
        return r;
}
