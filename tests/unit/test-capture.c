/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The bounded memory of a pipe, against what it should keep of a text that is known as a whole.
 */

#include "capture.h"
#include "support.h"

#include <stdio.h>

static void assert_bytes(const Capture *capture, const char *expected, size_t expected_size) {
        size_t size = SIZE_MAX;
        char *text = NULL;

        assert_int_equal(capture_text(capture, &text, &size), 0);
        assert_int_equal(size, expected_size);
        assert_memory_equal(text, expected, expected_size);
        assert_int_equal(text[size], '\0');
        free(text);
}

static void assert_text(const Capture *capture, const char *expected) {
        assert_bytes(capture, expected, strlen(expected));
}

static void append(Capture *capture, const char *text) {
        capture_append(capture, text, strlen(text));
}

static void test_nothing_written_is_an_empty_text(void **state) {
        Capture capture = { .head_max = 4, .tail_max = 4 };

        assert_text(&capture, "");
        assert_int_equal(capture.total, 0);
        assert_int_equal(capture_lost(&capture), 0);
        append(&capture, "");
        assert_text(&capture, "");
        capture_clear(&capture);
}

static void test_what_fits_is_kept_whole(void **state) {
        Capture capture = { .head_max = 4, .tail_max = 4 };

        append(&capture, "abcdefg");
        assert_text(&capture, "abcdefg");
        append(&capture, "h");
        assert_text(&capture, "abcdefgh");
        assert_int_equal(capture_lost(&capture), 0);
        assert_int_equal(capture.total, 8);
        capture_clear(&capture);
}

static void test_one_byte_too_many_is_told(void **state) {
        Capture capture = { .head_max = 4, .tail_max = 4 };

        append(&capture, "abcdefghi");
        assert_int_equal(capture_lost(&capture), 1);
        assert_int_equal(capture.total, 9);
        assert_text(&capture, "abcd\n[... 1 bytes left out ...]\nfghi");
        capture_clear(&capture);
}

static void test_head_and_tail_of_a_long_text_are_kept(void **state) {
        Capture capture = { .head_max = 5, .tail_max = 6 };

        append(&capture, "start");
        for (int i = 0; i < 1000; i++)
                append(&capture, "0123456789");
        append(&capture, "finish");
        assert_int_equal(capture_lost(&capture), 10000);
        assert_text(&capture, "start\n[... 10000 bytes left out ...]\nfinish");
        capture_clear(&capture);
}

static void test_a_tail_alone_has_no_line_break_before_the_gap(void **state) {
        Capture capture = { .tail_max = 3 };

        append(&capture, "abc");
        assert_text(&capture, "abc");
        append(&capture, "de");
        assert_text(&capture, "[... 2 bytes left out ...]\ncde");
        capture_clear(&capture);
}

static void test_a_head_alone_ends_with_the_gap(void **state) {
        Capture capture = { .head_max = 3 };

        append(&capture, "abcde");
        assert_int_equal(capture.head_size, 3);
        assert_text(&capture, "abc\n[... 2 bytes left out ...]\n");
        capture_clear(&capture);
}

static void test_without_room_bytes_are_only_counted(void **state) {
        Capture capture = {};

        append(&capture, "abcde");
        assert_int_equal(capture.total, 5);
        assert_int_equal(capture_lost(&capture), 5);
        assert_null(capture.head);
        assert_null(capture.tail);
        assert_text(&capture, "[... 5 bytes left out ...]\n");
        capture_clear(&capture);
}

static void test_nuls_are_bytes_like_others(void **state) {
        Capture capture = { .head_max = 2, .tail_max = 2 };

        capture_append(&capture, "\0a\0b", 4);
        assert_bytes(&capture, "\0a\0b", 4);
        capture_clear(&capture);
}

/* Makes in *EXPECTED what is to be kept of the first SIZE bytes of TEXT. */
static size_t expect(const char *text, size_t size, size_t head, size_t tail, char *expected) {
        if (size <= head + tail)
                return (size_t) sprintf(expected, "%.*s", (int) size, text);
        return (size_t) sprintf(expected, "%.*s%s[... %zu bytes left out ...]\n%.*s", (int) head,
                                text, head > 0 ? "\n" : "", size - head - tail, (int) tail,
                                text + size - tail);
}

