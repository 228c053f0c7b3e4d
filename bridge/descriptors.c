/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The limit on descriptors: raised for us, as it was for scripts, and with a reserve.
 */

#include "descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "child.h"
#include "log.h"
#include "raw-syscall.h"

#define RESERVE                                                                                    \
        320U /* for the bus: as many as the calls that wait for polkit may carry, and some */

static struct rlimit initial, current;
_Static_assert(sizeof(struct rlimit) == 2 * sizeof(uint64_t), "prlimit64(2) takes another one");
static bool known;
static int spare = -EBADF;

void descriptors_raise_limit(void) {
        if (getrlimit(RLIMIT_NOFILE, &initial) < 0)
                return;
        known = true;
        current = initial;
        current.rlim_cur = current.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &current) < 0) {
                log_warning("The limit of descriptors cannot be raised, ignoring: %m");
                current = initial;
        }
}

_in_child_ void descriptors_restore_limit(void) {
        if (known)
                (void) raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, (long) &initial, 0);
}

void descriptors_take_spare(void) {
        if (spare < 0)
                spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void descriptors_give_spare(void) {
        spare = close_fd(spare);
}

bool descriptors_are_short(int fd) {
        rlim_t reserve = MIN(current.rlim_cur / 4, RESERVE);

        return known && current.rlim_cur != RLIM_INFINITY &&
               (rlim_t) fd >= current.rlim_cur - reserve;
}

bool descriptors_run_short(void) {
        _cleanup_close_ int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);

        return fd < 0 ? errno == EMFILE : descriptors_are_short(fd);
}
