/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A lane for each object that has calls, in a tree by type and name. The head of a lane is the one
 * that runs, or that would but for the cap; those heads wait in one line for a place.
 */

#include "queue.h"

#include <assert.h>
#include <inttypes.h>
#include <search.h>
#include <sys/queue.h>

#include "bus-error.h"
#include "bus-names.h"

typedef TAILQ_HEAD(TicketList, Ticket) TicketList;

typedef struct Lane {
        HookType type;
        char *object;
        TicketList tickets; /* in order of arrival; only the first may run */
} Lane;

struct Ticket {
        Queue *queue;
        Lane *lane; /* NULL for the daemon's calls */
        Caller *caller;
        Ticket *parent; /* the running call that waits for this one */
        TicketList children;
        void *call;
        bool running, ready;
        bool takes_place; /* counts against the cap of those that run */
        unsigned visit;   /* the search that was here last */
        TAILQ_ENTRY(Ticket) in_lane, in_ready, in_children;
};

struct Queue {
        queue_turn_t turn;
        QueueLimits limits;
        void *lanes;      /* tsearch(3) */
        TicketList ready; /* could run but for the cap, in order of arrival */
        unsigned n_running, n_waiting, n_reserved;
        uint64_t n_places; /* taken of limits.running */
        bool filling;
        unsigned visit;
};

static int by_object(const void *a, const void *b) {
        const Lane *l = a, *m = b;

        return l->type != m->type ? (int) l->type - (int) m->type : strcmp(l->object, m->object);
}

static Lane *lane_find(const Queue *queue, HookType type, const char *object) {
        Lane key = { .type = type, .object = (char *) object };
        void *node = tfind(&key, &queue->lanes, by_object);

        return node ? *(Lane **) node : NULL;
}

static void lane_free(Queue *queue, Lane *lane) {
        (void) tdelete(lane, &queue->lanes, by_object);
        free(lane->object);
        free(lane);
}

static int lane_new(Queue *queue, HookType type, const char *object, Lane **ret) {
        Lane *lane = malloc(sizeof(Lane));

        if (!lane)
                return -ENOMEM;
        *lane = (Lane){
                .type = type,
                .object = strdup(object),
        };
        TAILQ_INIT(&lane->tickets);
        if (!lane->object || !tsearch(lane, &queue->lanes, by_object)) {
                free(lane->object);
                free(lane);
                return -ENOMEM;
        }
        *ret = lane;
        return 0;
}

/*
 * Whether TICKET can only end after GOAL has: one that waits does so for the one before it, one
 * that runs may do so for what its scripts have called.
 */
static bool waits_for(Ticket *ticket, const Ticket *goal, unsigned visit) {
        Ticket *child;

        for (;;) {
                if (ticket == goal)
                        return true;
                if (ticket->visit == visit)
                        return false;
                ticket->visit = visit;
                if (ticket->running)
                        break;
                ticket = ticket->lane ? TAILQ_PREV(ticket, TicketList, in_lane) : NULL;
                if (!ticket)
                        return false;
        }
        TAILQ_FOREACH (child, &ticket->children, in_children)
                if (waits_for(child, goal, visit))
                        return true;
        return false;
}

static int check_deadlock(Queue *queue, const Lane *lane, Ticket *parent, sd_bus_error *error) {
        Ticket *before = lane ? TAILQ_LAST(&lane->tickets, TicketList) : NULL;

        if (!parent || !before || !waits_for(before, parent, ++queue->visit))
                return 0;
        return bus_error_setf(
                error, ERROR_WOULD_DEADLOCK,
                "The call about %s '%s' comes from a hook that it would have to wait for: call "
                "when the hook has ended, or about another object",
                hook_type_to_string(lane->type), lane->object);
}

static int check_limits(const Queue *queue, const Caller *caller, const char *object,
                        sd_bus_error *error) {
        if (queue->n_waiting + queue->n_reserved >= queue->limits.waiting)
                return bus_error_setf(
                        error, ERROR_LIMIT_EXCEEDED,
                        "The call about '%s' would have to wait, and %" PRIu64
                        " calls wait already: try again, or raise MaxWaiting= in virt-hooks.conf",
                        object, queue->limits.waiting);
        if (caller->waiting >= queue->limits.waiting_per_caller)
                return bus_error_setf(
                        error, ERROR_LIMIT_EXCEEDED,
                        "The call about '%s' would have to wait, and %" PRIu64
                        " calls of this connection wait already: wait for replies, or raise "
                        "MaxWaitingPerCaller= in virt-hooks.conf",
                        object, queue->limits.waiting_per_caller);
        return 0;
}

static bool has_place(const Queue *queue, const Ticket *ticket) {
        return !ticket->takes_place || queue->n_places < queue->limits.running;
}

static void ticket_run(Ticket *ticket) {
        Queue *queue = ticket->queue;

        ticket->running = true;
        queue->n_running++;
        queue->n_places += ticket->takes_place;
        queue->turn(ticket->call);
}

static void ticket_stop_waiting(Ticket *ticket) {
        if (ticket->ready)
                TAILQ_REMOVE(&ticket->queue->ready, ticket, in_ready);
        ticket->ready = false;
        ticket->queue->n_waiting--;
        ticket->caller->waiting--;
}

/* The first of a lane could run: it gets a place, or stands in line for one. */
static void ticket_be_ready(Ticket *ticket) {
        ticket->ready = true;
        if (!ticket->takes_place)
                TAILQ_INSERT_HEAD(&ticket->queue->ready, ticket, in_ready);
        else
                TAILQ_INSERT_TAIL(&ticket->queue->ready, ticket, in_ready);
}

