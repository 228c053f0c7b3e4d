/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A timer that ticks while there is work. It goes on for a tick after the work's end, for most work
 * is followed by more, and is off where there is none.
 */

#include "interrupt.h"

#include <signal.h>
#include <time.h>

#include "util.h"

#define INTERVAL (2 * USEC_PER_MSEC)

static timer_t timer;
static volatile sig_atomic_t exists, works, has_worked, ticks;

static void set_timer(uint64_t interval) {
        const struct timespec t = { .tv_nsec = (long) interval * 1000 };

        ticks = interval > 0;
        (void) timer_settime(timer, 0, &(struct itimerspec){ t, t }, NULL);
}

static void on_tick(int number) {
        int saved = errno;

        if (!works && !has_worked)
                set_timer(0);
        has_worked = false;
        errno = saved;
}

/* Without a timer nothing is interrupted, which is as it would be. */
static void make_timer(void) {
        const struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };

        exists = sigaction(SIGALRM, &action, NULL) == 0 &&
                 timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
}

void interrupt_begin(void) {
        works = has_worked = true;
        if (!exists)
                make_timer();
        if (exists && !ticks)
                set_timer(INTERVAL);
}

void interrupt_end(void) {
        works = false;
}
