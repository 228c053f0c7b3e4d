/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The few helpers that every file uses. Nothing here knows about hooks or the bus.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b)       ((a) < (b) ? (a) : (b))

#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)

/* Room for a uuid as text, with its terminating NUL: libuuid's UUID_STR_LEN. */
#define UUID_TEXT_SIZE 37

#define _cleanup_(function)     __attribute__((cleanup(function)))
#define _cleanup_free_          _cleanup_(free_pointer)
#define _cleanup_close_         _cleanup_(close_pointer)
#define _cleanup_strv_          _cleanup_(strv_free_pointer)
#define _printf_(string, first) __attribute__((format(printf, string, first)))

/* Hands a pointer or a descriptor on to another owner. */
#define TAKE_PTR(pointer)                                                                          \
        ({                                                                                         \
                typeof(pointer) *_take_ = &(pointer);                                              \
                typeof(pointer) _taken_ = *_take_;                                                 \
                *_take_ = NULL;                                                                    \
                _taken_;                                                                           \
        })
#define TAKE_FD(fd)                                                                                \
        ({                                                                                         \
                int *_take_ = &(fd);                                                               \
                int _taken_ = *_take_;                                                             \
                *_take_ = -EBADF;                                                                  \
                _taken_;                                                                           \
        })

/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot be put into parentheses */
#define DEFINE_CLEANUP(type, function)                                                             \
        static inline void function##_pointer(type **p) {                                          \
                if (*p)                                                                            \
                        function(*p);                                                              \
        }                                                                                          \
        struct _semicolon_
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void free_pointer(void *p) {
        free(*(void **) p);
}

/* Closes FD unless it is negative, keeps errno, returns what to store in its place. */
static inline int close_fd(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void) close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void close_pointer(int *fd) {
        (void) close_fd(*fd);
}

static inline bool streq(const char *a, const char *b) {
        /* NULL equals nothing, and is not asked about. */
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
        return strcmp(a, b) == 0;
}

static inline bool empty(const char *s) {
        return !s || !*s;
}

/* A vector of strings, ended by NULL. NULL is the empty vector. */
static inline char **strv_free(char **strv) {
        if (strv)
                for (char **s = strv; *s; s++)
                        free(*s);
        free(strv);
        return NULL;
}

static inline void strv_free_pointer(char ***strv) {
        strv_free(*strv);
}

static inline size_t strv_length(char *const *strv) {
        size_t n = 0;

        while (strv && strv[n])
                n++;
        return n;
}

/*
 * Takes S, which may be NULL after a failed allocation: then nothing is added. On failure S is
 * freed.
 */
static inline int strv_take(char ***strv, char *s) {
        size_t n = strv_length(*strv);
        char **grown;

        if (!s)
                return -ENOMEM;
        grown = reallocarray(*strv, n + 2, sizeof(char *));
        if (!grown) {
                free(s);
                return -ENOMEM;
        }
        grown[n] = s;
        grown[n + 1] = NULL;
        *strv = grown;
        return 0;
}

static inline int strv_add(char ***strv, const char *s) {
        /* What is added is a string. */
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
        return strv_take(strv, strdup(s));
}

/* Replaces *S by a copy of VALUE. NULL clears it. */
static inline int replace_string(char **s, const char *value) {
        char *copy = NULL;

        if (value) {
                copy = strdup(value);
                if (!copy)
                        return -ENOMEM;
        }
        free(*s);
        *s = copy;
        return 0;
}

/* Trouble of our own that may be over soon, whatever was asked for. */
static inline bool errno_is_shortage(int r) {
        return r == -ENOMEM || r == -ENOBUFS || r == -EMFILE || r == -ENFILE || r == -EAGAIN;
}

/* Microseconds of CLOCK. */
static inline uint64_t now_usec(clockid_t clock) {
        struct timespec t;

        (void) clock_gettime(clock, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}
