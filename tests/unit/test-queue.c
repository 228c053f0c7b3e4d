/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who waits for whom: the order of an object's calls, the caps, calls out of hooks, and that nobody
 * ever waits for himself.
 */

#include "queue.h"
#include "support.h"

#include <stdio.h>

#include "bus-names.h"

#define MANY                                                                                       \
        100000U /* calls that end at once: as many function calls inside each other would not fit  \
                 */

typedef struct World {
        Queue *queue;
        Caller callers[2];
        char order[64]; /* the names of the calls whose turn has come */
        size_t n_turns;
} World;

typedef struct Call Call;

struct Call {
        World *world;
        char name;
        Ticket *ticket;
        unsigned turns;
        bool ends_at_once;
        void (*in_turn)(Call *call); /* does something else in its turn */
};

static void turn(void *userdata) {
        Call *call = userdata;
        World *world = call->world;

        assert_non_null(call->ticket);
        assert_true(ticket_is_running(call->ticket));
        call->turns++;
        if (call->name)
                world->order[world->n_turns % (sizeof(world->order) - 1)] = call->name;
        world->n_turns++;
        if (call->in_turn)
                call->in_turn(call);
        if (call->ends_at_once)
                call->ticket = queue_leave(call->ticket);
}

static int world_open(void **state) {
        World *world = calloc(1, sizeof(World));

        assert_non_null(world);
        for (size_t i = 0; i < ELEMENTS(world->callers); i++)
                world->callers[i].references = 1;
        assert_int_equal(queue_new(&world->queue, turn), 0);
        *state = world;
        return 0;
}

static int world_close(void **state) {
        World *world = *state;
        /* A test that failed may have left somebody in it. */
        bool left = queue_running(world->queue) > 0 || queue_waiting(world->queue) > 0;

        for (size_t i = 0; i < ELEMENTS(world->callers); i++)
                left |= world->callers[i].references != 1 || world->callers[i].waiting != 0;
        if (!left)
                queue_free(world->queue);
        free(world);
        return left ? -1 : 0;
}

static void set_limits(World *world, uint64_t running, uint64_t waiting, uint64_t per_caller) {
        queue_set_limits(world->queue, &(QueueLimits){ running, waiting, per_caller });
}

static Call call_of(World *world, char name) {
        return (Call){ .world = world, .name = name };
}

static int enter_error(Call *call, HookType type, const char *object, size_t caller,
                       const Call *parent, sd_bus_error *error) {
        World *world = call->world;

        return queue_enter(world->queue, &call->ticket, type, object, &world->callers[caller],
                           parent ? parent->ticket : NULL, call, error);
}

/* The call about the guest OBJECT that comes out of PARENT's script must be let in. */
static void enter_from(Call *call, const char *object, const Call *parent) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        if (enter_error(call, HOOK_QEMU, object, 0, parent, &error) < 0)
                fail_msg("%s", error.message);
}

static void enter(Call *call, const char *object) {
        enter_from(call, object, NULL);
}

static void assert_refused(Call *call, HookType type, const char *object, size_t caller,
                           const Call *parent, const char *name, const char *what) {
        World *world = call->world;
        unsigned running = queue_running(world->queue), waiting = queue_waiting(world->queue);
        unsigned callers = world->callers[caller].waiting;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        assert_true(enter_error(call, type, object, caller, parent, &error) < 0);
        assert_string_equal(error.name, name);
        assert_has(error.message, object);
        assert_has(error.message, what);
        sd_bus_error_free(&error);

        assert_null(call->ticket); /* and nothing is left of it */
        assert_int_equal(call->turns, 0);
        assert_int_equal(queue_running(world->queue), running);
        assert_int_equal(queue_waiting(world->queue), waiting);
        assert_int_equal(world->callers[caller].waiting, callers);
}

static void assert_deadlock(Call *call, const char *object, const Call *parent) {
        assert_refused(call, HOOK_QEMU, object, 0, parent, ERROR_WOULD_DEADLOCK,
                       "from a hook that it would have to wait for");
}

static void leave(Call *call) {
        call->ticket = queue_leave(call->ticket);
        assert_null(call->ticket);
}

