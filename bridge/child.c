/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The first steps of a child.
 */

#include "child.h"

#include <signal.h>

#include "raw-syscall.h"
#include "util.h"

_in_child_ void child_reset_signals(void) {
        /* The kernel's struct sigaction is smaller than glibc's, and all of it is 0: SIG_DFL, no
         * flags. The same goes for its set of signals. */
        static const struct sigaction defaults;
        static const sigset_t none;

        for (int number = 1; number < _NSIG; number++)
                (void) raw_syscall(SYS_rt_sigaction, number, (long) &defaults, 0, _NSIG / 8);
        (void) raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long) &none, 0, _NSIG / 8);
}
