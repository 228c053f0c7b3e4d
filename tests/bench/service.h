/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A virt-hooksd on a bus.
 */

#include "message-bus.h"

typedef struct Service {
        pid_t pid;
        uint64_t start_nsec; /* from before the fork to the name taken, as another client sees it */
} Service;

typedef struct Memory {
        double resident, proportional; /* MiB */
} Memory;

/* Starts it, with these SETTINGS in [Bridge], and waits until it has its name. JOURNAL: it logs to
 * the journal of the place, as a service of systemd does, instead of to a file. CGROUP: where it
 * runs, or NULL. */
Service *service_new(const MessageBus *bus, const char *settings, bool journal, const char *cgroup);
Service *service_free(Service *service);

Memory service_memory(const Service *service);
/* The most that was ever resident, in MiB. */
double service_peak(const Service *service);
unsigned service_descriptors(const Service *service);
