/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sites. Services with different settings are measured side by side, each on a bus of its own.
 */

#include "site.h"

#include "fatal.h"

static Site *new_site(const char *kind, const char *settings, bool journal, const char *cgroup) {
        Site *site = must_have(calloc(1, sizeof(Site)));

        site->bus = message_bus_new(kind);
        site->service = service_new(site->bus, settings, journal, cgroup);
        site->client = message_bus_connect(site->bus);
        return site;
}

Site *site_new(const char *kind, const char *settings, bool journal) {
        return new_site(kind, settings, journal, NULL);
}

Site *site_new_inside(const char *kind, const char *cgroup) {
        return new_site(kind, "", false, cgroup);
}

Site *site_free(Site *site) {
        if (!site)
                return NULL;
        sd_bus_flush_close_unref(site->client);
        service_free(site->service);
        message_bus_free(site->bus);
        free(site);
        return NULL;
}
