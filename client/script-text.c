/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A script that has the path of a folder in it finds nothing when the folder has moved, and most
 * say nothing then: their guest starts unguarded.
 */

#include "script-text.h"

#include <stdio.h>

#include "text.h"

#define SIZE_SEARCHED (1024U * 1024U)

bool script_text_has(const char *path, const char *text) {
        _cleanup_free_ char *script = malloc(SIZE_SEARCHED);
        FILE *file = fopen(path, "re");
        size_t n;

        n = file && script ? fread(script, 1, SIZE_SEARCHED, file) : 0;
        if (file)
                (void) fclose(file);
        return n > 0 && memmem(script, n, text, strlen(text));
}

char *script_text_beside_command(const char *word, const char *folder, bool inside) {
        const char *name = strrchr(folder, '/');

        return text_format("sed -i --follow-symlinks 's|%s|$(dirname \"$0\")%s|g' %s", folder,
                           inside ? "" : name, word);
}
