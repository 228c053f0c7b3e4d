/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is wrong with hooks on disk: the file, the problem, the remedy.
 */

#include "hook.h"
#include "util.h"

typedef struct Findings Findings;

/* What a finding is about. */
typedef struct Subject {
        const char *path;
        const char *word; /* the path as a shell takes it, for commands */
        HookType type;    /* HOOK_TYPE_INVALID where it belongs to none */
} Subject;

int findings_new(Findings **ret);
Findings *findings_free(Findings *findings); /* takes NULL, returns NULL */

/*
 * Adds what printf(3) makes of FORMAT. KIND is short and stays the same, for programs. REMEDY is
 * taken: a command where there is one, else words. What was said before is not said again. Short
 * memory is told of by findings_print().
 */
_printf_(5, 6)
void findings_add(Findings *findings, const Subject *subject, const char *kind, char *remedy,
                  const char *format, ...);

/* Adds that for the reason ERROR, an errno, it cannot be DONE: "read". */
void findings_add_unreadable(Findings *findings, const Subject *subject, const char *done,
                             int error);

/* Whether there is one of KIND for the file at PATH. */
bool findings_has(const Findings *findings, const char *path, const char *kind);

size_t findings_count(const Findings *findings);

/* Prints them on standard output, as a table or as JSON lines. Returns 0 or -ENOMEM. */
int findings_print(const Findings *findings, bool json);

DEFINE_CLEANUP(Findings, findings_free);
