/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The service: it owns all the parts, and lets calls flow from one to the next.
 */

#include <sys/queue.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "access.h"
#include "caller.h"
#include "history.h"
#include "queue.h"
#include "report.h"
#include "run.h"
#include "settings.h"
#include "status.h"

typedef struct Call Call;

/* What the command line says. */
typedef struct BridgeOptions {
        const char *settings_file;
        bool settings_required;   /* the file was named, so it must be there */
        char **hooks_directories; /* in place of the settings'; NULL for the settings' */
} BridgeOptions;

typedef struct Bridge {
        sd_event *event;
        sd_bus *bus;
        const BridgeOptions *options;

        Settings *settings;
        RunContext context;
        Callers *callers;
        Access *access;
        Queue *queue;
        Report *report;
        History *history;
        Status *status;
        TAILQ_HEAD(, Call) calls; /* all that have no reply yet */

        uint64_t n_runs, n_failures; /* that have ended since the start */
        bool stopping;
        int exit_code; /* with which a stop that is under way ends */
        sd_event_source *stop_source, *finish_source, *leave_source, *written_source, *trim_source;
        sd_bus_slot *release;
} Bridge;

/*
 * Loads the settings and sets up all parts on BUS, which need not be connected yet. OPTIONS must
 * live as long as the bridge. Nothing is on the bus yet. Returns 0 or a negative errno, logged.
 */
int bridge_new(Bridge **ret, sd_event *event, sd_bus *bus, const BridgeOptions *options);
Bridge *bridge_free(Bridge *bridge); /* takes NULL, returns NULL */

/*
 * Reads the settings again and looks anew for scripts. Returns 0, or a negative errno, logged: then
 * all is as it was.
 */
int bridge_reload(Bridge *bridge);

/*
 * A call of OPERATION is about to run. Where libvirt's own rule of presence holds, a daemon's makes
 * us look anew for scripts.
 */
void bridge_daemon_reported(Bridge *bridge, const HookOperation *operation);

/* The directories in which scripts are looked for. */
char *const *bridge_hooks_directories(const Bridge *bridge);

/*
 * Takes no new calls, sends away those that wait, lets the running ones end, and then ends the
 * event loop with EXIT_CODE. Called again, or when StopTimeout= is over, it ends the running ones.
 */
void bridge_stop(Bridge *bridge, int exit_code);

/* A call is over: goes on with the stop, if there is one, tells systemd, and tidies up. */
void bridge_call_ended(Bridge *bridge);

/* The running call whose script CALLER descends from, or NULL. */
Ticket *bridge_find_parent(Bridge *bridge, const Caller *caller);

DEFINE_CLEANUP(Bridge, bridge_free);
