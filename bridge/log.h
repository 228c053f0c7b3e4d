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

/*
 * From now on entries go to the journal, or where there is none to syslog(3), whatever standard
 * error is: for a program whose standard error speaks for somebody else.
 */
void log_aside(void);

#define log_error(...)   log_entry(LOG_ERR, NULL, NULL, __VA_ARGS__)
#define log_warning(...) log_entry(LOG_WARNING, NULL, NULL, __VA_ARGS__)
#define log_notice(...)  log_entry(LOG_NOTICE, NULL, NULL, __VA_ARGS__)
#define log_info(...)    log_entry(LOG_INFO, NULL, NULL, __VA_ARGS__)
