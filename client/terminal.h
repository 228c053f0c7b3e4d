/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The terminal that standard output may be, and text that must do it no harm.
 */

#include <stddef.h>
#include <stdio.h>

#include "util.h"

typedef enum Colour {
        COLOUR_PLAIN,
        COLOUR_BOLD,
        COLOUR_FAINT,
        COLOUR_GOOD,
        COLOUR_WARNING,
        COLOUR_BAD,
        COLOUR_MAX,
} Colour;

/* Whether somebody sits there who could type a password. */
bool terminal_is_interactive(void);

/* Columns of the terminal; 0 where output does not go to one: then nothing need be cut. */
size_t terminal_width(void);

/* Signs of our own. */
typedef enum Sign {
        SIGN_ELLIPSIS,
        SIGN_THERE,  /* before what is told of at length */
        SIGN_ABSENT, /* the same for what is not there */
        SIGN_MAX,
} Sign;

/* SIGN in UTF-8, or in ASCII where the locale has another encoding. */
const char *terminal_sign(Sign sign);

/* The sequence that switches to COLOUR; "" where output is not to be coloured (no terminal,
 * NO_COLOR, TERM=dumb). */
const char *terminal_colour(Colour colour);

/*
 * TEXT, of SIZE bytes, as it may be shown: control characters but, if KEEP_LINES, tabs and line
 * ends, marks that change the direction of writing, and what is no UTF-8 are shown as \xNN or
 * \u{NNNN}. Ownership: the caller frees it. NULL where memory is short.
 */
char *terminal_escape(const char *text, size_t size, bool keep_lines);

/* Columns that the escaped TEXT takes. */
size_t terminal_columns(const char *text);

/* Writes the first COLUMNS columns of the escaped TEXT, with an ellipsis where more would follow,
 * and spaces up to COLUMNS if PAD. */
void terminal_write(FILE *stream, const char *text, size_t columns, bool pad);

/* Writes TEXT, which may be anything, on standard output: escaped, in COLOUR. */
void terminal_print(Colour colour, const char *text);
