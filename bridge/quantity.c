/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Numbers with units.
 */

#include "quantity.h"

#include "util.h"

typedef struct Unit {
        const char *name;
        uint64_t factor;
} Unit;

static const Unit size_units[] = {
        { "", 1 },
        { "B", 1 },
        { "K", UINT64_C(1) << 10 },
        { "M", UINT64_C(1) << 20 },
        { "G", UINT64_C(1) << 30 },
};

static const Unit time_units[] = {
        { "", USEC_PER_SEC },
        { "us", 1 },
        { "usec", 1 },
        { "ms", USEC_PER_MSEC },
        { "msec", USEC_PER_MSEC },
        { "s", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "second", USEC_PER_SEC },
        { "seconds", USEC_PER_SEC },
        { "m", 60 * USEC_PER_SEC },
        { "min", 60 * USEC_PER_SEC },
        { "minute", 60 * USEC_PER_SEC },
        { "minutes", 60 * USEC_PER_SEC },
        { "h", 3600 * USEC_PER_SEC },
        { "hr", 3600 * USEC_PER_SEC },
        { "hour", 3600 * USEC_PER_SEC },
        { "hours", 3600 * USEC_PER_SEC },
        { "d", 86400 * USEC_PER_SEC },
        { "day", 86400 * USEC_PER_SEC },
        { "days", 86400 * USEC_PER_SEC },
        { "w", 604800 * USEC_PER_SEC },
        { "week", 604800 * USEC_PER_SEC },
        { "weeks", 604800 * USEC_PER_SEC },
};

/* Reads digits at *S, moves *S behind them. */
static int take_digits(const char **s, uint64_t *ret) {
        uint64_t n = 0;
        const char *p = *s;

        if (*p < '0' || *p > '9')
                return -EINVAL;
        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(n, 10, &n) ||
                    __builtin_add_overflow(n, (uint64_t) (*p - '0'), &n))
                        return -EINVAL;
        *s = p;
        *ret = n;
        return 0;
}

/* Reads a number and its unit at *S, moves *S behind them. */
static int take_quantity(const char **s, const Unit *units, size_t n_units, uint64_t *ret) {
        size_t length;
        uint64_t n;
        int r;

        r = take_digits(s, &n);
        if (r < 0)
                return r;
        *s += strspn(*s, " ");
        length = strspn(*s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        for (size_t i = 0; i < n_units; i++) {
                if (strlen(units[i].name) != length || strncmp(units[i].name, *s, length) != 0)
                        continue;
                *s += length;
                return __builtin_mul_overflow(n, units[i].factor, ret) ? -EINVAL : 0;
        }
        return -EINVAL;
}

int quantity_parse_number(const char *s, uint64_t *ret) {
        uint64_t n;

        if (take_digits(&s, &n) < 0 || *s)
                return -EINVAL;
        *ret = n;
        return 0;
}

int quantity_parse_size(const char *s, uint64_t *ret) {
        uint64_t n;

        if (take_quantity(&s, size_units, ELEMENTS(size_units), &n) < 0 || *s)
                return -EINVAL;
        *ret = n;
        return 0;
}

int quantity_parse_time(const char *s, uint64_t *ret) {
        uint64_t sum = 0, n;

        if (streq(s, "infinity")) {
                *ret = UINT64_MAX;
                return 0;
        }
        do {
                if (take_quantity(&s, time_units, ELEMENTS(time_units), &n) < 0 ||
                    __builtin_add_overflow(sum, n, &sum))
                        return -EINVAL;
                s += strspn(s, " ");
        } while (*s);
        *ret = sum;
        return 0;
}
