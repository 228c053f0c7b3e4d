/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whether others can change what lies at a path: the file, the directories above it, and the links
 * on the way. The directories above the sandbox are taken to be safe, as /tmp is.
 */

#include "safe-path.h"
#include "support.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define SOMEBODY 54321U /* a uid that is neither ours nor root's */

static void assert_safe(const char *path) {
        char *why = (char *) "unset";

        assert_int_equal(safe_path_check(path, &why), 0);
        if (why)
                fail_msg("%s is called unsafe: %s", path, why);
}

/* The reason has both texts. */
static void assert_unsafe(const char *path, const char *what, const char *culprit) {
        char *why = NULL;

        assert_int_equal(safe_path_check(path, &why), 0);
        if (!why)
                fail_msg("%s is called safe", path);
        assert_has(why, what);
        assert_has(why, culprit);
        free(why);
}

static void change_mode(const char *path, mode_t mode) {
        assert_int_equal(chmod(path, mode), 0);
}

static void test_our_own_file_is_safe(void **state) {
        assert_safe(sandbox_file(*state, "qemu", 0755, ""));
        assert_safe(sandbox_file(*state, "hooks/qemu.d/10-x", 0700, ""));
        assert_safe(sandbox_file(*state, "data", 0444, ""));
}

static void test_directories_are_checked_as_files_are(void **state) {
        Sandbox *sandbox = *state;

        assert_safe(sandbox->directory);
        assert_safe(sandbox_folder(sandbox, "d", 0755));
        assert_unsafe(sandbox_folder(sandbox, "e", 0775), "by a group", "/e ");
}

static void test_a_file_that_others_may_write_is_unsafe(void **state) {
        const char *path = sandbox_file(*state, "qemu", 0755, "");

        change_mode(path, 0775);
        assert_unsafe(path, "by a group", sandbox_format(*state, "'chmod go-w %s'", path));
        change_mode(path, 0757);
        assert_unsafe(path, "by everybody", sandbox_format(*state, "'chmod go-w %s'", path));
        change_mode(path, 0777);
        assert_unsafe(path, "by everybody", path);
        change_mode(path, 0755);
        assert_safe(path);
}

static void test_the_sticky_bit_does_not_excuse_a_file(void **state) {
        assert_unsafe(sandbox_file(*state, "qemu", 01777, ""), "by everybody", "/qemu");
}

static void test_set_uid_and_set_gid_are_unsafe(void **state) {
        const char *path = sandbox_file(*state, "qemu", 0755, "");

        change_mode(path, 04755);
        assert_unsafe(path, "set-uid", "'chmod ug-s");
        change_mode(path, 02755);
        assert_unsafe(path, "set-gid", "'chmod ug-s");
}

static void test_every_directory_above_counts(void **state) {
        const char *path = sandbox_file(*state, "a/b/c/qemu", 0755, "");
        static const char *const folders[] = { "a", "a/b", "a/b/c" };

        for (size_t i = 0; i < ELEMENTS(folders); i++) {
                const char *folder = sandbox_path(*state, folders[i]);

                change_mode(folder, 0775);
                assert_unsafe(path, "by a group", sandbox_format(*state, "%s ", folder));
                change_mode(folder, 0757);
                assert_unsafe(path, "by everybody", sandbox_format(*state, "%s ", folder));
                change_mode(folder, 0755);
        }
        assert_safe(path);
}

static void test_a_sticky_directory_is_safe(void **state) {
        const char *path = sandbox_file(*state, "tmp/qemu", 0755, "");

        change_mode(sandbox_path(*state, "tmp"), 01777);
        assert_safe(path);
}

static void test_what_is_not_there_is_unsafe(void **state) {
        assert_unsafe(sandbox_path(*state, "none"), "cannot be looked at", "/none");
        assert_unsafe(sandbox_path(*state, "none/qemu"), "cannot be looked at", "/none");
        (void) sandbox_link(*state, "link", "nowhere");
        assert_unsafe(sandbox_path(*state, "link"), "cannot be looked at", "/nowhere");
}

static void test_a_link_is_as_safe_as_its_target(void **state) {
        const char *target = sandbox_file(*state, "shared/hook", 0755, "");
        const char *absolute = sandbox_link(*state, "hooks/qemu", target);
        const char *relative = sandbox_link(*state, "hooks/lxc", "../shared/hook");

        assert_safe(absolute);
        assert_safe(relative);
        change_mode(target, 0775);
        assert_unsafe(absolute, "by a group", target);
        assert_unsafe(relative, "by a group", target);
        change_mode(target, 0755);
        change_mode(sandbox_path(*state, "shared"), 0777);
        assert_unsafe(absolute, "by everybody", "/shared ");
        assert_unsafe(relative, "by everybody", "/shared ");
}

