/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A process that has many connections to a bus, all of which listen to the service's signals.
 */

#include "message-bus.h"

typedef struct Subscribers {
        pid_t pid;
        int fd;
        unsigned n;
} Subscribers;

Subscribers *subscribers_new(const MessageBus *bus, unsigned n);
Subscribers *subscribers_free(Subscribers *subscribers);

/* Returns when all have heard of the end of CALLS more calls. */
void subscribers_wait(Subscribers *subscribers, unsigned calls);
