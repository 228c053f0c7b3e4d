/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The first steps of a child.
 */

#include "child.h"

#include <signal.h>
#include <sys/syscall.h>

#include "util.h"

void child_reset_signals(void) {
        /* The kernel's struct sigaction is smaller than glibc's, and all of it is 0: SIG_DFL, no
         * flags. */
        static const struct sigaction defaults;
        sigset_t none;

        for (int number = 1; number < _NSIG; number++)
                (void) syscall(SYS_rt_sigaction, number, &defaults, NULL, (size_t) _NSIG / 8);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}
