/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The log on standard error: one line for each entry, and never a wait. The tests that need a
 * standard error of their own, or an environment, are run by another process: main() with an
 * argument.
 */

#include "log.h"
#include "support.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *logged(Sandbox *sandbox, const char *text) {
        log_start(sandbox);
        log_warning("%s", text);
        return log_end(sandbox);
}

static void assert_logged(Sandbox *sandbox, const char *text, const char *expected) {
        assert_string_equal(
                logged(sandbox, text),
                sandbox_format(sandbox, "%s: %s\n", program_invocation_short_name, expected));
}

static void test_an_entry_is_a_line(void **state) {
        assert_logged(*state, "qemu web-01 failed", "qemu web-01 failed");
        assert_logged(*state, "", "");
        assert_logged(*state, "z\xc3\xbcrich 100%s", "z\xc3\xbcrich 100%s");
}

static void test_each_entry_is_a_line_of_its_own(void **state) {
        const char *log;

        log_start(*state);
        log_error("number %d", 1);
        log_notice("number %d", 2);
        log_info("number %d", 3);
        log_entry(LOG_INFO, "d0c5f7b9ad7a4b2fb1b6c9b64b9c1f6e",
                  (LogField[]){ { "VIRT_HOOKS_RUN", "x" }, { NULL, NULL } }, "number %d", 4);
        log = log_end(*state);
        assert_int_equal(count_of(log, "\n"), 4);
        for (int i = 1; i <= 4; i++)
                assert_has(log, sandbox_format(*state, ": number %d\n", i));
        assert_has_not(log, "VIRT_HOOKS_RUN");
}

static void test_nothing_breaks_a_line(void **state) {
        assert_logged(*state, "a\nb\rc\td\x1b[31me\x7f", "a b c d [31me ");
        assert_logged(*state, "a\xc2\x9b[31mb\xc2\xa0\xc3\x9b", "a  [31mb\xc2\xa0\xc3\x9b");
}

static void test_bad_bytes_are_replaced(void **state) {
        assert_logged(*state, "qemu.d/\xff", "qemu.d/\xef\xbf\xbd");
}

static void test_a_long_entry_is_cut(void **state) {
        char *text = malloc(3 * PIPE_BUF);
        const char *log;

        assert_non_null(text);
        memset(text, 'x', 3 * PIPE_BUF);
        text[3 * PIPE_BUF - 1] = '\0';
        log = logged(*state, text);
        assert_in_range(strlen(log), PIPE_BUF / 2, PIPE_BUF);
        assert_int_equal(count_of(log, "\n"), 1);
        assert_int_equal(log[strlen(log) - 1], '\n');
        free(text);
}

/* What main() does with an argument. Standard error is the parent's pipe. */
static int log_into_a_full_pipe(void) {
        char block[PIPE_BUF] = "";
        int flags = fcntl(STDERR_FILENO, F_GETFL), fd;
        ssize_t n;

        (void) alarm(20); /* a write that waits ends us */
        fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        while ((n = write(fd, block, sizeof(block))) > 0)
                ;
        if (n >= 0 || errno != EAGAIN)
                return 1;
        for (int i = 0; i < 1000; i++)
                log_warning("dropped %d", i);
        if (fcntl(STDERR_FILENO, F_GETFL) != flags) /* others have it, too */
                return 2;

        (void) puts("full"); /* now the parent reads */
        (void) fflush(stdout);
        if (getchar() != 'g')
                return 3;
        log_warning("after");
        log_warning("and on");
        return 0;
}

