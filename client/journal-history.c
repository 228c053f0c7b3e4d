/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading runs back from the journal, from the newest to the oldest, so that a short history of a
 * long journal costs little.
 */

#include "journal-history.h"

#include <stdio.h>
#include <systemd/sd-journal.h>

#include "complain.h"
#include "journal-entry.h"
#include "journal-ids.h"
#include "message-json.h"

bool history_query_set_bus(HistoryQuery *query, const Options *options) {
        query->user = options->transport == TRANSPORT_USER;
        return query->directory || options->transport == TRANSPORT_SYSTEM || query->user;
}

static int add_match(sd_journal *journal, const char *field, const char *value) {
        _cleanup_free_ char *match = NULL;

        if (!value)
                return 0;
        if (asprintf(&match, "%s=%s", field, value) < 0)
                return -ENOMEM;
        return sd_journal_add_match(journal, match, 0);
}

/* Matches of the same field are alternatives. */
static int add_match_runs(sd_journal *journal, bool failed) {
        int r = add_match(journal, "MESSAGE_ID", JOURNAL_ID_RUN_FAILED);

        return r < 0 || failed ? r : add_match(journal, "MESSAGE_ID", JOURNAL_ID_RUN_SUCCEEDED);
}

/* Entries of the service itself: journald says who wrote an entry. Files from elsewhere are taken
 * as they are. */
static int add_match_writer(sd_journal *journal, const HistoryQuery *query) {
        char uid[32];

        if (query->directory)
                return 0;
        (void) snprintf(uid, sizeof(uid), "%u", query->user ? (unsigned) getuid() : 0U);
        return add_match(journal, "_UID", uid);
}

static int add_matches(sd_journal *journal, const HistoryQuery *query) {
        int r;

        r = add_match_runs(journal, query->failed);
        if (r >= 0)
                r = add_match_writer(journal, query);
        if (r >= 0)
                r = add_match(journal, JOURNAL_FIELD_TYPE, query->type);
        if (r >= 0)
                r = add_match(journal, JOURNAL_FIELD_OBJECT, query->object);
        if (r >= 0)
                r = add_match(journal, JOURNAL_FIELD_OPERATION, query->operation);
        return r;
}

static int read_entry(sd_journal *journal, json_object **ret) {
        _cleanup_(json_put_pointer) json_object *run = json_object_new_object();
        const char *field;

        if (!run)
                return -ENOMEM;
        for (size_t i = 0; (field = journal_entry_field(i)); i++) {
                const void *data;
                size_t size;
                int r;

                r = sd_journal_get_data(journal, field, &data, &size);
                if (r >= 0)
                        r = journal_entry_take(run, i, data, size);
                if (r < 0 && r != -ENOENT)
                        return r;
        }
        *ret = TAKE_PTR(run);
        return 0;
}

/* A damaged entry hides no other. */
static bool is_damaged(int r) {
        return r == -EBADMSG || r == -EADDRNOTAVAIL;
}

/* Reads backwards into RUNS, the newest first. */
static int read_entries(sd_journal *journal, const HistoryQuery *query, json_object *runs) {
        uint64_t n = 0, when;
        int r;

        r = query->until == UINT64_MAX ? sd_journal_seek_tail(journal)
                                       : sd_journal_seek_realtime_usec(journal, query->until);
        while (r >= 0 && n < query->limit && (r = sd_journal_previous(journal)) > 0) {
                json_object *run;

                r = sd_journal_get_realtime_usec(journal, &when);
                if (r < 0 || when < query->since)
                        return r;
                r = read_entry(journal, &run);
                if (is_damaged(r)) {
                        r = 0;
                        continue;
                }
                if (r < 0)
                        return r;
                if (json_object_array_add(runs, run) < 0) {
                        (void) json_object_put(run);
                        return -ENOMEM;
                }
                n++;
        }
        return r;
}

static int reverse(json_object *from, json_object *to) {
        for (size_t i = json_object_array_length(from); i > 0; i--)
                if (json_object_array_add(
                            to, json_object_get(json_object_array_get_idx(from, i - 1))) < 0)
                        return -ENOMEM;
        return 0;
}

