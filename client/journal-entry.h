/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The fields of a run's entry in the journal. Whoever wrote it, its bytes are anything.
 *
 * Source: journal-ids.h; systemd.journal-fields(7).
 */

#include <json-c/json.h>

#include "util.h"

/* The name of the I-th field that a run has; NULL behind the last one. */
const char *journal_entry_field(size_t i);

/*
 * Adds to RUN what the I-th field says, with the interface's key: DATA, of SIZE bytes, is
 * "NAME=value" as the journal has it. A number that is none is left out. Returns 0 or -ENOMEM.
 */
int journal_entry_take(json_object *run, size_t i, const char *data, size_t size);

/*
 * Adds to RUN, which has its fields already, the words of the entry's MESSAGE that are not in them:
 * libvirt's for the failure of a script, as "message". Returns 0 or -ENOMEM.
 */
int journal_entry_take_message(json_object *run, const char *data, size_t size);
