/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * All that can be wrong with the folders of hooks: each file by itself, and the files among each
 * other.
 */

#include "findings.h"
#include "settings.h"

/*
 * Looks at DIRECTORIES, absolute paths in the order in which the service does, as SETTINGS have it.
 * One that is not there is passed over. Adds to FINDINGS; *ret_scripts is how many scripts there
 * are that would run. Returns 0 or -ENOMEM.
 */
int hooks_check(char *const *directories, const Settings *settings, Findings *findings,
                unsigned *ret_scripts);
