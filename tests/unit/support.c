/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sandbox of a test. What goes wrong in here fails the test.
 */

#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Nothing here takes long; a machine under load does. */
#define PATIENCE (30 * USEC_PER_SEC)

static const char *keep(Sandbox *sandbox, char *s) {
        const char *kept = s;

        assert_int_equal(strv_take(&sandbox->kept, s), 0);
        return kept;
}

int sandbox_setup(void **state) {
        const char *base = getenv("TMPDIR");
        Sandbox *sandbox = calloc(1, sizeof(Sandbox));
        char *resolved;

        assert_non_null(sandbox);
        sandbox->real_stderr = sandbox->log_fd = -EBADF;
        *state = sandbox;

        /* As the service has it; and the log of a test is not the journal's. */
        assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);

        resolved = realpath(base && *base == '/' ? base : "/tmp", NULL);
        assert_non_null(resolved);
        assert_true(asprintf(&sandbox->directory, "%s/virt-hooks-test-XXXXXX", resolved) > 0);
        free(resolved);
        assert_non_null(mkdtemp(sandbox->directory));
        assert_true(sd_event_new(&sandbox->event) >= 0);
        return 0;
}

static void remove_tree(int parent, const char *name) {
        const struct dirent *entry;
        DIR *folder;
        int fd;

        if (unlinkat(parent, name, 0) == 0)
                return;
        if (fchmodat(parent, name, 0700, 0) < 0)
                return;
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        folder = fd < 0 ? NULL : fdopendir(fd);
        if (!folder) {
                close_fd(fd);
                return;
        }
        while ((entry = readdir(folder)))
                if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
                        remove_tree(dirfd(folder), entry->d_name);
        (void) closedir(folder);
        (void) unlinkat(parent, name, AT_REMOVEDIR);
}

static void restore_stderr(Sandbox *sandbox) {
        if (sandbox->real_stderr < 0)
                return;
        (void) dup2(sandbox->real_stderr, STDERR_FILENO);
        sandbox->real_stderr = close_fd(sandbox->real_stderr);
        sandbox->log_fd = close_fd(sandbox->log_fd);
}

int sandbox_teardown(void **state) {
        Sandbox *sandbox = *state;

        restore_stderr(sandbox);
        remove_tree(AT_FDCWD, sandbox->directory);
        sd_event_unref(sandbox->event);
        strv_free(sandbox->kept);
        free(sandbox->directory);
        free(sandbox);
        return 0;
}

const char *sandbox_format(Sandbox *sandbox, const char *format, ...) {
        va_list arguments;
        char *text;
        int n;

        va_start(arguments, format);
        n = vasprintf(&text, format, arguments);
        va_end(arguments);
        assert_true(n >= 0);
        return keep(sandbox, text);
}

const char *sandbox_path(Sandbox *sandbox, const char *name) {
        return sandbox_format(sandbox, "%s/%s", sandbox->directory, name);
}

/* Makes the folders above NAME. */
static const char *new_path(Sandbox *sandbox, const char *name) {
        for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
                const char *folder = sandbox_format(sandbox, "%s/%.*s", sandbox->directory,
                                                    (int) (slash - name), name);

                if (mkdir(folder, 0755) == 0)
                        assert_int_equal(chmod(folder, 0755), 0);
                else
                        assert_int_equal(errno, EEXIST);
        }
        return sandbox_path(sandbox, name);
}

const char *sandbox_folder(Sandbox *sandbox, const char *name, mode_t mode) {
        const char *path = new_path(sandbox, name);

        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(chmod(path, mode), 0);
        return path;
}