static bool runs(const Call *call) {
        return call->turns == 1 && call->ticket && ticket_is_running(call->ticket);
}

static bool waits(const Call *call) {
        return call->turns == 0 && call->ticket && !ticket_is_running(call->ticket);
}

static void test_a_call_alone_runs_at_once(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a');

        enter(&a, "web-01");
        assert_true(runs(&a));
        assert_int_equal(queue_running(world->queue), 1);
        assert_int_equal(queue_waiting(world->queue), 0);
        assert_int_equal(world->callers[0].waiting, 0);
        leave(&a);
        assert_int_equal(queue_running(world->queue), 0);
        assert_null(queue_leave(NULL));
        assert_null(queue_free(NULL));
}

static void test_calls_about_one_object_run_in_their_order(void **state) {
        World *world = *state;
        Call calls[5];

        for (size_t i = 0; i < ELEMENTS(calls); i++) {
                calls[i] = call_of(world, (char) ('a' + i));
                enter(&calls[i], "web-01");
        }
        assert_int_equal(queue_waiting(world->queue), 4);
        assert_int_equal(world->callers[0].waiting, 4);
        for (size_t i = 0; i < ELEMENTS(calls); i++) {
                assert_true(runs(&calls[i]));
                for (size_t j = i + 1; j < ELEMENTS(calls); j++)
                        assert_true(waits(&calls[j]));
                leave(&calls[i]);
        }
        assert_string_equal(world->order, "abcde");
}

static void test_other_objects_run_side_by_side(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c');
        sd_bus_error error = SD_BUS_ERROR_NULL;

        enter(&a, "web-01");
        enter(&b, "web-02");
        /* The same name means somebody else elsewhere. */
        assert_int_equal(enter_error(&c, HOOK_NETWORK, "web-01", 0, NULL, &error), 0);
        assert_true(runs(&a) && runs(&b) && runs(&c));
        leave(&b);
        leave(&a);
        leave(&c);
}

static void test_the_daemons_calls_run_side_by_side(void **state) {
        World *world = *state;
        Call calls[3];
        sd_bus_error error = SD_BUS_ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(calls); i++) {
                calls[i] = call_of(world, 'd');
                assert_int_equal(enter_error(&calls[i], HOOK_DAEMON, "-", 0, NULL, &error), 0);
                assert_true(runs(&calls[i]));
        }
        assert_int_equal(queue_running(world->queue), 3);
        leave(&calls[1]);
        leave(&calls[0]);
        leave(&calls[2]);
}

/* The hook of one may start another, which comes back from nowhere that we could see. */
static void test_daemons_wait_for_no_place(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), d = call_of(world, 'd'), e = call_of(world, 'e');
        sd_bus_error error = SD_BUS_ERROR_NULL;

        set_limits(world, 1, 10, 10);
        enter(&a, "1");
        assert_int_equal(enter_error(&d, HOOK_DAEMON, "-", 0, NULL, &error), 0);
        assert_int_equal(enter_error(&e, HOOK_DAEMON, "-", 0, NULL, &error), 0);
        assert_true(runs(&a) && runs(&d) && runs(&e));
        leave(&d);
        leave(&e);
        leave(&a);
}

static void test_no_more_run_than_the_cap_allows(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c'),
             d = call_of(world, 'd');

        set_limits(world, 2, 10, 10);
        enter(&a, "1");
        enter(&b, "2");
        assert_true(runs(&a) && runs(&b));
        enter(&c, "3");
        enter(&d, "4");
        assert_true(waits(&c) && waits(&d));
        assert_int_equal(queue_running(world->queue), 2);
        leave(&b);
        assert_true(runs(&c) && waits(&d));
        leave(&a);
        assert_true(runs(&d));
        leave(&d);
        leave(&c);
        assert_string_equal(world->order, "abcd");
}

static void test_those_without_a_place_stand_in_one_line(void **state) {
        World *world = *state;
        Call calls[6];
        static const char *const objects[] = { "1", "3", "2", "9", "0", "5" };

        set_limits(world, 1, 10, 10);
        for (size_t i = 0; i < ELEMENTS(calls); i++) {
                calls[i] = call_of(world, (char) ('a' + i));
                enter(&calls[i], objects[i]);
        }
        for (size_t i = 0; i < ELEMENTS(calls); i++)
                leave(&calls[i]);
        assert_string_equal(world->order, "abcdef");
}

