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

/* Types whose objects live alike. */
typedef enum Kind {
        KIND_DAEMON,
        KIND_GUEST,
        KIND_NETWORK,
} Kind;

typedef struct Consequence {
        Kind kind;
        const char *operation;
        Turn turn;
        const char *meaning;
} Consequence;

/* clang-format off */
static const Consequence consequences[] = {
        { KIND_GUEST,   "prepare",      TURN_STOP,      "The guest is not started; stopped and release follow." },
        { KIND_GUEST,   "start",        TURN_STOP,      "The guest is not started; stopped and release follow." },
        { KIND_GUEST,   "started",      TURN_STOP,      "The guest, which runs by now, is killed; stopped and release follow." },
        { KIND_GUEST,   "reconnect",    TURN_STOP,      "The running guest is killed; stopped and release follow." },
        { KIND_GUEST,   "stopped",      TURN_ON,        "It is too late to change anything: the guest has ended." },
        { KIND_GUEST,   "release",      TURN_ON,        "It is too late to change anything: the guest has ended." },
        { KIND_GUEST,   "restore",      TURN_END,       "The guest is not restored; its saved state stays." },
        { KIND_GUEST,   "migrate",      TURN_END,       "The migration to this host is refused; the guest stays where it is." },
        { KIND_GUEST,   "attach",       TURN_END,       "The process is not taken over as a guest." },
        { KIND_NETWORK, "start",        TURN_END,       "The network is not started." },
        { KIND_NETWORK, "started",      TURN_END,       "The start fails, though the network's bridge stays up." },
        { KIND_NETWORK, "port-created", TURN_SKIP_PORT, "The guest that wants the port is not started, or does not get the interface." },
        { KIND_NETWORK, "updated",      TURN_ON,        "It is too late to change anything: the network is updated." },
        { KIND_NETWORK, "port-deleted", TURN_ON,        "It is too late to change anything: the port is gone." },
        { KIND_NETWORK, "stopped",      TURN_ON,        "It is too late to change anything: the network has ended." },
        { KIND_DAEMON,  "start",        TURN_ON,        "The daemon logs it and goes on." },
        { KIND_DAEMON,  "reload",       TURN_ON,        "The daemon logs it and goes on." },
        { KIND_DAEMON,  "shutdown",     TURN_ON,        "The daemon logs it and goes on." },
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
        Kind kind;
        Life life;
} lives[] = {
        { KIND_GUEST,
          { "start", "a first start and stop",
            "The guest starts, outlives a restart of libvirtd, and stops.", first_start, true } },
        { KIND_GUEST,
          { "managed-save", "a start from a managed save",
            "The guest goes on from where it was saved, and stops.", managed_save, true } },
        { KIND_GUEST,
          { "migration", "a migration to this host", "The guest goes on on this host, and stops.",
            migration, true } },
        { KIND_NETWORK,
          { "network", "a start and stop", "The network starts, serves a guest, and stops.",
            network, true } },
        { KIND_DAEMON,
          { "daemon", "a start, reload and shutdown", "The daemon starts, reloads and ends.",
            daemon_life, true } },
};

static Kind kind_of(HookType type) {
        return type == HOOK_DAEMON ? KIND_DAEMON : type == HOOK_NETWORK ? KIND_NETWORK : KIND_GUEST;
}

const Life *life_next(HookType type, const Life *life) {
        bool passed = !life;

        for (size_t i = 0; i < ELEMENTS(lives); i++) {
                /* Not every hypervisor can save and migrate, nor has hooks for it. */
                if (passed && lives[i].kind == kind_of(type) &&
                    hook_operation_find(type, lives[i].life.operations[0]))
                        return &lives[i].life;
                passed |= &lives[i].life == life;
        }
        return NULL;
}

static const Consequence *find_consequence(HookType type, const char *operation) {
        for (size_t i = 0; i < ELEMENTS(consequences); i++)
                if (consequences[i].kind == kind_of(type) &&
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
