/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who calls: a connection to the bus and the process behind it. The bus is asked once for each
 * connection, without blocking, and what it said is kept until the connection goes.
 *
 * Source: D-Bus specification, org.freedesktop.DBus.GetConnectionCredentials and NameOwnerChanged.
 */

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "util.h"

#define CALLER_ANCESTORS_MAX 32U

typedef struct Caller {
        char *name; /* the connection's unique name */
        uid_t uid;
        pid_t pid;
        char *comm; /* the process's name, valid UTF-8; NULL where it is not known, or not yet */
        char *unit; /* its systemd unit; NULL where it has none, or it is not known yet */
        pid_t ancestors[CALLER_ANCESTORS_MAX]; /* the process, its parent, and so on, as it was at
                                                  the first call */
        size_t n_ancestors;

        unsigned waiting; /* its calls that wait in the queue, for their document, or here behind
                             the first; whoever lets them wait counts */
        bool gone;        /* the connection is no more: nobody hears a reply */
        /* The rest is caller.c's own. */
        unsigned references;
        struct Callers *callers;
        bool identified, looked_up;
        sd_bus_slot *query;
        struct ParkedCall *parked;
} Caller;

/* This process itself, where it runs hooks without a bus. Returns 0 or -ENOMEM. */
int caller_new_self(Caller **ret);

Caller *caller_ref(Caller *caller);
Caller *caller_unref(Caller *caller); /* takes NULL, returns NULL */

/* Root and the user that the service runs as: nobody else is asked about them. */
bool caller_is_privileged(const Caller *caller);

/*
 * Fills in what /proc says of the process. It takes a while, the process is there as long as it
 * waits for a reply, and no call fails where it cannot be had: do it when there is nothing better
 * to do, but before the reply.
 */
void caller_look_up_process(Caller *caller);

/*
 * Whether the process ANCESTOR is now the caller's process or one of those that it descends from.
 *
 */
bool caller_descends_from(const Caller *caller, pid_t ancestor);

typedef struct Callers Callers;

/*
 * The caller of MESSAGE is known, or, with CALLER NULL, it never will be: it left, or the bus does
 * not say. Both are the callers' own; whoever wants to keep them takes a reference.
 */
typedef void (*caller_identified_t)(sd_bus_message *message, Caller *caller, void *userdata);

/* A connection is gone. */
typedef void (*caller_gone_t)(Caller *caller, void *userdata);

int callers_new(Callers **ret, sd_bus *bus, caller_gone_t gone, void *userdata);
Callers *callers_free(Callers *callers); /* takes NULL, returns NULL */

/*
 * How many calls may wait for the bus to say who sent them, in all and of a connection. The first
 * of a connection is not counted: it waits for nothing else, and without it nobody would ever be
 * known.
 */
void callers_set_limits(Callers *callers, uint64_t waiting, uint64_t waiting_per_caller);

/*
 * Finds out who sent MESSAGE, and calls IDENTIFIED with it: before returning where that is known
 * already, else when the bus has answered. Messages of one connection are told of in their order.
 * Returns 0, or a negative errno with *error set, and then IDENTIFIED is not called: LimitExceeded,
 * AccessDenied.
 */
int callers_identify(Callers *callers, sd_bus_message *message, caller_identified_t identified,
                     void *userdata, sd_bus_error *error);

/* The sender of MESSAGE, if callers_identify() would tell at once who it is; else NULL. */
const Caller *callers_find_known(Callers *callers, sd_bus_message *message);

DEFINE_CLEANUP(Caller, caller_unref);
DEFINE_CLEANUP(Callers, callers_free);