/* One object's many calls must not keep the others from their places. */
static void test_an_object_stands_in_line_once(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c'),
             d = call_of(world, 'd');

        set_limits(world, 1, 10, 10);
        enter(&a, "1");
        enter(&b, "1");
        enter(&c, "1");
        enter(&d, "2");
        leave(&a);
        assert_true(runs(&d));
        leave(&d);
        assert_true(runs(&b) && waits(&c));
        leave(&b);
        leave(&c);
}

static void test_more_places_are_filled_at_once(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c');

        set_limits(world, 1, 10, 10);
        enter(&a, "1");
        enter(&b, "2");
        enter(&c, "3");
        set_limits(world, 2, 10, 10);
        assert_true(runs(&b) && waits(&c));
        set_limits(world, 1, 10, 10); /* whoever runs goes on */
        assert_int_equal(queue_running(world->queue), 2);
        leave(&a);
        assert_true(waits(&c));
        leave(&b);
        assert_true(runs(&c));
        leave(&c);
}

static void test_no_more_wait_than_the_cap_allows(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c'),
             d = call_of(world, 'd'), e = call_of(world, 'e');

        set_limits(world, 2, 2, 10);
        enter(&a, "1");
        enter(&b, "1");
        enter(&c, "1");
        assert_refused(&d, HOOK_QEMU, "1", 0, NULL, ERROR_LIMIT_EXCEEDED, "MaxWaiting=");
        enter(&d, "2"); /* needs not wait, so the cap is not its affair */
        assert_true(runs(&d));
        assert_refused(&e, HOOK_QEMU, "3", 1, NULL, ERROR_LIMIT_EXCEEDED, "2 calls wait already");
        leave(&c);
        enter(&e, "3");
        assert_true(waits(&e));
        leave(&a);
        leave(&d);
        leave(&b);
        leave(&e);
}

static void test_nobody_may_wait_with_a_cap_of_none(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c');

        set_limits(world, 2, 0, 10);
        enter(&a, "1");
        assert_refused(&b, HOOK_QEMU, "1", 0, NULL, ERROR_LIMIT_EXCEEDED, "MaxWaiting=");
        enter(&b, "2");
        assert_refused(&c, HOOK_QEMU, "3", 0, NULL, ERROR_LIMIT_EXCEEDED, "MaxWaiting=");
        leave(&a);
        leave(&b);
}

static void test_each_caller_has_a_cap_of_his_own(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c'),
             d = call_of(world, 'd');
        sd_bus_error error = SD_BUS_ERROR_NULL;

        set_limits(world, 10, 10, 1);
        enter(&a, "1");
        enter(&b, "1");
        assert_refused(&c, HOOK_QEMU, "1", 0, NULL, ERROR_LIMIT_EXCEEDED, "MaxWaitingPerCaller=");
        assert_int_equal(enter_error(&c, HOOK_QEMU, "1", 1, NULL, &error), 0);
        assert_int_equal(world->callers[0].waiting, 1);
        assert_int_equal(world->callers[1].waiting, 1);
        enter(&d, "2");
        assert_true(runs(&d));
        leave(&d);
        leave(&a); /* b runs, and its caller may wait again */
        d = call_of(world, 'd');
        enter(&d, "1");
        assert_true(waits(&d));
        leave(&b);
        leave(&c);
        leave(&d);
}

static void test_callers_live_as_long_as_their_calls(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b');

        enter(&a, "1");
        enter(&b, "1");
        assert_int_equal(world->callers[0].references, 3);
        leave(&b);
        leave(&a);
        assert_int_equal(world->callers[0].references, 1);
}

static void test_whoever_waits_may_leave(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c'),
             d = call_of(world, 'd');

        enter(&a, "1");
        enter(&b, "1");
        enter(&c, "1");
        enter(&d, "1");
        leave(&c);
        leave(&d);
        assert_int_equal(queue_waiting(world->queue), 1);
        assert_int_equal(world->callers[0].waiting, 1);
        leave(&a);
        assert_true(runs(&b));
        leave(&b);
        assert_string_equal(world->order, "ab");
}

