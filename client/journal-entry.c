/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From the journal's fields to the interface's keys.
 */

#include "journal-entry.h"

#include <inttypes.h>
#include <stdio.h>

#include "journal-ids.h"
#include "message-json.h"
#include "quantity.h"

static const struct {
        const char *field, *key;
        bool number;
} fields[] = {
        { JOURNAL_FIELD_RUN, "run", false },
        { JOURNAL_FIELD_TYPE, "type", false },
        { JOURNAL_FIELD_OBJECT, "object", false },
        { JOURNAL_FIELD_OPERATION, "operation", false },
        { JOURNAL_FIELD_SUBOPERATION, "suboperation", false },
        { JOURNAL_FIELD_EXTRA, "extra", false },
        { JOURNAL_FIELD_UUID, "uuid", false },
        { JOURNAL_FIELD_OUTCOME, "outcome", false },
        { JOURNAL_FIELD_EFFECT, "effect", false },
        { JOURNAL_FIELD_REASON, "reason", false },
        { JOURNAL_FIELD_SCRIPT, "script", false },
        { JOURNAL_FIELD_EXIT_STATUS, "status", true },
        { JOURNAL_FIELD_SIGNAL, "signal", true },
        { JOURNAL_FIELD_DURATION_USEC, "duration_usec", true },
        { JOURNAL_FIELD_STARTED_AT, "started_at", true },
        { JOURNAL_FIELD_VIA, "via", false },
};

const char *journal_entry_field(size_t i) {
        return i < ELEMENTS(fields) ? fields[i].field : NULL;
}

int journal_entry_take(json_object *run, size_t i, const char *data, size_t size) {
        size_t skip = strlen(fields[i].field) + 1;
        _cleanup_free_ char *text = NULL;
        uint64_t n;

        if (size < skip)
                return 0;
        data += skip;
        size -= skip;
        if (!fields[i].number)
                return json_take_bytes(run, fields[i].key, data, size);
        text = strndup(data, size);
        if (!text)
                return -ENOMEM;
        if (strlen(text) < size || quantity_parse_number(text, &n) < 0)
                return 0;
        return json_take(run, fields[i].key, json_object_new_uint64(n));
}

static bool is_text(const char *data, size_t size, const char *text) {
        return size == strlen(text) && memcmp(data, text, size) == 0;
}

/* journal_run_finished() begins with what other fields have, too; where no script has failed the
 * reason follows, which is one of them. */
int journal_entry_take_message(json_object *run, const char *data, size_t size) {
        _cleanup_free_ char *about = NULL;
        size_t n;

        if (asprintf(&about, "%s %s %s: %s (%s, %" PRIu64 " ms)", json_text(run, "type"),
                     json_text(run, "object"), json_text(run, "operation"),
                     json_text(run, "outcome"), json_text(run, "effect"),
                     json_number(run, "duration_usec") / 1000) < 0)
                return -ENOMEM;
        n = strlen(about);
        if (size < n || !is_text(data, n, about)) /* another version's */
                return json_take_bytes(run, "message", data, size);
        n += strlen(": ");
        if (size <= n || is_text(data + n, size - n, json_text(run, "reason")))
                return 0;
        return json_take_bytes(run, "message", data + n, size - n);
}
