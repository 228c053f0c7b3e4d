/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * There is no asking the kernel how much it would give, so it is tried. Pages that nobody touches
 * cost nothing.
 */

#include "memory.h"

#include <stddef.h>
#include <sys/mman.h>

/* The largest message that the system bus lets through, and what it takes to read it. */
#define RESERVE ((size_t) 40 * 1024 * 1024)

bool memory_is_short(void) {
        void *p = mmap(NULL, RESERVE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                return true;
        (void) munmap(p, RESERVE);
        return false;
}