static void test_whoever_stands_in_line_for_a_place_may_leave(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c'),
             d = call_of(world, 'd');

        set_limits(world, 1, 10, 10);
        enter(&a, "1");
        enter(&b, "2");
        enter(&c, "2");
        enter(&d, "3");
        leave(&b); /* c stands in line in its place, behind d */
        assert_true(waits(&c) && waits(&d));
        leave(&a);
        assert_true(runs(&d));
        leave(&d);
        assert_true(runs(&c));
        leave(&c);
        assert_string_equal(world->order, "adc");
}

static void test_all_who_wait_may_leave(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c');

        set_limits(world, 1, 10, 10);
        enter(&a, "1");
        enter(&b, "2");
        enter(&c, "2");
        leave(&b);
        leave(&c);
        leave(&a);
        assert_string_equal(world->order, "a");
}

static void test_a_call_may_end_in_its_turn(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a');

        a.ends_at_once = true;
        enter(&a, "1");
        assert_null(a.ticket);
        assert_int_equal(a.turns, 1);
        assert_int_equal(queue_running(world->queue), 0);
}

/* MANY calls about as many objects as N_OBJECTS, which all end at once when FIRST does. */
static void end_many(World *world, unsigned n_objects) {
        Call first = call_of(world, 'f'), *calls = calloc(MANY, sizeof(Call));
        char object[16];

        assert_non_null(calls);
        set_limits(world, 1, UINT64_MAX, UINT64_MAX);
        enter(&first, "0");
        for (unsigned i = 0; i < MANY; i++) {
                calls[i] = call_of(world, '\0');
                calls[i].ends_at_once = true;
                (void) snprintf(object, sizeof(object), "%u", i % n_objects);
                enter(&calls[i], object);
        }
        assert_int_equal(queue_waiting(world->queue), MANY);
        leave(&first);
        for (unsigned i = 0; i < MANY; i++) {
                assert_int_equal(calls[i].turns, 1);
                assert_null(calls[i].ticket);
        }
        assert_int_equal(queue_running(world->queue), 0);
        assert_int_equal(queue_waiting(world->queue), 0);
        free(calls);
}

static void test_thousands_about_one_object_end_in_their_turn(void **state) {
        end_many(*state, 1);
}

static void test_thousands_about_many_objects_end_in_their_turn(void **state) {
        end_many(*state, MANY);
}

static void test_thousands_get_places_at_once(void **state) {
        World *world = *state;
        Call *calls = calloc(MANY, sizeof(Call));
        char object[16];

        assert_non_null(calls);
        set_limits(world, 1, UINT64_MAX, UINT64_MAX);
        for (unsigned i = 0; i < MANY; i++) {
                calls[i] = call_of(world, '\0');
                (void) snprintf(object, sizeof(object), "%u", i);
                enter(&calls[i], object);
        }
        set_limits(world, UINT64_MAX, UINT64_MAX, UINT64_MAX);
        assert_int_equal(queue_running(world->queue), MANY);
        for (unsigned i = 0; i < MANY; i++)
                leave(&calls[i]);
        free(calls);
}

static void test_thousands_leave_while_they_wait(void **state) {
        World *world = *state;
        Call first = call_of(world, 'f'), *calls = calloc(MANY, sizeof(Call));

        assert_non_null(calls);
        enter(&first, "1");
        for (unsigned i = 0; i < MANY; i++) {
                calls[i] = call_of(world, '\0');
                enter(&calls[i], "1");
        }
        for (unsigned i = MANY; i > 0; i--)
                leave(&calls[i - 1]);
        assert_int_equal(queue_waiting(world->queue), 0);
        leave(&first);
        assert_int_equal(world->n_turns, 1);
        free(calls);
}

static Call *helper_a, *helper_b;

static void enter_helpers(Call *call) {
        enter(helper_a, "1");
        enter(helper_b, "2");
}

static void test_calls_may_come_in_a_turn(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c');

        helper_a = &b;
        helper_b = &c;
        a.in_turn = enter_helpers;
        enter(&a, "1");
        assert_true(runs(&a) && waits(&b) && runs(&c));
        leave(&a);
        assert_true(runs(&b));
        leave(&b);
        leave(&c);
}

