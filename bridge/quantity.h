/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Numbers with units, as people write them in settings and on command lines.
 */

#include <stdint.h>

/* Digits alone. Returns 0, or -EINVAL for what is no number or too large. */
int quantity_parse_number(const char *s, uint64_t *ret);

/* Bytes: "4096", "64K", "16M", "1G"; the units are powers of 1024. Returns 0 or -EINVAL. */
int quantity_parse_size(const char *s, uint64_t *ret);

/*
 * Microseconds: "30s", "1min 30s", "200ms", "infinity" (UINT64_MAX); a number without a unit is
 * seconds. The units are those of systemd.time(7) up to weeks. Returns 0 or -EINVAL.
 */
int quantity_parse_time(const char *s, uint64_t *ret);
