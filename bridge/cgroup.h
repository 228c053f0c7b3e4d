/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A cgroup for each run, below the one that systemd delegates to the service (Delegate=yes):
 * whatever a script starts, and however it detaches itself, can be found and ended.
 *
 * Source: cgroup-v2.rst in the kernel's documentation; https://systemd.io/CGROUP_DELEGATION.
 */

#include <stdbool.h>

#include "util.h"

/* The place for cgroups. */
typedef struct CgroupRoot CgroupRoot;
typedef struct Cgroup Cgroup;

/*
 * Finds the delegated cgroup of this process, and removes what an earlier start left in it.
 * Returns 0; *ret is NULL where none is delegated, which is no error; or -ENOMEM.
 */
int cgroup_root_new(CgroupRoot **ret);
CgroupRoot *cgroup_root_free(CgroupRoot *root); /* takes NULL, returns NULL */

/* Makes a cgroup for the run with ID. Returns 0 or a negative errno. */
int cgroup_new(Cgroup **ret, CgroupRoot *root, const char *id);

/* The directory, for clone3(2) to give birth in, and for others who enter. It is the cgroup's. */
int cgroup_fd(const Cgroup *cgroup);

/* Sends SIGNAL to every process in the cgroup. */
void cgroup_signal(const Cgroup *cgroup, int signal);

/* Whether a process lives in the cgroup. */
bool cgroup_is_populated(const Cgroup *cgroup);

/*
 * Removes the cgroup; while background children live in it, it stays, and is removed when a later
 * one is made or freed. Takes NULL, returns NULL.
 */
Cgroup *cgroup_free(Cgroup *cgroup);

DEFINE_CLEANUP(CgroupRoot, cgroup_root_free);
