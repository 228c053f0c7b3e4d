/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * It is known by the library that it has loaded into us.
 */

#include "valgrind.h"

#include "util.h"

bool valgrind_is_used(void) {
        static int used = -1;
        const char *preload;

        if (used < 0) {
                preload = getenv("LD_PRELOAD");
                used = preload && strstr(preload, "vgpreload");
        }
        return used;
}
