/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The copying child writes into a memfd that it shares with us, and tells by its exit status how it
 * went. We seal the memfd and use it.
 */

#include "intake.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "child.h"
#include "descriptors.h"
#include "log.h"

enum {
        COPY_OK = 0,
        COPY_TOO_LARGE = 1,
        COPY_UNREADABLE = 2,
};

struct Intake {
        pid_t pid;
        int pid_fd, copy_fd;
        sd_event_source *source;
        intake_done_t done; /* NULL once nobody waits for the copy */
        void *userdata;
};

/* Waits for a descriptor that somebody made non-blocking. */
static void wait_readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        (void) poll(&p, 1, -1);
}

static int copy(int from, int to, uint64_t max) {
        char buffer[65536];
        uint64_t total = 0;

        for (;;) {
                ssize_t n = read(from, buffer, sizeof(buffer));

                if (n == 0)
                        return COPY_OK;
                if (n < 0 && errno == EAGAIN)
                        wait_readable(from);
                if (n < 0 && (errno == EINTR || errno == EAGAIN))
                        continue;
                if (n < 0)
                        return COPY_UNREADABLE;
                total += (uint64_t) n;
                if (total > max)
                        return COPY_TOO_LARGE;
                if (write(to, buffer, (size_t) n) != n)
                        return COPY_UNREADABLE;
        }
}

typedef struct Job {
        int from, to;
        uint64_t max;
} Job;

/*
 * Runs in the child, which has nothing of ours but the two descriptors: a pipe's end that it kept
 * would keep a script waiting.
 */
static int child(void *userdata) {
        const Job *job = userdata;

        /* main() saw to it that neither has one of the standard numbers. */
        if (dup2(job->from, 0) < 0 || dup2(job->to, 1) < 0)
                _exit(COPY_UNREADABLE);
        (void) syscall(SYS_close_range, 2U, ~0U, 0);
        child_reset_signals();
        _exit(copy(0, 1, job->max));
}

static void give_document(Intake *intake) {
        _cleanup_(bytes_unref_pointer) Bytes *document = NULL;
        int r;

        r = bytes_seal_fd(intake->copy_fd);
        if (r >= 0)
                r = bytes_new_sealed(&document, intake->copy_fd, SIZE_MAX);
        intake->done(intake, r, document, intake->userdata);
}

static int on_child_exit(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Intake *intake = userdata;
        int status = W_EXITCODE(COPY_UNREADABLE, 0);
        pid_t pid = waitpid(intake->pid, &status, WNOHANG);

        if (pid == 0 || (pid < 0 && errno == EINTR))
                return 0;
        if (pid < 0) /* somebody else waited for it: the copy may be anything */
                log_error("The end of the copying of a document was lost: %m");
        intake->pid = 0;
        if (!intake->done) /* the loop lets go of the source, and that of the intake */
                return sd_event_source_set_floating(source, false);
        intake->source = sd_event_source_disable_unref(intake->source);

        if (WIFEXITED(status) && WEXITSTATUS(status) == COPY_OK)
                give_document(intake);
        else
                intake->done(intake,
                             WIFEXITED(status) && WEXITSTATUS(status) == COPY_TOO_LARGE ? -E2BIG
                                                                                        : -EIO,
                             NULL, intake->userdata);
        return 0;
}

static int start_copy(Intake *intake, sd_event *event, int fd, uint64_t max) {
        static alignas(64) char stack[128 * 1024]; /* the child has a copy of its own */
        Job job = { .from = fd, .max = max };

        intake->copy_fd = memfd_create("virt-hooks-document", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (intake->copy_fd < 0)
                return -errno;
        if (descriptors_are_short(intake->copy_fd))
                return -EMFILE;
        job.to = intake->copy_fd;
        intake->pid =
                clone(child, stack + sizeof(stack), CLONE_PIDFD | SIGCHLD, &job, &intake->pid_fd);
        if (intake->pid < 0)
                return -errno;
        return sd_event_add_io(event, &intake->source, intake->pid_fd, EPOLLIN, on_child_exit,
                               intake);
}

int intake_new(Intake **ret, sd_event *event, int fd, uint64_t max, intake_done_t done,
               void *userdata) {
        _cleanup_(intake_free_pointer) Intake *intake = NULL;
        int r;

        intake = malloc(sizeof(Intake));
        if (!intake)
                return -ENOMEM;
        *intake = (Intake){
                .pid_fd = -EBADF,
                .copy_fd = -EBADF,
                .done = done,
                .userdata = userdata,
        };
        r = start_copy(intake, event, fd, max);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(intake);
        return 0;
}

static void intake_destroy(void *userdata) {
        Intake *intake = userdata;

        close_fd(intake->pid_fd);
        close_fd(intake->copy_fd);
        free(intake);
}

/* A child that reads from a file system that has stopped cannot even be killed before that goes on.
 */
static bool leave_to_loop(Intake *intake) {
        sd_event_source *source = intake->source;

        if (!source || sd_event_source_set_floating(source, true) < 0)
                return false;
        (void) sd_event_source_set_destroy_callback(source, intake_destroy);
        intake->done = NULL;
        sd_event_source_unref(source); /* the loop keeps it, as long as there is a loop */
        return true;
}

Intake *intake_free(Intake *intake) {
        if (!intake)
                return NULL;
        if (intake->pid > 0) {
                (void) kill(intake->pid, SIGKILL);
                if (leave_to_loop(intake))
                        return NULL;
                while (waitpid(intake->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        sd_event_source_disable_unref(intake->source);
        intake_destroy(intake);
        return NULL;
}
