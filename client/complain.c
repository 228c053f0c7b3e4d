/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Errors for people.
 */

#include "complain.h"

#include <stdarg.h>
#include <stdio.h>

#include "terminal.h"
#include "verbs.h"

/* Messages have names in them, and names may be anything. */
_printf_(1, 0)
static void write_line(const char *format, va_list arguments) {
        _cleanup_free_ char *text = NULL, *escaped = NULL;

        if (vasprintf(&text, format, arguments) < 0)
                text = NULL;
        else
                escaped = terminal_escape(text, strlen(text), true);
        (void) fflush(stdout); /* in the order in which it happened */
        (void) fprintf(stderr, "%s: %s\n", program_invocation_short_name,
                       escaped ? escaped : "out of memory");
}

void complain(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        write_line(format, arguments);
        va_end(arguments);
}

int trouble(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        write_line(format, arguments);
        va_end(arguments);
        return EXIT_TROUBLE;
}

int refuse(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        write_line(format, arguments);
        va_end(arguments);
        return -EEXIST;
}
