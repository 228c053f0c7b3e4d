/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The scripts on disk: which run, in which order, and by which rule of presence.
 */

#include "scripts.h"
#include "support.h"

#include <stdio.h>
#include <sys/stat.h>

/* The sandbox's "one" and "two" as the hooks' directories. */
typedef struct Place {
        Sandbox *sandbox;
        char *directories[3];
        Scripts *scripts;
} Place;

static void place_open(Place *place, Sandbox *sandbox, bool strict, bool cached) {
        *place = (Place){
                .sandbox = sandbox,
                .directories = { (char *) sandbox_path(sandbox, "one"),
                                 (char *) sandbox_path(sandbox, "two") },
        };
        assert_int_equal(scripts_new(&place->scripts, place->directories, strict, cached,
                                     sandbox_path(sandbox, "lock")),
                         0);
}

static void place_close(Place *place) {
        assert_null(scripts_free(place->scripts));
}

static void find(const Place *place, HookType type, bool all, ScriptList *list) {
        int r = scripts_find(place->scripts, type, all, list);

        if (r < 0)
                fail_msg("The scripts cannot be found: %s", strerror(-r));
}

/* What a call of TYPE runs are the files EXPECTED, "one/qemu one/qemu.d/10-x", in this order. */
static void assert_runs(const Place *place, HookType type, const char *expected) {
        size_t skipped = strlen(place->sandbox->directory) + 1;
        char found[1024] = "", *p = found;
        ScriptList list;

        find(place, type, false, &list);
        for (size_t i = 0; i < list.n; i++) {
                const Script *script = &list.scripts[i];

                p = stpcpy(stpcpy(p, i > 0 ? " " : ""), script->path + skipped);
                assert_has_prefix(script->path, place->sandbox->directory);
                assert_string_equal(script->name, script->path + skipped + strlen("one/"));
                assert_null(script->why_not);
                assert_false(script->unsafe);
        }
        script_list_clear(&list);
        assert_int_equal(list.n, 0);
        assert_string_equal(found, expected);
}

static void assert_qemu_runs(Sandbox *sandbox, const char *expected) {
        Place place;

        place_open(&place, sandbox, false, false);
        log_start(sandbox); /* what is passed over is not of interest here */
        assert_runs(&place, HOOK_QEMU, expected);
        (void) log_end(sandbox);
        place_close(&place);
}

static void script(Sandbox *sandbox, const char *name) {
        (void) sandbox_file(sandbox, name, 0755, "#!/bin/sh\n");
}

static void test_nothing_there_is_no_error(void **state) {
        Place place;

        place_open(&place, *state, true, false);
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                assert_runs(&place, type, "");
        place_close(&place);
}

static void test_no_directories_have_no_scripts(void **state) {
        char *none[] = { NULL };
        Scripts *scripts;
        ScriptList list;

        assert_int_equal(scripts_new(&scripts, none, true, false, NULL), 0);
        assert_int_equal(scripts_find(scripts, HOOK_QEMU, true, &list), 0);
        assert_int_equal(list.n, 0);
        scripts_free(scripts);
}

static void test_the_main_script_comes_first(void **state) {
        script(*state, "one/qemu.d/0");
        script(*state, "one/qemu");
        assert_qemu_runs(*state, "one/qemu one/qemu.d/0");
}

static void test_either_is_enough(void **state) {
        Place place;

        script(*state, "one/qemu");
        script(*state, "one/lxc.d/x");
        place_open(&place, *state, false, false);
        assert_runs(&place, HOOK_QEMU, "one/qemu");
        assert_runs(&place, HOOK_LXC, "one/lxc.d/x");
        assert_runs(&place, HOOK_LIBXL, "");
        place_close(&place);
}

static void test_the_order_is_that_of_the_bytes(void **state) {
        static const char *const names[] = { "b",    "a",   "B",        "10", "9", "_",
                                             "a.sh", "a-1", "\xc3\xa4", "Z",  "~", "a b" };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                script(*state, sandbox_format(*state, "one/qemu.d/%s", names[i]));
        assert_qemu_runs(*state,
                         "one/qemu.d/10 one/qemu.d/9 one/qemu.d/B one/qemu.d/Z one/qemu.d/_ "
                         "one/qemu.d/a one/qemu.d/a b one/qemu.d/a-1 one/qemu.d/a.sh "
                         "one/qemu.d/b one/qemu.d/~ one/qemu.d/\xc3\xa4");
}

