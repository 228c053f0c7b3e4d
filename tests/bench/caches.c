/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On each processor in turn more memory is changed than its own caches hold, and much of what those
 * hold that it shares.
 */

#include "caches.h"

#include <sched.h>

#include "fatal.h"

#define SIZE ((size_t) 32 * 1024 * 1024)
#define LINE 64U

static const char *const names[CACHES_MAX] = {
        [CACHES_WARM] = "warm",
        [CACHES_COLD] = "cold",
};

const char *caches_to_string(Caches caches) {
        return names[caches];
}

static void change_memory(void) {
        static volatile char *memory;

        if (!memory)
                memory = must_have(malloc(SIZE));
        for (size_t i = 0; i < SIZE; i += LINE)
                memory[i] = (char) (memory[i] + 1);
}

void caches_make_cold(void) {
        cpu_set_t all, one;

        must_sys(sched_getaffinity(0, sizeof(all), &all), "the processors");
        for (size_t i = 0; i < CPU_SETSIZE; i++) {
                if (!CPU_ISSET(i, &all))
                        continue;
                CPU_ZERO(&one);
                CPU_SET(i, &one);
                must_sys(sched_setaffinity(0, sizeof(one), &one), "a processor");
                change_memory();
        }
        must_sys(sched_setaffinity(0, sizeof(all), &all), "the processors");
}
