/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The copy of a caller's document: from what it can be had, and what becomes of the rest.
 */

#include "intake.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#define COPY_MAX 100000U

typedef struct Copy {
        Sandbox *sandbox;
        Intake *intake;
        bool done;
        unsigned n_done;
        int r;
        Bytes *document;
} Copy;

static void on_done(Intake *intake, int r, Bytes *document, void *userdata) {
        Copy *copy = userdata;

        assert_ptr_equal(intake, copy->intake);
        copy->done = true;
        copy->n_done++;
        copy->r = r;
        copy->document = document ? bytes_ref(document) : NULL;
}

static void copy_start(Copy *copy, Sandbox *sandbox, int fd, uint64_t max) {
        *copy = (Copy){ .sandbox = sandbox };
        assert_int_equal(intake_new(&copy->intake, sandbox->event, fd, max, on_done, copy), 0);
        assert_false(copy->done); /* the event loop has not run */
}

static void copy_finish(Copy *copy) {
        loop_until(copy->sandbox, &copy->done);
        assert_int_equal(copy->n_done, 1);
}

static void copy_close(Copy *copy) {
        assert_null(intake_free(copy->intake));
        bytes_unref(copy->document);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
        assert_int_equal(errno, ECHILD);
}

static void assert_document(const Copy *copy, const char *text, size_t size) {
        assert_int_equal(copy->r, 0);
        assert_non_null(copy->document);
        assert_int_equal(copy->document->size, size);
        if (size > 0)
                assert_memory_equal(copy->document->data, text, size);
}

/* Copies FD to its end and closes it. */
static void assert_copy(Sandbox *sandbox, int fd, const char *text) {
        Copy copy;

        assert_true(fd >= 0);
        copy_start(&copy, sandbox, fd, COPY_MAX);
        copy_finish(&copy);
        assert_document(&copy, text, strlen(text));
        assert_true(fcntl(fd, F_GETFD) >= 0); /* it stays the caller's */
        (void) close(fd);
        copy_close(&copy);
}

static void assert_refused(Sandbox *sandbox, int fd, uint64_t max, int r) {
        Copy copy;

        assert_true(fd >= 0);
        copy_start(&copy, sandbox, fd, max);
        copy_finish(&copy);
        assert_int_equal(copy.r, r);
        assert_null(copy.document);
        (void) close(fd);
        copy_close(&copy);
}

static void test_a_file_is_copied(void **state) {
        const char *path = sandbox_file(*state, "document", 0600, "<domain/>");

        assert_copy(*state, open(path, O_RDONLY | O_CLOEXEC), "<domain/>");
}

static void test_a_file_is_copied_from_where_it_stands(void **state) {
        const char *path = sandbox_file(*state, "document", 0600, "header<domain/>");
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_int_equal(lseek(fd, 6, SEEK_SET), 6);
        assert_copy(*state, fd, "<domain/>");
}

static void test_an_empty_file_is_an_empty_document(void **state) {
        const char *path = sandbox_file(*state, "document", 0600, "");

        assert_copy(*state, open(path, O_RDONLY | O_CLOEXEC), "");
        assert_copy(*state, open("/dev/null", O_RDONLY | O_CLOEXEC), "");
}

static void test_the_copy_does_not_change_with_the_file(void **state) {
        const char *path = sandbox_file(*state, "document", 0600, "<domain/>");
        int fd = open(path, O_RDWR | O_CLOEXEC);
        Copy copy;

        copy_start(&copy, *state, fd, COPY_MAX);
        copy_finish(&copy);
        assert_int_equal(pwrite(fd, "XXXXX", 5, 0), 5);
        assert_int_equal(ftruncate(fd, 2), 0);
        assert_document(&copy, "<domain/>", 9);
        (void) close(fd);
        copy_close(&copy);
}

static void test_a_pipe_is_copied_to_its_end(void **state) {
        static char block[50000];
        Copy copy;
        int fds[2];

        memset(block, 'x', sizeof(block));
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        copy_start(&copy, *state, fds[0], COPY_MAX);
        assert_int_equal(write(fds[1], block, sizeof(block)), sizeof(block));
        loop_for(*state, 20 * USEC_PER_MSEC);
        assert_false(copy.done);
        assert_int_equal(write(fds[1], block, sizeof(block)), sizeof(block));
        (void) close(fds[1]);
        copy_finish(&copy);
        assert_int_equal(copy.r, 0);
        assert_int_equal(copy.document->size, 2 * sizeof(block));
        assert_memory_equal(copy.document->data, block, sizeof(block));
        assert_memory_equal(copy.document->data + sizeof(block), block, sizeof(block));
        (void) close(fds[0]);
        copy_close(&copy);
}

