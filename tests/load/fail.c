/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A library that has the service be refused one thing, as a machine in need does: the call of that
 * number, counted from when the test says so, of all by which it gets memory, descriptors or
 * processes.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GIVEN_BACK ((size_t) 60 * 1024)

/* What the test and we share: $FAULTS is the file. */
static struct Control { int on, count, number, in_a_row; } * control;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

__attribute__((constructor)) static void start(void) {
        const char *path = getenv("FAULTS");
        void *p;
        int fd;

        if (!path || strcmp(program_invocation_short_name, "virt-hooksd") != 0)
                return;
        fd = open(path, O_RDWR | O_CLOEXEC);
        p = mmap(NULL, sizeof(struct Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void) close(fd);
        if (p == MAP_FAILED)
                abort();
        control = p;
}

static int fails(int error) {
        if (!control || !control->on)
                return 0;
        control->count++;
        if (control->count < control->number ||
            control->count >= control->number + control->in_a_row)
                return 0;
        errno = error;
        return 1;
}

#ifndef WITHOUT_MEMORY
void *malloc(size_t size) {
        return fails(ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
        return fails(ENOMEM) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size) {
        return fails(ENOMEM) ? NULL : __libc_realloc(p, size);
}

/* Whoever gives much back gets what it asks for then. */
void free(void *p) {
        if (control && control->on && p && malloc_usable_size(p) >= GIVEN_BACK)
                control->in_a_row = 0;
        __libc_free(p);
}

void *reallocarray(void *p, size_t n, size_t size) {
        if (__builtin_mul_overflow(n, size, &size)) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(p, size);
}

#endif

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
        if (operation == EPOLL_CTL_ADD && fails(ENOSPC))
                return -1;
        return (int) syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

int pipe2(int fds[2], int flags) {
        return fails(EMFILE) ? -1 : (int) syscall(SYS_pipe2, fds, flags);
}

int memfd_create(const char *name, unsigned flags) {
        return fails(EMFILE) ? -1 : (int) syscall(SYS_memfd_create, name, flags);
}

int open(const char *path, int flags, ...) {
        mode_t mode = 0;
        va_list arguments;

        va_start(arguments, flags);
        if (flags & (O_CREAT | O_TMPFILE))
                mode = va_arg(arguments, mode_t);
        va_end(arguments);
        return fails(EMFILE) ? -1 : (int) syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
