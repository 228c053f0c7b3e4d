/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The environment that scripts find, as libvirt gives it: nothing of the service's own gets in.
 *
 * Source: virCommandAddEnvPassCommon() in libvirt's src/util/vircommand.c.
 */

#include <stddef.h>

/* How many names libvirt passes on to its hooks: each of them or none. */
#define ENVIRONMENT_NAMES 8U

/* Which of them NAME=value has: its index, or ENVIRONMENT_NAMES where it is another. */
size_t environment_name_index(const char *assignment);

/*
 * LC_ALL=C, PATH, HOME, USER and LOGNAME of the account that this process runs as, TMPDIR if set;
 * in this order. Ownership: the caller frees *ret with strv_free(). Returns 0 or a negative errno.
 */
int environment_new(char ***ret);

/*
 * What libvirt has given to this process: those of its environment that have one of the names, in
 * their order. An empty one is a vector, too. Ownership and result as above.
 */
int environment_new_inherited(char ***ret);

/* ENVIRONMENT and VIRT_HOOKS_RUN with the run's id. Ownership and result as above. */
int environment_for_run(char ***ret, char *const *environment, const char *run);