static void test_hidden_files_and_backups_run(void **state) {
        script(*state, "one/qemu.d/.hidden");
        script(*state, "one/qemu.d/..x");
        script(*state, "one/qemu.d/foo~");
        script(*state, "one/qemu.d/foo.bak");
        script(*state, "one/qemu.d/foo.dpkg-old");
        assert_qemu_runs(*state, "one/qemu.d/..x one/qemu.d/.hidden one/qemu.d/foo.bak "
                                 "one/qemu.d/foo.dpkg-old one/qemu.d/foo~");
}

static void test_a_file_that_is_not_executable_does_not_run(void **state) {
        (void) sandbox_file(*state, "one/qemu", 0644, "#!/bin/sh\n");
        (void) sandbox_file(*state, "one/qemu.d/10-a", 0644, "#!/bin/sh\n");
        script(*state, "one/qemu.d/20-b");
        assert_qemu_runs(*state, "one/qemu.d/20-b");
}

static void test_any_execute_bit_is_enough_for_root(void **state) {
        if (geteuid() != 0)
                pass_over("for others than root the bit must be theirs");
        (void) sandbox_file(*state, "one/qemu.d/1", 0100, "");
        (void) sandbox_file(*state, "one/qemu.d/2", 0010, "");
        (void) sandbox_file(*state, "one/qemu.d/3", 0001, "");
        (void) sandbox_file(*state, "one/qemu.d/4", 0666, "");
        assert_qemu_runs(*state, "one/qemu.d/1 one/qemu.d/2 one/qemu.d/3");
}

static void test_what_is_no_file_does_not_run(void **state) {
        (void) sandbox_folder(*state, "one", 0755);
        (void) sandbox_folder(*state, "one/qemu", 0755);
        (void) sandbox_folder(*state, "one/qemu.d", 0755);
        (void) sandbox_folder(*state, "one/qemu.d/folder", 0755);
        script(*state, "one/qemu.d/folder/below");
        assert_int_equal(mkfifo(sandbox_path(*state, "one/qemu.d/fifo"), 0755), 0);
        (void) sandbox_link(*state, "one/qemu.d/dangling", "nowhere");
        (void) sandbox_link(*state, "one/qemu.d/circle", "circle");
        assert_qemu_runs(*state, "");
        script(*state, "one/qemu.d/x");
        assert_qemu_runs(*state, "one/qemu.d/x");
}

static void test_links_are_followed_and_keep_their_names(void **state) {
        script(*state, "shared/hook");
        (void) sandbox_link(*state, "one/qemu", "../shared/hook");
        (void) sandbox_link(*state, "one/qemu.d", "../two.d");
        script(*state, "two.d/10-a");
        (void) sandbox_link(*state, "two.d/20-b", sandbox_path(*state, "shared/hook"));
        assert_qemu_runs(*state, "one/qemu one/qemu.d/10-a one/qemu.d/20-b");
}

static void test_a_file_in_place_of_the_folder_has_no_scripts(void **state) {
        script(*state, "one/qemu.d");
        assert_qemu_runs(*state, "");
        script(*state, "one/qemu");
        assert_qemu_runs(*state, "one/qemu");
}

static void test_the_first_directory_that_has_the_type_serves_it(void **state) {
        Place place;

        script(*state, "two/qemu");
        script(*state, "two/qemu.d/10-x");
        script(*state, "two/network");
        place_open(&place, *state, false, false);
        assert_runs(&place, HOOK_QEMU, "two/qemu two/qemu.d/10-x");
        script(*state, "one/qemu.d/20-y");
        assert_runs(&place, HOOK_QEMU, "one/qemu.d/20-y"); /* and nothing of two's */
        assert_runs(&place, HOOK_NETWORK, "two/network");  /* each type for itself */
        place_close(&place);
}

static void test_a_directory_without_anything_executable_does_not_have_the_type(void **state) {
        (void) sandbox_file(*state, "one/qemu", 0644, "");
        (void) sandbox_link(*state, "one/qemu.d/10-x", "nowhere");
        script(*state, "two/qemu");
        assert_qemu_runs(*state, "two/qemu");
}

/* The installed one or not: it goes by the name that the link leads to. */
static void test_a_directory_with_the_forwarder_does_not_serve_the_type(void **state) {
        script(*state, "lib/virt-hooks-forward");
        (void) sandbox_link(*state, "one/qemu", "../lib/virt-hooks-forward");
        script(*state, "one/qemu.d/10-a");
        assert_qemu_runs(*state, "");
        script(*state, "two/qemu.d/10-b");
        assert_qemu_runs(*state, "two/qemu.d/10-b");
}

