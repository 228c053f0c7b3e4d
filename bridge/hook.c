/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The table of hooks. Everything that depends on a type or an operation asks it.
 */

#include "hook.h"

#include <stdio.h>

#include "util.h"

static const char *const hook_types[HOOK_TYPE_MAX] = {
        [HOOK_DAEMON] = "daemon", [HOOK_QEMU] = "qemu",       [HOOK_LXC] = "lxc",
        [HOOK_LIBXL] = "libxl",   [HOOK_NETWORK] = "network",
};

static const char *const hook_effects[HOOK_EFFECT_MAX] = {
        [HOOK_EFFECT_PROCEED] = "proceed",
        [HOOK_EFFECT_ABORT] = "abort",
        [HOOK_EFFECT_IGNORED] = "ignored",
        [HOOK_EFFECT_KILL] = "kill",
};

#define NO  false
#define YES true

/* clang-format off */
static const HookOperation hook_operations[] = {
        /* type          name            sub      extra       stdin               filter a failure means */
        { HOOK_DAEMON,  "start",        "-",     "start",    HOOK_INPUT_NONE,    NO,  HOOK_EFFECT_IGNORED },
        { HOOK_DAEMON,  "shutdown",     "-",     "shutdown", HOOK_INPUT_NONE,    NO,  HOOK_EFFECT_IGNORED },
        { HOOK_DAEMON,  "reload",       "begin", "SIGHUP",   HOOK_INPUT_NONE,    NO,  HOOK_EFFECT_IGNORED },

        { HOOK_QEMU,    "prepare",      "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_ABORT },
        { HOOK_QEMU,    "start",        "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_ABORT },
        { HOOK_QEMU,    "started",      "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_ABORT },
        { HOOK_QEMU,    "stopped",      "end",   "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_IGNORED },
        { HOOK_QEMU,    "release",      "end",   "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_IGNORED },
        { HOOK_QEMU,    "migrate",      "begin", "-",        HOOK_INPUT_DOMAIN,  YES, HOOK_EFFECT_ABORT },
        { HOOK_QEMU,    "restore",      "begin", "-",        HOOK_INPUT_DOMAIN,  YES, HOOK_EFFECT_ABORT },
        { HOOK_QEMU,    "reconnect",    "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_KILL },
        { HOOK_QEMU,    "attach",       "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_ABORT },

        { HOOK_LXC,     "prepare",      "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_ABORT },
        { HOOK_LXC,     "start",        "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_ABORT },
        { HOOK_LXC,     "started",      "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_ABORT },
        { HOOK_LXC,     "stopped",      "end",   "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_IGNORED },
        { HOOK_LXC,     "release",      "end",   "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_IGNORED },
        { HOOK_LXC,     "reconnect",    "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_KILL },

        { HOOK_LIBXL,   "prepare",      "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_ABORT },
        { HOOK_LIBXL,   "start",        "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_ABORT },
        { HOOK_LIBXL,   "started",      "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_ABORT },
        { HOOK_LIBXL,   "stopped",      "end",   "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_IGNORED },
        { HOOK_LIBXL,   "release",      "end",   "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_IGNORED },
        { HOOK_LIBXL,   "migrate",      "begin", "-",        HOOK_INPUT_DOMAIN,  YES, HOOK_EFFECT_ABORT },
        { HOOK_LIBXL,   "reconnect",    "begin", "-",        HOOK_INPUT_DOMAIN,  NO,  HOOK_EFFECT_KILL },

        { HOOK_NETWORK, "start",        "begin", "-",        HOOK_INPUT_NETWORK, NO,  HOOK_EFFECT_ABORT },
        { HOOK_NETWORK, "started",      "begin", "-",        HOOK_INPUT_NETWORK, NO,  HOOK_EFFECT_ABORT },
        { HOOK_NETWORK, "stopped",      "end",   "-",        HOOK_INPUT_NETWORK, NO,  HOOK_EFFECT_IGNORED },
        { HOOK_NETWORK, "port-created", "begin", "-",        HOOK_INPUT_PORT,    NO,  HOOK_EFFECT_ABORT },
        { HOOK_NETWORK, "port-deleted", "begin", "-",        HOOK_INPUT_PORT,    NO,  HOOK_EFFECT_IGNORED },
        { HOOK_NETWORK, "updated",      "begin", "-",        HOOK_INPUT_NETWORK, NO,  HOOK_EFFECT_IGNORED },
};
/* clang-format on */

const char *hook_type_to_string(HookType type) {
        return hook_types[type];
}

HookType hook_type_from_string(const char *s) {
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                if (streq(hook_types[type], s))
                        return type;
        return HOOK_TYPE_INVALID;
}

const char *hook_effect_to_string(HookEffect effect) {
        return hook_effects[effect];
}

const HookOperation *hook_operation_next(const HookOperation *operation) {
        if (!operation)
                return hook_operations;
        operation++;
        return operation < hook_operations + ELEMENTS(hook_operations) ? operation : NULL;
}

const HookOperation *hook_operation_find(HookType type, const char *name) {
        for (const HookOperation *o = hook_operation_next(NULL); o; o = hook_operation_next(o))
                if (o->type == type && streq(o->name, name))
                        return o;
        return NULL;
}

static char *join(const char *const *names, size_t n) {
        char *text = NULL;
        size_t size;
        FILE *stream;

        stream = open_memstream(&text, &size);
        if (!stream)
                return NULL;
        for (size_t i = 0; i < n; i++)
                (void) fprintf(stream, "%s%s", i > 0 ? ", " : "", names[i]);
        if (fclose(stream) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

char *hook_type_names(void) {
        return join(hook_types, HOOK_TYPE_MAX);
}

char *hook_operation_names(HookType type) {
        const char *names[ELEMENTS(hook_operations)];
        size_t n = 0;

        for (const HookOperation *o = hook_operation_next(NULL); o; o = hook_operation_next(o))
                if (o->type == type)
                        names[n++] = o->name;
        return join(names, n);
}
