/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shared bytes: who frees them, and when; and memfds that nobody can change any more.
 */

#include "bytes.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

static void count_release(void *owner) {
        (*(unsigned *) owner)++;
}

static void test_the_last_reference_releases(void **state) {
        static const char text[] = "document";
        unsigned released = 0;
        Bytes *bytes = NULL;

        assert_int_equal(bytes_new(&bytes, text, 8, count_release, &released), 0);
        assert_ptr_equal(bytes->data, text); /* not a copy */
        assert_int_equal(bytes->size, 8);
        assert_ptr_equal(bytes_ref(bytes), bytes);
        assert_ptr_equal(bytes_ref(bytes), bytes);
        assert_null(bytes_unref(bytes));
        assert_null(bytes_unref(bytes));
        assert_int_equal(released, 0);
        assert_null(bytes_unref(bytes));
        assert_int_equal(released, 1);
}

static void test_no_bytes_can_be_unreferenced(void **state) {
        assert_null(bytes_unref(NULL));
}

static void test_taken_memory_is_used_and_freed(void **state) {
        char *text = strdup("document");
        Bytes *bytes = NULL;

        assert_int_equal(bytes_new_take(&bytes, text, 8), 0);
        assert_ptr_equal(bytes->data, text);
        bytes_unref(bytes); /* a leak would be told of by the sanitizer */
}

static int sealed(const char *text, size_t size) {
        int fd = bytes_to_sealed_fd("virt-hooks-test", text, size);

        assert_true(fd >= 0);
        return fd;
}

static void test_a_sealed_fd_has_the_bytes(void **state) {
        int fd = sealed("a\0b", 3);
        char buffer[8];

        assert_int_equal(pread(fd, buffer, sizeof(buffer), 0), 3);
        assert_memory_equal(buffer, "a\0b", 3);
        assert_int_equal(lseek(fd, 0, SEEK_CUR), 0); /* whoever gets it reads it all */
        (void) close(fd);
}

static void test_a_sealed_fd_may_be_empty(void **state) {
        int fd = sealed("", 0);

        assert_int_equal(lseek(fd, 0, SEEK_END), 0);
        assert_true(bytes_fd_is_sealed(fd));
        (void) close(fd);
}

static void test_a_sealed_fd_has_a_name_and_is_not_inherited(void **state) {
        int fd = sealed("x", 1);
        char path[64], target[64];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof(target) - 1);
        assert_true(n > 0);
        target[n] = '\0';
        assert_has_prefix(target, "/memfd:virt-hooks-test");
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        (void) close(fd);
}

static void test_nobody_changes_a_sealed_fd(void **state) {
        int fd = sealed("document", 8);

        assert_true(bytes_fd_is_sealed(fd));
        assert_int_equal(pwrite(fd, "D", 1, 0), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(ftruncate(fd, 4), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(ftruncate(fd, 16), -1);
        assert_int_equal(errno, EPERM);
        assert_ptr_equal(mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
        (void) close(fd);
}

static void test_all_three_seals_are_needed(void **state) {
        static const int seals[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE };

        for (int set = 0; set < 8; set++) {
                int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

                assert_true(fd >= 0);
                for (int i = 0; i < 3; i++)
                        if (set & 1 << i)
                                assert_int_equal(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
                assert_int_equal(bytes_fd_is_sealed(fd), set == 7);
                (void) close(fd);
        }
}

static void test_other_files_are_not_sealed(void **state) {
        int memfd = memfd_create("test", MFD_CLOEXEC); /* cannot be sealed at all */
        int file = open("/dev/null", O_RDWR | O_CLOEXEC);
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_false(bytes_fd_is_sealed(memfd));
        assert_false(bytes_fd_is_sealed(file));
        assert_false(bytes_fd_is_sealed(fds[0]));
        assert_false(bytes_fd_is_sealed(-EBADF));
        assert_true(bytes_seal_fd(memfd) < 0);
        assert_true(bytes_seal_fd(file) < 0);
        (void) close(memfd);
        (void) close(file);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

static void test_a_sealed_memfd_is_mapped_from_its_start(void **state) {
        Bytes *bytes = NULL;
        int fd = sealed("document", 8);

        assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
        assert_int_equal(bytes_new_sealed(&bytes, fd, SIZE_MAX), 0);
        assert_int_equal(lseek(fd, 0, SEEK_CUR), 5); /* the owner's place is its own */
        (void) close(fd);
        assert_int_equal(bytes->size, 8);
        assert_memory_equal(bytes->data, "document", 8);
        bytes_unref(bytes);
}

static void test_a_memfd_beyond_the_cap_is_not_mapped(void **state) {
        Bytes *bytes = NULL;
        int fd = sealed("document", 8);

        assert_int_equal(bytes_new_sealed(&bytes, fd, 7), -EFBIG);
        assert_null(bytes);
        assert_int_equal(bytes_new_sealed(&bytes, fd, 8), 0);
        (void) close(fd);
        assert_int_equal(bytes->size, 8);
        bytes_unref(bytes);
}

static void test_an_empty_memfd_gives_no_bytes(void **state) {
        Bytes *bytes = NULL;
        int fd = sealed("", 0);

        assert_int_equal(bytes_new_sealed(&bytes, fd, SIZE_MAX), 0);
        (void) close(fd);
        assert_int_equal(bytes->size, 0);
        bytes_unref(bytes);
}

static void test_large_memfds_come_through(void **state) {
        size_t size = 3 * 1024 * 1024 + 17;
        char *text = malloc(size);
        Bytes *bytes = NULL;
        int fd;

        assert_non_null(text);
        for (size_t i = 0; i < size; i++)
                text[i] = (char) (i * 7 + i / 4096);
        fd = sealed(text, size);
        assert_int_equal(bytes_new_sealed(&bytes, fd, SIZE_MAX), 0);
        (void) close(fd);
        assert_int_equal(bytes->size, size);
        assert_memory_equal(bytes->data, text, size);
        bytes_unref(bytes);
        free(text);
}

static void test_what_is_no_file_cannot_be_mapped(void **state) {
        Bytes *bytes = NULL;

        assert_int_equal(bytes_new_sealed(&bytes, -EBADF, SIZE_MAX), -EBADF);
        assert_null(bytes);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_last_reference_releases),
                cmocka_unit_test(test_no_bytes_can_be_unreferenced),
                cmocka_unit_test(test_taken_memory_is_used_and_freed),
                cmocka_unit_test(test_a_sealed_fd_has_the_bytes),
                cmocka_unit_test(test_a_sealed_fd_may_be_empty),
                cmocka_unit_test(test_a_sealed_fd_has_a_name_and_is_not_inherited),
                cmocka_unit_test(test_nobody_changes_a_sealed_fd),
                cmocka_unit_test(test_all_three_seals_are_needed),
                cmocka_unit_test(test_other_files_are_not_sealed),
                cmocka_unit_test(test_a_sealed_memfd_is_mapped_from_its_start),
                cmocka_unit_test(test_a_memfd_beyond_the_cap_is_not_mapped),
                cmocka_unit_test(test_an_empty_memfd_gives_no_bytes),
                cmocka_unit_test(test_large_memfds_come_through),
                cmocka_unit_test(test_what_is_no_file_cannot_be_mapped),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
