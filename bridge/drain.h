/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pipes that outlive their script: a background child still holds the other end. They are read on
 * and what comes is thrown away, so that the child neither waits for a reader nor dies of a closed
 * pipe.
 */

#include <systemd/sd-event.h>

#include "util.h"

/* How many such pipes there may be; of more, the oldest is closed. Each costs a descriptor. */
#define DRAIN_MAX 256U

typedef struct Drain Drain;

int drain_new(Drain **ret, sd_event *event);
Drain *drain_free(Drain *drain); /* closes the pipes; takes NULL, returns NULL */

/*
 * Takes FD, a non-blocking read end, in any case. NAME is the script's, for the log.
 */
void drain_add(Drain *drain, int fd, const char *name);

DEFINE_CLEANUP(Drain, drain_free);