/*
 * Those that stand before a call with a parent need no place either: the parent, which has one,
 * waits for them, and were all places taken by such parents, nobody would ever get one.
 */
static void lane_hurry(Lane *lane) {
        Ticket *ticket;

        TAILQ_FOREACH (ticket, &lane->tickets, in_lane) {
                if (ticket->running || !ticket->takes_place)
                        continue;
                ticket->takes_place = false;
                if (ticket->ready) {
                        TAILQ_REMOVE(&ticket->queue->ready, ticket, in_ready);
                        ticket_be_ready(ticket);
                }
        }
}

/*
 * A call that ends at once makes room while we are at it: then it is for the loop that runs already
 * to go on.
 */
static void queue_fill_places(Queue *queue) {
        Ticket *ticket;

        if (queue->filling)
                return;
        queue->filling = true;
        while ((ticket = TAILQ_FIRST(&queue->ready)) && has_place(queue, ticket)) {
                ticket_stop_waiting(ticket);
                ticket_run(ticket);
        }
        queue->filling = false;
}

int queue_enter(Queue *queue, Ticket **ret, HookType type, const char *object, Caller *caller,
                Ticket *parent, void *call, sd_bus_error *error) {
        Lane *lane = type == HOOK_DAEMON ? NULL : lane_find(queue, type, object);
        bool first = !lane; /* a lane is there as long as it has tickets */
        Ticket *ticket;
        int r;

        r = check_deadlock(queue, lane, parent, error);
        if (r < 0)
                return r;
        if (!first ||
            (!parent && type != HOOK_DAEMON && queue->n_places >= queue->limits.running)) {
                r = check_limits(queue, caller, object, error);
                if (r < 0)
                        return r;
        }

        ticket = malloc(sizeof(Ticket));
        if (!ticket)
                return -ENOMEM;
        if (first && type != HOOK_DAEMON) {
                r = lane_new(queue, type, object, &lane);
                if (r < 0) {
                        free(ticket);
                        return r;
                }
        }
        *ticket = (Ticket){
                .queue = queue,
                .lane = lane,
                .caller = caller_ref(caller),
                .parent = parent,
                .call = call,
                .takes_place = !parent && lane,
        };
        TAILQ_INIT(&ticket->children);
        if (parent)
                TAILQ_INSERT_TAIL(&parent->children, ticket, in_children);
        if (lane)
                TAILQ_INSERT_TAIL(&lane->tickets, ticket, in_lane);
        queue->n_waiting++;
        caller->waiting++;
        *ret = ticket;
        if (first)
                ticket_be_ready(ticket);
        else if (parent)
                lane_hurry(lane);
        queue_fill_places(queue);
        return 0;
}

int queue_reserve(Queue *queue, Caller *caller, const char *object, sd_bus_error *error) {
        int r = check_limits(queue, caller, object, error);

        if (r < 0)
                return r;
        queue->n_reserved++;
        caller->waiting++;
        return 0;
}

void queue_give_back(Queue *queue, Caller *caller) {
        queue->n_reserved--;
        caller->waiting--;
}

bool ticket_is_running(const Ticket *ticket) {
        return ticket->running;
}

/* The next in TICKET's lane comes first now; without one the lane goes. */
static void lane_leave(Ticket *ticket) {
        Queue *queue = ticket->queue;
        Lane *lane = ticket->lane;
        bool was_first = TAILQ_FIRST(&lane->tickets) == ticket;

        TAILQ_REMOVE(&lane->tickets, ticket, in_lane);
        if (TAILQ_EMPTY(&lane->tickets))
                lane_free(queue, lane);
        else if (was_first)
                ticket_be_ready(TAILQ_FIRST(&lane->tickets));
}

Ticket *queue_leave(Ticket *ticket) {
        Queue *queue;
        Ticket *child;

        if (!ticket)
                return NULL;
        queue = ticket->queue;
        if (ticket->running) {
                queue->n_running--;
                queue->n_places -= ticket->takes_place;
        } else
                ticket_stop_waiting(ticket);
        if (ticket->lane)
                lane_leave(ticket);
        if (ticket->parent)
                TAILQ_REMOVE(&ticket->parent->children, ticket, in_children);
        /* What its scripts called goes on without anybody who waits for it. */
        while ((child = TAILQ_FIRST(&ticket->children))) {
                TAILQ_REMOVE(&ticket->children, child, in_children);
                child->parent = NULL;
        }
        caller_unref(ticket->caller);
        free(ticket);

        queue_fill_places(queue);
        return NULL;
}

void queue_set_limits(Queue *queue, const QueueLimits *limits) {
        queue->limits = *limits;
        queue_fill_places(queue);
}

unsigned queue_running(const Queue *queue) {
        return queue->n_running;
}

unsigned queue_waiting(const Queue *queue) {
        return queue->n_waiting;
}

int queue_new(Queue **ret, queue_turn_t turn) {
        Queue *queue = calloc(1, sizeof(Queue));

        if (!queue)
                return -ENOMEM;
        queue->turn = turn;
        queue->limits = (QueueLimits){ UINT64_MAX, UINT64_MAX, UINT64_MAX };
        TAILQ_INIT(&queue->ready);
        *ret = queue;
        return 0;
}

Queue *queue_free(Queue *queue) {
        if (!queue)
                return NULL;
        assert(queue->n_running == 0 && queue->n_waiting == 0 && queue->n_reserved == 0);
        free(queue);
        return NULL;
}
