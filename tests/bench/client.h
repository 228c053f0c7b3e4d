/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls of the service. A call that fails ends the benchmark.
 */

#include <systemd/sd-bus.h>

#include "util.h"

/* The operations of qemu's hook that are used: one that is no filter and one that is. */
#define OPERATION_PLAIN  "prepare"
#define OPERATION_FILTER "migrate"

void client_ping(sd_bus *bus);
void client_call(sd_bus *bus, const char *object, const char *operation, const char *document);

/* By Run(): DOCUMENT goes by a memfd that is made, sealed and closed here, and the output's is
 * closed. */
void client_run(sd_bus *bus, const char *object, const char *operation, const char *document);

/* Many calls that do not wait for one another. */
typedef struct Flight {
        sd_bus *bus;
        unsigned n; /* not answered yet */
} Flight;

/* Sends one of METHOD ("Qemu" or "Lxc"), about OBJECT. */
void flight_start(Flight *flight, const char *method, const char *object, const char *document);

/* Returns when no more than N are left. */
void flight_wait(Flight *flight, unsigned n);
