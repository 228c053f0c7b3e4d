/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Text of unknown origin: which bytes may be a D-Bus string, and what becomes of the others.
 */

#include "support.h"
#include "text.h"

#define BAD "\xef\xbf\xbd" /* U+FFFD, what stands for a bad byte */

/* A plain encoder, to test against. Returns the number of bytes. */
static size_t encode(uint32_t c, char *to) {
        if (c < 0x80) {
                to[0] = (char) c;
                return 1;
        }
        if (c < 0x800) {
                to[0] = (char) (0xc0 | c >> 6);
                to[1] = (char) (0x80 | (c & 0x3f));
                return 2;
        }
        if (c < 0x10000) {
                to[0] = (char) (0xe0 | c >> 12);
                to[1] = (char) (0x80 | (c >> 6 & 0x3f));
                to[2] = (char) (0x80 | (c & 0x3f));
                return 3;
        }
        to[0] = (char) (0xf0 | c >> 18);
        to[1] = (char) (0x80 | (c >> 12 & 0x3f));
        to[2] = (char) (0x80 | (c >> 6 & 0x3f));
        to[3] = (char) (0x80 | (c & 0x3f));
        return 4;
}

static bool is_surrogate(uint32_t c) {
        return c >= 0xd800 && c <= 0xdfff;
}

static bool is_noncharacter(uint32_t c) {
        return (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xffff) >= 0xfffe;
}

static void test_every_character_has_its_length(void **state) {
        for (uint32_t c = 0; c <= 0x10ffff; c++) {
                char bytes[4];
                size_t size = encode(c, bytes);
                size_t length = is_surrogate(c) || is_noncharacter(c) ? 0 : size;

                if (text_character(bytes, size) != length)
                        fail_msg("U+%04X has %zu bytes, not %zu", c, text_character(bytes, size),
                                 length);
        }
}

/* Characters there are as many as well-formed sequences, so each other sequence is refused. */
static void test_no_other_bytes_are_a_character(void **state) {
        size_t n[5] = { 0 };

        for (uint32_t i = 0; i < 0x10000; i++) {
                const char bytes[] = { (char) (i >> 8), (char) i };

                n[2] += text_character(bytes, 2) == 2;
        }
        for (uint32_t i = 0; i < 0x1000000; i++) {
                const char bytes[] = { (char) (i >> 16), (char) (i >> 8), (char) i };

                n[3] += text_character(bytes, 3) == 3;
        }
        for (uint32_t i = 0; i < 0x10000; i++) { /* the rest is as above */
                const char bytes[] = { (char) (i >> 8), (char) i, (char) 0x80, (char) 0x80 };

                n[4] += text_character(bytes, 4) == 4;
        }
        assert_int_equal(n[2], 0x800 - 0x80);
        assert_int_equal(n[3], 0x10000 - 0x800 - 0x800 - 32 - 2);
        assert_int_equal(n[4], 0x100000 / 64 / 64);
}

static void test_bad_bytes_are_no_character(void **state) {
        static const char *const bad[] = {
                "\x80", /* a continuation */
                "\xbf",
                "\xc0\x80",
                "\xc1\xbf", /* overlong */
                "\xe0\x9f\xbf",
                "\xf0\x8f\xbf\xbf",
                "\xed\xa0\x80", /* a surrogate */
                "\xed\xbf\xbf",
                "\xf4\x90\x80\x80", /* beyond U+10FFFF */
                "\xf5\x80\x80\x80",
                "\xf8\x88\x80\x80\x80",
                "\xfe",
                "\xff",
                "\xc3(", /* something else than a continuation */
                "\xe2\x82(",
                "\xe2(\xac",
                "\xf0\x9f\x98(",
                "\xf0(\x98\x80",
                "\xc3", /* cut */
                "\xe2\x82",
                "\xf0\x9f\x98",
        };

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                if (text_character(bad[i], strlen(bad[i])) != 0)
                        fail_msg("Bytes number %zu are a character", i);
}

