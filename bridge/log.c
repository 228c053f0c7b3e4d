/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The log. A daemon must not hang because its log's reader does, and must not make the descriptor
 * non-blocking either, since it shares that with whoever started it. A line of less than PIPE_BUF
 * bytes does not block on a pipe that poll(2) calls writable.
 */

#include "log.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

static bool can_write(void) {
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

        return poll(&p, 1, 0) > 0 && (p.revents & POLLOUT);
}

/*
 * systemd sets JOURNAL_STREAM for services whose standard error is the journal: there "<4>" is a
 * priority.
 */
static bool is_journal(void) {
        static int journal = -1;

        if (journal < 0)
                journal = getenv("JOURNAL_STREAM") != NULL;
        return journal;
}

static void write_line(int priority, const char *text) {
        char line[PIPE_BUF];
        int n;

        if (is_journal())
                n = snprintf(line, sizeof(line), "<%d>%s\n", priority, text);
        else
                n = snprintf(line, sizeof(line), "virt-hooksd: %s\n", text);
        if (n < 0)
                return;
        if ((size_t) n >= sizeof(line)) {
                n = sizeof(line) - 1;
                line[n - 1] = '\n';
        }
        /* Nobody is left to be told of a failure here. */
        if (write(STDERR_FILENO, line, (size_t) n) < 0)
                return;
}

void log_line(int priority, const char *format, ...) {
        static unsigned dropped;
        char text[PIPE_BUF - 64];
        va_list arguments;

        va_start(arguments, format);
        if (vsnprintf(text, sizeof(text), format, arguments) < 0)
                *text = '\0';
        va_end(arguments);
        for (char *p = text; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        *p = ' ';

        if (!can_write()) {
                dropped++;
                return;
        }
        if (dropped > 0) {
                char note[64];

                (void) snprintf(note, sizeof(note), "%u lines of the log were dropped", dropped);
                dropped = 0;
                write_line(LOG_WARNING, note);
                if (!can_write()) {
                        dropped++;
                        return;
                }
        }
        write_line(priority, text);
}
