/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The scripts' environment: what of the service's own gets in, in libvirt's order.
 */

#include "environment.h"
#include "support.h"

#include <pwd.h>

#include "util.h"

/* Has the variable NAME of our own be VALUE, or not be where that is NULL. */
static void set(const char *name, const char *value) {
        assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static char **made(void) {
        char **environment = NULL;

        assert_int_equal(environment_new(&environment), 0);
        return environment;
}

static const char *value_of(char *const *environment, const char *name) {
        for (; *environment; environment++)
                if (strncmp(*environment, name, strlen(name)) == 0 &&
                    (*environment)[strlen(name)] == '=')
                        return *environment + strlen(name) + 1;
        return NULL;
}

static void test_the_variables_come_in_libvirts_order(void **state) {
        static const char *const names[] = { "LC_ALL=", "PATH=",    "HOME=",
                                             "USER=",   "LOGNAME=", "TMPDIR=" };
        char *tmpdir = getenv("TMPDIR");
        char **environment;

        set("TMPDIR", "/tmp");
        set("HOME", "/home");
        set("USER", "user");
        set("LOGNAME", "user");
        environment = made();
        assert_int_equal(strv_length(environment), ELEMENTS(names));
        for (size_t i = 0; i < ELEMENTS(names); i++)
                assert_has_prefix(environment[i], names[i]);
        strv_free(environment);
        set("TMPDIR", tmpdir);
}

static void test_nothing_else_gets_in(void **state) {
        char **environment;

        set("BASH_ENV", "/tmp/evil");
        set("LC_ALL", "de_DE.UTF-8");
        environment = made();
        assert_null(value_of(environment, "BASH_ENV"));
        assert_string_equal(value_of(environment, "LC_ALL"), "C");
        strv_free(environment);
        set("BASH_ENV", NULL);
        set("LC_ALL", NULL);
}

static void test_the_account_is_that_of_the_process(void **state) {
        const struct passwd *account = getpwuid(geteuid());
        char **environment;

        if (!account)
                pass_over("our account has no name, as in some containers");
        set("HOME", "/nowhere");
        set("USER", "nobody");
        set("LOGNAME", "nobody");
        environment = made();
        assert_string_equal(value_of(environment, "HOME"), account->pw_dir);
        assert_string_equal(value_of(environment, "USER"), account->pw_name);
        assert_string_equal(value_of(environment, "LOGNAME"), account->pw_name);
        strv_free(environment);
}

static void test_there_is_always_a_path(void **state) {
        char *path = strdup(getenv("PATH") ?: "/usr/bin:/bin"), **environment;

        assert_non_null(path);
        set("PATH", "/opt/bin:/bin");
        environment = made();
        assert_string_equal(value_of(environment, "PATH"), "/opt/bin:/bin");
        strv_free(environment);

        set("PATH", NULL);
        environment = made();
        assert_has(value_of(environment, "PATH"), "/usr/bin");
        strv_free(environment);
        set("PATH", path);
        free(path);
}

static void test_tmpdir_is_passed_on_where_it_is_set(void **state) {
        char *before = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL, **environment;

        set("TMPDIR", NULL);
        environment = made();
        assert_null(value_of(environment, "TMPDIR"));
        strv_free(environment);

        set("TMPDIR", "/var/tmp");
        environment = made();
        assert_string_equal(value_of(environment, "TMPDIR"), "/var/tmp");
        strv_free(environment);
        set("TMPDIR", before);
        free(before);
}

static void test_what_libvirt_gave_is_passed_on_in_its_order(void **state) {
        char *given[] = { (char *) "TMPDIR=/a", (char *) "HOMER=simpson",
                          (char *) "PATH=/bin", (char *) "VIRT_HOOKS_RUN=0123",
                          (char *) "LC_ALL=C",  NULL };
        char **before = environ, **environment;

        environ = given;
        assert_int_equal(environment_new_inherited(&environment), 0);
        environ = before;
        assert_int_equal(strv_length(environment), 3);
        assert_string_equal(environment[0], "TMPDIR=/a");
        assert_string_equal(environment[1], "PATH=/bin");
        assert_string_equal(environment[2], "LC_ALL=C");
        strv_free(environment);

        environ = given + 5;
        assert_int_equal(environment_new_inherited(&environment), 0);
        environ = before;
        assert_non_null(environment);
        assert_int_equal(strv_length(environment), 0);
        strv_free(environment);
}

static void test_a_run_has_its_id_at_the_end(void **state) {
        char *ours[] = { (char *) "LC_ALL=C", (char *) "PATH=/bin", NULL }, **environment;

        assert_int_equal(environment_for_run(&environment, ours, "0123"), 0);
        assert_int_equal(strv_length(environment), 3);
        assert_string_equal(environment[0], "LC_ALL=C");
        assert_string_equal(environment[1], "PATH=/bin");
        assert_string_equal(environment[2], "VIRT_HOOKS_RUN=0123");
        strv_free(environment);

        assert_int_equal(environment_for_run(&environment, NULL, "0123"), 0);
        assert_int_equal(strv_length(environment), 1);
        strv_free(environment);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_variables_come_in_libvirts_order),
                cmocka_unit_test(test_nothing_else_gets_in),
                cmocka_unit_test(test_the_account_is_that_of_the_process),
                cmocka_unit_test(test_there_is_always_a_path),
                cmocka_unit_test(test_tmpdir_is_passed_on_where_it_is_set),
                cmocka_unit_test(test_what_libvirt_gave_is_passed_on_in_its_order),
                cmocka_unit_test(test_a_run_has_its_id_at_the_end),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
