/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether a shell can read its script to the end. Nothing of the script is executed.
 */

#include "findings.h"

/* The name of the shell that PROGRAM is, such as "bash"; NULL where it is none that is known. */
const char *script_syntax_shell(const char *program);

/*
 * Asks PROGRAM, which runs the script at SUBJECT, whether it has a syntax error, and adds that. A
 * program that is no shell, or that others could change, is not asked.
 */
void script_syntax_check(const Subject *subject, const char *program, Findings *findings);
