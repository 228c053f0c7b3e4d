/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Two tables: the lives, and what follows a failure.
 */

#include "life.h"

typedef enum Turn {
        TURN_ON,        /* the life goes on */
        TURN_END,       /* it ends here */
        TURN_STOP,      /* it goes on with "stopped" */
        TURN_SKIP_PORT, /* it goes on without "port-deleted" */
} Turn;

/* Sets of types whose objects live alike. */
enum {
        DAEMONS = 1U << HOOK_DAEMON,
        XEN_GUESTS = 1U << HOOK_LIBXL,
        OTHER_GUESTS = 1U << HOOK_QEMU | 1U << HOOK_LXC,
        GUESTS = XEN_GUESTS | OTHER_GUESTS,
        NETWORKS = 1U << HOOK_NETWORK,
};

typedef struct Consequence {
        unsigned types;
        const char *operation;
        Turn turn;
        const char *meaning;
} Consequence;

/* clang-format off */
static const Consequence consequences[] = {
        { OTHER_GUESTS, "prepare",      TURN_STOP,      "The guest is not started; stopped and release follow." },
        /* libxl takes back what it had prepared, and calls no hook for that. */
        { XEN_GUESTS,   "prepare",      TURN_END,       "The guest is not started, and no other hook follows." },
        { GUESTS,       "start",        TURN_STOP,      "The guest is not started; stopped and release follow." },
        { GUESTS,       "started",      TURN_STOP,      "The guest, which runs by now, is killed; stopped and release follow." },
        { GUESTS,       "reconnect",    TURN_STOP,      "The running guest is killed; stopped and release follow." },
        { GUESTS,       "stopped",      TURN_ON,        "It is too late to change anything: the guest has ended." },
        { GUESTS,       "release",      TURN_ON,        "It is too late to change anything: the guest has ended." },
        { GUESTS,       "restore",      TURN_END,       "The guest is not restored; its saved state stays." },
        { GUESTS,       "migrate",      TURN_END,       "The migration to this host is refused; the guest stays where it is." },
        { GUESTS,       "attach",       TURN_END,       "The process is not taken over as a guest." },
        { NETWORKS,     "start",        TURN_END,       "The network is not started." },
        { NETWORKS,     "started",      TURN_END,       "The start fails, though the network's bridge stays up." },
        { NETWORKS,     "port-created", TURN_SKIP_PORT, "The guest that wants the port is not started, or does not get the interface." },
        { NETWORKS,     "updated",      TURN_ON,        "It is too late to change anything: the network is updated." },
        { NETWORKS,     "port-deleted", TURN_ON,        "It is too late to change anything: the port is gone." },
        { NETWORKS,     "stopped",      TURN_ON,        "It is too late to change anything: the network has ended." },
        { DAEMONS,      "start",        TURN_ON,        "The daemon logs it and goes on." },
        { DAEMONS,      "reload",       TURN_ON,        "The daemon logs it and goes on." },
        { DAEMONS,      "shutdown",     TURN_ON,        "The daemon logs it and goes on." },
};
/* clang-format on */

/* libvirtd is restarted while the guest runs: hence reconnect. */
static const char *const first_start[] = { "prepare", "start",   "started", "reconnect",
                                           "stopped", "release", NULL };
static const char *const managed_save[] = { "restore", "prepare", "start", "started",
                                            "stopped", "release", NULL };
static const char *const migration[] = { "migrate", "prepare", "start", "started",
                                         "stopped", "release", NULL };
static const char *const network[] = { "start",   "started",      "port-created",
                                       "updated", "port-deleted", "stopped",
                                       NULL };
static const char *const daemon_life[] = { "start", "reload", "shutdown", NULL };

static const struct {
        unsigned types;
        Life life;
} lives[] = {
        { GUESTS,
          { "start", "a first start and stop",
            "The guest starts, outlives a restart of libvirtd, and stops.", first_start, true } },
        { GUESTS,
          { "managed-save", "a start from a managed save",
            "The guest goes on from where it was saved, and stops.", managed_save, true } },
        { GUESTS,
          { "migration", "a migration to this host", "The guest goes on on this host, and stops.",
            migration, true } },
        { NETWORKS,
          { "network", "a start and stop", "The network starts, serves a guest, and stops.",
            network, true } },
        { DAEMONS,
          { "daemon", "a start, reload and shutdown", "The daemon starts, reloads and ends.",
            daemon_life, true } },
};

const Life *life_next(HookType type, const Life *life) {
        bool passed = !life;

        for (size_t i = 0; i < ELEMENTS(lives); i++) {
                /* Not every hypervisor can save and migrate, nor has hooks for it. */
                if (passed && lives[i].types & 1U << type &&
                    hook_operation_find(type, lives[i].life.operations[0]))
                        return &lives[i].life;
                passed |= &lives[i].life == life;
        }
        return NULL;
}

static const Consequence *find_consequence(HookType type, const char *operation) {
        for (size_t i = 0; i < ELEMENTS(consequences); i++)
                if (consequences[i].types & 1U << type &&
                    streq(consequences[i].operation, operation))
                        return &consequences[i];
        return NULL;
}

const char *life_meaning(HookType type, const char *operation) {
        const Consequence *consequence = find_consequence(type, operation);

        return consequence ? consequence->meaning : "";
}

/* Goes on from the operation that failed. */
static void turn(LifeWalk *walk) {
        const char *const *operations = walk->life->operations;
        const Consequence *consequence = find_consequence(walk->type, operations[walk->at - 1]);

        switch (consequence ? consequence->turn : TURN_ON) {
        case TURN_ON:
                return;
        case TURN_SKIP_PORT:
                walk->skip_port = true;
                return;
        case TURN_STOP:
                while (operations[walk->at] && !streq(operations[walk->at], "stopped"))
                        walk->at++;
                return;
        case TURN_END:
                while (operations[walk->at])
                        walk->at++;
                return;
        }
}

const char *life_walk(LifeWalk *walk, bool failed) {
        const char *const *operations = walk->life->operations;

        if (failed && walk->life->sequenced)
                turn(walk);
        if (walk->skip_port && operations[walk->at] && streq(operations[walk->at], "port-deleted"))
                walk->at++;
        /* Not every hypervisor has hooks for all that happens. */
        while (operations[walk->at] && !hook_operation_find(walk->type, operations[walk->at]))
                walk->at++;
        return operations[walk->at] ? operations[walk->at++] : NULL;
}