/* Whatever the pieces in which a text comes, the same is kept of it. */
static void test_pieces_of_any_size_give_the_same_text(void **state) {
        static const char text[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        static const size_t caps[][2] = { { 4, 4 }, { 1, 7 }, { 7, 1 },  { 0, 5 },
                                          { 5, 0 }, { 3, 3 }, { 40, 40 } };

        for (size_t c = 0; c < ELEMENTS(caps); c++)
                for (size_t size = 0; size < sizeof(text); size++)
                        for (size_t piece = 1; piece <= size; piece++) {
                                Capture capture = { .head_max = caps[c][0],
                                                    .tail_max = caps[c][1] };
                                char expected[128];
                                size_t n = expect(text, size, caps[c][0], caps[c][1], expected);

                                for (size_t i = 0; i < size; i += piece)
                                        capture_append(&capture, text + i, MIN(piece, size - i));
                                assert_bytes(&capture, expected, n);
                                assert_int_equal(capture.total, size);
                                capture_clear(&capture);
                        }
}

static void test_memory_stays_below_the_caps(void **state) {
        Capture capture = { .head_max = 1000, .tail_max = 500 };
        char block[333];

        memset(block, 'x', sizeof(block));
        for (int i = 0; i < 1000; i++)
                capture_append(&capture, block, sizeof(block));
        assert_int_equal(capture.head_size, 1000);
        assert_true(capture.head_allocated <= 1000);
        assert_int_equal(capture.tail_size, 500);
        assert_int_equal(capture.total, 333000);
        capture_clear(&capture);
}

static void test_a_cleared_capture_can_be_used_again(void **state) {
        Capture capture = { .head_max = 2, .tail_max = 2 };

        append(&capture, "abcdefgh");
        capture_clear(&capture);
        assert_int_equal(capture.head_max, 2);
        assert_int_equal(capture.tail_max, 2);
        assert_int_equal(capture.total, 0);
        assert_text(&capture, "");
        append(&capture, "wxyz");
        assert_text(&capture, "wxyz");
        capture_clear(&capture);
}

/* Takes TEXT, of SIZE bytes, as a filter's output; EXPECTED is NULL where there is nothing. */
static void assert_document(const char *text, size_t size, const char *expected) {
        Capture capture = { .head_max = 64 };
        Bytes *document;

        capture_append(&capture, text, size);
        assert_int_equal(capture_take_document(&capture, &document), 0);
        if (expected) {
                assert_non_null(document);
                assert_int_equal(document->size, strlen(expected));
                assert_memory_equal(document->data, expected, document->size);
        } else
                assert_null(document);
        bytes_unref(document);
        capture_clear(&capture);
}

static void test_a_document_ends_at_its_first_nul(void **state) {
        assert_document("<domain/>\n", 10, "<domain/>\n");
        assert_document("<domain/>\0<x/>", 14, "<domain/>");
        assert_document("\0<domain/>", 10, NULL);
}

static void test_a_blank_document_is_none(void **state) {
        assert_document("", 0, NULL);
        assert_document(" \t\r\n\v\f", 6, NULL);
        assert_document(" \n\0x", 4, NULL);
}

static void test_half_a_document_is_none(void **state) {
        Capture capture = { .head_max = 4 };
        Bytes *document;

        append(&capture, "<a/>");
        capture_append(&capture, "\n", 1);
        assert_int_equal(capture_take_document(&capture, &document), -E2BIG);
        assert_null(document);
        capture_clear(&capture);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_written_is_an_empty_text),
                cmocka_unit_test(test_what_fits_is_kept_whole),
                cmocka_unit_test(test_one_byte_too_many_is_told),
                cmocka_unit_test(test_head_and_tail_of_a_long_text_are_kept),
                cmocka_unit_test(test_a_tail_alone_has_no_line_break_before_the_gap),
                cmocka_unit_test(test_a_head_alone_ends_with_the_gap),
                cmocka_unit_test(test_without_room_bytes_are_only_counted),
                cmocka_unit_test(test_nuls_are_bytes_like_others),
                cmocka_unit_test(test_pieces_of_any_size_give_the_same_text),
                cmocka_unit_test(test_memory_stays_below_the_caps),
                cmocka_unit_test(test_a_cleared_capture_can_be_used_again),
                cmocka_unit_test(test_a_document_ends_at_its_first_nul),
                cmocka_unit_test(test_a_blank_document_is_none),
                cmocka_unit_test(test_half_a_document_is_none),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
