/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel makes of a file that is to be executed: a program, or the first line of a script
 * and the interpreter that it names.
 *
 * Source: fs/binfmt_script.c and fs/binfmt_elf.c in the Linux kernel, execve(2), env(1).
 */

#include "findings.h"

/*
 * Adds why the kernel, or env, would not run the file at SUBJECT: it is a regular one. The program
 * that would interpret it is then in *ret_program (free() it); NULL where there is none, or it
 * cannot be found.
 */
void interpreter_check(const Subject *subject, Findings *findings, char **ret_program);
