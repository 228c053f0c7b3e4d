/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Numbers with units, as people write them in settings.
 */

#include "quantity.h"
#include "support.h"

typedef int (*parse_t)(const char *s, uint64_t *ret);

typedef struct Case {
        const char *text;
        uint64_t value;
} Case;

static void assert_values(parse_t parse, const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                uint64_t value = 4711;

                if (parse(cases[i].text, &value) != 0)
                        fail_msg("'%s' is refused", cases[i].text);
                assert_int_equal(value, cases[i].value);
        }
}

static void assert_refused(parse_t parse, const char *const *texts, size_t n) {
        for (size_t i = 0; i < n; i++) {
                uint64_t value = 4711;

                if (parse(texts[i], &value) != -EINVAL)
                        fail_msg("'%s' is taken", texts[i]);
                assert_int_equal(value, 4711); /* left alone */
        }
}

static void test_numbers(void **state) {
        static const Case good[] = {
                { "0", 0 },
                { "42", 42 },
                { "007", 7 },
                { "18446744073709551615", UINT64_MAX },
        };
        static const char *const bad[] = {
                "",   " ",    "-1",  "+1", " 1", "1 ",       "1.5",
                "1K", "0x10", "1e3", "a",  "1,", "infinity", "18446744073709551616",
        };

        assert_values(quantity_parse_number, good, ELEMENTS(good));
        assert_refused(quantity_parse_number, bad, ELEMENTS(bad));
        assert_refused(quantity_parse_number, (const char *const[]){ "99999999999999999999999999" },
                       1);
}

static void test_sizes(void **state) {
        static const Case good[] = {
                { "0", 0 },
                { "4096", 4096 },
                { "10B", 10 },
                { "64K", 65536 },
                { "16M", 16777216 },
                { "1G", 1073741824 },
                { "17179869183G", UINT64_C(17179869183) << 30 },
        };
        static const char *const bad[] = {
                "",   "K",    "-1K",  "1KK", "16MB", "1k",       "1T",
                "1s", "1.5K", "1K 1", "K1",  "1K1K", "infinity", "17179869184G",
        };

        assert_values(quantity_parse_size, good, ELEMENTS(good));
        assert_refused(quantity_parse_size, bad, ELEMENTS(bad));
}

static void test_times(void **state) {
        static const Case good[] = {
                { "0", 0 },
                { "30", 30000000 },
                { "5us", 5 },
                { "5usec", 5 },
                { "200ms", 200000 },
                { "200msec", 200000 },
                { "30s", 30000000 },
                { "30sec", 30000000 },
                { "1second", 1000000 },
                { "2seconds", 2000000 },
                { "1m", 60000000 },
                { "1min", 60000000 },
                { "1minute", 60000000 },
                { "2minutes", 120000000 },
                { "1h", UINT64_C(3600000000) },
                { "1hr", UINT64_C(3600000000) },
                { "1hour", UINT64_C(3600000000) },
                { "2hours", UINT64_C(7200000000) },
                { "1d", UINT64_C(86400000000) },
                { "1day", UINT64_C(86400000000) },
                { "2days", UINT64_C(172800000000) },
                { "1w", UINT64_C(604800000000) },
                { "1week", UINT64_C(604800000000) },
                { "2weeks", UINT64_C(1209600000000) },
                { "1min 30s", 90000000 },
                { "1min30s", 90000000 },
                { "1 min 30 s", 90000000 },
                { "1s 1ms 1us", 1001001 },
                { "infinity", UINT64_MAX },
        };
        static const char *const bad[] = {
                "",
                " ",
                "s",
                "-1s",
                "1.5s",
                "5 parsecs",
                "1S",
                "1s,",
                "1s2x",
                "ms1",
                "infinity 1s",
                "1s infinity",
                "Infinity",
                "1month",
                "1y",
                "18446744073710s",    /* beyond 64 bits */
                "18446744073709s 1s", /* as a sum */
                "99999999999999999999us",
        };

        assert_values(quantity_parse_time, good, ELEMENTS(good));
        assert_refused(quantity_parse_time, bad, ELEMENTS(bad));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_times),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("quantity", tests, NULL, NULL);
}
