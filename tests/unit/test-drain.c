/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Pipes that outlive their script: they are read on, up to a number of them.
 */

#include "drain.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>

/* A pipe with a non-blocking read end, as drain_add() wants it. */
typedef struct Ends {
        int read_fd, write_fd;
} Ends;

static Ends new_pipe(void) {
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        return (Ends){ fds[0], fds[1] };
}

static Drain *new_drain(Sandbox *sandbox) {
        Drain *drain;

        assert_int_equal(drain_new(&drain, sandbox->event), 0);
        return drain;
}

/* Whether somebody has the other end of the pipe open. */
static bool has_reader(int write_fd) {
        ssize_t n = write(write_fd, "x", 1);

        assert_true(n == 1 || errno == EAGAIN || errno == EPIPE);
        return n == 1 || errno == EAGAIN;
}

static void turn_until_closed(Sandbox *sandbox, int fd) {
        for (int i = 0; i < 5000 && fcntl(fd, F_GETFD) >= 0; i++)
                loop_for(sandbox, USEC_PER_MSEC);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void test_a_writer_never_waits(void **state) {
        Drain *drain = new_drain(*state);
        Ends ends = new_pipe();
        char block[4096] = "";
        size_t written = 0;

        drain_add(drain, ends.read_fd, "qemu");
        for (int i = 0; i < 10000 && written < 2000000; i++) {
                ssize_t n = write(ends.write_fd, block, sizeof(block));

                if (n > 0)
                        written += (size_t) n;
                else /* full: a turn of the loop must make room */
                        assert_true(sd_event_run(((Sandbox *) *state)->event, USEC_PER_SEC) > 0);
        }
        assert_true(written >= 2000000);
        (void) close(ends.write_fd);
        drain_free(drain);
}

static void test_the_pipe_goes_when_its_writer_does(void **state) {
        Drain *drain = new_drain(*state);
        Ends ends = new_pipe();

        drain_add(drain, ends.read_fd, "qemu");
        loop_for(*state, 5 * USEC_PER_MSEC);
        assert_true(fcntl(ends.read_fd, F_GETFD) >= 0);
        assert_int_equal(write(ends.write_fd, "last words", 10), 10);
        (void) close(ends.write_fd);
        turn_until_closed(*state, ends.read_fd);
        drain_free(drain);
}

static void test_a_pipe_without_writer_is_closed(void **state) {
        Drain *drain = new_drain(*state);
        Ends ends = new_pipe();

        (void) close(ends.write_fd);
        drain_add(drain, ends.read_fd, "qemu");
        turn_until_closed(*state, ends.read_fd);
        drain_free(drain);
}

static void test_the_end_of_the_drain_closes_the_pipes(void **state) {
        unsigned before = count_fds();
        Drain *drain = new_drain(*state);
        Ends first = new_pipe(), second = new_pipe();

        drain_add(drain, first.read_fd, "qemu");
        drain_add(drain, second.read_fd, "qemu");
        assert_null(drain_free(drain));
        assert_false(has_reader(first.write_fd));
        assert_false(has_reader(second.write_fd));
        (void) close(first.write_fd);
        (void) close(second.write_fd);
        assert_int_equal(count_fds(), before);
        assert_null(drain_free(NULL));
}

static void test_what_cannot_be_watched_is_closed(void **state) {
        Drain *drain = new_drain(*state);
        const char *path = sandbox_file(*state, "file", 0600, "text");
        int fd = open(path, O_RDONLY | O_CLOEXEC); /* epoll takes no files */

        assert_true(fd >= 0);
        log_start(*state);
        drain_add(drain, fd, "qemu.d/10-x");
        assert_has(log_end(*state), "qemu.d/10-x");
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        drain_free(drain);
}

static void test_of_too_many_pipes_the_oldest_is_closed(void **state) {
        struct rlimit original, limit;
        Ends ends[DRAIN_MAX + 2];
        Drain *drain;
        const char *log;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &original), 0);
        limit = original;
        if (limit.rlim_max < 2 * ELEMENTS(ends) + 64)
                pass_over("too few descriptors are allowed here");
        limit.rlim_cur = limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);

        drain = new_drain(*state);
        log_start(*state);
        for (size_t i = 0; i < DRAIN_MAX; i++) {
                ends[i] = new_pipe();
                drain_add(drain, ends[i].read_fd, sandbox_format(*state, "script-%zu", i));
        }
        assert_string_equal(log_end(*state), "");
        assert_true(has_reader(ends[0].write_fd));

        log_start(*state);
        for (size_t i = DRAIN_MAX; i < ELEMENTS(ends); i++) {
                ends[i] = new_pipe();
                drain_add(drain, ends[i].read_fd, sandbox_format(*state, "script-%zu", i));
        }
        log = log_end(*state);
        assert_int_equal(count_of(log, "closing the oldest, of script-0\n"), 1);
        assert_int_equal(count_of(log, "closing the oldest, of script-1\n"), 1);
        assert_int_equal(count_of(log, "\n"), 2);
        for (size_t i = 0; i < ELEMENTS(ends); i++) {
                assert_int_equal(has_reader(ends[i].write_fd), i >= 2);
                (void) close(ends[i].write_fd);
        }
        drain_free(drain);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &original), 0);
}

static void test_pipes_that_ended_do_not_count(void **state) {
        Drain *drain = new_drain(*state);
        Ends first = new_pipe();

        log_start(*state);
        drain_add(drain, first.read_fd, "first");
        for (unsigned i = 0; i < 2 * DRAIN_MAX; i++) {
                Ends ends = new_pipe();

                drain_add(drain, ends.read_fd, "other");
                (void) close(ends.write_fd);
                if (i % 100 == 99)
                        loop_for(*state, 10 * USEC_PER_MSEC);
        }
        assert_string_equal(log_end(*state), "");
        assert_true(has_reader(first.write_fd));
        (void) close(first.write_fd);
        drain_free(drain);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                sandboxed(test_a_writer_never_waits),
                sandboxed(test_the_pipe_goes_when_its_writer_does),
                sandboxed(test_a_pipe_without_writer_is_closed),
                sandboxed(test_the_end_of_the_drain_closes_the_pipes),
                sandboxed(test_what_cannot_be_watched_is_closed),
                sandboxed(test_of_too_many_pipes_the_oldest_is_closed),
                sandboxed(test_pipes_that_ended_do_not_count),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
