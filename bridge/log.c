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
#include <sys/stat.h>

#include "journald.h"
#include "text.h"

/*
 * systemd sets JOURNAL_STREAM for a service whose standard error is the journal, to that stream's
 * device and inode: children that redirect their own have the variable, too.
 */
static bool is_journal(void) {
        static int journal = -1;
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (journal < 0)
                journal = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
                          fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
                          st.st_ino == inode;
        return journal;
}

static bool can_write(void) {
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

        return poll(&p, 1, 0) > 0 && (p.revents & POLLOUT);
}

/* Also those of two bytes: terminals take U+009B for an escape and a bracket. *END can be read. */
static void replace_controls(char *p, const char *end) {
        for (; p < end; p++) {
                unsigned char first = (unsigned char) p[0], second = (unsigned char) p[1];

                if (first < 0x20 || first == 0x7f)
                        p[0] = ' ';
                else if (first == 0xc2 && second >= 0x80 && second <= 0x9f)
                        p[0] = p[1] = ' ';
        }
}

static void write_line(const char *text) {
        char line[PIPE_BUF];
        int n;

        n = snprintf(line, sizeof(line), "%s: %s\n", program_invocation_short_name, text);
        if (n < 0)
                return;
        if ((size_t) n >= sizeof(line)) {
                n = sizeof(line) - 1;
                line[n - 1] = '\n';
        }
        replace_controls(line, line + n - 1);
        /* Nobody is left to be told of a failure here. */
        if (write(STDERR_FILENO, line, (size_t) n) < 0)
                return;
}

static void log_to_stderr(const char *text) {
        static unsigned dropped;

        if (!can_write()) {
                dropped++;
                return;
        }
        if (dropped > 0) {
                char note[64];

                (void) snprintf(note, sizeof(note), "%u lines of the log were dropped", dropped);
                dropped = 0;
                write_line(note);
                if (!can_write()) {
                        dropped++;
                        return;
                }
        }
        write_line(text);
}

static void log_to_journal(int priority, const char *id, const LogField *extra, const char *text) {
        JournaldEntry *entry = journald_entry_new();
        char number[16];

        (void) snprintf(number, sizeof(number), "%d", priority);
        journald_entry_add(entry, "MESSAGE", text);
        journald_entry_add(entry, "PRIORITY", number);
        journald_entry_add(entry, "MESSAGE_ID", id);
        journald_entry_add(entry, "SYSLOG_IDENTIFIER", program_invocation_short_name);
        for (; extra && extra->name; extra++)
                journald_entry_add(entry, extra->name, extra->value);
        journald_entry_send(entry);
}

static int max_level = LOG_INFO;
static LogTarget target = LOG_TARGET_AUTO;

void log_set_max_level(int level) {
        max_level = level;
}

int log_max_level(void) {
        return max_level;
}

void log_set_target(LogTarget new_target) {
        target = new_target;
}

LogTarget log_target(void) {
        return target;
}

static const char *const levels[] = {
        [LOG_EMERG] = "emerg", [LOG_ALERT] = "alert",     [LOG_CRIT] = "crit",
        [LOG_ERR] = "err",     [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
};

static const char *const targets[LOG_TARGET_MAX] = {
        [LOG_TARGET_AUTO] = "auto",
        [LOG_TARGET_JOURNAL] = "journal",
        [LOG_TARGET_CONSOLE] = "console",
        [LOG_TARGET_NULL] = "null",
};

static int find(const char *const *table, size_t n, const char *s) {
        for (size_t i = 0; i < n; i++)
                if (streq(table[i], s))
                        return (int) i;
        return -EINVAL;
}

const char *log_level_to_string(int level) {
        return levels[level];
}

int log_level_from_string(const char *s) {
        return find(levels, ELEMENTS(levels), s);
}

const char *log_target_to_string(LogTarget t) {
        return targets[t];
}

LogTarget log_target_from_string(const char *s) {
        return (LogTarget) find(targets, ELEMENTS(targets), s);
}

static void log_to_system(int priority, const char *id, const LogField *fields, const char *text) {
        if (access("/run/systemd/journal/socket", F_OK) == 0)
                log_to_journal(priority, id, fields, text);
        else
                syslog(LOG_DAEMON | priority, "%s", text);
}

void log_entry(int priority, const char *id, const LogField *fields, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;

        if (priority > max_level || target == LOG_TARGET_NULL)
                return;
        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);
        if (!text)
                return;
        if (target == LOG_TARGET_JOURNAL)
                log_to_system(priority, id, fields, text);
        else if (target == LOG_TARGET_AUTO && is_journal())
                log_to_journal(priority, id, fields, text);
        else
                log_to_stderr(text);
}
