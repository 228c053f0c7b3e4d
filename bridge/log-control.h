/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The interface org.freedesktop.LogControl1: an administrator changes the log's level and target
 * while the service runs ("systemctl service-log-level").
 *
 * Source: org.freedesktop.LogControl1(5).
 */

#include "caller.h"

/*
 * Puts the interface on BUS, where it goes with the bus. CALLERS must live as long. Everybody may
 * read it; root and the service's own user may write. Returns 0 or a negative errno.
 */
int log_control_publish(sd_bus *bus, Callers *callers);
