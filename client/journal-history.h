/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Runs in the journal: what the service wrote there at the end of each.
 */

#include <json-c/json.h>

#include "options.h"
#include "util.h"

typedef struct HistoryQuery {
        uint64_t since, until; /* microseconds of CLOCK_REALTIME */
        const char *type, *object, *operation;
        bool failed;           /* only what failed */
        uint64_t limit;        /* the newest so many */
        const char *directory; /* journal files elsewhere; NULL for the machine's own */
        bool user;             /* of the service on the user's bus, not of the system's */
} HistoryQuery;

/* Has QUERY look for runs of the service on the bus that OPTIONS name. Returns whether the journal
 * has them: this machine's has those of its own buses alone. */
bool history_query_set_bus(HistoryQuery *query, const Options *options);

/*
 * Appends the runs that QUERY asks for to the array RUNS, the newest last, with the interface's
 * keys. Entries count only if root, or with user this user, wrote them: anybody can write to the
 * journal. Returns 1; 0 where the journal knows no run at all; or a negative errno, for
 * journal_history_complain().
 */
int journal_history_read(const HistoryQuery *query, json_object *runs);

/*
 * The run whose id begins with TEXT, in the journal that QUERY names: its keys and "message", the
 * words that libvirt would have for a failure. Returns 1; 0 where there is none; -ENOTUNIQ where
 * there are several; or another negative errno, for journal_history_complain().
 */
int journal_history_find(const HistoryQuery *query, const char *text, json_object **ret);

/* Tells of R, with which the journal that QUERY names could not be read. Returns the exit status.
 */
int journal_history_complain(const HistoryQuery *query, int r);
