/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One child: a script that is started, fed, listened to, and waited for, without ever blocking the
 * event loop.
 *
 * Source: virCommandRun() in libvirt's src/util/vircommand.c for what a child finds; environ(7),
 * pipe(7), signal(7).
 */

#include <sys/resource.h>
#include <systemd/sd-event.h>

#include "birth.h"
#include "bytes.h"
#include "capture.h"
#include "cgroup.h"
#include "drain.h"

typedef struct Process Process;

/*
 * Called once, from the event loop, when the child has ended and its text is complete or its grace
 * is over, and, after process_kill(), all else that it started has ended. May free the process.
 */
typedef void (*process_done_t)(Process *process, void *userdata);

typedef struct ProcessSpec {
        const char *name; /* for the log */
        /* Must live as long as the process. */
        char *const *argv; /* argv[0] is the absolute path that is executed */
        char *const *envp;
        Bytes *input; /* referenced; what a pipe at its standard input carries. NULL: /dev/null */
        size_t output_head; /* bytes of standard output kept from the start */
        size_t output_tail; /* and from the end */
        size_t error_max; /* bytes of standard error kept, half from the start and half from the end
                           */
        uint64_t output_grace; /* microseconds: how long a success waits for the end of its output;
                                  0: not at all */
        uint64_t error_grace;  /* microseconds: how long a failure waits for the end of its standard
                                  error */
        const Cgroup *cgroup;  /* for the child to enter; NULL for none; must live as long as the
                                  process */
        Drain *drain; /* gets the pipes that background children hold; must live as long as the
                         process */
} ProcessSpec;

struct Process {
        pid_t pid;
        int status; /* as wait(2) has it, once it is done */
        bool lost; /* once it is done: somebody else waited for it, and how it ended is not known */
        struct rusage usage;
        uint64_t started, ended; /* microseconds of CLOCK_MONOTONIC */
        uint64_t started_at;     /* microseconds of CLOCK_REALTIME */
        Capture output, error;
        /* The rest is process.c's own. */
        sd_event *event;
        char *name;
        Drain *drain;
        const Cgroup *cgroup;
        BirthResult birth;
        Bytes *input;
        size_t input_done;
        int input_fd, output_fd, error_fd, pid_fd;
        sd_event_source *input_source, *output_source, *error_source, *pid_source, *grace_source,
                *rest_source;
        uint64_t output_grace, error_grace;
        bool exited; /* the child has ended */
        bool reaped; /* and was waited for: its number may be another one's */
        bool ending; /* process_kill() was called */
        bool killed; /* with SIGKILL */
        process_done_t done;
        void *userdata;
};

/*
 * Starts a child in a session of its own: cwd /, umask 022, signals default and unblocked, no
 * descriptor but the three standard ones, the limits that we were started with. A file
 * that cannot be executed is a child that ends with 127 (there is none) or 126 and says so on its
 * standard error, as libvirt has it. Returns 0; or a negative errno where we ourselves could not:
 * -EAGAIN, -ENOMEM, -EMFILE, -ENFILE: nothing was run; -ECANCELED: it had begun, but its end could
 * not be watched, and it was killed. The same lacks may only be met when this has returned, before
 * anything is executed: see process_start_error().
 */
int process_spawn(Process **ret, sd_event *event, const ProcessSpec *spec, process_done_t done,
                  void *userdata);

/*
 * Sends SIGNAL to all that the child has started: its process group, and what is in its cgroup.
 * From then on the process is done only when none of them lives; or, after SIGKILL, when
 * the child itself has ended. Where the child has ended already and its text is waited for, that
 * wait ends.
 */
void process_kill(Process *process, int signal);

/*
 * Whether the child, which is done, was never executed for a lack of ours, which may be over soon:
 * -EAGAIN, -ENOMEM, -EMFILE, -ENFILE; or 0.
 */
int process_start_error(const Process *process);

/*
 * Whether the child, which is done, ended in any other way than with status 0, or in a way that is
 * not known.
 */
bool process_failed(const Process *process);

/*
 * Takes NULL, returns NULL. One that still runs is killed with its group and waited for: after KILL
 * that takes no time that counts.
 */
Process *process_free(Process *process);

DEFINE_CLEANUP(Process, process_free);
