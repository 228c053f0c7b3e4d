/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the unit tests share: a sandbox for each test, with a directory of its own, an event loop
 * that gives up, and a look at the log.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "util.h"

typedef struct Sandbox {
        char *directory; /* empty, absolute, for this test alone */
        sd_event *event;
        /* The rest is support.c's own. */
        char **kept; /* texts that were handed to the test */
        int real_stderr, log_fd;
} Sandbox;

/* A test that finds its Sandbox in *state. The sandbox goes with the test, failed or not. */
#define sandboxed(test) cmocka_unit_test_setup_teardown(test, sandbox_setup, sandbox_teardown)

/*
 * Ends a test that cannot be made here. cmocka's own skip() writes "not ok # SKIP" as of 1.1.5,
 * which automake's driver takes for a failure.
 */
#define pass_over(why)                                                                             \
        do {                                                                                       \
                print_message("# SKIP %s: %s\n", __func__, why);                                   \
                return;                                                                            \
        } while (0)

int sandbox_setup(void **state);
int sandbox_teardown(void **state);

/* The texts that these return are the sandbox's. */
_printf_(2, 3)
const char *sandbox_format(Sandbox *sandbox, const char *format, ...);
const char *sandbox_path(Sandbox *sandbox, const char *name);

/* NAME is below the sandbox's directory; folders above it are made. They return the path. */
const char *sandbox_folder(Sandbox *sandbox, const char *name, mode_t mode);
const char *sandbox_file(Sandbox *sandbox, const char *name, mode_t mode, const char *text);
const char *sandbox_script(Sandbox *sandbox, const char *name, const char *body); /* of /bin/sh */
const char *sandbox_link(Sandbox *sandbox, const char *name, const char *target);

/* The text of a file, which must be there. */
const char *sandbox_read(Sandbox *sandbox, const char *path);

/* NAME in the source tree. */
const char *sandbox_source(Sandbox *sandbox, const char *name);

/* All that is logged between the two. */
void log_start(Sandbox *sandbox);
const char *log_end(Sandbox *sandbox);

/* Runs the event loop until *DONE, and fails the test if that takes too long. */
#define loop_until(sandbox, done) loop_until_at(sandbox, done, __FILE__, __LINE__)
void loop_until_at(Sandbox *sandbox, const bool *done, const char *file, int line);

/* Runs the event loop until there is a file at PATH, and fails likewise. */
#define loop_until_file(sandbox, path) loop_until_file_at(sandbox, path, __FILE__, __LINE__)
void loop_until_file_at(Sandbox *sandbox, const char *path, const char *file, int line);

/* Runs the event loop for USEC microseconds. */
void loop_for(Sandbox *sandbox, uint64_t usec);

/* How often PART is in TEXT. */
unsigned count_of(const char *text, const char *part);

#define assert_has(text, part)        assert_has_at(text, part, true, __FILE__, __LINE__)
#define assert_has_not(text, part)    assert_has_at(text, part, false, __FILE__, __LINE__)
#define assert_has_prefix(text, part) assert_int_equal(strncmp(text, part, strlen(part)), 0)
void assert_has_at(const char *text, const char *part, bool has, const char *file, int line);

/* How many descriptors this process has. */
unsigned count_fds(void);

/* Whether the process PID runs; one that has ended and was not waited for does not. */
bool is_alive(pid_t pid);

/* Waits until PID does not run any more; false where it goes on. */
bool dies(pid_t pid);
