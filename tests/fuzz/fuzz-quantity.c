/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Numbers, sizes and times as people write them, in settings and on command lines; and times on
 * their way back to people.
 */

#include "quantity.h"

#include <inttypes.h>
#include <stdio.h>

#include "fuzz.h"
#include "when.h"

static bool text_is_plain(const char *text) {
        return strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz.:- ") == strlen(text);
}

static void check_number(const char *s) {
        uint64_t n, again;
        char text[32];

        if (quantity_parse_number(s, &n) == 0) {
                must(strspn(s, "0123456789") == strlen(s));
                must(strtoull(s, NULL, 10) == n);
                must(quantity_parse_size(s, &again) == 0 && again == n);
        }
        if (quantity_parse_size(s, &n) == 0) {
                (void) snprintf(text, sizeof(text), "%" PRIu64, n);
                must(quantity_parse_number(text, &again) == 0 && again == n);
        }
}

static void check_time(const char *s) {
        char text[WHEN_SIZE];
        uint64_t n, again;

        if (quantity_parse_time(s, &n) < 0)
                return;
        (void) snprintf(text, sizeof(text), "%" PRIu64 "us", n);
        must(n == UINT64_MAX || (quantity_parse_time(text, &again) == 0 && again == n));
        (void) when_format_span(text, n);
        must(strlen(text) < WHEN_SIZE);
        must(*text && text_is_plain(text));
}

static void check_when(const char *s) {
        char text[WHEN_SIZE];
        uint64_t n, again;

        if (when_parse(s, &n) < 0)
                return;
        (void) when_format_clock(text, n);
        must(*text && text_is_plain(text));
        (void) when_format(text, n);
        must(*text && text_is_plain(text));
        /* Years of more than four digits are not read. */
        if (!streq(text, "-") && text[4] == '-')
                must(when_parse(text, &again) == 0 && again == n / USEC_PER_SEC * USEC_PER_SEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *s = strndup(size > 0 ? (const char *) data : "", size);

        check_number(s);
        check_time(s);
        check_when(s);
        return 0;
}