static void test_calls_may_come_in_a_turn_that_ends_at_once(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c');

        helper_a = &b;
        helper_b = &c;
        a.in_turn = enter_helpers;
        a.ends_at_once = true;
        set_limits(world, 1, 10, 10);
        enter(&a, "1");
        assert_null(a.ticket);
        /* One place: the line is c, which stood there, then b, whose turn has come with a's end. */
        assert_int_equal(queue_running(world->queue), 1);
        assert_int_equal(queue_waiting(world->queue), 1);
        leave(runs(&c) ? &c : &b);
        leave(c.ticket ? &c : &b);
        assert_int_equal(world->n_turns, 3);
}

static void leave_helper(Call *call) {
        leave(helper_a);
}

static void test_others_may_leave_in_a_turn(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c');

        set_limits(world, 1, 10, 10);
        enter(&a, "1");
        enter(&b, "2");
        enter(&c, "3");
        helper_a = &c;
        b.in_turn = leave_helper;
        leave(&a);
        assert_true(runs(&b));
        assert_null(c.ticket);
        leave(&b);
        assert_string_equal(world->order, "ab");
}

static void test_a_hook_may_call_about_another_object(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b');

        enter(&a, "1");
        enter_from(&b, "2", &a);
        assert_true(runs(&b));
        leave(&b);
        leave(&a);
}

static void test_a_hook_may_wait_for_an_independent_call(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c');

        enter(&a, "1");
        enter(&b, "2");
        enter_from(&c, "2", &a);
        assert_true(waits(&c));
        leave(&b);
        assert_true(runs(&c));
        leave(&c);
        leave(&a);
}

static void test_a_hook_may_make_several_calls_about_one_object(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c');

        enter(&a, "1");
        enter_from(&b, "2", &a);
        enter_from(&c, "2", &a);
        assert_true(runs(&b) && waits(&c));
        leave(&b);
        assert_true(runs(&c));
        leave(&c);
        leave(&a);
}

static void test_a_hook_never_waits_for_itself(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c');

        enter(&a, "1");
        assert_deadlock(&b, "1", &a);
        enter(&c, "1"); /* nor for one that waits for it */
        assert_deadlock(&b, "1", &a);
        leave(&a);
        leave(&c);
}

static void test_a_hook_of_a_hook_does_not_wait_for_the_first(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c'),
             d = call_of(world, 'd');

        enter(&a, "1");
        enter_from(&b, "2", &a);
        assert_deadlock(&c, "1", &b);
        enter_from(&c, "3", &b);
        assert_deadlock(&d, "1", &c);
        assert_deadlock(&d, "2", &c);
        assert_deadlock(&d, "3", &c);
        leave(&c);
        leave(&b);
        leave(&a);
}

static void test_two_hooks_do_not_wait_for_each_other(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), ab = call_of(world, 'x'),
             ba = call_of(world, 'y');

        enter(&a, "1");
        enter(&b, "2");
        enter_from(&ab, "2", &a);
        assert_true(waits(&ab));
        assert_deadlock(&ba, "1", &b);
        leave(&b);
        assert_true(runs(&ab));
        leave(&ab);
        leave(&a);
}

static void test_three_hooks_do_not_wait_in_a_circle(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c'),
             ab = call_of(world, 'x'), bc = call_of(world, 'y'), ca = call_of(world, 'z'),
             between = call_of(world, 'i');

        enter(&a, "1");
        enter(&b, "2");
        enter(&c, "3");
        enter(&between, "2");
        enter_from(&ab, "2", &a); /* behind an independent one */
        enter_from(&bc, "3", &b);
        assert_deadlock(&ca, "1", &c);
        leave(&c);
        assert_true(runs(&bc));
        leave(&bc);
        leave(&b);
        leave(&between);
        assert_true(runs(&ab));
        leave(&ab);
        leave(&a);
}

static void test_a_chain_that_waits_in_another_is_found(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), aab = call_of(world, 'x'),
             c = call_of(world, 'c'), refused = call_of(world, 'r');

        enter(&a, "1");
        enter_from(&b, "2", &a);
        enter(&c, "3");
        enter_from(&aab, "3", &b);          /* a's hook's hook waits for c, */
        assert_deadlock(&refused, "1", &c); /* whose hook therefore must not wait for a */
        assert_deadlock(&refused, "2", &c); /* nor for b */
        enter_from(&refused, "4", &c);
        leave(&refused);
        leave(&c);
        leave(&aab);
        leave(&b);
        leave(&a);
}

