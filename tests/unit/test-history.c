/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The runs that are remembered: newest first, and no more than the caps allow.
 */

#include "history.h"
#include "support.h"

#include <stdio.h>

static const RunContext context = {};

typedef struct Past {
        History *history;
        Caller caller;
} Past;

static void past_open(Past *past, uint64_t runs, uint64_t size) {
        *past = (Past){ .caller = { .references = 1 } };
        assert_int_equal(history_new(&past->history), 0);
        history_set_limits(past->history, runs, size);
}

static void past_close(Past *past) {
        assert_null(history_free(past->history));
        assert_int_equal(past->caller.references, 1); /* all runs are gone */
}

/* Adds an ended run whose id is NUMBER, with a message of SIZE bytes. */
static void add_large(Past *past, unsigned number, size_t size) {
        const RequestArguments arguments = { HOOK_QEMU, "web-01", "start", "", "", false };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *request;
        Run *run;

        assert_int_equal(request_new(&request, &arguments, &error), 0);
        assert_int_equal(run_new(&run, &context, request, &past->caller), 0);
        (void) snprintf(run->id, sizeof(run->id), "%u", number);
        run->finished = true;
        run->message = malloc(size + 1);
        assert_non_null(run->message);
        memset(run->message, 'x', size);
        run->message[size] = '\0';
        history_add(past->history, run);
        run_free(run);
}

static void add(Past *past, unsigned number) {
        add_large(past, number, 0);
}

/* The ids, newest first, are "3 2 1". Each is found, too. */
static void assert_past(const Past *past, const char *expected) {
        char found[256] = "", *p = found;

        for (const RunFacts *run = history_next(past->history, NULL); run;
             run = history_next(past->history, run)) {
                assert_ptr_equal(history_find(past->history, run->id), run);
                p = stpcpy(stpcpy(p, p == found ? "" : " "), run->id);
        }
        assert_string_equal(found, expected);
}

static void test_a_new_history_is_empty(void **state) {
        Past past;

        past_open(&past, 10, 1000000);
        assert_past(&past, "");
        assert_null(history_find(past.history, "1"));
        past_close(&past);
        assert_null(history_free(NULL));
}

static void test_the_newest_comes_first(void **state) {
        Past past;

        past_open(&past, 10, 1000000);
        add(&past, 1);
        add(&past, 2);
        add(&past, 3);
        assert_past(&past, "3 2 1");
        past_close(&past);
}

static void test_ids_that_nobody_has_are_not_found(void **state) {
        static const char *const ids[] = { "",
                                           "2",
                                           "11",
                                           "1 ",
                                           "5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11",
                                           "5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11-and-more" };
        Past past;

        past_open(&past, 10, 1000000);
        add(&past, 1);
        for (size_t i = 0; i < ELEMENTS(ids); i++)
                assert_null(history_find(past.history, ids[i]));
        past_close(&past);
}

static void test_of_too_many_runs_the_oldest_goes(void **state) {
        Past past;

        past_open(&past, 3, 1000000);
        for (unsigned i = 1; i <= 5; i++)
                add(&past, i);
        assert_past(&past, "5 4 3");
        assert_null(history_find(past.history, "2"));
        past_close(&past);
}

static void test_of_too_large_runs_the_oldest_goes(void **state) {
        Past past;

        past_open(&past, 100, 100000);
        for (unsigned i = 1; i <= 4; i++)
                add_large(&past, i, 30000);
        assert_past(&past, "4 3 2");
        add_large(&past, 5, 70000);
        assert_past(&past, "5");
        add_large(&past, 6, 200000); /* too large at all */
        assert_past(&past, "");
        add(&past, 7);
        assert_past(&past, "7");
        past_close(&past);
}

/* As they are kept in different ways, each must go in its turn, and whole. */
static void test_large_and_small_ones_go_in_order(void **state) {
        Past past;

        past_open(&past, 4, 100000000);
        for (unsigned i = 1; i <= 400; i++)
                add_large(&past, i, i % 3 * 9000);
        assert_past(&past, "400 399 398 397");
        for (unsigned i = 401; i <= 404; i++)
                add(&past, i);
        assert_past(&past, "404 403 402 401");
        history_set_limits(past.history, 0, 100000000);
        assert_past(&past, "");
        add(&past, 405);
        assert_past(&past, "");
        history_set_limits(past.history, 4, 100000000);
        add(&past, 406);
        assert_past(&past, "406");
        past_close(&past);
}

static void test_lower_caps_hold_at_once(void **state) {
        Past past;

        past_open(&past, 10, 1000000);
        for (unsigned i = 1; i <= 5; i++)
                add_large(&past, i, 10000);
        history_set_limits(past.history, 4, 1000000);
        assert_past(&past, "5 4 3 2");
        history_set_limits(past.history, 4, 25000);
        assert_past(&past, "5 4");
        history_set_limits(past.history, 10, 1000000);
        assert_past(&past, "5 4");
        add(&past, 6);
        assert_past(&past, "6 5 4");
        past_close(&past);
}

static void test_nothing_is_kept_with_a_cap_of_none(void **state) {
        Past past;

        past_open(&past, 0, 1000000);
        add(&past, 1);
        assert_past(&past, "");
        history_set_limits(past.history, 10, 0);
        add(&past, 2);
        assert_past(&past, "");
        past_close(&past);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_new_history_is_empty),
                cmocka_unit_test(test_the_newest_comes_first),
                cmocka_unit_test(test_ids_that_nobody_has_are_not_found),
                cmocka_unit_test(test_of_too_many_runs_the_oldest_goes),
                cmocka_unit_test(test_of_too_large_runs_the_oldest_goes),
                cmocka_unit_test(test_large_and_small_ones_go_in_order),
                cmocka_unit_test(test_lower_caps_hold_at_once),
                cmocka_unit_test(test_nothing_is_kept_with_a_cap_of_none),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
