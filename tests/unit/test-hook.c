/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The table of hooks, against libvirt's own list of operations, which is written out here a second
 * time.
 */

#include "hook.h"
#include "support.h"

static const HookOperation expected[] = {
        { HOOK_DAEMON, "start", "-", "start", HOOK_INPUT_NONE, false, HOOK_EFFECT_IGNORED },
        { HOOK_DAEMON, "shutdown", "-", "shutdown", HOOK_INPUT_NONE, false, HOOK_EFFECT_IGNORED },
        { HOOK_DAEMON, "reload", "begin", "SIGHUP", HOOK_INPUT_NONE, false, HOOK_EFFECT_IGNORED },
        { HOOK_QEMU, "prepare", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_ABORT },
        { HOOK_QEMU, "start", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_ABORT },
        { HOOK_QEMU, "started", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_ABORT },
        { HOOK_QEMU, "stopped", "end", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_IGNORED },
        { HOOK_QEMU, "release", "end", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_IGNORED },
        { HOOK_QEMU, "migrate", "begin", "-", HOOK_INPUT_DOMAIN, true, HOOK_EFFECT_ABORT },
        { HOOK_QEMU, "restore", "begin", "-", HOOK_INPUT_DOMAIN, true, HOOK_EFFECT_ABORT },
        { HOOK_QEMU, "reconnect", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_KILL },
        { HOOK_QEMU, "attach", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_ABORT },
        { HOOK_LXC, "prepare", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_ABORT },
        { HOOK_LXC, "start", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_ABORT },
        { HOOK_LXC, "started", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_ABORT },
        { HOOK_LXC, "stopped", "end", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_IGNORED },
        { HOOK_LXC, "release", "end", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_IGNORED },
        { HOOK_LXC, "reconnect", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_KILL },
        { HOOK_LIBXL, "prepare", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_ABORT },
        { HOOK_LIBXL, "start", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_ABORT },
        { HOOK_LIBXL, "started", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_ABORT },
        { HOOK_LIBXL, "stopped", "end", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_IGNORED },
        { HOOK_LIBXL, "release", "end", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_IGNORED },
        { HOOK_LIBXL, "migrate", "begin", "-", HOOK_INPUT_DOMAIN, true, HOOK_EFFECT_ABORT },
        { HOOK_LIBXL, "reconnect", "begin", "-", HOOK_INPUT_DOMAIN, false, HOOK_EFFECT_KILL },
        { HOOK_NETWORK, "start", "begin", "-", HOOK_INPUT_NETWORK, false, HOOK_EFFECT_ABORT },
        { HOOK_NETWORK, "started", "begin", "-", HOOK_INPUT_NETWORK, false, HOOK_EFFECT_ABORT },
        { HOOK_NETWORK, "stopped", "end", "-", HOOK_INPUT_NETWORK, false, HOOK_EFFECT_IGNORED },
        { HOOK_NETWORK, "port-created", "begin", "-", HOOK_INPUT_PORT, false, HOOK_EFFECT_ABORT },
        { HOOK_NETWORK, "port-deleted", "begin", "-", HOOK_INPUT_PORT, false, HOOK_EFFECT_IGNORED },
        { HOOK_NETWORK, "updated", "begin", "-", HOOK_INPUT_NETWORK, false, HOOK_EFFECT_IGNORED },
};

static const char *const type_names[] = { "daemon", "qemu", "lxc", "libxl", "network" };

static void assert_same_operation(const HookOperation *a, const HookOperation *b) {
        assert_int_equal(a->type, b->type);
        assert_string_equal(a->name, b->name);
        assert_string_equal(a->suboperation, b->suboperation);
        assert_string_equal(a->extra, b->extra);
        assert_int_equal(a->input, b->input);
        assert_int_equal(a->filter, b->filter);
        assert_int_equal(a->on_failure, b->on_failure);
}

static void test_every_operation_of_libvirt_is_found(void **state) {
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                const HookOperation *found;

                found = hook_operation_find(expected[i].type, expected[i].name);
                if (!found)
                        fail_msg("%s %s is missing", type_names[expected[i].type],
                                 expected[i].name);
                assert_same_operation(found, &expected[i]);
        }
}

