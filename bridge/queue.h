/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who waits for whom. Calls about the same object run one after the other, in the order in which
 * they came; others run side by side, up to a cap.
 */

#include <systemd/sd-bus.h>

#include "caller.h"
#include "hook.h"

typedef struct QueueLimits {
        uint64_t running;            /* side by side */
        uint64_t waiting;            /* in all */
        uint64_t waiting_per_caller; /* of one connection */
} QueueLimits;

typedef struct Queue Queue;
typedef struct Ticket Ticket; /* a place in the queue, and then among those that run */

/* It is the turn of CALL, which may well be over when this returns. */
typedef void (*queue_turn_t)(void *call);

int queue_new(Queue **ret, queue_turn_t turn);
Queue *queue_free(Queue *queue); /* nobody may be in it; takes NULL, returns NULL */

void queue_set_limits(Queue *queue, const QueueLimits *limits);

/*
 * Takes a place among those that wait, for a call about OBJECT that cannot be lined up yet: its
 * document is still to come. It is given back before the call enters. Returns 0, or a negative
 * errno with *error set: LimitExceeded.
 */
int queue_reserve(Queue *queue, Caller *caller, const char *object, sd_bus_error *error);
void queue_give_back(Queue *queue, Caller *caller);

unsigned queue_running(const Queue *queue);
unsigned queue_waiting(const Queue *queue);

/*
 * Lines up CALL, about OBJECT (the daemon's calls do not wait for each other). PARENT is the
 * running call that this one came out of, or NULL: one that would wait for its own parent is
 * refused, and it does not count against the cap of those that run, since its parent does. *ret is
 * set before TURN is called, which may be before this function returns: do not touch CALL then.
 * Returns 0, or a negative errno with *error set: WouldDeadlock, LimitExceeded.
 */
int queue_enter(Queue *queue, Ticket **ret, HookType type, const char *object, Caller *caller,
                Ticket *parent, void *call, sd_bus_error *error);

bool ticket_is_running(const Ticket *ticket);

/*
 * The call has ended, or leaves while it waits: the ticket is gone, and whoever's turn it is now
 * gets it. Takes NULL, returns NULL.
 */
Ticket *queue_leave(Ticket *ticket);
