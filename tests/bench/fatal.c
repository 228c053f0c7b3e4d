/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The end where something went wrong. What has to be undone is done by atexit(3)'s functions.
 */

#include "fatal.h"

#include <stdarg.h>
#include <stdio.h>

void fatal(const char *format, ...) {
        va_list arguments;

        (void) fputs("bench: ", stderr);
        va_start(arguments, format);
        (void) vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void) fputc('\n', stderr);
        exit(EXIT_FAILURE);
}

int must(int r, const char *what) {
        if (r < 0)
                fatal("%s: %s", what, strerror(-r));
        return r;
}

long must_sys(long r, const char *what) {
        if (r < 0)
                fatal("%s: %m", what);
        return r;
}

void *must_have(void *p) {
        if (!p)
                fatal("memory is short");
        return p;
}
