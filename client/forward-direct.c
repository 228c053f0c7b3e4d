/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "forward-direct.h"

#include <signal.h>
#include <systemd/sd-event.h>
#include <systemd/sd-id128.h>

#include "journal-ids.h"
#include "journal.h"
#include "log.h"
#include "run.h"
#include "settings.h"

typedef struct Direct {
        sd_event *event;
        Settings *settings;
        RunContext context;
        Caller *caller;
        Run *run;
} Direct;

static void direct_clear(Direct *direct) {
        run_free(direct->run);
        caller_unref(direct->caller);
        drain_free(direct->context.drain);
        scripts_free(direct->context.scripts);
        settings_free(direct->settings);
        sd_event_unref(direct->event);
}

static void log_directly(const ForwardCall *call, const char *why) {
        const RequestArguments *arguments = &call->arguments;
        const char *type = hook_type_to_string(arguments->type);
        const LogField fields[] = {
                { JOURNAL_FIELD_TYPE, type },
                { JOURNAL_FIELD_OBJECT, arguments->object },
                { JOURNAL_FIELD_OPERATION, arguments->operation },
                { JOURNAL_FIELD_REASON, why },
                { JOURNAL_FIELD_VIA, "direct" },
                {},
        };

        log_entry(LOG_WARNING, JOURNAL_ID_RUN_DIRECTLY, fields,
                  "%s %s %s: running the scripts without the service: %s", type, arguments->object,
                  arguments->operation, why ? why : "memory is short");
}

/*
 * The uuid of the document's object, for the log: in what libvirt writes it is the first element of
 * that name. RET is empty where there is none.
 */
static void find_uuid(const Bytes *document, char ret[UUID_TEXT_SIZE]) {
        static const char tag[] = "<uuid>";
        const char *found, *end = document->data + document->size;
        sd_id128_t uuid;

        found = document->size > 0 ? memmem(document->data, document->size, tag, strlen(tag))
                                   : NULL;
        if (!found || (size_t) (end - found) < strlen(tag) + UUID_TEXT_SIZE)
                return;
        memcpy(ret, found + strlen(tag), UUID_TEXT_SIZE - 1);
        ret[UUID_TEXT_SIZE - 1] = '\0';
        if (sd_id128_from_string(ret, &uuid) < 0)
                ret[0] = '\0';
        else
                (void) sd_id128_to_uuid_string(uuid, ret);
}

static int direct_make_run(Direct *direct, ForwardCall *call) {
        _cleanup_(request_free_pointer) Request *request = NULL;
        int r;

        r = request_new_unchecked(&request, &call->arguments);
        if (r >= 0)
                r = caller_new_self(&direct->caller);
        if (r < 0)
                return r;
        request->environment = TAKE_PTR(call->environment);
        if (call->document) {
                request->document = bytes_ref(call->document);
                find_uuid(call->document, request->info.uuid);
        }
        return run_new(&direct->run, &direct->context, TAKE_PTR(request), direct->caller);
}

static int direct_set_up(Direct *direct) {
        int r;

        r = settings_load(&direct->settings, SETTINGS_FILE, false);
        if (r >= 0)
                settings_log_faults(direct->settings);
        if (r >= 0)
                r = sd_event_new(&direct->event);
        if (r >= 0)
                r = scripts_new(&direct->context.scripts, direct->settings->hooks_directories,
                                direct->settings->ownership == OWNERSHIP_STRICT, false, NULL);
        if (r >= 0)
                r = drain_new(&direct->context.drain, direct->event);
        direct->context.event = direct->event;
        direct->context.settings = direct->settings;
        direct->context.lasts = journal_run_lasts;
        direct->context.via = "direct";
        return r;
}

static void on_done(Run *run, void *userdata) {
        /* The loop sees that it has finished. */
}

static int direct_loop(Direct *direct) {
        const struct sigaction child = { .sa_handler = SIG_DFL };
        int r = 0;

        (void) sigaction(SIGCHLD, &child, NULL); /* whoever started us may have ignored it */
        run_start(direct->run, on_done, NULL);
        while (r >= 0 && !direct->run->finished)
                r = sd_event_run(direct->event, UINT64_MAX);
        return r;
}

static int direct_take_verdict(const Run *run, Verdict *verdict) {
        const ScriptResult *failure = run->failure;
        char *errors;

        verdict->outcome = run->outcome;
        verdict->status = run->status;
        if (run->output)
                verdict->output = bytes_ref(run->output);
        if (run->outcome == RUN_SUCCESS || run->outcome == RUN_NO_SCRIPT)
                return 0;
        if (!failure) {
                verdict_refuse(verdict, "%s",
                               run->message ? run->message : run_outcome_to_string(run->outcome));
                return 0;
        }
        if (failure->error_size == 0)
                return 0;
        errors = malloc(failure->error_size);
        if (!errors)
                return -ENOMEM;
        memcpy(errors, failure->error, failure->error_size);
        return bytes_new_take(&verdict->errors, errors, failure->error_size);
}

void forward_direct(ForwardCall *call, const char *why, Verdict *verdict) {
        _cleanup_(direct_clear) Direct direct = {};
        int r;

        /* We are a script of ours, under another name: it would go round for ever. */
        if (getenv("VIRT_HOOKS_RUN")) {
                verdict_refuse(verdict,
                               "virt-hooks-forward was started by a script that runs for %s '%s': "
                               "is a copy of it among the scripts?",
                               hook_type_to_string(call->arguments.type), call->arguments.object);
                return;
        }
        log_directly(call, why);
        r = direct_set_up(&direct);
        if (r >= 0)
                r = direct_make_run(&direct, call);
        if (r >= 0)
                r = direct_loop(&direct);
        if (r >= 0) {
                journal_run_finished(direct.run);
                r = direct_take_verdict(direct.run, verdict);
        }
        if (r < 0)
                verdict_refuse(verdict, "the scripts could not be run: %s", strerror(-r));
}
