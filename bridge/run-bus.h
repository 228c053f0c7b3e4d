/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is said of a run in messages, as entries of an a{sv}. Each function appends to an open array
 * and returns 0 or a negative errno. org.virt.Hooks(5) lists the keys.
 */

#include <systemd/sd-bus.h>

#include "run-facts.h"

/* Whom it is about and who called: the uuid, the port's, the caller's. */
int run_append_subject(sd_bus_message *message, const RunFacts *run);

/* What everybody may know. Nothing that a script printed. */
int run_append_summary(sd_bus_message *message, const RunFacts *run);

/* The same as an a{sv} of its own. */
int run_append_entry(sd_bus_message *message, const RunFacts *run);

/* And the rest: what each script did and printed. */
int run_append_results(sd_bus_message *message, const RunFacts *run);

/* The a{sv} of Run()'s reply. */
int run_append_details(sd_bus_message *reply, const Run *run);

/* One entry, unless VALUE is NULL or empty. */
int run_append_text(sd_bus_message *message, const char *key, const char *value);
