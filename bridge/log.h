/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the administrator is told: entries in the journal where standard error goes there, else
 * lines on standard error.
 */

#include <syslog.h>

#include "util.h"

/* A field of an entry. A value of NULL leaves it out; so does a line on standard error. */
typedef struct LogField {
        const char *name; /* "VIRT_HOOKS_RUN" */
        const char *value;
} LogField;

/*
 * Writes one entry, made of what printf(3) makes of FORMAT, of the kind ID (journal-ids.h, or
 * NULL), with FIELDS, which end with an empty one, or NULL. What would break a line is replaced. A
 * line that nobody takes is dropped, and the next one that gets through says how many were: a
 * service must not wait for its log's reader.
 */
_printf_(4, 5)
void log_entry(int priority, const char *id, const LogField *fields, const char *format, ...);

/* Entries that matter less than LEVEL, one of syslog(3)'s, are dropped. It is LOG_INFO at first. */
void log_set_max_level(int level);
int log_max_level(void);

/* "emerg" to "debug". Returns -EINVAL for what is no level. */
const char *log_level_to_string(int level);
int log_level_from_string(const char *s);

/* Where entries go. */
typedef enum LogTarget {
        LOG_TARGET_AUTO, /* to the journal if standard error goes there, else to standard error */
        LOG_TARGET_JOURNAL, /* or, where there is none, to syslog(3), whatever standard error is */
        LOG_TARGET_CONSOLE, /* to standard error */
        LOG_TARGET_NULL,
        LOG_TARGET_MAX,
        LOG_TARGET_INVALID = -EINVAL,
} LogTarget;

void log_set_target(LogTarget target);
LogTarget log_target(void);

/* "auto", "journal", "console", "null"; anything else is LOG_TARGET_INVALID. */
const char *log_target_to_string(LogTarget target);
LogTarget log_target_from_string(const char *s);

#define log_error(...)   log_entry(LOG_ERR, NULL, NULL, __VA_ARGS__)
#define log_warning(...) log_entry(LOG_WARNING, NULL, NULL, __VA_ARGS__)
#define log_notice(...)  log_entry(LOG_NOTICE, NULL, NULL, __VA_ARGS__)
#define log_info(...)    log_entry(LOG_INFO, NULL, NULL, __VA_ARGS__)

/* What debug messages tell costs nothing while nobody wants to know. */
#define log_debug(...)                                                                             \
        ({                                                                                         \
                if (log_max_level() >= LOG_DEBUG)                                                  \
                        log_entry(LOG_DEBUG, NULL, NULL, __VA_ARGS__);                             \
        })