static int log_without_reader(void) {
        int fds[2];

        (void) alarm(20);
        if (pipe(fds) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
                return 1;
        (void) close(fds[0]);
        (void) close(fds[1]);
        log_warning("nobody hears");
        (void) close(STDERR_FILENO);
        log_warning("nobody can");
        return 0;
}

static int log_simply(void) {
        log_warning("text");
        return 0;
}

typedef struct Other {
        pid_t pid;
        FILE *to, *from, *error;
} Other;

/* Runs this program with ARGUMENT and three pipes; and JOURNAL_STREAM, unless that is NULL. */
static void other_start(Other *other, const char *argument, const char *journal_stream) {
        int in[2], out[2], err[2];

        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        assert_int_equal(pipe2(err, O_CLOEXEC), 0);
        other->pid = fork();
        assert_true(other->pid >= 0);
        if (other->pid == 0) {
                if (journal_stream)
                        (void) setenv("JOURNAL_STREAM", journal_stream, 1);
                (void) dup2(in[0], STDIN_FILENO);
                (void) dup2(out[1], STDOUT_FILENO);
                (void) dup2(err[1], STDERR_FILENO);
                (void) execl("/proc/self/exe", program_invocation_name, argument, NULL);
                _exit(127);
        }
        (void) close(in[0]);
        (void) close(out[1]);
        (void) close(err[1]);
        other->to = fdopen(in[1], "w");
        other->from = fdopen(out[0], "r");
        other->error = fdopen(err[0], "r");
        assert_true(other->to && other->from && other->error);
}

static void other_end(Other *other) {
        int status;

        assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
        assert_true(WIFEXITED(status)); /* and was not ended by its alarm or SIGPIPE */
        assert_int_equal(WEXITSTATUS(status), 0);
        (void) fclose(other->to);
        (void) fclose(other->from);
        (void) fclose(other->error);
}

static bool is_readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        return poll(&p, 1, 0) > 0;
}

static void test_a_full_pipe_does_not_block(void **state) {
        char line[256];
        Other other;
        int c;

        other_start(&other, "full-pipe", NULL);
        assert_non_null(fgets(line, sizeof(line), other.from));
        assert_string_equal(line, "full\n");
        do { /* what it was filled with ends where the pipe is empty */
                char block[PIPE_BUF];

                assert_true(read(fileno(other.error), block, sizeof(block)) > 0);
        } while (is_readable(fileno(other.error)));
        (void) fputc('g', other.to);
        (void) fflush(other.to);

        assert_non_null(fgets(line, sizeof(line), other.error));
        assert_has(line, ": 1000 lines of the log were dropped\n");
        assert_non_null(fgets(line, sizeof(line), other.error));
        assert_has(line, ": after\n");
        assert_non_null(fgets(line, sizeof(line), other.error));
        assert_has(line, ": and on\n");
        c = fgetc(other.error);
        assert_int_equal(c, EOF);
        other_end(&other);
}

static void test_a_log_without_reader_is_no_harm(void **state) {
        Other other;

        other_start(&other, "no-reader", NULL);
        other_end(&other);
}

/* The variable may be of a stream that standard error is not any more. */
static void test_a_redirected_standard_error_is_written_to(void **state) {
        Sandbox *sandbox = *state;
        char line[256];
        struct stat st;
        Other other;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(fstat(fds[0], &st), 0);
        other_start(
                &other, "simply", /* another pipe than its own */
                sandbox_format(sandbox, "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino));
        assert_non_null(fgets(line, sizeof(line), other.error));
        assert_has(line, ": text\n");
        other_end(&other);
        (void) close(fds[0]);
        (void) close(fds[1]);

        other_start(&other, "simply", "nonsense");
        assert_non_null(fgets(line, sizeof(line), other.error));
        assert_has(line, ": text\n");
        other_end(&other);
}

static int main_of_other(const char *what) {
        if (streq(what, "full-pipe"))
                return log_into_a_full_pipe();
        if (streq(what, "no-reader"))
                return log_without_reader();
        return log_simply();
}

int main(int argc, char **argv) {
        static const struct CMUnitTest tests[] = {
                sandboxed(test_an_entry_is_a_line),
                sandboxed(test_each_entry_is_a_line_of_its_own),
                sandboxed(test_nothing_breaks_a_line),
                sandboxed(test_bad_bytes_are_replaced),
                sandboxed(test_a_long_entry_is_cut),
                sandboxed(test_a_full_pipe_does_not_block),
                sandboxed(test_a_log_without_reader_is_no_harm),
                sandboxed(test_a_redirected_standard_error_is_written_to),
        };

        if (argc > 1)
                return main_of_other(argv[1]);
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
