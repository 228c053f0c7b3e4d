/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A timer that ticks. Where its signal is blocked it stops by itself after one tick, and goes on
 * when that is delivered: nothing wakes us while there is no work, nor does the loop, which would
 * take the end of its wait for work, get to see it.
 */

#include "interrupt.h"

#include <signal.h>
#include <time.h>

#include "util.h"
#include "valgrind.h"

#define INTERVAL (2 * USEC_PER_MSEC)

static void on_tick(int number) {
        /* That it comes is all. */
}

static void set_mask(int how) {
        sigset_t mask;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGALRM);
        (void) sigprocmask(how, &mask, NULL);
}

/* Without a timer nothing is interrupted, which is as it would be. */
static void make_timer(void) {
        const struct timespec t = { .tv_nsec = (long) INTERVAL * 1000 };
        const struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
        timer_t timer;

        if (sigaction(SIGALRM, &action, NULL) == 0 &&
            timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
                (void) timer_settime(timer, 0, &(struct itimerspec){ t, t }, NULL);
}

void interrupt_begin(void) {
        static bool made;

        if (!made && !valgrind_is_used())
                make_timer();
        made = true;
        set_mask(SIG_UNBLOCK);
}

void interrupt_end(void) {
        set_mask(SIG_BLOCK);
}
