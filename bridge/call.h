/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One method call that runs hooks, from the moment its caller is let in to its one reply. It keeps
 * the message, and everything that is made of it: the request, the place in the queue, the run.
 */

#include <sys/queue.h>
#include <systemd/sd-bus.h>

#include "bridge.h"
#include "intake.h"

struct Call {
        Bridge *bridge;
        sd_bus_message *message; /* NULL once it has its reply */
        Caller *caller;
        bool raw;         /* Run(): the reply is the raw result */
        Request *request; /* until the run takes it */
        Intake *intake;   /* while the document is being copied */
        Ticket *ticket;   /* while it waits or runs */
        Run *run;
        int started_fd;
        int output_fd, errors_fd; /* of Run()'s reply, once it is its turn */
        TAILQ_ENTRY(Call) calls;
};

/*
 * Handlers of the interface's methods: they read MESSAGE and keep it. Returns 1 where the reply
 * will come, or a negative errno with *error set, which becomes the reply.
 */
int call_method(Bridge *bridge, sd_bus_message *message, Caller *caller, HookType type,
                sd_bus_error *error);
int call_raw(Bridge *bridge, sd_bus_message *message, Caller *caller, sd_bus_error *error);

/* The turn of a call in the queue has come: its run starts. */
void call_run(void *call);

/* Whether its scripts run. */
bool call_is_running(const Call *call);

/*
 * Cancels a call that has a run, for BY: its running scripts are ended, and it is answered when
 * they have; one that waits in the queue is answered at once, and freed.
 */
void call_cancel(Call *call, const Caller *by);

/* Ends a call that waits with ShuttingDown. It is freed. */
void call_send_away(Call *call);

/* Ends a call that waits without a reply, since nobody would hear it. It is freed. */
void call_drop(Call *call);

Call *call_free(Call *call); /* takes NULL, returns NULL */

DEFINE_CLEANUP(Call, call_free);
