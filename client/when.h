/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Times as people write and read them. Microseconds; points in time are of CLOCK_REALTIME.
 */

#include "util.h"

#define WHEN_SIZE 64U /* room for any text made here */

/*
 * "now", "today", "yesterday", "tomorrow"; "14:30", "2026-11-22", "Sun 2026-11-22 14:30:05.123
 * UTC", and each in between, local time if not told; "-1h", "1h ago" or "+1h";
 * "@SECONDS[.FRACTION]". Returns 0 or -EINVAL.
 */
int when_parse(const char *s, uint64_t *ret);

/* "2026-11-22 14:30:05", or "-" for 0. Returns BUFFER. */
const char *when_format(char buffer[static WHEN_SIZE], uint64_t usec);

/* "14:30:05.123". Returns BUFFER. */
const char *when_format_clock(char buffer[static WHEN_SIZE], uint64_t usec);

/* "850us", "12ms", "1.5s", "2min 3s", "5h 12min". Returns BUFFER. */
const char *when_format_span(char buffer[static WHEN_SIZE], uint64_t usec);