static void test_only_as_many_bytes_are_looked_at_as_there_are(void **state) {
        assert_int_equal(text_character("", 0), 0);
        assert_int_equal(text_character("a", 0), 0);
        assert_int_equal(text_character("\xc3\xbc", 1), 0);
        assert_int_equal(text_character("\xe2\x82\xac", 2), 0);
        assert_int_equal(text_character("\xe2\x82\xac", 3), 3);
        assert_int_equal(text_character("\xe2\x82\xac!", 4), 3);
        assert_int_equal(text_character("\xf0\x9f\x98\x80", 3), 0);
}

static void test_sendable_is_utf8_without_nuls(void **state) {
        static const char text[] = "z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80";

        assert_true(text_is_sendable("", 0));
        assert_true(text_is_sendable("line 1\nline 2\t\x7f", 15));
        assert_true(text_is_sendable(text, strlen(text)));
        assert_false(text_is_sendable(text, strlen(text) - 1)); /* cut */
        assert_false(text_is_sendable(text, sizeof(text)));     /* its NUL */
        assert_false(text_is_sendable("a\0b", 3));
        assert_false(text_is_sendable("a\xffz", 3));
        assert_false(text_is_sendable("a\xef\xbf\xbez", 5)); /* U+FFFE */
        assert_false(text_is_sendable("a\xef\xb7\x90z", 5)); /* U+FDD0 */
}

static void assert_becomes(const char *bytes, size_t size, const char *expected) {
        char *text = text_to_utf8(bytes, size);

        assert_non_null(text);
        assert_string_equal(text, expected);
        free(text);
}

static void test_each_bad_byte_is_replaced(void **state) {
        assert_becomes("", 0, "");
        assert_becomes("plain", 5, "plain");
        assert_becomes("plain", 3, "pla");
        assert_becomes("\xc3\xbc\xe2\x82\xac", 5, "\xc3\xbc\xe2\x82\xac");
        assert_becomes("a\xff\xfez", 4, "a" BAD BAD "z");
        assert_becomes("a\0z\0", 4, "a" BAD "z" BAD);
        assert_becomes("\xe2\x82z", 3, BAD BAD "z");
        assert_becomes("\xe2\x82", 2, BAD BAD);
        assert_becomes("\xf0\x9f\x98\xc3\xbc", 5, BAD BAD BAD "\xc3\xbc");
        assert_becomes("\xc0\x80", 2, BAD BAD);
        assert_becomes("\xed\xa0\x80", 3, BAD BAD BAD);
        assert_becomes("gr\xfc\xdf"
                       "e",
                       5, "gr" BAD BAD "e"); /* Latin-1 */
}

/* A stream of bytes that is the same in each run, and has all of them. */
static void test_whatever_comes_becomes_sendable(void **state) {
        uint32_t seed = 1;

        for (size_t round = 0; round < 2000; round++) {
                char bytes[64], *text;
                size_t size = round % sizeof(bytes);

                for (size_t i = 0; i < size; i++) {
                        seed = seed * 1664525U + 1013904223U;
                        /* half of them leads and continuations */
                        bytes[i] = (char) (seed >> 31 ? seed >> 16 : 0x80 | seed >> 16);
                }
                text = text_to_utf8(bytes, size);
                assert_non_null(text);
                assert_true(strlen(text) >= size);
                assert_true(text_is_sendable(text, strlen(text)));
                if (text_is_sendable(bytes, size))
                        assert_memory_equal(text, bytes, size);
                free(text);
        }
}

static void test_formatted_text_is_sendable(void **state) {
        char *text = text_format("%s has %d: %s", "qemu.d/\xff", 3, "z\xc3\xbc");

        assert_non_null(text);
        assert_string_equal(text, "qemu.d/" BAD " has 3: z\xc3\xbc");
        free(text);
}

