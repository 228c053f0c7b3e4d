/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Entries about runs. One function makes the fields of all of them.
 */

#include "journal.h"

#include <inttypes.h>
#include <stdio.h>

#include "journal-ids.h"
#include "log.h"

/* Numbers as text, and the fields that point to them. */
typedef struct RunFields {
        char duration[24], started_at[24], number[16];
        LogField fields[20];
} RunFields;

/* The script that the entry is about: the one that failed, or the one that runs. */
static const char *script_of(const Run *run) {
        if (run->finished)
                return run->failure ? run->failure->path : NULL;
        return run_pid(run) > 0 ? run->list.scripts[run->scripts].path : NULL;
}

static void run_fields(const Run *run, RunFields *f) {
        const Request *request = run->request;
        bool done = run->finished;
        bool exited = done && (run->outcome == RUN_SUCCESS || run->outcome == RUN_FAILED);

        (void) snprintf(f->duration, sizeof(f->duration), "%" PRIu64, run_duration(run));
        (void) snprintf(f->started_at, sizeof(f->started_at), "%" PRIu64, run->started_at);
        (void) snprintf(f->number, sizeof(f->number), "%d", run->status);
        memcpy(f->fields,
               (LogField[]){
                       { JOURNAL_FIELD_RUN, run->id },
                       { JOURNAL_FIELD_TYPE, hook_type_to_string(request->operation.type) },
                       { JOURNAL_FIELD_OBJECT, request->object },
                       { JOURNAL_FIELD_OPERATION, request->operation.name },
                       { JOURNAL_FIELD_SUBOPERATION, request->suboperation },
                       { JOURNAL_FIELD_EXTRA, request->extra },
                       { JOURNAL_FIELD_UUID, request->info.uuid },
                       { JOURNAL_FIELD_STARTED_AT, f->started_at },
                       { JOURNAL_FIELD_DURATION_USEC, f->duration },
                       { JOURNAL_FIELD_SCRIPT, script_of(run) },
                       { JOURNAL_FIELD_OUTCOME, done ? run_outcome_to_string(run->outcome) : NULL },
                       { JOURNAL_FIELD_EFFECT,
                         done ? hook_effect_to_string(run_effect(run)) : NULL },
                       { JOURNAL_FIELD_REASON, done ? run->reason : NULL },
                       { JOURNAL_FIELD_EXIT_STATUS, exited ? f->number : NULL },
                       { JOURNAL_FIELD_SIGNAL,
                         done && run->outcome == RUN_KILLED ? f->number : NULL },
                       { JOURNAL_FIELD_VIA, run->context->via },
                       {},
               },
               17 * sizeof(LogField));
}

/* Without the line ends that close a script's last words. */
static int trimmed_length(const char *text) {
        size_t n = strlen(text);

        while (n > 0 && text[n - 1] == '\n')
                n--;
        return (int) n;
}

static int priority_of(const Run *run) {
        switch (run_effect(run)) {
        case HOOK_EFFECT_PROCEED:
                return LOG_INFO;
        case HOOK_EFFECT_IGNORED:
                return LOG_WARNING;
        default:
                return LOG_ERR;
        }
}

void journal_run_finished(const Run *run) {
        bool failed = run_effect(run) != HOOK_EFFECT_PROCEED;
        const char *words = NULL;
        RunFields f;

        run_fields(run, &f);
        if (failed) /* a failed script's message has its words; others may have a filter's */
                words = run->failure ? run->message : run->reason;
        log_entry(priority_of(run), failed ? JOURNAL_ID_RUN_FAILED : JOURNAL_ID_RUN_SUCCEEDED,
                  f.fields, "%s %s %s: %s (%s, %" PRIu64 " ms)%s%.*s",
                  hook_type_to_string(run->request->operation.type), run->request->object,
                  run->request->operation.name, run_outcome_to_string(run->outcome),
                  hook_effect_to_string(run_effect(run)), run->duration / 1000, words ? ": " : "",
                  words ? trimmed_length(words) : 0, words ? words : "");
}

void journal_run_lasts(const Run *run, uint64_t after) {
        RunFields f;

        run_fields(run, &f);
        log_entry(LOG_WARNING, JOURNAL_ID_RUN_LASTS, f.fields,
                  "%s %s %s: still running after %.10g s: %s (pid %d)",
                  hook_type_to_string(run->request->operation.type), run->request->object,
                  run->request->operation.name, (double) after / USEC_PER_SEC, script_of(run),
                  (int) run_pid(run));
}
