/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Runs hooks without a service, in this process, as the service would: one object's calls, one
 * after the other.
 */

#include <systemd/sd-bus.h>

#include "run.h"

typedef struct Rehearsal Rehearsal;

typedef struct RehearsalSpec {
        const Settings *settings;
        char *const *directories; /* where the scripts are; whoever owns them */
        HookType type;
        Bytes *document, *port; /* the object's own, and that of a network's port; may be NULL */
} RehearsalSpec;

/*
 * What SPEC points to must live as long as the rehearsal. The environment of this process loses
 * what the service's has not. Returns 0, or a negative errno, with *error set where the document is
 * wrong.
 */
int rehearsal_new(Rehearsal **ret, const RehearsalSpec *spec, sd_bus_error *error);
Rehearsal *rehearsal_free(Rehearsal *rehearsal); /* takes NULL, returns NULL */

/* How many scripts there are: 0 or more, or a negative errno. */
int rehearsal_count_scripts(Rehearsal *rehearsal);

/* Whether the document is right for OPERATION. Returns 0, or a negative errno with *error set. */
int rehearsal_check(Rehearsal *rehearsal, const char *operation, sd_bus_error *error);

/* A new life: with the document as it was given. */
void rehearsal_begin(Rehearsal *rehearsal);

/*
 * Runs OPERATION to its end. The output of a filter is the document from here on. A signal that
 * asks us to end ends the scripts, and a second one kills them. Returns 0 with *ret, the caller's
 * to free with run_free(); or a negative errno, with *error set or not.
 */
int rehearsal_run(Rehearsal *rehearsal, const char *operation, Run **ret, sd_bus_error *error);

/* The signal that asked us to end, or 0. */
int rehearsal_signal(const Rehearsal *rehearsal);

DEFINE_CLEANUP(Rehearsal, rehearsal_free);