static void test_a_non_blocking_pipe_is_waited_for(void **state) {
        Copy copy;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        copy_start(&copy, *state, fds[0], COPY_MAX);
        loop_for(*state, 20 * USEC_PER_MSEC);
        assert_false(copy.done);
        assert_int_equal(write(fds[1], "text", 4), 4);
        (void) close(fds[1]);
        copy_finish(&copy);
        assert_document(&copy, "text", 4);
        assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK); /* its flags are its owner's */
        (void) close(fds[0]);
        copy_close(&copy);
}

static void test_a_blocking_pipe_stays_so(void **state) {
        Copy copy;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        copy_start(&copy, *state, fds[0], COPY_MAX);
        assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
        (void) close(fds[1]);
        copy_finish(&copy);
        assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
        assert_document(&copy, "", 0);
        (void) close(fds[0]);
        copy_close(&copy);
}

/* A file of SIZE bytes. */
static int open_file_of(Sandbox *sandbox, off_t size) {
        int fd = open(sandbox_file(sandbox, "large", 0600, ""), O_RDWR | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, size), 0);
        return fd;
}

static void test_the_cap_may_be_reached(void **state) {
        int fd = open_file_of(*state, COPY_MAX);
        Copy copy;

        copy_start(&copy, *state, fd, COPY_MAX);
        copy_finish(&copy);
        assert_int_equal(copy.r, 0);
        assert_int_equal(copy.document->size, COPY_MAX);
        (void) close(fd);
        copy_close(&copy);
}

static void test_one_byte_beyond_the_cap_is_too_much(void **state) {
        assert_refused(*state, open_file_of(*state, COPY_MAX + 1), COPY_MAX, -E2BIG);
        assert_refused(*state, open_file_of(*state, 1), 0, -E2BIG);
}

static void test_what_never_ends_is_too_much(void **state) {
        assert_refused(*state, open("/dev/zero", O_RDONLY | O_CLOEXEC), COPY_MAX, -E2BIG);
        assert_refused(*state, open_file_of(*state, (off_t) 1 << 40), COPY_MAX, -E2BIG);
}

static void test_what_cannot_be_read_is_told(void **state) {
        Sandbox *sandbox = *state;
        const char *path = sandbox_file(sandbox, "document", 0600, "text");

        assert_refused(sandbox, open(sandbox->directory, O_RDONLY | O_CLOEXEC), COPY_MAX, -EIO);
        assert_refused(sandbox, open(path, O_WRONLY | O_CLOEXEC), COPY_MAX, -EIO);
        assert_refused(sandbox, open(path, O_PATH | O_CLOEXEC), COPY_MAX, -EIO);
}

static void test_low_numbers_of_descriptors_are_no_matter(void **state) {
        int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        int fd = open(sandbox_file(*state, "document", 0600, "text"), O_RDONLY | O_CLOEXEC);
        Copy copy;

        assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
        copy_start(&copy, *state, STDIN_FILENO, COPY_MAX);
        copy_finish(&copy);
        if (saved >= 0)
                assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
        else
                (void) close(STDIN_FILENO);
        close_fd(saved);
        (void) close(fd);
        assert_document(&copy, "text", 4);
        copy_close(&copy);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        *(bool *) userdata = true;
        return 0;
}

/* Nobody writes to the pipe, and only the one who passed it waits. */
static void test_a_silent_pipe_holds_nobody_up(void **state) {
        Sandbox *sandbox = *state;
        bool on_time = false;
        Copy silent, other;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        copy_start(&silent, sandbox, fds[0], COPY_MAX);
        assert_true(sd_event_add_time_relative(sandbox->event, NULL, CLOCK_MONOTONIC,
                                               5 * USEC_PER_MSEC, 1, on_timer, &on_time) >= 0);
        loop_until(sandbox, &on_time);

        copy_start(&other, sandbox, open("/dev/null", O_RDONLY | O_CLOEXEC), COPY_MAX);
        copy_finish(&other);
        assert_document(&other, "", 0);
        assert_false(silent.done);

        (void) close(fds[1]);
        copy_finish(&silent);
        (void) close(fds[0]);
        intake_free(silent.intake);
        bytes_unref(silent.document);
        copy_close(&other);
}

