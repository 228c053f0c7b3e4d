/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The scripts on disk: which files a type has, in which order they run, and whether they may.
 *
 * Source: virHookCheck() and virHookCall() in libvirt's src/util/virhook.c;
 * https://libvirt.org/hooks.html, "Script location".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "hook.h"
#include "util.h"

typedef struct Script {
        char *path;    /* absolute, symbolic links not resolved: scripts look at $0 */
        char *name;    /* for people: "qemu" or "qemu.d/20-vlan" */
        char *why_not; /* why it is not usable, with the remedy; NULL where it is */
        bool unsafe;   /* it would run if it were safe: the run must be refused, not pass it over */
} Script;

typedef struct ScriptList {
        Script *scripts;
        size_t n;
} ScriptList;

void script_list_clear(ScriptList *list);

/* Where a script can be: the file itself may be missing. */
typedef struct Candidate {
        char *path, *name;
        bool looked_at; /* then this is what was seen; it is scripts.c's own */
        struct stat st;
        bool executable;
} Candidate;

typedef struct CandidateList {
        Candidate *candidates;
        size_t n;
} CandidateList;

void candidate_list_clear(CandidateList *list);

/*
 * Adds the places of TYPE's scripts in DIRECTORY, in the order in which they run: the main one, and
 * whatever the .d folder holds. A folder that is not there holds nothing. Returns 0; -ENOMEM; or
 * the negative errno of a folder that cannot be read.
 */
int candidate_list_fill(CandidateList *list, const char *directory, HookType type);

typedef struct Scripts Scripts;

/*
 * DIRECTORIES are looked at in order; the first that has any executable script of a type serves
 * that type, unless its main script is the forwarder. They stay the caller's and must live as long
 * as the Scripts. STRICT: a script that others may change is unsafe. CACHED: whether a type has
 * scripts at all is looked up now and by scripts_rescan() only. LOCK is the path of the hooks' lock
 * for those who do not hold it, else NULL; it must live as long.
 */
int scripts_new(Scripts **ret, char *const *directories, bool strict, bool cached,
                const char *lock);
Scripts *scripts_free(Scripts *scripts); /* takes NULL, returns NULL */

/* Looks anew for the types that have scripts. */
void scripts_rescan(Scripts *scripts);

/* When the last scripts_rescan() was: microseconds of CLOCK_REALTIME. */
uint64_t scripts_loaded_at(const Scripts *scripts);

/*
 * The scripts that a call of TYPE runs now, in order: the main one, then those of the .d folder by
 * the bytes of their names. With ALL also those that are passed over because they are not
 * executable. An empty list is no error. Returns 0, with *ret filled (script_list_clear() it);
 * -ENOMEM; or the negative errno of a folder that cannot be read, or without ALL -EBUSY while
 * scripts are on the move: then nobody knows what should have run.
 */
int scripts_find(Scripts *scripts, HookType type, bool all, ScriptList *ret);

DEFINE_CLEANUP(Scripts, scripts_free);