static void test_who_lost_its_parent_makes_no_circle(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), ab = call_of(world, 'x'),
             ba = call_of(world, 'y');

        enter(&a, "1");
        enter(&b, "2");
        enter_from(&ab, "2", &a); /* in the background: the script does not wait */
        leave(&a);
        assert_true(waits(&ab));
        a = call_of(world, 'A');
        enter(&a, "1");
        enter_from(&ba, "1", &b);
        assert_true(waits(&ba));
        leave(&a);
        assert_true(runs(&ba));
        leave(&ba);
        leave(&b);
        assert_true(runs(&ab));
        leave(&ab);
}

static void test_the_daemons_hooks_do_not_make_a_circle(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), d = call_of(world, 'd'), e = call_of(world, 'e');
        sd_bus_error error = SD_BUS_ERROR_NULL;

        assert_int_equal(enter_error(&d, HOOK_DAEMON, "-", 0, NULL, &error), 0);
        enter_from(&a, "1", &d);
        assert_int_equal(enter_error(&e, HOOK_DAEMON, "-", 0, &a, &error), 0);
        assert_true(runs(&e));
        leave(&e);
        leave(&a);
        leave(&d);
}

static void test_a_call_out_of_a_hook_needs_no_place(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c'),
             d = call_of(world, 'd');

        set_limits(world, 1, 0, 0);
        enter(&a, "1");
        enter_from(&b, "2", &a);
        enter_from(&c, "3", &b);
        assert_true(runs(&b) && runs(&c));
        assert_refused(&d, HOOK_QEMU, "4", 0, NULL, ERROR_LIMIT_EXCEEDED, "MaxWaiting=");
        leave(&c);
        leave(&b);
        assert_refused(&d, HOOK_QEMU, "4", 0, NULL, ERROR_LIMIT_EXCEEDED, "MaxWaiting=");
        leave(&a);
        enter(&d, "4"); /* the one place is free again */
        assert_true(runs(&d));
        leave(&d);
}

static void test_whoever_stands_before_a_hooks_call_needs_no_place_either(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c'),
             d = call_of(world, 'd'), nested = call_of(world, 'n');

        set_limits(world, 1, 10, 10);
        enter(&a, "1");
        enter(&d, "3");
        enter(&b, "2");
        enter(&c, "2");
        assert_true(waits(&b) && waits(&c) && waits(&d));
        enter_from(&nested, "2", &a);
        assert_true(runs(&b) && waits(&c) && waits(&nested));
        assert_true(waits(&d)); /* who is not in the way waits on */
        leave(&b);
        assert_true(runs(&c));
        leave(&c);
        assert_true(runs(&nested));
        leave(&nested);
        assert_true(waits(&d));
        leave(&a);
        assert_true(runs(&d));
        leave(&d);
}

static void test_places_are_counted_right_after_hooks_calls(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), c = call_of(world, 'c'),
             nested = call_of(world, 'n');

        set_limits(world, 2, 10, 10);
        enter(&a, "1");
        enter_from(&nested, "2", &a);
        leave(&a); /* the child runs on alone, without a place */
        enter(&b, "3");
        enter(&c, "4");
        assert_true(runs(&b) && runs(&c) && runs(&nested));
        leave(&nested);
        leave(&b);
        leave(&c);
}

static void test_a_hooks_call_that_has_to_wait_is_under_the_caps(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), nested = call_of(world, 'n');

        set_limits(world, 10, 0, 10);
        enter(&a, "1");
        enter(&b, "2");
        assert_refused(&nested, HOOK_QEMU, "2", 0, &a, ERROR_LIMIT_EXCEEDED, "MaxWaiting=");
        leave(&b);
        leave(&a);
}

