/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the subcommands ask of the service.
 */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "options.h"
#include "util.h"

/* What to list; NULL and 0 are no condition. */
typedef struct ListFilter {
        const char *run; /* the beginning of the id */
        const char *type, *object, *state, *outcome;
        uint64_t since; /* microseconds of CLOCK_REALTIME */
} ListFilter;

/* The runs that the service knows: an array. Returns 0, or a negative errno, which has been told
 * of. */
int service_list_runs(sd_bus *bus, const ListFilter *filter, json_object **ret);

/*
 * The id of the run that TEXT is the beginning of; with UNFINISHED of those that run or wait.
 * Ownership: the caller frees *ret. Returns 0; -ENOENT where the service knows none; or another
 * negative errno, which has been told of.
 */
int service_find_run(sd_bus *bus, const char *text, bool unfinished, char **ret);

/* Makes TEXT, a run's id or the beginning of one as somebody typed it, small letters, of which ids
 * are. Returns 0; or -EINVAL where there is none, which has been told of. */
int service_read_run_id(char *text);

/* Tells that TEXT is the beginning of no known run's id, or of several. */
void service_complain_no_run(const Options *options, const char *text);
void service_complain_ambiguous(const char *text);

/* The scripts that the service finds: an array of objects with "type", "path", "usable" and
 * "why_not". Returns 0, or a negative errno, which has been told of. */
int service_list_scripts(sd_bus *bus, json_object **ret);
bool service_script_is_usable(json_object *script);

/* All properties of the service, an object. It is not started for that. Returns 0 or a negative
 * errno, with *error set. */
int service_get_properties(sd_bus *bus, json_object **ret, sd_bus_error *error);