static void test_links_in_the_middle_are_followed(void **state) {
        (void) sandbox_file(*state, "real/qemu.d/10-x", 0755, "");
        (void) sandbox_link(*state, "hooks", "real");
        assert_safe(sandbox_path(*state, "hooks/qemu.d/10-x"));
        change_mode(sandbox_path(*state, "real/qemu.d"), 0777);
        assert_unsafe(sandbox_path(*state, "hooks/qemu.d/10-x"), "by everybody", "/real/qemu.d ");
}

static void test_a_link_in_an_unsafe_directory_is_unsafe(void **state) {
        (void) sandbox_file(*state, "safe/hook", 0755, "");
        (void) sandbox_link(*state, "open/qemu", "../safe/hook");
        change_mode(sandbox_path(*state, "open"), 0777);
        assert_unsafe(sandbox_path(*state, "open/qemu"), "by everybody", "/open ");
}

static void test_links_to_links_are_followed_to_the_end(void **state) {
        const char *target = sandbox_file(*state, "hook", 0755, "");
        char name[32] = "hook", before[32];

        for (int i = 0; i < 30; i++) {
                (void) strcpy(before, name);
                (void) snprintf(name, sizeof(name), "link-%d", i);
                (void) sandbox_link(*state, name, before);
        }
        assert_safe(sandbox_path(*state, name));
        change_mode(target, 0777);
        assert_unsafe(sandbox_path(*state, name), "by everybody", "/hook ");
}

static void test_links_in_a_circle_are_unsafe(void **state) {
        (void) sandbox_link(*state, "a", "b");
        (void) sandbox_link(*state, "b", "a");
        assert_unsafe(sandbox_path(*state, "a"), "too many symbolic links", "");
}

/* The kernel goes up from where the link leads, not from where it lies. */
static void test_up_is_up_from_the_target(void **state) {
        const char *here = sandbox_file(*state, "here/hook", 0777, "");
        const char *there = sandbox_file(*state, "there/hook", 0755, "");

        (void) sandbox_folder(*state, "there/below", 0755);
        (void) sandbox_link(*state, "here/link", "../there/below");
        assert_safe(sandbox_path(*state, "here/link/../hook"));
        change_mode(here, 0755);
        change_mode(there, 0777);
        assert_unsafe(sandbox_path(*state, "here/link/../hook"), "by everybody", "/there/hook ");
}

static void test_dots_and_slashes_are_read_as_the_kernel_does(void **state) {
        Sandbox *sandbox = *state;

        (void) sandbox_file(sandbox, "a/qemu", 0755, "");
        (void) sandbox_file(sandbox, "a/..x", 0777, "");
        (void) sandbox_folder(sandbox, "a/b", 0755);
        assert_safe(sandbox_path(sandbox, "a//.///./qemu"));
        assert_safe(sandbox_path(sandbox, "a/b/../qemu"));
        assert_safe(sandbox_format(sandbox, "/../..//%s/a/qemu", sandbox->directory));
        assert_unsafe(sandbox_path(sandbox, "a/..x"), "by everybody", "/a/..x ");
        assert_unsafe(sandbox_path(sandbox, "a/b/../..x"), "by everybody", "/a/..x ");
        change_mode(sandbox_path(sandbox, "a/b"), 0777); /* it is passed through all the same */
        assert_unsafe(sandbox_path(sandbox, "a/b/../qemu"), "by everybody", "/a/b ");
}

static void test_a_path_that_is_too_long_is_unsafe(void **state) {
        char path[PATH_MAX + 2];

        memset(path, 'x', sizeof(path) - 1);
        path[0] = '/';
        path[sizeof(path) - 1] = '\0';
        assert_unsafe(path, "too long", "");
        path[PATH_MAX - 1] = '\0';
        assert_unsafe(path, "cannot be looked at", "");
}

static void test_all_is_told_at_once(void **state) {
        const char *path = sandbox_file(*state, "a/b/c/qemu", 0775, "");
        const char *a = sandbox_path(*state, "a"), *c = sandbox_path(*state, "a/b/c");
        const char *link = sandbox_link(*state, "link", "a/../a/b/c/qemu");
        char *why = NULL;

        change_mode(a, 0777);
        change_mode(c, 0775);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(safe_path_check(i == 0 ? path : link, &why), 0);
                assert_string_equal(
                        why,
                        sandbox_format(*state,
                                       "%s may be written by everybody, %s may be written by a "
                                       "group, %s may be written by a group; 'chmod go-w %s && "
                                       "chmod go-w %s && chmod go-w %s' mends it",
                                       a, c, path, a, c, path));
                free(why);
        }

        /* What is not there no command mends. */
        (void) unlink(path);
        assert_int_equal(safe_path_check(path, &why), 0);
        assert_has(why, "/qemu cannot be looked at");
        assert_has(why,
                   sandbox_format(*state, "; 'chmod go-w %s && chmod go-w %s' mends a part of it",
                                  a, c));
        free(why);
        change_mode(a, 0755);
        change_mode(c, 0755);
}