static void test_a_hooks_call_may_leave_while_it_waits(void **state) {
        World *world = *state;
        Call a = call_of(world, 'a'), b = call_of(world, 'b'), nested = call_of(world, 'n'),
             back = call_of(world, 'k');

        enter(&a, "1");
        enter(&b, "2");
        enter_from(&nested, "2", &a);
        assert_deadlock(&back, "1", &b);
        leave(&nested);
        enter_from(&back, "1", &b); /* now a does not wait for b any more */
        leave(&a);
        assert_true(runs(&back));
        leave(&back);
        leave(&b);
}

/* The random calls of the last two tests. */
typedef struct Player {
        Call call; /* its ticket is NULL while it is at home */
        unsigned object, arrival;
        struct Player *parent;
        unsigned children;
} Player;

#define PLAYERS 40U
#define OBJECTS 6U

typedef struct Game {
        World *world;
        Player players[PLAYERS];
        unsigned arrivals, deadlocks;
        uint32_t seed;
} Game;

static unsigned roll(Game *game, unsigned n) {
        game->seed = game->seed * 1664525U + 1013904223U;
        return (game->seed >> 8) % n;
}

static bool player_runs(const Player *player) {
        return player->call.ticket && ticket_is_running(player->call.ticket);
}

static void player_enter(Game *game, Player *player, Player *parent) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char object[2] = { 0 };

        player->object = roll(game, OBJECTS);
        object[0] = (char) ('0' + player->object);
        player->call = call_of(game->world, '\0');
        player->arrival = ++game->arrivals;
        player->parent = NULL;
        player->children = 0;
        if (enter_error(&player->call, HOOK_QEMU, object, 0, parent ? &parent->call : NULL,
                        &error) < 0) {
                assert_non_null(parent);
                assert_string_equal(error.name, ERROR_WOULD_DEADLOCK);
                game->deadlocks++;
        } else if (parent) {
                player->parent = parent;
                parent->children++;
        }
        sd_bus_error_free(&error);
}

static void player_leave(Game *game, Player *player) {
        for (size_t i = 0; i < PLAYERS; i++)
                if (game->players[i].parent == player)
                        game->players[i].parent = NULL;
        if (player->parent)
                player->parent->children--;
        player->parent = NULL;
        leave(&player->call);
}

/* The first of an object's calls, by arrival; NULL where it has none. */
static const Player *first_of(const Game *game, unsigned object) {
        const Player *first = NULL;

        for (size_t i = 0; i < PLAYERS; i++) {
                const Player *p = &game->players[i];

                if (p->call.ticket && p->object == object &&
                    (!first || p->arrival < first->arrival))
                        first = p;
        }
        return first;
}

static unsigned check_game(const Game *game) {
        unsigned running = 0, waiting = 0;

        for (size_t i = 0; i < PLAYERS; i++) {
                const Player *p = &game->players[i];

                if (!p->call.ticket)
                        continue;
                assert_int_equal(p->call.turns, player_runs(p));
                if (player_runs(p)) {
                        assert_ptr_equal(first_of(game, p->object), p);
                        running++;
                } else
                        waiting++;
        }
        assert_int_equal(queue_running(game->world->queue), running);
        assert_int_equal(queue_waiting(game->world->queue), waiting);
        assert_int_equal(game->world->callers[0].waiting, waiting);
        return running;
}

static void test_at_random_places_are_never_too_many_nor_idle(void **state) {
        Game game = { .world = *state, .seed = 1 };

        for (unsigned step = 0; step < 20000; step++) {
                unsigned cap = 1 + step / 1000 % OBJECTS, running;
                Player *player = &game.players[roll(&game, PLAYERS)];

                if (step % 1000 == 0)
                        set_limits(game.world, cap, UINT64_MAX, UINT64_MAX);
                if (player->call.ticket)
                        player_leave(&game, player);
                else
                        player_enter(&game, player, NULL);
                running = check_game(&game);
                if (step % 1000 > PLAYERS * 10) /* those from before a lower cap are gone */
                        assert_true(running <= cap);
                for (unsigned object = 0; object < OBJECTS; object++) {
                        const Player *first = first_of(&game, object);

                        assert_true(!first || player_runs(first) || running >= cap);
                }
        }
        for (size_t i = 0; i < PLAYERS; i++)
                if (game.players[i].call.ticket)
                        player_leave(&game, &game.players[i]);
}

