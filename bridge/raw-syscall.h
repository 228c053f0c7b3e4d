/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * System calls that leave errno alone, for a child that shares it with us until it executes. Where
 * we do not know the machine it is syscall(2), which does not.
 */

#include <errno.h>
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

#else

#define RAW_SYSCALL_KEEPS_ERRNO false

static inline long raw_syscall(long number, long a, long b, long c, long d) {
        long r = syscall(number, a, b, c, d);

        return r < 0 ? -errno : r;
}

#endif
