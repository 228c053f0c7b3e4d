/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The rehearsal owns all that runs share. Each run has the event loop to itself, and signals are
 * ours only while it does: at any other time they just end us.
 */

#include "rehearsal.h"

#include <signal.h>
#include <sys/signalfd.h>

#include "bus-names.h"
#include "complain.h"
#include "environment.h"
#include "hook-data.h"
#include "port-sample.h"

struct Rehearsal {
        const RehearsalSpec *spec;
        sd_event *event;
        RunContext context;
        Caller *caller;
        char *object;
        Bytes *port;
        Bytes *document;  /* as the filters of this life have made it */
        Bytes *with_port; /* the document with the port in it, where it is a <hookData> without */
        Run *run;         /* the one that runs now */
        int signal;
        unsigned signals; /* how many asked us to end */
};

/* The kind of document that is about TYPE's objects. */
static DocumentKind document_kind(HookType type) {
        return type == HOOK_NETWORK ? DOCUMENT_NETWORK : DOCUMENT_DOMAIN;
}

static int check_document(const Rehearsal *rehearsal, const char *what, DocumentKind kind,
                          const Bytes *document, DocumentInfo *info, sd_bus_error *error) {
        static const char *const commands[] = {
                [DOCUMENT_DOMAIN] = "dumpxml",
                [DOCUMENT_NETWORK] = "net-dumpxml",
                [DOCUMENT_PORT] = "net-port-dumpxml",
        };
        _cleanup_free_ char *problem = NULL;
        int r;

        r = document_check(document ? document->data : "", document ? document->size : 0, kind,
                           &rehearsal->spec->settings->document, info, &problem);
        if (r < 0 && problem)
                return sd_bus_error_setf(error, ERROR_INVALID_DOCUMENT,
                                         "The %s %s: pass what 'virsh %s' prints", what, problem,
                                         commands[kind]);
        return r;
}

/*
 * Makes up a port where none was given. A request takes a port beside a <network> alone: one for
 * <hookData> is put into it here.
 */
static int prepare_port(Rehearsal *rehearsal, const DocumentInfo *network, sd_bus_error *error) {
        _cleanup_(document_info_clear) DocumentInfo info = {};
        Bytes *document = rehearsal->spec->document;
        int r;

        if (!rehearsal->port) {
                r = port_sample_new(&rehearsal->port, document, network->uuid);
                if (r < 0)
                        return r;
        }
        if (network->kind != DOCUMENT_HOOK_DATA)
                return 0;
        r = check_document(rehearsal, "port document", DOCUMENT_PORT, rehearsal->port, &info,
                           error);
        return r < 0 ? r : hook_data_new(&rehearsal->with_port, document, rehearsal->port);
}

/* Finds out whom the document is about, and makes up a port where one is needed. */
static int identify(Rehearsal *rehearsal, sd_bus_error *error) {
        const RehearsalSpec *spec = rehearsal->spec;
        _cleanup_(document_info_clear) DocumentInfo info = {};
        int r;

        if (spec->port)
                rehearsal->port = bytes_ref(spec->port);
        if (spec->type == HOOK_DAEMON)
                return replace_string(&rehearsal->object, "-");
        r = check_document(rehearsal, "document", document_kind(spec->type), spec->document, &info,
                           error);
        if (r >= 0 && spec->type == HOOK_NETWORK && !info.has_port)
                r = prepare_port(rehearsal, &info, error);
        if (r < 0)
                return r;
        rehearsal->object = TAKE_PTR(info.name);
        return 0;
}

static void on_lasts(const Run *run, uint64_t after) {
        complain("%s still runs after %.10g s, with pid %d; Ctrl-C ends it",
                 run->list.scripts[run->scripts].name, (double) after / USEC_PER_SEC,
                 (int) run_pid(run));
}

/*
 * A service has the PATH that the system gives it, and mostly no TMPDIR: a script that finds its
 * programs only in its author's PATH must not succeed here.
 */
static int make_environment(char ***ret) {
        (void) unsetenv("PATH");
        (void) unsetenv("TMPDIR");
        return environment_new(ret);
}

int rehearsal_new(Rehearsal **ret, const RehearsalSpec *spec, sd_bus_error *error) {
        _cleanup_(rehearsal_free_pointer) Rehearsal *rehearsal = calloc(1, sizeof(Rehearsal));
        int r;

        if (!rehearsal)
                return -ENOMEM;
        rehearsal->spec = spec;
        r = identify(rehearsal, error);
        if (r >= 0)
                r = sd_event_new(&rehearsal->event);
        if (r >= 0)
                r = caller_new_self(&rehearsal->caller);
        if (r < 0)
                return r;

        rehearsal->context = (RunContext){
                .event = rehearsal->event,
                .settings = spec->settings,
                .lasts = on_lasts,
        };
        /* The author's own folder need not be root's, and nobody else runs what is in it. */
        r = scripts_new(&rehearsal->context.scripts, spec->directories, false, false, NULL);
        if (r >= 0)
                r = drain_new(&rehearsal->context.drain, rehearsal->event);
        if (r >= 0)
                r = make_environment(&rehearsal->context.environment);
        if (r < 0)
                return r;
        rehearsal_begin(rehearsal);
        *ret = TAKE_PTR(rehearsal);
        return 0;
}

