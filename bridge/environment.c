/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The scripts' environment: made once when the service starts, or what libvirt has made.
 */

#include "environment.h"

#include <pwd.h>
#include <stdio.h>

#include "util.h"

/* What systemd gives to services and libvirtd therefore to its hooks. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"

/* Source: virCommandAddEnvPassCommon() in libvirt's src/util/vircommand.c. */
static const char *const names[ENVIRONMENT_NAMES] = {
        "LC_ALL=", "LD_PRELOAD=", "LD_LIBRARY_PATH=", "PATH=",
        "HOME=",   "USER=",       "LOGNAME=",         "TMPDIR=",
};

size_t environment_name_index(const char *assignment) {
        size_t i = 0;

        while (i < ENVIRONMENT_NAMES && strncmp(assignment, names[i], strlen(names[i])) != 0)
                i++;
        return i;
}

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

int environment_new_inherited(char ***ret) {
        _cleanup_strv_ char **environment = calloc(1, sizeof(char *));
        int r;

        if (!environment)
                return -ENOMEM;
        for (char **e = environ; *e; e++) {
                r = environment_name_index(*e) < ENVIRONMENT_NAMES ? strv_add(&environment, *e) : 0;
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(environment);
        return 0;
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
