/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Times for people.
 */

#include "when.h"

#include <inttypes.h>
#include <stdio.h>

#include "quantity.h"

/* Returns 0, or -EINVAL where there is no such day: mktime(3) would make another of it. */
static int from_tm(struct tm *tm, bool utc, uint64_t *ret) {
        int day = tm->tm_mday;
        time_t seconds;

        tm->tm_isdst = -1;
        seconds = utc ? timegm(tm) : mktime(tm);
        if (seconds < 0 || tm->tm_mday != day)
                return -EINVAL;
        *ret = (uint64_t) seconds * USEC_PER_SEC;
        return 0;
}

/* The first moment of today, or so many DAYS later. */
static struct tm midnight(bool utc, int days) {
        time_t now = time(NULL);
        struct tm tm = {};

        (void) (utc ? gmtime_r(&now, &tm) : localtime_r(&now, &tm));
        tm.tm_mday += days;
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
        tm.tm_isdst = -1;
        (void) (utc ? timegm(&tm) : mktime(&tm));
        return tm;
}

static int parse_word(const char *s, uint64_t *ret) {
        static const char *const days[] = { "yesterday", "today", "tomorrow" };

        if (streq(s, "now")) {
                *ret = now_usec(CLOCK_REALTIME);
                return 0;
        }
        for (int i = 0; i < (int) ELEMENTS(days); i++)
                if (streq(s, days[i])) {
                        struct tm tm = midnight(false, i - 1);

                        return from_tm(&tm, false, ret);
                }
        return -EINVAL;
}

/* A span before or after now: "-1h", "1h ago", "+1h". */
static int parse_span(const char *s, uint64_t *ret) {
        static const char ago[] = " ago";
        size_t n = strlen(s), end = strlen(ago);
        _cleanup_free_ char *span = NULL;
        uint64_t usec, now = now_usec(CLOCK_REALTIME);

        if (*s == '-' || *s == '+')
                span = strdup(s + 1);
        else if (n > end && streq(s + n - end, ago))
                span = strndup(s, n - end);
        if (!span || quantity_parse_time(span, &usec) < 0)
                return -EINVAL;
        if (*s == '+')
                return __builtin_add_overflow(now, usec, ret) ? -EINVAL : 0;
        *ret = usec < now ? now - usec : 0;
        return 0;
}

/* The fraction of a second at *S, which is moved behind it; 0 where there is none. */
static uint64_t take_fraction(const char **s) {
        uint64_t usec = 0, unit = USEC_PER_SEC / 10;
        const char *p = *s + 1;

        if (**s != '.' || *p < '0' || *p > '9')
                return 0;
        for (; *p >= '0' && *p <= '9'; p++, unit /= 10)
                usec += (uint64_t) (*p - '0') * unit;
        *s = p;
        return usec;
}

/* Seconds since 1970. */
static int parse_epoch(const char *s, uint64_t *ret) {
        size_t n = *s == '@' ? strspn(s + 1, "0123456789") : 0;
        const char *end = s + 1 + n;
        _cleanup_free_ char *digits = n > 0 ? strndup(s + 1, n) : NULL;
        uint64_t seconds, fraction;

        if (!digits || quantity_parse_number(digits, &seconds) < 0 ||
            seconds >= UINT64_MAX / USEC_PER_SEC)
                return -EINVAL;
        fraction = take_fraction(&end);
        *ret = seconds * USEC_PER_SEC + fraction;
        return *end ? -EINVAL : 0;
}

/* The day of the week at *S, which is moved behind it: 0 is Sunday, -1 none. */
static int take_weekday(const char **s) {
        static const char *const names[] = {
                "Sun ", "Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat "
        };

        for (int i = 0; i < (int) ELEMENTS(names); i++)
                if (strncmp(*s, names[i], strlen(names[i])) == 0) {
                        *s += strlen(names[i]);
                        return i;
                }
        return -1;
}

/* A date, a time of the day, or both, as journalctl(1) and systemctl(1) read and print them. */
static int parse_date(const char *s, uint64_t *ret) {
        static const char *const formats[] = {
                "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                "%Y-%m-%d",          "%H:%M:%S",          "%H:%M"
        };
        int weekday = take_weekday(&s);
        const char *zone = s + strcspn(s, "UZ");
        bool utc = streq(zone, "UTC") || streq(zone, "Z");

        for (size_t i = 0; i < ELEMENTS(formats); i++) {
                struct tm tm = midnight(utc, 0);
                const char *end = strptime(s, formats[i], &tm);
                uint64_t fraction;

                if (!end)
                        continue;
                fraction = formats[i][strlen(formats[i]) - 1] == 'S' ? take_fraction(&end) : 0;
                if (utc)
                        end += strspn(end, " ");
                if (end != (utc ? zone : s + strlen(s)))
                        continue;
                if (from_tm(&tm, utc, ret) < 0 || (weekday >= 0 && tm.tm_wday != weekday))
                        return -EINVAL;
                *ret += fraction;
                return 0;
        }
        return -EINVAL;
}

int when_parse(const char *s, uint64_t *ret) {
        static int (*const readers[])(const char *s, uint64_t *ret) = { parse_word, parse_span,
                                                                        parse_epoch, parse_date };

        for (size_t i = 0; i < ELEMENTS(readers); i++)
                if (readers[i](s, ret) >= 0)
                        return 0;
        return -EINVAL;
}

static const char *format_local(char *buffer, bool date, uint64_t usec) {
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        struct tm tm;

        if (!localtime_r(&seconds, &tm) ||
            strftime(buffer, WHEN_SIZE, date ? "%F %T" : "%T", &tm) == 0)
                (void) strcpy(buffer, "-");
        return buffer;
}

const char *when_format(char buffer[static WHEN_SIZE], uint64_t usec) {
        if (usec == 0)
                return strcpy(buffer, "-");
        return format_local(buffer, true, usec);
}

const char *when_format_clock(char buffer[static WHEN_SIZE], uint64_t usec) {
        (void) format_local(buffer, false, usec);
        (void) snprintf(buffer + strlen(buffer), WHEN_SIZE - strlen(buffer), ".%03" PRIu64,
                        usec % USEC_PER_SEC / 1000);
        return buffer;
}

const char *when_format_span(char buffer[static WHEN_SIZE], uint64_t usec) {
        uint64_t seconds = usec / USEC_PER_SEC, minutes = seconds / 60, hours = minutes / 60;

        if (usec < 1000)
                (void) snprintf(buffer, WHEN_SIZE, "%" PRIu64 "us", usec);
        else if (usec < USEC_PER_SEC)
                (void) snprintf(buffer, WHEN_SIZE, "%" PRIu64 "ms", usec / 1000);
        else if (seconds < 60)
                (void) snprintf(buffer, WHEN_SIZE, "%" PRIu64 ".%" PRIu64 "s", seconds,
                                usec % USEC_PER_SEC / 100000);
        else if (hours == 0)
                (void) snprintf(buffer, WHEN_SIZE, "%" PRIu64 "min %" PRIu64 "s", minutes,
                                seconds % 60);
        else
                (void) snprintf(buffer, WHEN_SIZE, "%" PRIu64 "h %" PRIu64 "min", hours,
                                minutes % 60);
        return buffer;
}
