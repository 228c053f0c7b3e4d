/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The place. Its folder is removed by the process that made it; mounts and the journal's reader die
 * with that process.
 */

#include "place.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "fatal.h"

#define JOURNAL "/run/systemd/journal"

static struct {
        pid_t owner;
        char *directory, *build;
        bool private;
} place;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) remove(path);
        return 0;
}

static void place_remove(void) {
        if (getpid() != place.owner)
                return;
        (void) nftw(place.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(place.directory);
        free(place.build);
}

/* Ends by exit(), which cleans up. Nothing that it does is in use while the program waits for
 * something, as it nearly always does. */
static void on_signal(int number) {
        exit(128 + number);
}

/* Takes what the services log, and drops it. */
_Noreturn static void read_journal(int fd) {
        char buffer[4096];

        for (;;)
                if (recv(fd, buffer, sizeof(buffer), 0) < 0 && errno != EINTR)
                        _exit(EXIT_FAILURE);
}

static void start_journal(void) {
        const struct sockaddr_un address = { AF_UNIX, JOURNAL "/socket" };
        int fd = (int) must_sys(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
        pid_t pid;

        must_sys(bind(fd, (const struct sockaddr *) &address, sizeof(address)), address.sun_path);
        pid = (pid_t) must_sys(fork(), "fork");
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                read_journal(fd);
        }
        (void) close(fd);
}

static void enter_namespace(void) {
        if (unshare(CLONE_NEWNS) < 0)
                return;
        must_sys(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "a private mount of /");
        must_sys(mount("tmpfs", "/run", "tmpfs", 0, "mode=755"), "a tmpfs at /run");
        must_sys(mkdir("/run/systemd", 0755), "/run/systemd");
        must_sys(mkdir(JOURNAL, 0755), JOURNAL);
        start_journal();
        place.private = true;
}

void place_make(const char *build) {
        const char *parent = getenv("TMPDIR");

        if (asprintf(&place.directory, "%s/virt-hooks-bench-XXXXXX", parent ? parent : "/tmp") < 0)
                fatal("memory is short");
        place.build = must_have(strdup(build));
        if (!mkdtemp(place.directory))
                fatal("%s: %m", place.directory);
        place.owner = getpid();
        (void) atexit(place_remove);
        (void) signal(SIGINT, on_signal);
        (void) signal(SIGTERM, on_signal);
        (void) signal(SIGPIPE, SIG_IGN);
        must_sys(chmod(place.directory, 0755), place.directory);
        enter_namespace();
}

bool place_is_private(void) {
        return place.private;
}

char *place_path(const char *format, ...) {
        _cleanup_free_ char *name = NULL;
        va_list arguments;
        char *path;

        va_start(arguments, format);
        if (vasprintf(&name, format, arguments) < 0)
                name = NULL;
        va_end(arguments);
        if (!name || asprintf(&path, "%s/%s", place.directory, name) < 0)
                fatal("memory is short");
        return path;
}

char *place_program(const char *name) {
        char *path;

        if (asprintf(&path, "%s/%s", place.build, name) < 0)
                fatal("memory is short");
        return path;
}

void place_write(char *path, const char *content, mode_t mode) {
        _cleanup_close_ int fd = -EBADF;
        size_t size = strlen(content);

        fd = (int) must_sys(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode), path);
        if (must_sys(write(fd, content, size), path) != (long) size)
                fatal("%s: the disk is full", path);
        must_sys(fchmod(fd, mode), path);
        free(path);
}