/* One whose script can end now: it waits for nobody. NULL where all wait. */
static Player *free_player(Game *game) {
        unsigned start = roll(game, PLAYERS);

        for (unsigned i = 0; i < PLAYERS; i++) {
                Player *p = &game->players[(start + i) % PLAYERS];

                if (player_runs(p) && p->children == 0)
                        return p;
        }
        return NULL;
}

static void test_at_random_hooks_never_wait_for_each_other_for_ever(void **state) {
        Game game = { .world = *state, .seed = 2 };

        set_limits(game.world, 2, UINT64_MAX, UINT64_MAX);
        for (unsigned step = 0; step < 30000; step++) {
                Player *player = &game.players[roll(&game, PLAYERS)], *parent;

                if (player->call.ticket) {
                        /* Who waits may leave; a script waits for what it has called. */
                        if (roll(&game, 4) == 0 && player->children == 0)
                                player_leave(&game, player);
                } else {
                        parent = &game.players[roll(&game, PLAYERS)];
                        player_enter(&game, player, player_runs(parent) ? parent : NULL);
                }
                if (check_game(&game) > 0)
                        assert_non_null(free_player(&game));
        }
        assert_true(game.deadlocks > 100); /* there were circles to be found */

        /* Everybody gets his turn. */
        while (queue_running(game.world->queue) + queue_waiting(game.world->queue) > 0) {
                Player *player = free_player(&game);

                assert_non_null(player);
                player_leave(&game, player);
        }
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)

int main(void) {
        static const struct CMUnitTest tests[] = {
                in_world(test_a_call_alone_runs_at_once),
                in_world(test_calls_about_one_object_run_in_their_order),
                in_world(test_other_objects_run_side_by_side),
                in_world(test_the_daemons_calls_run_side_by_side),
                in_world(test_daemons_wait_for_no_place),
                in_world(test_no_more_run_than_the_cap_allows),
                in_world(test_those_without_a_place_stand_in_one_line),
                in_world(test_an_object_stands_in_line_once),
                in_world(test_more_places_are_filled_at_once),
                in_world(test_no_more_wait_than_the_cap_allows),
                in_world(test_nobody_may_wait_with_a_cap_of_none),
                in_world(test_each_caller_has_a_cap_of_his_own),
                in_world(test_callers_live_as_long_as_their_calls),
                in_world(test_whoever_waits_may_leave),
                in_world(test_whoever_stands_in_line_for_a_place_may_leave),
                in_world(test_all_who_wait_may_leave),
                in_world(test_a_call_may_end_in_its_turn),
                in_world(test_thousands_about_one_object_end_in_their_turn),
                in_world(test_thousands_about_many_objects_end_in_their_turn),
                in_world(test_thousands_get_places_at_once),
                in_world(test_thousands_leave_while_they_wait),
                in_world(test_calls_may_come_in_a_turn),
                in_world(test_calls_may_come_in_a_turn_that_ends_at_once),
                in_world(test_others_may_leave_in_a_turn),
                in_world(test_a_hook_may_call_about_another_object),
                in_world(test_a_hook_may_wait_for_an_independent_call),
                in_world(test_a_hook_may_make_several_calls_about_one_object),
                in_world(test_a_hook_never_waits_for_itself),
                in_world(test_a_hook_of_a_hook_does_not_wait_for_the_first),
                in_world(test_two_hooks_do_not_wait_for_each_other),
                in_world(test_three_hooks_do_not_wait_in_a_circle),
                in_world(test_a_chain_that_waits_in_another_is_found),
                in_world(test_who_lost_its_parent_makes_no_circle),
                in_world(test_the_daemons_hooks_do_not_make_a_circle),
                in_world(test_a_call_out_of_a_hook_needs_no_place),
                in_world(test_whoever_stands_before_a_hooks_call_needs_no_place_either),
                in_world(test_places_are_counted_right_after_hooks_calls),
                in_world(test_a_hooks_call_that_has_to_wait_is_under_the_caps),
                in_world(test_a_hooks_call_may_leave_while_it_waits),
                in_world(test_at_random_places_are_never_too_many_nor_idle),
                in_world(test_at_random_hooks_never_wait_for_each_other_for_ever),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
