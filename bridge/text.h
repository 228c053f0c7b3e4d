/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Text of unknown origin on its way into a message or a command line.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "util.h"

/*
 * How many bytes the character at the start of the SIZE bytes at S has; 0 where it is none that a
 * D-Bus string may have: malformed or overlong UTF-8, a surrogate, what lies beyond U+10FFFF, and
 * the noncharacters (U+FDD0 to U+FDEF, and the last two of each plane), which sd-bus does not send
 * though newer versions of the specification let them through.
 * Source: RFC 3629; D-Bus specification, "Valid UTF-8".
 */
size_t text_character(const char *s, size_t size);

/* Whether the SIZE bytes at S, of which none is a NUL, may be a D-Bus string. */
bool text_is_sendable(const char *s, size_t size);

/*
 * A copy of the SIZE bytes at S that may be a D-Bus string: each byte that is not part of one, and
 * each NUL, becomes U+FFFD. Ownership: the caller frees it. NULL where memory is short.
 */
char *text_to_utf8(const char *s, size_t size);

/*
 * What printf(3) makes of FORMAT, as text_to_utf8() has it: file names, for one, are any bytes.
 * Ownership and result as above.
 */
_printf_(1, 2)
char *text_format(const char *format, ...);
_printf_(1, 0)
char *text_vformat(const char *format, va_list arguments);

/*
 * The first control character (C0, DEL or C1, so also a line break) of the UTF-8 string S, or NULL.
 *
 */
const char *text_find_control(const char *s);

/*
 * Whether there is nothing but white space (as isspace() has it in the C locale) before the end or
 * the first NUL.
 */
bool text_is_blank(const char *s, size_t size);

/*
 * Writes WORD as one word of a command line: in single quotes where a shell needs them, and only
 * there. Source: virBufferEscapeShell() in libvirt's src/util/virbuffer.c.
 */
void text_write_shell_word(FILE *stream, const char *word);

/* The same as a string. Ownership: the caller frees it. NULL where memory is short. */
char *text_shell_word(const char *word);
