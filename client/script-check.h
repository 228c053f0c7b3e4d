/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One file that lies where a script can be: why it does not run, or would not.
 */

#include <sys/stat.h>

#include "findings.h"
#include "safe-path.h"

typedef enum ScriptVerdict {
        SCRIPT_ABSENT,   /* there is nothing */
        SCRIPT_NO_FILE,  /* something that is no regular file, or cannot be looked at */
        SCRIPT_INACTIVE, /* a file that is not executable: it is passed over */
        SCRIPT_ACTIVE,   /* the service tries to run it */
} ScriptVerdict;

/*
 * Adds all that is wrong with the file at SUBJECT alone. IN_FOLDER: it lies in a .d folder, where
 * texts and settings may lie, too. STRICT: nobody but root and this user may be able to change it.
 * *RET_ST is set for SCRIPT_INACTIVE and SCRIPT_ACTIVE.
 */
ScriptVerdict script_check(const Subject *subject, bool in_folder, bool strict, Findings *findings,
                           struct stat *ret_st);

/* The path at SUBJECT leads nowhere, stat(2) has said why: adds that. */
void script_check_link(const Subject *subject, int error, Findings *findings);

/* The command that gives the folder at SUBJECT the name PATH, or brings what is in it to what has
 * that name, or WILL_HAVE it. Ownership: the caller frees it. NULL where memory is short. */
char *script_check_rename_folder(const Subject *subject, const char *path, bool will_have);

#define SCRIPT_CHECK_REFUSED "so the service refuses to run what is there"

/* Adds why others could change what is at SUBJECT, and what comes of it: CONSEQUENCE ends the
 * sentence. What TOLD has is passed over; it may be NULL. */
void script_check_safety(const Subject *subject, const SafePathProblems *told,
                         const char *consequence, Findings *findings);
