/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The scripts' environment, made once when the service starts.
 */

#include "environment.h"

#include <pwd.h>
#include <stdio.h>

#include "util.h"

/* What systemd gives to services and libvirtd therefore to its hooks. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"

static int add(char ***environment, const char *name, const char *value) {
        char *assignment;

        if (!value)
                return 0;
        if (asprintf(&assignment, "%s=%s", name, value) < 0)
                return -ENOMEM;
        return strv_take(environment, assignment);
}

int environment_new(char ***ret) {
        _cleanup_strv_ char **environment = NULL;
        const char *path = getenv("PATH");
        const struct passwd *account;
        int r;

        account = getpwuid(geteuid()); /* NULL: an account without a name, as in some containers */
        r = add(&environment, "LC_ALL", "C");
        if (r >= 0)
                r = add(&environment, "PATH", path ? path : DEFAULT_PATH);
        if (r >= 0)
                r = add(&environment, "HOME", account ? account->pw_dir : getenv("HOME"));
        if (r >= 0)
                r = add(&environment, "USER", account ? account->pw_name : getenv("USER"));
        if (r >= 0)
                r = add(&environment, "LOGNAME", account ? account->pw_name : getenv("LOGNAME"));
        if (r >= 0)
                r = add(&environment, "TMPDIR", getenv("TMPDIR"));
        if (r >= 0)
                *ret = TAKE_PTR(environment);
        return r;
}

int environment_for_run(char ***ret, char *const *environment, const char *run) {
        _cleanup_strv_ char **copy = NULL;
        int r;

        for (char *const *e = environment; e && *e; e++) {
                r = strv_add(&copy, *e);
                if (r < 0)
                        return r;
        }
        r = add(&copy, "VIRT_HOOKS_RUN", run);
        if (r >= 0)
                *ret = TAKE_PTR(copy);
        return r;
}
