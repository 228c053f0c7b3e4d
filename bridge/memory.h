/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Memory that is kept for the bus. sd-bus gives up the connection when a message does not fit, and
 * with it all calls that wait for their replies. And a little for what must be said of calls that
 * were let in, whatever happens.
 */

#include <stdbool.h>

/* Whether the next message might not fit, so that no call should be let in. */
bool memory_is_short(void);

/*
 * Whether what failed with the negative errno R is worth a second attempt: memory was short, and
 * what memory_is_short() has kept for this is let go now.
 */
bool memory_try_again(int r);

/*
 * Gives back what only the start needed of the program's and the libraries' files: it need not be
 * in our memory. It stays in the kernel's cache of files, and is there again should anybody look.
 */
void memory_give_back_start(void);
