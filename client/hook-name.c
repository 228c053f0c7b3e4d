/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names of files. All comparisons are of ASCII: so are the types' names.
 */

#include "hook-name.h"

#include <ctype.h>
#include <strings.h>

#include "typo.h"

#define TOKEN_MAX TYPO_MAX /* no type's or operation's name, however mistyped, is longer */

static bool ends_with(const char *name, const char *end) {
        size_t n = strlen(name), m = strlen(end);

        return n > m && strcasecmp(name + n - m, end) == 0;
}

static bool ends_with_any(const char *name, const char *const *ends) {
        for (; *ends; ends++)
                if (ends_with(name, *ends))
                        return true;
        return false;
}

bool hook_name_is_backup(const char *name) {
        static const char *const ends[] = {
                "~",       ".bak",     ".backup",   ".orig",   ".rej",     ".old",    ".save",
                ".swp",    ".swo",     ".tmp",      ".rpmnew", ".rpmsave", ".sample", ".rpmorig",
                ".pacnew", ".pacsave", ".disabled", ".off",    ".example", NULL,
        };

        return ends_with_any(name, ends) || strstr(name, ".dpkg-") || strstr(name, ".ucf-") ||
               (*name == '#' && ends_with(name, "#")) || strncmp(name, ".#", 2) == 0;
}

bool hook_name_is_data(const char *name) {
        static const char *const ends[] = {
                ".conf", ".cfg",  ".ini", ".env", ".txt", ".md",  ".rst",
                ".json", ".yaml", ".yml", ".xml", ".log", ".csv", NULL,
        };
        static const char *const starts[] = { "README", "LICENSE", "LICENCE", "COPYING",
                                              "Makefile" };

        for (size_t i = 0; i < ELEMENTS(starts); i++)
                if (strncasecmp(name, starts[i], strlen(starts[i])) == 0)
                        return true;
        return *name == '.' || ends_with_any(name, ends);
}

/* The next run of letters and digits at *P, in lower case. Returns false where there is none. */
static bool next_token(const char **p, char token[static TOKEN_MAX]) {
        size_t n = 0;

        while (**p && !isalnum((unsigned char) **p))
                (*p)++;
        for (; isalnum((unsigned char) **p); (*p)++)
                if (n < TOKEN_MAX - 1)
                        token[n++] = (char) tolower((unsigned char) **p);
        token[n] = '\0';
        return n > 0;
}

/* A type, or what people call it. */
static HookType type_called(const char *token) {
        static const struct {
                const char *name;
                HookType type;
        } others[] = {
                { "kvm", HOOK_QEMU },  { "libvirtd", HOOK_DAEMON }, { "net", HOOK_NETWORK },
                { "xen", HOOK_LIBXL }, { "xl", HOOK_LIBXL },        { "networks", HOOK_NETWORK },
        };

        for (size_t i = 0; i < ELEMENTS(others); i++)
                if (streq(others[i].name, token))
                        return others[i].type;
        return hook_type_from_string(token);
}

static HookType type_mistyped(const char *token) {
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                if (typo_distance(token, hook_type_to_string(type)) < TYPO_NONE)
                        return type;
        return HOOK_TYPE_INVALID;
}

HookType hook_name_resembles(const char *name) {
        char token[TOKEN_MAX];

        for (const char *p = name; next_token(&p, token);) {
                HookType type = type_called(token);

                if (type != HOOK_TYPE_INVALID)
                        return type;
        }
        for (const char *p = name; next_token(&p, token);) {
                HookType type = type_mistyped(token);

                if (type != HOOK_TYPE_INVALID)
                        return type;
        }
        return HOOK_TYPE_INVALID;
}

const HookOperation *hook_name_resembles_operation(HookType type, const char *name) {
        char token[TOKEN_MAX];
        size_t n = strlen(name);

        if (n >= sizeof(token))
                return NULL;
        for (size_t i = 0; i <= n; i++)
                token[i] = (char) tolower((unsigned char) name[i]);
        for (const HookOperation *o = NULL; (o = hook_operation_next(o));)
                if (o->type == type && (typo_distance(token, o->name) < TYPO_NONE ||
                                        (n >= 4 && strncmp(token, o->name, n) == 0)))
                        return o;
        return NULL;
}
