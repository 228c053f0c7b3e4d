/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The processors' caches. Whoever is measured over and over finds his own code and data in them; a
 * hook that runs some times an hour, on a machine whose guests work, does not.
 */

typedef enum Caches {
        CACHES_WARM, /* left as they are */
        CACHES_COLD, /* used for something else before each sample */
        CACHES_MAX,
} Caches;

const char *caches_to_string(Caches caches);

/* Uses all processors' caches for something else. */
void caches_make_cold(void);