static void test_the_forwarder_is_known_when_it_was_uninstalled(void **state) {
        (void) sandbox_link(*state, "one/qemu", "../lib/virt-hooks-forward");
        script(*state, "one/qemu.d/10-a");
        assert_qemu_runs(*state, "");
}

static void test_the_forwarder_is_no_script(void **state) {
        Place place;

        script(*state, "lib/virt-hooks-forward");
        script(*state, "one/qemu");
        (void) sandbox_link(*state, "one/qemu.d/10-a", "../../lib/virt-hooks-forward");
        place_open(&place, *state, false, false);
        log_start(*state);
        assert_runs(&place, HOOK_QEMU, "one/qemu");
        assert_has(log_end(*state), "10-a: not run: it is virt-hooks-forward");
        place_close(&place);
}

static void test_scripts_are_looked_for_at_each_call(void **state) {
        Place place;

        place_open(&place, *state, false, false);
        assert_runs(&place, HOOK_QEMU, "");
        script(*state, "one/qemu.d/20-b");
        assert_runs(&place, HOOK_QEMU, "one/qemu.d/20-b");
        script(*state, "one/qemu.d/10-a");
        assert_runs(&place, HOOK_QEMU, "one/qemu.d/10-a one/qemu.d/20-b");
        assert_int_equal(unlink(sandbox_path(*state, "one/qemu.d/20-b")), 0);
        assert_runs(&place, HOOK_QEMU, "one/qemu.d/10-a");
        place_close(&place);
}

static void test_libvirts_rule_looks_for_types_when_it_is_told_to(void **state) {
        Place place;

        place_open(&place, *state, false, true);
        script(*state, "one/qemu");
        assert_runs(&place, HOOK_QEMU, "");
        scripts_rescan(place.scripts);
        assert_runs(&place, HOOK_QEMU, "one/qemu");
        place_close(&place);
}

static void test_libvirts_rule_reads_the_files_of_a_type_at_each_call(void **state) {
        Place place;

        script(*state, "one/qemu");
        place_open(&place, *state, false, true);
        script(*state, "one/qemu.d/10-a");
        assert_runs(&place, HOOK_QEMU, "one/qemu one/qemu.d/10-a");
        assert_int_equal(unlink(sandbox_path(*state, "one/qemu")), 0);
        assert_int_equal(unlink(sandbox_path(*state, "one/qemu.d/10-a")), 0);
        assert_runs(&place, HOOK_QEMU, "");
        script(*state, "one/qemu.d/20-b");
        assert_runs(&place, HOOK_QEMU, "one/qemu.d/20-b"); /* the type stays present */
        place_close(&place);
}

static void test_a_rescan_can_lose_a_type(void **state) {
        Place place;

        script(*state, "one/qemu");
        place_open(&place, *state, false, true);
        assert_int_equal(unlink(sandbox_path(*state, "one/qemu")), 0);
        scripts_rescan(place.scripts);
        script(*state, "one/qemu");
        assert_runs(&place, HOOK_QEMU, "");
        place_close(&place);
}

/* They may be half in one folder and half in the other. */
static void test_scripts_on_the_move_are_not_found(void **state) {
        ScriptList list;
        Place place;

        script(*state, "one/qemu");
        (void) sandbox_file(*state, "lock", 0600, "");
        place_open(&place, *state, false, true);
        assert_runs(&place, HOOK_QEMU, "one/qemu");
        (void) sandbox_file(*state, "lock", 0600, "plan");
        assert_int_equal(scripts_find(place.scripts, HOOK_QEMU, false, &list), -EBUSY);
        assert_int_equal(list.n, 0);
        find(&place, HOOK_QEMU, true, &list); /* for those who just look */
        script_list_clear(&list);
        assert_int_equal(unlink(sandbox_path(*state, "one/qemu")), 0);
        scripts_rescan(place.scripts); /* nobody knows which types have any */
        (void) sandbox_file(*state, "lock", 0600, "");
        script(*state, "one/lxc");
        assert_runs(&place, HOOK_LXC, "one/lxc");
        place_close(&place);
}

static void test_the_time_of_the_scan_is_known(void **state) {
        uint64_t before = now_usec(CLOCK_REALTIME), loaded;
        Place place;

        place_open(&place, *state, false, false);
        loaded = scripts_loaded_at(place.scripts);
        assert_in_range(loaded, before, now_usec(CLOCK_REALTIME));
        (void) usleep(2);
        scripts_rescan(place.scripts);
        assert_true(scripts_loaded_at(place.scripts) > loaded);
        place_close(&place);
}