static void test_there_is_an_end_to_what_is_told(void **state) {
        char name[256] = "x", *why = NULL;

        for (int i = 0; i < 40; i++) {
                (void) strcat(name, "/x");
                (void) sandbox_folder(*state, name, 0777);
                change_mode(sandbox_path(*state, name), 0777);
        }
        assert_int_equal(safe_path_check(sandbox_path(*state, name), &why), 0);
        assert_int_equal(count_of(why, "may be written"), 16);
        free(why);
}

static void test_a_problem_is_told_in_parts(void **state) {
        const char *folder = sandbox_folder(*state, "my hooks", 0777);
        const char *path = sandbox_file(*state, "my hooks/qemu", 0755, "");
        SafePathProblems found;

        assert_int_equal(safe_path_find_problems(path, &found), 1);
        assert_int_equal(found.n, 1);
        assert_string_equal(found.problems[0].path, folder);
        assert_string_equal(found.problems[0].problem, "may be written by everybody");
        assert_string_equal(found.problems[0].remedy,
                            sandbox_format(*state, "chmod go-w '%s'", folder));
        safe_path_problems_clear(&found);
        assert_int_equal(found.n, 0);

        change_mode(folder, 0755);
        assert_int_equal(safe_path_find_problems(path, &found), 0);
        assert_int_equal(found.n, 0);

        assert_int_equal(safe_path_find_problems(sandbox_path(*state, "none"), &found), 1);
        assert_non_null(found.problems[0].problem);
        assert_null(found.problems[0].remedy); /* no command makes up a file */
        safe_path_problems_clear(&found);
}

static void test_what_is_someone_elses_is_unsafe(void **state) {
        const char *path = sandbox_file(*state, "a/qemu", 0755, "");
        const char *folder = sandbox_path(*state, "a");
        const char *link = sandbox_link(*state, "link", "a/qemu");

        if (geteuid() != 0)
                pass_over("only root gives files away");

        assert_int_equal(chown(path, SOMEBODY, 0), 0);
        assert_unsafe(path, "belongs to uid 54321",
                      sandbox_format(*state, "'chown root %s'", path));
        assert_unsafe(link, "belongs to uid 54321", path);
        assert_int_equal(chown(path, 0, SOMEBODY), 0); /* a group that may not write is fine */
        assert_safe(path);
        assert_int_equal(chown(folder, SOMEBODY, 0), 0);
        assert_unsafe(path, "belongs to uid 54321", folder);
        assert_int_equal(chown(folder, 0, 0), 0);
        assert_safe(link);
        assert_int_equal(lchown(link, SOMEBODY, 0), 0);
        assert_unsafe(link, "belongs to uid 54321",
                      sandbox_format(*state, "'chown root -h %s'", link));
}

static void test_someone_elses_file_in_a_sticky_directory_is_unsafe(void **state) {
        const char *path = sandbox_file(*state, "tmp/qemu", 0755, "");

        if (geteuid() != 0)
                pass_over("only root gives files away");

        change_mode(sandbox_path(*state, "tmp"), 01777);
        assert_int_equal(chown(path, SOMEBODY, SOMEBODY), 0);
        assert_unsafe(path, "belongs to uid 54321", path);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                sandboxed(test_our_own_file_is_safe),
                sandboxed(test_directories_are_checked_as_files_are),
                sandboxed(test_a_file_that_others_may_write_is_unsafe),
                sandboxed(test_the_sticky_bit_does_not_excuse_a_file),
                sandboxed(test_set_uid_and_set_gid_are_unsafe),
                sandboxed(test_every_directory_above_counts),
                sandboxed(test_a_sticky_directory_is_safe),
                sandboxed(test_what_is_not_there_is_unsafe),
                sandboxed(test_a_link_is_as_safe_as_its_target),
                sandboxed(test_links_in_the_middle_are_followed),
                sandboxed(test_a_link_in_an_unsafe_directory_is_unsafe),
                sandboxed(test_links_to_links_are_followed_to_the_end),
                sandboxed(test_links_in_a_circle_are_unsafe),
                sandboxed(test_up_is_up_from_the_target),
                sandboxed(test_dots_and_slashes_are_read_as_the_kernel_does),
                sandboxed(test_a_path_that_is_too_long_is_unsafe),
                sandboxed(test_all_is_told_at_once),
                sandboxed(test_there_is_an_end_to_what_is_told),
                sandboxed(test_a_problem_is_told_in_parts),
                sandboxed(test_what_is_someone_elses_is_unsafe),
                sandboxed(test_someone_elses_file_in_a_sticky_directory_is_unsafe),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("safe-path", tests, NULL, NULL);
}
