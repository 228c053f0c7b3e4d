/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A bus with a service on it, and a connection to both.
 */

#include "message-bus.h"
#include "service.h"

typedef struct Site {
        MessageBus *bus;
        Service *service;
        sd_bus *client;
} Site;

/* KIND is the bus's; SETTINGS, JOURNAL and CGROUP are as in service_new(). */
Site *site_new(const char *kind, const char *settings, bool journal);
Site *site_new_inside(const char *kind, const char *cgroup);
Site *site_free(Site *site);

DEFINE_CLEANUP(Site, site_free);
