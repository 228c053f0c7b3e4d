/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What hooks there are: libvirt's types and operations, and what each of them means. One table,
 * hook.c, says it all; a new operation is a row there. CONTRIBUTING.md has what goes with it.
 *
 * Source: https://libvirt.org/hooks.html and libvirt's src/util/virhook.c.
 */

#include <stdbool.h>

typedef enum HookType {
        HOOK_DAEMON,
        HOOK_QEMU,
        HOOK_LXC,
        HOOK_LIBXL,
        HOOK_NETWORK,
        HOOK_TYPE_MAX,
        HOOK_TYPE_INVALID = -1,
} HookType;

/* What the scripts get on their standard input. */
typedef enum HookInput {
        HOOK_INPUT_NONE,    /* /dev/null */
        HOOK_INPUT_DOMAIN,  /* <domain> */
        HOOK_INPUT_NETWORK, /* <hookData> with a <network> */
        HOOK_INPUT_PORT,    /* <hookData> with a <network> and a <networkport> */
        HOOK_INPUT_ANY, /* whatever the caller gave: an operation that the table does not know */
} HookInput;

/* What a run means for its object. */
typedef enum HookEffect {
        HOOK_EFFECT_PROCEED, /* nothing failed, the object goes on */
        HOOK_EFFECT_ABORT,   /* the operation must not happen */
        HOOK_EFFECT_IGNORED, /* too late: the failure changes nothing */
        HOOK_EFFECT_KILL,    /* the running object is killed */
        HOOK_EFFECT_MAX,
} HookEffect;

typedef struct HookOperation {
        HookType type;
        const char *name;
        const char *suboperation; /* the only one there is; NULL where anything is let through */
        const char *extra;        /* libvirt's value where the caller gives none */
        HookInput input;
        bool filter;           /* the scripts may rewrite the document on their standard output */
        HookEffect on_failure; /* what a failed script means for the object */
} HookOperation;

const char *hook_type_to_string(HookType type);
HookType hook_type_from_string(const char *s);

const char *hook_effect_to_string(HookEffect effect);

/* The row of TYPE and NAME, or NULL where libvirt has no such operation. */
const HookOperation *hook_operation_find(HookType type, const char *name);

/* All rows, in the table's order: NULL gives the first, the last one is followed by NULL. */
const HookOperation *hook_operation_next(const HookOperation *operation);

/*
 * The names of all types, or of TYPE's operations, separated by ", ", for messages.
 * Ownership: the caller frees it. NULL where memory is short.
 */
char *hook_type_names(void);
char *hook_operation_names(HookType type);