static void test_the_table_has_nothing_else(void **state) {
        size_t n = 0;

        for (const HookOperation *o = hook_operation_next(NULL); o; o = hook_operation_next(o)) {
                assert_true(n < ELEMENTS(expected));
                assert_same_operation(o, &expected[n++]);
                assert_ptr_equal(hook_operation_find(o->type, o->name), o); /* nothing twice */
        }
        assert_int_equal(n, ELEMENTS(expected));
}

static void test_operations_of_other_types_are_not_found(void **state) {
        assert_null(hook_operation_find(HOOK_DAEMON, "prepare"));
        assert_null(hook_operation_find(HOOK_QEMU, "shutdown"));
        assert_null(hook_operation_find(HOOK_QEMU, "port-created"));
        assert_null(hook_operation_find(HOOK_LXC, "migrate"));
        assert_null(hook_operation_find(HOOK_LXC, "attach"));
        assert_null(hook_operation_find(HOOK_LIBXL, "restore"));
        assert_null(hook_operation_find(HOOK_NETWORK, "release"));
        assert_null(hook_operation_find(HOOK_NETWORK, "plugged")); /* libvirt before 5.5 */
        assert_null(hook_operation_find(HOOK_QEMU, ""));
        assert_null(hook_operation_find(HOOK_QEMU, "Start"));
        assert_null(hook_operation_find(HOOK_QEMU, "star"));
        assert_null(hook_operation_find(HOOK_QEMU, "start "));
}

static void test_types_have_libvirts_names(void **state) {
        assert_int_equal(ELEMENTS(type_names), HOOK_TYPE_MAX);
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++) {
                assert_string_equal(hook_type_to_string(type), type_names[type]);
                assert_int_equal(hook_type_from_string(type_names[type]), type);
        }
}

static void test_other_names_are_no_type(void **state) {
        static const char *const names[] = { "", "-", "bhyve", "QEMU", "qemu ", "qem", "qemu.d" };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                assert_int_equal(hook_type_from_string(names[i]), HOOK_TYPE_INVALID);
}

static void test_effects_have_names(void **state) {
        assert_int_equal(HOOK_EFFECT_MAX, 4);
        assert_string_equal(hook_effect_to_string(HOOK_EFFECT_PROCEED), "proceed");
        assert_string_equal(hook_effect_to_string(HOOK_EFFECT_ABORT), "abort");
        assert_string_equal(hook_effect_to_string(HOOK_EFFECT_IGNORED), "ignored");
        assert_string_equal(hook_effect_to_string(HOOK_EFFECT_KILL), "kill");
}

static void test_types_are_listed_for_messages(void **state) {
        char *names = hook_type_names();

        assert_non_null(names);
        assert_string_equal(names, "daemon, qemu, lxc, libxl, network");
        free(names);
}

static void test_operations_are_listed_for_messages(void **state) {
        static const char *const lists[] = {
                [HOOK_DAEMON] = "start, shutdown, reload",
                [HOOK_QEMU] = ("prepare, start, started, stopped, release, migrate, restore, "
                               "reconnect, attach"),
                [HOOK_LXC] = "prepare, start, started, stopped, release, reconnect",
                [HOOK_LIBXL] = "prepare, start, started, stopped, release, migrate, reconnect",
                [HOOK_NETWORK] = "start, started, stopped, port-created, port-deleted, updated",
        };

        for (HookType type = 0; type < HOOK_TYPE_MAX; type++) {
                char *names = hook_operation_names(type);

                assert_non_null(names);
                assert_string_equal(names, lists[type]);
                free(names);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_operation_of_libvirt_is_found),
                cmocka_unit_test(test_the_table_has_nothing_else),
                cmocka_unit_test(test_operations_of_other_types_are_not_found),
                cmocka_unit_test(test_types_have_libvirts_names),
                cmocka_unit_test(test_other_names_are_no_type),
                cmocka_unit_test(test_effects_have_names),
                cmocka_unit_test(test_types_are_listed_for_messages),
                cmocka_unit_test(test_operations_are_listed_for_messages),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("hook", tests, NULL, NULL);
}
