/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A script that has the path of a folder in it finds nothing when the folder has moved, and most
 * say nothing then: their guest starts unguarded.
 */

#include "script-text.h"

#include <ctype.h>
#include <stdio.h>

#include "text.h"

size_t script_text_read(const char *path, char **ret) {
        FILE *file = fopen(path, "re");
        size_t n = 0;

        *ret = file ? malloc(SCRIPT_TEXT_MAX + 1) : NULL;
        if (*ret) {
                n = fread(*ret, 1, SCRIPT_TEXT_MAX, file);
                (*ret)[n] = '\0';
        }
        if (file)
                (void) fclose(file);
        return n;
}

bool script_text_has(const char *path, const char *text) {
        _cleanup_free_ char *script = NULL;
        size_t n = script_text_read(path, &script);

        return n > 0 && memmem(script, n, text, strlen(text));
}

static bool goes_on(char c) {
        return isalnum((unsigned char) c) || strchr("._-", c);
}

bool script_text_speaks_of(const char *path, const char *folder, const char *name) {
        _cleanup_free_ char *script = NULL;
        size_t n = script_text_read(path, &script), length = strlen(folder);
        const char *p = script, *end = script + n;

        while (n > 0 && (p = memmem(p, (size_t) (end - p), folder, length))) {
                p += length;
                while (*p == '/' && p[1] == '/')
                        p++;
                if (*p == '\0' || (*p != '/' && !goes_on(*p)) ||
                    (*p == '/' && (!goes_on(p[1]) || strncmp(p + 1, name, strlen(name)) == 0)))
                        return true;
        }
        return false;
}

/* By its first line. */
static bool is_for_shell(const char *path) {
        _cleanup_free_ char *script = NULL;

        if (script_text_read(path, &script) == 0 || strncmp(script, "#!", 2) != 0)
                return false;
        script[strcspn(script, "\n")] = '\0';
        return strstr(script, "sh") != NULL;
}

char *script_text_command(const char *path, const char *folder, unsigned levels, const char *to) {
        _cleanup_free_ char *word = text_shell_word(path), *up = NULL;
        size_t size;
        FILE *stream;

        if (!word)
                return NULL;
        if (!is_for_shell(path))
                return text_format("sed -i --follow-symlinks 's|%s|%s|g' %s", folder, to, word);
        stream = open_memstream(&up, &size);
        if (!stream)
                return NULL;
        while (levels-- > 0)
                (void) fputs("/..", stream);
        if (fclose(stream) != 0)
                return NULL;
        return text_format("sed -i --follow-symlinks 's|%s|$(dirname \"$0\")%s|g' %s", folder, up,
                           word);
}