static void test_a_copy_can_be_given_up(void **state) {
        unsigned before = count_fds();
        siginfo_t info;
        Copy copy;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        copy_start(&copy, *state, fds[0], COPY_MAX);
        loop_for(*state, 5 * USEC_PER_MSEC);
        assert_null(intake_free(copy.intake));
        while (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG) == 0)
                loop_for(*state, USEC_PER_MSEC);
        assert_int_equal(errno, ECHILD);
        loop_for(*state, 5 * USEC_PER_MSEC);
        assert_int_equal(copy.n_done, 0);
        (void) close(fds[0]);
        (void) close(fds[1]);
        assert_int_equal(count_fds(), before);
        assert_null(intake_free(NULL));
}

/* The loop goes, and with it what it saw to: the sanitizers would tell of more. */
static void test_a_copy_may_outlive_the_loop(void **state) {
        unsigned before = count_fds();
        Intake *intake = NULL;
        sd_event *loop = NULL;
        Copy copy = {};
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_true(sd_event_new(&loop) >= 0);
        assert_int_equal(intake_new(&intake, loop, fds[0], COPY_MAX, on_done, &copy), 0);
        assert_null(intake_free(intake));
        assert_null(sd_event_unref(loop));
        assert_int_equal(copy.n_done, 0);
        (void) close(fds[0]);
        (void) close(fds[1]);
        assert_int_equal(count_fds(), before);
        assert_true(wait(NULL) > 0);
}

/* A child that kept our write end would wait for itself. */
static void test_the_copying_child_holds_no_other_descriptor(void **state) {
        int first[2], second[2];
        Copy copy, other;

        assert_int_equal(pipe2(first, O_CLOEXEC), 0);
        assert_int_equal(pipe2(second, O_CLOEXEC), 0);
        copy_start(&copy, *state, first[0], COPY_MAX);
        copy_start(&other, *state, second[0], COPY_MAX); /* forked with both write ends open */
        (void) close(first[1]);
        copy_finish(&copy);
        (void) close(second[1]);
        copy_finish(&other);
        (void) close(first[0]);
        (void) close(second[0]);
        intake_free(other.intake);
        bytes_unref(other.document);
        copy_close(&copy);
}

static void test_a_lost_copy_is_unreadable(void **state) {
        siginfo_t info;
        Copy copy;
        int fd;

        fd = open(sandbox_file(*state, "document", 0644, "text"), O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        copy_start(&copy, *state, fd, COPY_MAX);
        /* Somebody else waits for the only child that there is. */
        assert_int_equal(waitid(P_ALL, 0, &info, WEXITED), 0);
        log_start(*state);
        copy_finish(&copy);
        assert_non_null(strstr(log_end(*state), "was lost"));
        assert_int_equal(copy.r, -EIO);
        copy_close(&copy);
        (void) close(fd);
}

static void free_at_once(Intake *intake, int r, Bytes *document, void *userdata) {
        intake_free(intake);
        *(bool *) userdata = true;
}

static void test_the_intake_may_be_freed_when_it_is_done(void **state) {
        static const char *const paths[] = { "/dev/null", "/dev/zero", "/" };

        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                Sandbox *sandbox = *state;
                int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
                bool done = false;
                Intake *intake;

                assert_int_equal(
                        intake_new(&intake, sandbox->event, fd, COPY_MAX, free_at_once, &done), 0);
                loop_until(sandbox, &done);
                (void) close(fd);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                sandboxed(test_a_file_is_copied),
                sandboxed(test_a_file_is_copied_from_where_it_stands),
                sandboxed(test_an_empty_file_is_an_empty_document),
                sandboxed(test_the_copy_does_not_change_with_the_file),
                sandboxed(test_a_pipe_is_copied_to_its_end),
                sandboxed(test_a_non_blocking_pipe_is_waited_for),
                sandboxed(test_a_blocking_pipe_stays_so),
                sandboxed(test_the_cap_may_be_reached),
                sandboxed(test_one_byte_beyond_the_cap_is_too_much),
                sandboxed(test_what_never_ends_is_too_much),
                sandboxed(test_what_cannot_be_read_is_told),
                sandboxed(test_low_numbers_of_descriptors_are_no_matter),
                sandboxed(test_a_silent_pipe_holds_nobody_up),
                sandboxed(test_a_copy_can_be_given_up),
                sandboxed(test_a_copy_may_outlive_the_loop),
                sandboxed(test_the_copying_child_holds_no_other_descriptor),
                sandboxed(test_a_lost_copy_is_unreadable),
                sandboxed(test_the_intake_may_be_freed_when_it_is_done),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
