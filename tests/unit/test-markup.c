/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where pieces of markup end, and how many attributes a tag has.
 */

#include "markup.h"
#include "support.h"

/* MARKUP ends where REST starts. */
static void assert_ends(const char *markup, const char *rest, size_t attributes) {
        size_t length = strlen(markup), n = 4711;
        char text[256];
        const char *end;

        assert_true(length + strlen(rest) < sizeof(text));
        (void) stpcpy(stpcpy(text, markup), rest);
        end = markup_end(text, text + length + strlen(rest), &n);
        if (end != text + length)
                fail_msg("'%s' ends after '%.*s'", text, (int) (end - text), text);
        assert_int_equal(n, attributes);
        assert_ptr_equal(markup_end(text, text + length + strlen(rest), NULL), end);
}

static void test_tags_end_outside_of_values(void **state) {
        assert_ends("<a>", "text</a>", 0);
        assert_ends("</a >", ">", 0);
        assert_ends("<a/>", "<b/>", 0);
        assert_ends("<a b='1'>", "x", 1);
        assert_ends("<a b='1' c=\"2\"/>", "x", 2);
        assert_ends("<a b='>' c=\">\">", ">", 2);
        assert_ends("<a b='\"' c=\"'\">", "'>", 2);
        assert_ends("<a\n b='/>\n'\n>", "\n>", 1);
        assert_ends("<a b=''>", "", 1);
}

static void test_other_markup_ends_at_its_mark(void **state) {
        assert_ends("<!-- > ' \" -- <b> -->", "-->", 0);
        assert_ends("<!---->", "-->", 0);
        assert_ends("<![CDATA[ > ]] ]> ' <b> ]]>", "]]>", 0);
        assert_ends("<![CDATA[]]]]>", "]]>", 0);
        assert_ends("<?pi > ' ?>", "?>", 0);
        assert_ends("<?xml version='1.0'?>", "<a/>", 0);
}

static void test_what_does_not_end_ends_with_the_text(void **state) {
        static const char *const open[] = {
                "<",     "<a",      "<a b='",       "<a b='>", "<a b=\"'>", "<!--",
                "<!-->", "<!-- --", "<![CDATA[ ]]", "<?pi",    "<?>",
        };

        for (size_t i = 0; i < ELEMENTS(open); i++) {
                const char *end = open[i] + strlen(open[i]);

                assert_ptr_equal(markup_end(open[i], end, NULL), end);
        }
}

static void test_nothing_behind_the_end_is_looked_at(void **state) {
        static const char text[] = "<a b='1'>";

        for (size_t n = 1; n < strlen(text); n++)
                assert_ptr_equal(markup_end(text, text + n, NULL), text + n);
}

static void test_tags_are_told_from_other_markup(void **state) {
        static const char *const tags[] = { "<a", "<a/>", "</a>" };
        static const char *const others[] = { "<!-- -->", "<![CDATA[]]>", "<?pi?>", "<", "", "a<" };

        for (size_t i = 0; i < ELEMENTS(tags); i++)
                assert_true(markup_is_tag(tags[i], tags[i] + strlen(tags[i])));
        for (size_t i = 0; i < ELEMENTS(others); i++)
                assert_false(markup_is_tag(others[i], others[i] + strlen(others[i])));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tags_end_outside_of_values),
                cmocka_unit_test(test_other_markup_ends_at_its_mark),
                cmocka_unit_test(test_what_does_not_end_ends_with_the_text),
                cmocka_unit_test(test_nothing_behind_the_end_is_looked_at),
                cmocka_unit_test(test_tags_are_told_from_other_markup),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("markup", tests, NULL, NULL);
}