const char *sandbox_file(Sandbox *sandbox, const char *name, mode_t mode, const char *text) {
        const char *path = new_path(sandbox, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(fchmod(fd, mode), 0);
        assert_int_equal(close(fd), 0);
        return path;
}

const char *sandbox_script(Sandbox *sandbox, const char *name, const char *body) {
        return sandbox_file(sandbox, name, 0755, sandbox_format(sandbox, "#!/bin/sh\n%s\n", body));
}

const char *sandbox_link(Sandbox *sandbox, const char *name, const char *target) {
        const char *path = new_path(sandbox, name);

        assert_int_equal(symlink(target, path), 0);
        return path;
}

static const char *read_all(Sandbox *sandbox, FILE *file) {
        char *text = NULL;
        size_t size = 0;
        ssize_t n;

        assert_non_null(file);
        n = getdelim(&text, &size, EOF, file); /* no byte is EOF: up to the end */
        assert_int_equal(ferror(file), 0);
        (void) fclose(file);
        if (n < 0) {
                free(text);
                return "";
        }
        return keep(sandbox, text);
}

const char *sandbox_read(Sandbox *sandbox, const char *path) {
        FILE *file = fopen(path, "re");

        if (!file)
                fail_msg("%s cannot be read: %s", path, strerror(errno));
        return read_all(sandbox, file);
}

const char *sandbox_source(Sandbox *sandbox, const char *name) {
        const char *top = getenv("top_srcdir");

        if (!top)
                fail_msg("The environment needs top_srcdir, the top of the source tree");
        return sandbox_format(sandbox, "%s/%s", top, name);
}

void log_start(Sandbox *sandbox) {
        assert_true(sandbox->real_stderr < 0);
        sandbox->log_fd = memfd_create("log", MFD_CLOEXEC);
        assert_true(sandbox->log_fd >= 0);
        sandbox->real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        assert_true(sandbox->real_stderr >= 0);
        assert_true(dup2(sandbox->log_fd, STDERR_FILENO) >= 0);
}

const char *log_end(Sandbox *sandbox) {
        int fd = TAKE_FD(sandbox->log_fd);

        restore_stderr(sandbox);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return read_all(sandbox, fdopen(fd, "r"));
}

/* Runs one turn of the loop, of at most USEC. Fails the test where DEADLINE is over. */
static void loop_turn(Sandbox *sandbox, uint64_t usec, uint64_t deadline, const char *file,
                      int line) {
        if (now_usec(CLOCK_MONOTONIC) > deadline) {
                print_error("It took too long\n");
                _fail(file, line);
        }
        assert_true(sd_event_run(sandbox->event, usec) >= 0);
}

void loop_until_at(Sandbox *sandbox, const bool *done, const char *file, int line) {
        uint64_t deadline = now_usec(CLOCK_MONOTONIC) + PATIENCE;

        while (!*done)
                loop_turn(sandbox, PATIENCE, deadline, file, line);
}

void loop_until_file_at(Sandbox *sandbox, const char *path, const char *file, int line) {
        uint64_t deadline = now_usec(CLOCK_MONOTONIC) + PATIENCE;

        while (access(path, F_OK) < 0)
                loop_turn(sandbox, 5 * USEC_PER_MSEC, deadline, file, line);
}

void loop_for(Sandbox *sandbox, uint64_t usec) {
        uint64_t end = now_usec(CLOCK_MONOTONIC) + usec, now;

        while ((now = now_usec(CLOCK_MONOTONIC)) < end)
                assert_true(sd_event_run(sandbox->event, end - now) >= 0);
}

unsigned count_of(const char *text, const char *part) {
        unsigned n = 0;

        assert_true(*part);
        for (const char *p = strstr(text, part); p; p = strstr(p + strlen(part), part))
                n++;
        return n;
}

void assert_has_at(const char *text, const char *part, bool has, const char *file, int line) {
        if (text && (strstr(text, part) != NULL) == has)
                return;
        print_error("\"%s\" %s \"%s\"\n", text ? text : "(null)", has ? "lacks" : "has", part);
        _fail(file, line);
}

unsigned count_fds(void) {
        DIR *folder = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(folder);
        while (readdir(folder))
                n++;
        (void) closedir(folder);
        return n - 3; /* the two dots, and the folder's own */
}

bool is_alive(pid_t pid) {
        char path[64], state;
        FILE *file;
        int n;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        file = fopen(path, "re");
        if (!file)
                return false;
        n = fscanf(file, "%*d (%*[^)]) %c", &state);
        (void) fclose(file);
        return n == 1 && state != 'Z' && state != 'X';
}

bool dies(pid_t pid) {
        uint64_t deadline = now_usec(CLOCK_MONOTONIC) + PATIENCE;

        while (is_alive(pid)) {
                if (now_usec(CLOCK_MONOTONIC) > deadline)
                        return false;
                (void) usleep(2000);
        }
        return true;
}
