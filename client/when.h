/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Times as people write and read them. Microseconds; points in time are of CLOCK_REALTIME.
 */

#include "util.h"

#define WHEN_SIZE 64U /* room for any text made here */

/*
 * "now", "today", "yesterday", "14:30", "2026-11-22", "2026-11-22 14:30[:05]", "-1h" or "1h ago"
 * (any time span of systemd.time(7)), "@SECONDS". Local time. Returns 0 or -EINVAL.
 */
int when_parse(const char *s, uint64_t *ret);

/* "2026-11-22 14:30:05", or "-" for 0. Returns BUFFER. */
const char *when_format(char buffer[static WHEN_SIZE], uint64_t usec);

/* "14:30:05.123". Returns BUFFER. */
const char *when_format_clock(char buffer[static WHEN_SIZE], uint64_t usec);

/* "850us", "12ms", "1.5s", "2min 3s", "5h 12min". Returns BUFFER. */
const char *when_format_span(char buffer[static WHEN_SIZE], uint64_t usec);
