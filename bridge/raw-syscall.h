/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * System calls that leave errno alone, for a child that shares it with us until it executes. Where
 * we do not know the machine it is syscall(2), which does not.
 *
 * Source: syscall(2), clone(2); the procedure call standards of both machines.
 */

#include <errno.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__) && !defined(__ILP32__)

#define RAW_SYSCALL_KEEPS_ERRNO true

/* Returns a negative errno where the call fails. */
static inline long raw_syscall(long number, long a, long b, long c, long d) {
        register long fourth __asm__("r10") = d;
        long r;

        __asm__ volatile("syscall"
                         : "=a"(r)
                         : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                         : "rcx", "r11", "memory");
        return r;
}

/* clone3(2), for which there is no function in the C library. The child, on the stack that ARGS
 * name, calls CHILD with USERDATA, which must not return. Returns a negative errno where it fails.
 */
static inline long raw_clone3(const struct clone_args *args, int (*child)(void *), void *userdata) {
        register void *argument __asm__("r8") = userdata;
        long r;

        __asm__ volatile("syscall\n\t"
                         "test %%rax, %%rax\n\t"
                         "jnz 1f\n\t"
                         "xor %%ebp, %%ebp\n\t" /* the outermost frame */
                         "mov %[argument], %%rdi\n\t"
                         "call *%[child]\n\t"
                         "ud2\n"
                         "1:"
                         : "=a"(r)
                         : "a"(SYS_clone3), "D"(args),
                           "S"(sizeof(*args)), [child] "d"(child), [argument] "r"(argument)
                         : "rcx", "r11", "memory");
        return r;
}

#elif defined(__aarch64__) && !defined(__ILP32__)

#define RAW_SYSCALL_KEEPS_ERRNO true

static inline long raw_syscall(long number, long a, long b, long c, long d) {
        register long call __asm__("x8") = number;
        register long first __asm__("x0") = a;
        register long second __asm__("x1") = b;
        register long third __asm__("x2") = c;
        register long fourth __asm__("x3") = d;

        __asm__ volatile("svc 0"
                         : "+r"(first)
                         : "r"(call), "r"(second), "r"(third), "r"(fourth)
                         : "memory");
        return first;
}

static inline long raw_clone3(const struct clone_args *args, int (*child)(void *), void *userdata) {
        register long call __asm__("x8") = SYS_clone3;
        register long first __asm__("x0") = (long) args;
        register long second __asm__("x1") = sizeof(*args);
        register long function __asm__("x2") = (long) child;
        register long argument __asm__("x3") = (long) userdata;

        __asm__ volatile("svc 0\n\t"
                         "cbnz x0, 1f\n\t"
                         "mov x29, xzr\n\t" /* the outermost frame */
                         "mov x0, x3\n\t"
                         "blr x2\n\t"
                         "brk 1\n"
                         "1:"
                         : "+r"(first)
                         : "r"(call), "r"(second), "r"(function), "r"(argument)
                         : "memory");
        return first;
}

#else

#define RAW_SYSCALL_KEEPS_ERRNO false

static inline long raw_syscall(long number, long a, long b, long c, long d) {
        long r = syscall(number, a, b, c, d);

        return r < 0 ? -errno : r;
}

static inline long raw_clone3(const struct clone_args *args, int (*child)(void *), void *userdata) {
        return -ENOSYS;
}

#endif
