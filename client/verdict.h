/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a hook call came to, as virt-hooks-forward gives it back to libvirt.
 */

#include "bytes.h"
#include "hook.h"
#include "run.h"

typedef struct Verdict {
        RunOutcome outcome;
        int status;    /* the exit status of RUN_FAILED, the signal of RUN_KILLED */
        Bytes *output; /* what a chain of filters printed; NULL is nothing */
        Bytes *errors; /* what the last script that failed wrote to its standard error */
        char *reason;  /* where no script has decided: why, for people */
} Verdict;

void verdict_clear(Verdict *verdict);

/* No script has decided, and the reason is what printf(3) makes of FORMAT. */
_printf_(2, 3)
void verdict_refuse(Verdict *verdict, const char *format, ...);

/*
 * Gives VERDICT on OPERATION back as a script would: what it printed, what it complained about, and
 * the exit status, which is returned; or dies of the signal that the script died of. What no script
 * has decided is a failure; but where a failure kills a running guest it is a success, and the log
 * says so.
 */
int verdict_give_back(const Verdict *verdict, HookType type, const char *object,
                      const char *operation);
