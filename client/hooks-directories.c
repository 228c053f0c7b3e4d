/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Hooks' folders from the command line or the settings.
 */

#include "hooks-directories.h"

#include <stdio.h>
#include <sys/stat.h>

#include "complain.h"
#include "terminal.h"

/* Replaces *PATH by PATH/ELEMENT, of SIZE bytes. */
static int append(char **path, const char *element, size_t size) {
        char *longer;

        if (asprintf(&longer, "%s/%.*s", *path, (int) size, element) < 0)
                return -ENOMEM;
        free(*path);
        *path = longer;
        return 0;
}

/*
 * PATH from the root on, without "." and empty elements. The working directory as the kernel tells
 * it has no symbolic links, so ".." before any name just shortens it; later ones stay, for what is
 * before them may be a link.
 */
static char *make_absolute(const char *path) {
        _cleanup_free_ char *absolute = *path == '/' ? strdup("") : getcwd(NULL, 0);
        bool named = *path == '/';

        if (absolute && streq(absolute, "/"))
                *absolute = '\0';
        while (absolute && *path) {
                size_t n = strcspn(path, "/");

                if (n == 2 && memcmp(path, "..", 2) == 0 && !named) {
                        char *slash = strrchr(absolute, '/');

                        if (slash)
                                *slash = '\0';
                } else if (n > 0 && !(n == 1 && *path == '.')) {
                        named = true;
                        if (append(&absolute, path, n) < 0)
                                return NULL;
                }
                path += n + (path[n] == '/');
        }
        if (absolute && !*absolute)
                return strdup("/");
        return TAKE_PTR(absolute);
}

static int check_named(const char *path) {
        _cleanup_free_ char *escaped = terminal_escape(path, strlen(path), false);
        struct stat st;
        int r = 0;

        if (stat(path, &st) < 0)
                r = -errno;
        else if (!S_ISDIR(st.st_mode))
                r = -ENOTDIR;
        if (r < 0)
                complain("%s cannot be looked at: %s; name a folder with hooks",
                         escaped ? escaped : "the folder", strerror(-r));
        return r;
}

static int add_named(char ***directories, const char *name) {
        char *path = make_absolute(name);
        int r;

        if (!path) {
                complain("out of memory");
                return -ENOMEM;
        }
        r = check_named(path);
        if (r < 0) {
                free(path);
                return r;
        }
        return strv_take(directories, path);
}

int hooks_directories_new(char ***ret, char *const *named, const Settings *settings) {
        _cleanup_strv_ char **directories = NULL;
        bool from_settings = !named || !*named;

        for (char *const *d = from_settings ? settings->hooks_directories : named; *d; d++) {
                int r = from_settings ? strv_add(&directories, *d) : add_named(&directories, *d);

                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(directories);
        return 0;
}

char *hooks_directories_to_string(char *const *directories) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        for (char *const *d = directories; *d; d++)
                (void) fprintf(stream, "%s%s", d != directories ? ", " : "", *d);
        return fclose(stream) == 0 ? terminal_escape(text, size, false) : NULL;
}
