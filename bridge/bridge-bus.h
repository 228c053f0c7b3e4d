/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The interface org.virt.Hooks on the bus: dbus-interfaces/org.virt.Hooks.xml describes it.
 */

#include "bridge.h"

/* Puts the object on the bridge's bus. It goes with the bus. Returns 0 or a negative errno. */
int bridge_bus_publish(Bridge *bridge);

/* Tells those who watch properties that a reload may have changed some. */
void bridge_bus_reloaded(Bridge *bridge);
