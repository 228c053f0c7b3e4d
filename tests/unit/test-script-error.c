/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The words for a script that failed, which are libvirt's to the letter. What a shell would need in
 * quotes is as virBufferEscapeShell() in libvirt's src/util/virbuffer.c has it.
 */

#include "script-error.h"
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "text.h"

#define START "Hook script execution failed: internal error: Child process ("

static void assert_message(char *const *environment, char *const *argv, int status,
                           const char *text, const char *expected) {
        char *message = script_error_message(environment, argv, status, text, strlen(text));

        assert_non_null(message);
        assert_string_equal(message, expected);
        free(message);
}

static void test_the_message_is_libvirts(void **state) {
        char *environment[] = { (char *) "LC_ALL=C",     (char *) "PATH=/usr/sbin:/usr/bin",
                                (char *) "HOME=/root",   (char *) "USER=root",
                                (char *) "LOGNAME=root", NULL };
        char *argv[] = { (char *) "/etc/libvirt/hooks/qemu",
                         (char *) "web-01",
                         (char *) "prepare",
                         (char *) "begin",
                         (char *) "-",
                         NULL };

        assert_message(environment, argv, W_EXITCODE(1, 0), "Could not find required XYZZY\n",
                       START "LC_ALL=C PATH=/usr/sbin:/usr/bin HOME=/root USER=root LOGNAME=root "
                             "/etc/libvirt/hooks/qemu web-01 prepare begin -) unexpected exit "
                             "status 1: Could not find required XYZZY\n");
}

/* What is left of a message around one argument. */
static void assert_argument(const char *argument, const char *quoted) {
        char *argv[] = { (char *) "/hook", (char *) argument, NULL };
        char expected[256];

        (void) snprintf(expected, sizeof(expected), START "/hook %s) unexpected exit status 3",
                        quoted);
        assert_message(NULL, argv, W_EXITCODE(3, 0), "", expected);
}

static void test_an_empty_stderr_adds_nothing(void **state) {
        assert_argument("-", "-");
}

static void test_signals_are_told(void **state) {
        char *argv[] = { (char *) "/hook", NULL };

        assert_message(NULL, argv, W_EXITCODE(0, SIGKILL), "",
                       START "/hook) unexpected fatal signal 9");
        assert_message(NULL, argv, W_EXITCODE(0, SIGSEGV) | WCOREFLAG, "oh",
                       START "/hook) unexpected fatal signal 11: oh");
        assert_message(NULL, argv, W_EXITCODE(255, 0), "",
                       START "/hook) unexpected exit status 255");
}

static void test_each_character_is_quoted_where_libvirt_quotes_it(void **state) {
        static const char special[] = "\r\t\n !\"#$&'()*;<>?[\\]^`{|}~";

        for (int c = 1; c < 0x80; c++) {
                char argument[] = { 'a', (char) c, 'z', '\0' }, quoted[16];

                if (c == '\'')
                        (void) strcpy(quoted, "'a'\\''z'");
                else
                        (void) sprintf(quoted, strchr(special, c) ? "'%s'" : "%s", argument);
                assert_argument(argument, quoted);
        }
}

static void test_words_that_need_quotes(void **state) {
        assert_argument("", "''");
        assert_argument("from snapshot", "'from snapshot'");
        assert_argument("'", "''\\'''");
        assert_argument("it's 'so'", "'it'\\''s '\\''so'\\'''");
        assert_argument("a=b,c:d/e.f-g_h+i%j@k", "a=b,c:d/e.f-g_h+i%j@k");
        assert_argument("z\xc3\xbcrich", "z\xc3\xbcrich");
}

static void test_the_path_is_quoted_as_well(void **state) {
        char *argv[] = { (char *) "/my hooks/qemu", NULL };

        assert_message(NULL, argv, W_EXITCODE(1, 0), "",
                       START "'/my hooks/qemu') unexpected exit status 1");
}

static void test_names_of_variables_stay_outside_the_quotes(void **state) {
        char *environment[] = { (char *) "A=b c",  (char *) "B=",      (char *) "C=x=y z",
                                (char *) "D=it's", (char *) "E=plain", NULL };
        char *argv[] = { (char *) "/hook", NULL };

        assert_message(environment, argv, W_EXITCODE(1, 0), "",
                       START "A='b c' B='' C='x=y z' D='it'\\''s' E=plain /hook) "
                             "unexpected exit status 1");
}

static void test_stderr_is_told_to_the_letter(void **state) {
        char *argv[] = { (char *) "/hook", NULL };

        assert_message(NULL, argv, W_EXITCODE(1, 0), " line 1\n\tline 2 'x' \"y\"\n\n",
                       START "/hook) unexpected exit status 1:  line 1\n\tline 2 'x' \"y\"\n\n");
        assert_message(NULL, argv, W_EXITCODE(1, 0), "\n",
                       START "/hook) unexpected exit status 1: \n");
}

static void test_the_message_is_sendable_whatever_came(void **state) {
        char *environment[] = { (char *) "PATH=/\xfe", NULL };
        char *argv[] = { (char *) "/hook\xff", (char *) "web\xc3", NULL };
        char *message =
                script_error_message(environment, argv, W_EXITCODE(1, 0), "a\0b\xe2\x82", 5);

        assert_non_null(message);
        assert_true(text_is_sendable(message, strlen(message)));
        assert_string_equal(message, START "PATH=/\xef\xbf\xbd /hook\xef\xbf\xbd web\xef\xbf\xbd) "
                                           "unexpected exit status 1: "
                                           "a\xef\xbf\xbd"
                                           "b\xef\xbf\xbd\xef\xbf\xbd");
        free(message);
}

static void test_only_as_much_of_stderr_is_told_as_there_is(void **state) {
        char *argv[] = { (char *) "/hook", NULL };
        char *message = script_error_message(NULL, argv, W_EXITCODE(1, 0), "abcdef", 3);

        assert_string_equal(message, START "/hook) unexpected exit status 1: abc");
        free(message);
        message = script_error_message(NULL, argv, W_EXITCODE(1, 0), NULL, 0);
        assert_string_equal(message, START "/hook) unexpected exit status 1");
        free(message);
}

static void assert_reason(const char *name, int status, const char *expected) {
        char *reason = script_error_reason(name, status);

        assert_non_null(reason);
        assert_string_equal(reason, expected);
        free(reason);
}

static void test_the_reason_is_in_our_own_words(void **state) {
        assert_reason("qemu.d/20-vlan", W_EXITCODE(3, 0), "qemu.d/20-vlan exited with status 3");
        assert_reason("qemu", W_EXITCODE(0, SIGKILL), "qemu was killed by signal 9");
        assert_reason("qemu.d/\xff", W_EXITCODE(1, 0), "qemu.d/\xef\xbf\xbd exited with status 1");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_message_is_libvirts),
                cmocka_unit_test(test_an_empty_stderr_adds_nothing),
                cmocka_unit_test(test_signals_are_told),
                cmocka_unit_test(test_each_character_is_quoted_where_libvirt_quotes_it),
                cmocka_unit_test(test_words_that_need_quotes),
                cmocka_unit_test(test_the_path_is_quoted_as_well),
                cmocka_unit_test(test_names_of_variables_stay_outside_the_quotes),
                cmocka_unit_test(test_stderr_is_told_to_the_letter),
                cmocka_unit_test(test_the_message_is_sendable_whatever_came),
                cmocka_unit_test(test_only_as_much_of_stderr_is_told_as_there_is),
                cmocka_unit_test(test_the_reason_is_in_our_own_words),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("script-error", tests, NULL, NULL);
}
