/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The scripts that are measured, and the hooks' directory, where one of them at a time is qemu's.
 */

typedef enum HookScript {
        SCRIPT_NONE,
        SCRIPT_SHELL, /* #!/bin/sh exit 0 */
        SCRIPT_TRUE,  /* a compiled true */
        SCRIPT_CHAIN, /* ten of the first, in qemu.d */
        SCRIPT_CAT,   /* prints its document, as a filter that changes nothing */
        SCRIPT_READ,  /* reads its document */
        SCRIPT_SLEEP, /* sleeps for a second */
        HOOK_SCRIPT_MAX,
} HookScript;

/* Makes the scripts. lxc's waits for the benchmark's end. */
void hooks_make(void);

/* The directory for the service to look into. */
const char *hooks_directory(void);

/* The path of one that is to be started without the service; not that of SCRIPT_NONE or
 * SCRIPT_CHAIN. */
const char *hooks_path(HookScript script);

/* From now on qemu's script is SCRIPT. */
void hooks_use(HookScript script);
