/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may do what. Root and the user that the service runs as may do all, and nobody else is asked
 * about: early in the boot nobody else is there. For other users polkit decides, and where there is
 * no polkit, they may not.
 *
 * Source: polkit(8), org.freedesktop.PolicyKit1.Authority; policy/org.virt.Hooks.policy.
 */

#include "caller.h"

typedef enum AccessAction {
        ACCESS_RUN,     /* org.virt.hooks.run: run hooks */
        ACCESS_MANAGE,  /* org.virt.hooks.manage: steer the service */
        ACCESS_INSPECT, /* org.virt.hooks.inspect: read what scripts printed */
        ACCESS_ACTION_MAX,
} AccessAction;

typedef struct Access Access;

/*
 * CALLER may do what MESSAGE asks for. Nothing of the message has been read. A negative result,
 * with *error or without, becomes the message's error reply; otherwise the callee sees to the
 * reply.
 */
typedef int (*access_granted_t)(sd_bus_message *message, Caller *caller, void *userdata,
                                sd_bus_error *error);

int access_new(Access **ret, sd_bus *bus, Callers *callers);
Access *access_free(Access *access); /* takes NULL, returns NULL */

/*
 * How many calls may wait for polkit, each with up to 16 descriptors that we hold for it: in all,
 * and of one user. Root's and our own do not wait.
 */
void access_set_limits(Access *access, uint64_t waiting, uint64_t waiting_per_user);

/*
 * Asks whether the sender of MESSAGE may do ACTION, and then calls GRANTED, now or later, or
 * answers the message with AccessDenied, or with what kept us from asking. Returns 1, as a method
 * handler does that sees to the reply.
 */
int access_check(Access *access, sd_bus_message *message, AccessAction action,
                 access_granted_t granted, void *userdata);

/* The connection is gone: nothing of it waits for polkit any more. */
void access_caller_gone(Access *access, const Caller *caller);

/* Answers all that still wait with ShuttingDown. The bus and polkit may answer us after it. */
void access_send_away(Access *access);

DEFINE_CLEANUP(Access, access_free);
