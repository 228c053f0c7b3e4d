/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "forward-lock.h"

#include <sys/auxv.h>
#include <sys/stat.h>

#include "forwarder.h"
#include "hooks-lock.h"

/* A guest does not wait longer for somebody who does not come to an end. */
#define LOCK_TIMEOUT (10 * USEC_PER_SEC)

/* Whether what we run, or a newer one, is still what lies at PATH. */
static bool is_at(const char *path) {
        struct stat st, own;

        return forwarder_is(path) || stat(path, &st) < 0 || stat("/proc/self/exe", &own) < 0 ||
               (st.st_dev == own.st_dev && st.st_ino == own.st_ino);
}

void forward_lock(char **argv) {
        const char *path =
                (const char *) getauxval(AT_EXECFN); /* not argv[0]: anybody may set it */
        int fd;

        /* The descriptor is never closed: the lock goes with the process. Where there is no file
         * nothing is attached, or it was just now. Who may not open it goes on without. */
        fd = hooks_lock(HOOKS_LOCK_PATH, HOOKS_LOCK_RUN, LOCK_TIMEOUT);
        if (!path || *path != '/')
                return;
        if (fd == -ENOENT && is_at(path))
                (void) hooks_lock(HOOKS_LOCK_PATH, HOOKS_LOCK_RUN, LOCK_TIMEOUT);
        if (!is_at(path))
                (void) execv(path, argv);
}
