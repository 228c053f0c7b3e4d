/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whoever cannot execute a script says "No such file" where the interpreter is meant, which nobody
 * understands: but check finds the reason.
 */

#include "script-failure.h"

#include "hook.h"
#include "text.h"
#include "util.h"

static bool begins_with(const char *text, size_t size, const char *start) {
        return size >= strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

static bool is_type_folder(const char *name) {
        size_t n = strcspn(name, ".");

        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                if (strlen(hook_type_to_string(type)) == n && streq(name + n, ".d") &&
                    strncmp(name, hook_type_to_string(type), n) == 0)
                        return true;
        return false;
}

/* The hooks' folder of the script that the line "PATH: reason" names: what is above TYPE, or
 * TYPE.d/NAME. Ownership: the caller frees it. NULL where there is none. */
static char *find_folder(const char *line, size_t size) {
        const char *end = memchr(line, '\n', size);
        _cleanup_free_ char *path = strndup(line, end ? (size_t) (end - line) : size);
        char *cut = path ? strrchr(path, ':') : NULL;

        for (int i = 0; i < 2 && cut; i++) { /* the reason, the name */
                *cut = '\0';
                cut = strrchr(path, '/');
        }
        if (!cut || cut == path)
                return NULL;
        if (is_type_folder(cut + 1))
                *cut = '\0';
        return TAKE_PTR(path);
}

char *script_failure_remedy(int status, const char *errors, size_t size) {
        static const char *const programs[] = { "env: ", "/usr/bin/env: ", "/bin/env: " };
        static const char words[] = "libvirt:  error : cannot execute binary ";
        _cleanup_free_ char *folder = NULL, *word = NULL;

        if (status != 126 && status != 127)
                return NULL;
        if (begins_with(errors, size, words)) {
                folder = find_folder(errors + strlen(words), size - strlen(words));
                word = folder ? text_shell_word(folder) : NULL;
                return text_format("'virt-hooks check%s%s' tells why it cannot be executed",
                                   word ? " " : "", word ? word : "");
        }
        for (size_t i = 0; i < ELEMENTS(programs); i++)
                if (begins_with(errors, size, programs[i]))
                        return text_format("'virt-hooks check' tells why env does not run it");
        return NULL;
}
