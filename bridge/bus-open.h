/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A connection to a bus that is neither the system's nor the user's.
 */

#include <systemd/sd-bus.h>

/* Connects to the bus at ADDRESS, as sd_bus_open_system() does to its own. Returns 0 or a negative
 * errno. */
int bus_open_address(sd_bus **ret, const char *address);
