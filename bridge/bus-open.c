/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What libsystemd has no single function for.
 */

#include "bus-open.h"

#include "util.h"

bool bus_address_is_valid(const char *address) {
        return strchr(address, ':') != NULL;
}

int bus_open_address(sd_bus **ret, const char *address) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, 1);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, 1);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                *ret = TAKE_PTR(bus);
        return r;
}
