/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Errors for people.
 */

#include "complain.h"

#include <stdarg.h>
#include <stdio.h>

#include "verbs.h"

_printf_(1, 0)
static void write_line(const char *format, va_list arguments) {
        (void) fflush(stdout); /* in the order in which it happened */
        (void) fprintf(stderr, "%s: ", program_invocation_short_name);
        (void) vfprintf(stderr, format, arguments);
        (void) fputc('\n', stderr);
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