static void test_a_folder_that_cannot_be_read_is_an_error(void **state) {
        ScriptList list;
        Place place;

        (void) sandbox_link(*state, "one/qemu.d", "qemu.d"); /* a circle stops root as well */
        script(*state, "two/qemu");
        place_open(&place, *state, false, false);
        log_start(*state);
        assert_int_equal(scripts_find(place.scripts, HOOK_QEMU, false, &list), -ELOOP);
        assert_has(log_end(*state), "/one: the scripts cannot be listed");
        place_close(&place);
}

static void test_libvirts_rule_lets_nothing_hide_in_an_unreadable_folder(void **state) {
        ScriptList list;
        Place place;

        (void) sandbox_link(*state, "one/qemu.d", "qemu.d");
        log_start(*state);
        place_open(&place, *state, false, true);
        assert_int_equal(scripts_find(place.scripts, HOOK_QEMU, false, &list), -ELOOP);
        (void) log_end(*state);
        place_close(&place);
}

/* With ALL: what is told of NAME, NULL where it is not in the list. The text is the list's. */
static const Script *script_named(const ScriptList *list, const char *name) {
        for (size_t i = 0; i < list->n; i++)
                if (streq(list->scripts[i].name, name))
                        return &list->scripts[i];
        return NULL;
}

static void assert_passed_over(const ScriptList *list, const char *name, const char *why) {
        const Script *found = script_named(list, name);

        if (!found)
                fail_msg("%s is not listed", name);
        assert_has(found->why_not, why);
        assert_false(found->unsafe);
}

static void test_the_full_list_says_what_is_passed_over_and_why(void **state) {
        ScriptList list;
        Place place;

        (void) sandbox_file(*state, "one/qemu", 0644, "");
        (void) sandbox_link(*state, "one/qemu.d/10-a", "nowhere");
        (void) sandbox_folder(*state, "one/qemu.d/20-b", 0755);
        assert_int_equal(mkfifo(sandbox_path(*state, "one/qemu.d/30-c"), 0755), 0);
        script(*state, "one/qemu.d/40-d");
        (void) sandbox_file(*state, "one/qemu.d/50-e; rm x", 0644, "");
        place_open(&place, *state, false, false);
        log_start(*state);
        find(&place, HOOK_QEMU, true, &list);
        (void) log_end(*state);
        assert_int_equal(list.n, 6);
        assert_passed_over(
                &list, "qemu",
                sandbox_format(*state, "'chmod +x %s'", sandbox_path(*state, "one/qemu")));
        assert_passed_over(&list, "qemu.d/10-a", "link to nothing");
        assert_passed_over(&list, "qemu.d/20-b", "is a directory");
        assert_passed_over(&list, "qemu.d/30-c", "not a regular file");
        assert_null(script_named(&list, "qemu.d/40-d")->why_not);
        assert_passed_over(&list, "qemu.d/50-e; rm x",
                           sandbox_format(*state, "'chmod +x '%s''",
                                          sandbox_path(*state, "one/qemu.d/50-e; rm x")));
        script_list_clear(&list);
        place_close(&place);
}

static void test_the_full_list_tells_of_types_without_any_script(void **state) {
        ScriptList list;
        Place place;

        (void) sandbox_file(*state, "one/qemu", 0644, "");
        (void) sandbox_file(*state, "two/qemu", 0644, "");
        place_open(&place, *state, false, false);
        log_start(*state);
        find(&place, HOOK_QEMU, true, &list);
        (void) log_end(*state);
        assert_int_equal(list.n, 2);
        assert_string_equal(list.scripts[0].path, sandbox_path(*state, "one/qemu"));
        assert_string_equal(list.scripts[1].path, sandbox_path(*state, "two/qemu"));
        script_list_clear(&list);
        place_close(&place);
}

static void test_the_full_list_tells_of_types_that_await_a_rescan(void **state) {
        ScriptList list;
        Place place;

        place_open(&place, *state, false, true);
        script(*state, "one/qemu");
        find(&place, HOOK_QEMU, true, &list);
        assert_int_equal(list.n, 1);
        assert_passed_over(&list, "qemu", "reload");
        script_list_clear(&list);
        place_close(&place);
}

static void test_a_file_is_warned_of_once(void **state) {
        const char *log;
        ScriptList list;
        Place place;

        (void) sandbox_file(*state, "one/qemu.d/10-a", 0644, "");
        (void) sandbox_file(*state, "one/qemu.d/20-b", 0644, "");
        script(*state, "one/qemu");
        place_open(&place, *state, false, false);
        log_start(*state);
        for (int i = 0; i < 3; i++) {
                assert_runs(&place, HOOK_QEMU, "one/qemu");
                find(&place, HOOK_QEMU, true, &list);
                script_list_clear(&list);
        }
        log = log_end(*state);
        assert_int_equal(count_of(log, "/one/qemu.d/10-a: not run: it is not executable"), 1);
        assert_int_equal(count_of(log, "/one/qemu.d/20-b: not run: it is not executable"), 1);
        assert_int_equal(count_of(log, "\n"), 2);
        place_close(&place);
}

