/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A connection to a bus that is neither the system's nor the user's.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

/* For whoever names an address that is none: sd-bus would say that the connection is refused. */
#define BUS_ADDRESS_WRONG                                                                          \
        "'%s' is no address of a bus; it is like unix:path=/run/dbus/system_bus_socket"

bool bus_address_is_valid(const char *address);

/* Connects to the bus at ADDRESS, as sd_bus_open_system() does to its own. Returns 0 or a negative
 * errno. */
int bus_open_address(sd_bus **ret, const char *address);
