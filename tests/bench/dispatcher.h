/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * NetworkManager's dispatcher, the nearest peer: a service that runs root's scripts, too.
 */

#include "message-bus.h"

typedef struct Dispatcher {
        pid_t pid;
        MessageBus *bus;
        sd_bus *client;
} Dispatcher;

/* Whether there is one: NULL, or why not. */
const char *dispatcher_why_not(void);

/* Starts it, on a bus of KIND and of its own; its one script is #!/bin/sh exit 0. */
Dispatcher *dispatcher_new(const char *kind);
Dispatcher *dispatcher_free(Dispatcher *dispatcher);

/* Has it run its script. */
void dispatcher_act(Dispatcher *dispatcher);