/* Whether the journal has any run, of whatever kind. */
static int knows_any(sd_journal *journal, const HistoryQuery *query) {
        int r;

        sd_journal_flush_matches(journal);
        r = add_match_runs(journal, false);
        if (r >= 0)
                r = add_match_writer(journal, query);
        if (r >= 0)
                r = sd_journal_seek_tail(journal);
        return r < 0 ? r : sd_journal_previous(journal);
}

/* A directory that somebody names has a journal, or it is the wrong one. */
static int open_directory(sd_journal **ret, const char *path) {
        _cleanup_(sd_journal_closep) sd_journal *journal = NULL;
        uint64_t from, to;
        int r;

        r = sd_journal_open_directory(&journal, path, 0);
        if (r >= 0)
                r = sd_journal_get_cutoff_realtime_usec(journal, &from, &to);
        if (r == 0)
                r = -ENODATA;
        if (r >= 0)
                *ret = TAKE_PTR(journal);
        return r;
}

static int open_journal(sd_journal **ret, const HistoryQuery *query) {
        return query->directory ? open_directory(ret, query->directory)
                                : sd_journal_open(ret, SD_JOURNAL_LOCAL_ONLY);
}

int journal_history_complain(const HistoryQuery *query, int r) {
        if (r == -ENODATA)
                return trouble("there is no journal with entries in '%s'", query->directory);
        return trouble("the journal cannot be read: %s", strerror(-r));
}

int journal_history_read(const HistoryQuery *query, json_object *runs) {
        _cleanup_(json_put_pointer) json_object *newest_first = json_object_new_array();
        _cleanup_(sd_journal_closep) sd_journal *journal = NULL;
        int r;

        if (!newest_first)
                return -ENOMEM;
        r = open_journal(&journal, query);
        if (r < 0)
                return r;
        r = add_matches(journal, query);
        if (r >= 0)
                r = read_entries(journal, query, newest_first);
        if (r >= 0)
                r = reverse(newest_first, runs);
        if (r >= 0)
                r = json_object_array_length(runs) > 0 ? 1 : knows_any(journal, query);
        return r;
}

/* FIELD of the entry that JOURNAL is at, without its name. Returns 1, 0 where there is none, or a
 * negative errno. */
static int read_field(sd_journal *journal, const char *field, const char **ret, size_t *ret_size) {
        size_t skip = strlen(field) + 1, size;
        const void *data;
        int r;

        r = sd_journal_get_data(journal, field, &data, &size);
        if (r == -ENOENT || (r >= 0 && size < skip))
                return 0;
        if (r < 0)
                return r;
        *ret = (const char *) data + skip;
        *ret_size = size - skip;
        return 1;
}

/* The entry that JOURNAL is at becomes *RUN if its id begins with TEXT. */
static int take_if_meant(sd_journal *journal, const char *text, json_object **run) {
        _cleanup_(json_put_pointer) json_object *found = NULL;
        const char *data;
        size_t size;
        int r;

        r = read_field(journal, JOURNAL_FIELD_RUN, &data, &size);
        if (r <= 0 || size < strlen(text) || memcmp(data, text, strlen(text)) != 0)
                return r;
        r = read_entry(journal, &found);
        if (r >= 0 && *run)
                return streq(json_text(*run, "run"), json_text(found, "run")) ? 0 : -ENOTUNIQ;
        if (r >= 0 && (r = read_field(journal, "MESSAGE", &data, &size)) > 0)
                r = journal_entry_take_message(found, data, size);
        if (r >= 0)
                *run = TAKE_PTR(found);
        return r;
}

int journal_history_find(const HistoryQuery *query, const char *text, json_object **ret) {
        _cleanup_(sd_journal_closep) sd_journal *journal = NULL;
        _cleanup_(json_put_pointer) json_object *run = NULL;
        int r;

        r = open_journal(&journal, query);
        if (r < 0)
                return r;
        r = sd_journal_set_data_threshold(journal, 0); /* messages are long */
        if (r >= 0)
                r = add_matches(journal, query);
        if (r >= 0 && strlen(text) == UUID_TEXT_SIZE - 1) /* the index has it at once */
                r = add_match(journal, JOURNAL_FIELD_RUN, text);
        if (r >= 0)
                r = sd_journal_seek_tail(journal);
        while (r >= 0 && (r = sd_journal_previous(journal)) > 0) {
                r = take_if_meant(journal, text, &run);
                if (is_damaged(r))
                        r = 0;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(run);
        return *ret != NULL;
}
