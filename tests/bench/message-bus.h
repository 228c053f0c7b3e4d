/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A private bus, of one of the implementations.
 */

#include <systemd/sd-bus.h>

#include "util.h"

typedef struct MessageBus {
        pid_t pid;
        char *address;
} MessageBus;

/* The implementations, ended by NULL. */
extern const char *const message_bus_kinds[];

/* Whether a bus of KIND can be had here: NULL, or why not. */
const char *message_bus_why_not(const char *kind);

MessageBus *message_bus_new(const char *kind);
MessageBus *message_bus_free(MessageBus *bus);

/* A connection of the caller's own. It never starts a service. */
sd_bus *message_bus_connect(const MessageBus *bus);