static void test_a_file_that_became_executable_is_not_warned_of(void **state) {
        const char *path = sandbox_file(*state, "one/qemu", 0644, "");
        Place place;

        place_open(&place, *state, false, false);
        assert_int_equal(chmod(path, 0755), 0);
        log_start(*state);
        assert_runs(&place, HOOK_QEMU, "one/qemu");
        assert_string_equal(log_end(*state), "");
        place_close(&place);
}

static void test_an_unsafe_script_is_told_and_not_left_out(void **state) {
        ScriptList list;
        Place place;

        script(*state, "one/qemu");
        (void) sandbox_file(*state, "one/qemu.d/10-a", 0777, "");
        place_open(&place, *state, true, false);
        for (int all = 0; all < 2; all++) {
                find(&place, HOOK_QEMU, all, &list);
                assert_int_equal(list.n, 2);
                assert_false(list.scripts[0].unsafe);
                assert_null(list.scripts[0].why_not);
                assert_true(list.scripts[1].unsafe);
                assert_has(list.scripts[1].why_not, "may be written by everybody");
                script_list_clear(&list);
        }
        place_close(&place);
}

static void test_a_file_that_would_not_run_need_not_be_safe(void **state) {
        ScriptList list;
        Place place;

        (void) sandbox_file(*state, "one/qemu", 0666, "");
        place_open(&place, *state, true, false);
        log_start(*state);
        find(&place, HOOK_QEMU, false, &list);
        assert_int_equal(list.n, 0);
        find(&place, HOOK_QEMU, true, &list);
        (void) log_end(*state);
        assert_int_equal(list.n, 1);
        assert_false(list.scripts[0].unsafe);
        script_list_clear(&list);
        place_close(&place);
}

static void test_without_the_check_an_unsafe_script_runs(void **state) {
        (void) sandbox_file(*state, "one/qemu", 0777, "");
        assert_qemu_runs(*state, "one/qemu");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                sandboxed(test_nothing_there_is_no_error),
                cmocka_unit_test(test_no_directories_have_no_scripts),
                sandboxed(test_the_main_script_comes_first),
                sandboxed(test_either_is_enough),
                sandboxed(test_the_order_is_that_of_the_bytes),
                sandboxed(test_hidden_files_and_backups_run),
                sandboxed(test_a_file_that_is_not_executable_does_not_run),
                sandboxed(test_any_execute_bit_is_enough_for_root),
                sandboxed(test_what_is_no_file_does_not_run),
                sandboxed(test_links_are_followed_and_keep_their_names),
                sandboxed(test_a_file_in_place_of_the_folder_has_no_scripts),
                sandboxed(test_the_first_directory_that_has_the_type_serves_it),
                sandboxed(test_a_directory_without_anything_executable_does_not_have_the_type),
                sandboxed(test_a_directory_with_the_forwarder_does_not_serve_the_type),
                sandboxed(test_the_forwarder_is_known_when_it_was_uninstalled),
                sandboxed(test_the_forwarder_is_no_script),
                sandboxed(test_scripts_are_looked_for_at_each_call),
                sandboxed(test_libvirts_rule_looks_for_types_when_it_is_told_to),
                sandboxed(test_libvirts_rule_reads_the_files_of_a_type_at_each_call),
                sandboxed(test_a_rescan_can_lose_a_type),
                sandboxed(test_scripts_on_the_move_are_not_found),
                sandboxed(test_the_time_of_the_scan_is_known),
                sandboxed(test_a_folder_that_cannot_be_read_is_an_error),
                sandboxed(test_libvirts_rule_lets_nothing_hide_in_an_unreadable_folder),
                sandboxed(test_the_full_list_says_what_is_passed_over_and_why),
                sandboxed(test_the_full_list_tells_of_types_without_any_script),
                sandboxed(test_the_full_list_tells_of_types_that_await_a_rescan),
                sandboxed(test_a_file_is_warned_of_once),
                sandboxed(test_a_file_that_became_executable_is_not_warned_of),
                sandboxed(test_an_unsafe_script_is_told_and_not_left_out),
                sandboxed(test_a_file_that_would_not_run_need_not_be_safe),
                sandboxed(test_without_the_check_an_unsafe_script_runs),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("scripts", tests, NULL, NULL);
}
