/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libvirt's words for a script that failed.
 *
 * Source: virCommandWait() and virCommandToString() in libvirt's src/util/vircommand.c,
 * virBufferEscapeShell() in src/util/virbuffer.c, virProcessTranslateStatus() in
 * src/util/virprocess.c.
 */

#include <stddef.h>

/*
 * "Hook script execution failed: internal error: Child process (ENVIRONMENT ARGV) unexpected exit
 * status 1: STDERR", for the wait(2) STATUS of a child that did not succeed. STDERR is TEXT, of
 * SIZE bytes; where it is empty the words end with the status. The whole is valid UTF-8. Ownership:
 * the caller frees it. NULL where memory is short.
 */
char *script_error_message(char *const *environment, char *const *argv, int status,
                           const char *text, size_t size);

/*
 * The bridge's own words, without anything the script printed: "qemu.d/20-vlan exited with status
 * 3". Ownership and result as above.
 */
char *script_error_reason(const char *name, int status);