static void test_formatted_text_that_is_cut_is_sendable(void **state) {
        char *text = text_format("'%.3s'", "z\xc3\xbc\xc3\xbc");

        assert_string_equal(text, "'z\xc3\xbc'");
        free(text);
        text = text_format("'%.2s'", "z\xc3\xbc");
        assert_string_equal(text, "'z" BAD "'");
        free(text);
}

static void test_formatted_text_may_be_long(void **state) {
        char *text = text_format("%0100000d", 7);

        assert_non_null(text);
        assert_int_equal(strlen(text), 100000);
        assert_int_equal(text[99999], '7');
        free(text);
}

static void test_control_characters_are_found(void **state) {
        static const char *const none[] = { "",         "web-01",
                                            " ~",       "z\xc3\xbcrich",
                                            "\xc2\xa0", "\xe2\x82\xac",
                                            "\xc4\x80", "\xf0\x9f\x98\x80" };

        for (size_t i = 0; i < ELEMENTS(none); i++)
                assert_null(text_find_control(none[i]));
        for (unsigned c = 1; c <= 0xff; c++) {
                bool is_control = c < 0x20 || (c >= 0x7f && c <= 0x9f);
                char text[] = "web\0\0\0";

                (void) encode(c, text + 3);
                if (is_control)
                        assert_ptr_equal(text_find_control(text), text + 3);
                else
                        assert_null(text_find_control(text));
        }
}

static void test_the_first_control_character_is_told(void **state) {
        static const char text[] = "a b\tc\nd";

        assert_ptr_equal(text_find_control(text), text + 3);
}

static void test_blank_is_white_space_up_to_a_nul(void **state) {
        assert_true(text_is_blank("", 0));
        assert_true(text_is_blank(NULL, 0));
        assert_true(text_is_blank(" \t\n\v\f\r", 6));
        assert_true(text_is_blank("\0<domain/>", 10));
        assert_true(text_is_blank(" \n\0x", 4));
        assert_true(text_is_blank("  x", 2));
        assert_false(text_is_blank("  x", 3));
        assert_false(text_is_blank("\xa0", 1)); /* a no-break space in Latin-1 */
        assert_false(text_is_blank("\xc2\xa0", 2));
        assert_false(text_is_blank("\x1f", 1));
}

static void assert_word(const char *word, const char *expected) {
        char *text = text_shell_word(word);

        assert_non_null(text);
        assert_string_equal(text, expected);
        free(text);
}

static void test_words_are_quoted_where_a_shell_needs_it(void **state) {
        assert_word("/etc/libvirt/hooks/qemu", "/etc/libvirt/hooks/qemu");
        assert_word("", "''");
        assert_word("my hook", "'my hook'");
        assert_word("it's", "'it'\\''s'");
        assert_word("a\nb", "'a\nb'");
        assert_word("foo~", "'foo~'");
        assert_word("a=b,c:d%e@f+g", "a=b,c:d%e@f+g");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_character_has_its_length),
                cmocka_unit_test(test_no_other_bytes_are_a_character),
                cmocka_unit_test(test_bad_bytes_are_no_character),
                cmocka_unit_test(test_only_as_many_bytes_are_looked_at_as_there_are),
                cmocka_unit_test(test_sendable_is_utf8_without_nuls),
                cmocka_unit_test(test_each_bad_byte_is_replaced),
                cmocka_unit_test(test_whatever_comes_becomes_sendable),
                cmocka_unit_test(test_formatted_text_is_sendable),
                cmocka_unit_test(test_formatted_text_that_is_cut_is_sendable),
                cmocka_unit_test(test_formatted_text_may_be_long),
                cmocka_unit_test(test_control_characters_are_found),
                cmocka_unit_test(test_the_first_control_character_is_told),
                cmocka_unit_test(test_blank_is_white_space_up_to_a_nul),
                cmocka_unit_test(test_words_are_quoted_where_a_shell_needs_it),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