Rehearsal *rehearsal_free(Rehearsal *rehearsal) {
        if (!rehearsal)
                return NULL;
        bytes_unref(rehearsal->document);
        bytes_unref(rehearsal->with_port);
        bytes_unref(rehearsal->port);
        free(rehearsal->object);
        strv_free(rehearsal->context.environment);
        drain_free(rehearsal->context.drain);
        scripts_free(rehearsal->context.scripts);
        caller_unref(rehearsal->caller);
        sd_event_unref(rehearsal->event);
        free(rehearsal);
        return NULL;
}

int rehearsal_signal(const Rehearsal *rehearsal) {
        return rehearsal->signal;
}

int rehearsal_count_scripts(Rehearsal *rehearsal) {
        ScriptList list;
        int r;

        r = scripts_find(rehearsal->context.scripts, rehearsal->spec->type, false, &list);
        if (r < 0)
                return r;
        r = (int) list.n;
        script_list_clear(&list);
        return r;
}

void rehearsal_begin(Rehearsal *rehearsal) {
        bytes_unref(rehearsal->document);
        rehearsal->document =
                rehearsal->spec->document ? bytes_ref(rehearsal->spec->document) : NULL;
}

static int make_request(Rehearsal *rehearsal, const char *operation, Request **ret,
                        sd_bus_error *error) {
        const RequestArguments arguments = {
                .type = rehearsal->spec->type,
                .object = rehearsal->object,
                .operation = operation,
                .suboperation = "",
                .extra = "",
        };
        _cleanup_(request_free_pointer) Request *request = NULL;
        Bytes *document = rehearsal->document, *port = NULL;
        int r;

        r = request_new(&request, &arguments, error);
        if (r < 0)
                return r;
        if (request->operation.input == HOOK_INPUT_PORT) {
                if (rehearsal->with_port)
                        document = rehearsal->with_port;
                else
                        port = rehearsal->port;
        }
        r = request_set_document(request, document, port, &rehearsal->spec->settings->document,
                                 error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(request);
        return 0;
}

int rehearsal_check(Rehearsal *rehearsal, const char *operation, sd_bus_error *error) {
        _cleanup_(request_free_pointer) Request *request = NULL;

        return make_request(rehearsal, operation, &request, error);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Rehearsal *rehearsal = userdata;

        rehearsal->signal = (int) info->ssi_signo;
        if (rehearsal->signals++ == 0) {
                complain("ending the scripts; once more kills them");
                run_cancel(rehearsal->run, "interrupted");
        }
        return 0;
}

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP };

/* nohup(1), and shells that start something in the background, have signals ignored. */
static bool is_ignored(int signal) {
        struct sigaction action;

        return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static int watch_signals(Rehearsal *rehearsal, sd_event_source **sources) {
        for (size_t i = 0; i < ELEMENTS(ending_signals); i++) {
                int r = 0;

                if (!is_ignored(ending_signals[i]))
                        r = sd_event_add_signal(rehearsal->event, &sources[i], ending_signals[i],
                                                on_signal, rehearsal);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void on_done(Run *run, void *userdata) {
        /* The loop sees that it has finished. */
}

/* Runs rehearsal->run in the event loop, until it ends or must. */
static int loop(Rehearsal *rehearsal) {
        sd_event_source *sources[ELEMENTS(ending_signals)] = {};
        int r;

        r = watch_signals(rehearsal, sources);
        if (r >= 0)
                run_start(rehearsal->run, on_done, NULL);
        while (r >= 0 && !rehearsal->run->finished && rehearsal->signals < 2)
                r = sd_event_run(rehearsal->event, UINT64_MAX);
        for (size_t i = 0; i < ELEMENTS(sources); i++)
                sd_event_source_disable_unref(sources[i]);
        return MIN(r, 0);
}

/* With the signals that it takes while it runs, and without those that a script may cause. */
static int loop_with_signals(Rehearsal *rehearsal) {
        const struct sigaction ignore = { .sa_handler = SIG_IGN },
                               child = { .sa_handler = SIG_DFL };
        struct sigaction pipe_before;
        sigset_t set, before;
        int r;

        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTS(ending_signals); i++)
                if (!is_ignored(ending_signals[i]))
                        (void) sigaddset(&set, ending_signals[i]);
        (void) sigprocmask(SIG_BLOCK, &set, &before);
        (void) sigaction(SIGCHLD, &child, NULL); /* whoever started us may have ignored it */
        (void) sigaction(SIGPIPE, &ignore, &pipe_before); /* a script need not read its document */

        r = loop(rehearsal);

        (void) sigaction(SIGPIPE, &pipe_before, NULL);
        (void) sigprocmask(SIG_SETMASK, &before, NULL);
        return r;
}

int rehearsal_run(Rehearsal *rehearsal, const char *operation, Run **ret, sd_bus_error *error) {
        _cleanup_(run_free_pointer) Run *run = NULL;
        Request *request;
        int r;

        r = make_request(rehearsal, operation, &request, error);
        if (r < 0)
                return r;
        r = run_new(&run, &rehearsal->context, request, rehearsal->caller);
        if (r < 0)
                return r;
        rehearsal->run = run;
        r = loop_with_signals(rehearsal);
        rehearsal->run = NULL;
        if (r < 0)
                return r;
        if (run->output) {
                bytes_unref(rehearsal->document);
                rehearsal->document = bytes_ref(run->output);
        }
        *ret = TAKE_PTR(run);
        return 0;
}
