/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Memory that is kept for the bus. sd-bus gives up the connection when a message does not fit, and
 * with it all calls that wait for their replies.
 */

#include <stdbool.h>

/* Whether the next message might not fit, so that no call should be let in. */
bool memory_is_short(void);
