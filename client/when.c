/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Times for people.
 */

#include "when.h"

#include <inttypes.h>
#include <stdio.h>

#include "quantity.h"

/* Returns 0, or -EINVAL where there is no such day: mktime(3) would make another of it. */
static int from_tm(struct tm *tm, uint64_t *ret) {
        int day = tm->tm_mday;
        time_t seconds;

        tm->tm_isdst = -1;
        seconds = mktime(tm);
        if (seconds < 0 || (day > 0 && tm->tm_mday != day))
                return -EINVAL;
        *ret = (uint64_t) seconds * USEC_PER_SEC;
        return 0;
}

static struct tm today(void) {
        time_t now = time(NULL);
        struct tm tm = {};

        (void) localtime_r(&now, &tm);
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
        return tm;
}

/* A span before now: "-1h", or "1h ago". */
static int parse_ago(const char *s, uint64_t *ret) {
        static const char ago[] = " ago";
        size_t n = strlen(s), end = strlen(ago);
        _cleanup_free_ char *span = NULL;
        uint64_t usec, now = now_usec(CLOCK_REALTIME);

        if (*s == '-')
                span = strdup(s + 1);
        else if (n > end && streq(s + n - end, ago))
                span = strndup(s, n - end);
        if (!span || quantity_parse_time(span, &usec) < 0)
                return -EINVAL;
        *ret = usec < now ? now - usec : 0;
        return 0;
}

/* Whether S is of FORMAT to its end; then TM has it, and what FORMAT does not name is as it was. */
static bool parse_format(const char *s, const char *format, struct tm *tm) {
        struct tm parsed = *tm;
        const char *end = strptime(s, format, &parsed);

        if (!end || *end)
                return false;
        *tm = parsed;
        return true;
}

int when_parse(const char *s, uint64_t *ret) {
        static const char *const formats[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S",
                                               "%H:%M", "%H:%M:%S" };
        struct tm tm = today();
        uint64_t seconds;

        if (streq(s, "now")) {
                *ret = now_usec(CLOCK_REALTIME);
                return 0;
        }
        if (*s == '@' && quantity_parse_number(s + 1, &seconds) >= 0 &&
            seconds < UINT64_MAX / USEC_PER_SEC) {
                *ret = seconds * USEC_PER_SEC;
                return 0;
        }
        if (parse_ago(s, ret) >= 0)
                return 0;
        if (streq(s, "yesterday"))
                tm.tm_mday--;
        else if (!streq(s, "today")) {
                size_t i = 0;

                while (i < ELEMENTS(formats) && !parse_format(s, formats[i], &tm))
                        i++;
                if (i == ELEMENTS(formats))
                        return -EINVAL;
        }
        return from_tm(&tm, ret);
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
