/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lines for the administrator on standard error, with a priority that the journal understands where
 * standard error goes there.
 */

#include <syslog.h>

#include "util.h"

/*
 * Writes one line, made of what printf(3) makes of FORMAT; what would break the line is replaced.
 * Never blocks: a line that nobody takes is dropped, and the next one that gets through says how
 * many were.
 */
_printf_(2, 3)
void log_line(int priority, const char *format, ...);

#define log_error(...)   log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
