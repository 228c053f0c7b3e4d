/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Access checks. Each call that waits for polkit is a query, which owns the message and the slot of
 * the question.
 */

#include "access.h"

#include <inttypes.h>
#include <sys/queue.h>

#include "bus-error.h"
#include "bus-names.h"
#include "descriptors.h"
#include "memory.h"

static const char *const access_actions[ACCESS_ACTION_MAX] = {
        [ACCESS_RUN] = "org.virt.hooks.run",
        [ACCESS_MANAGE] = "org.virt.hooks.manage",
        [ACCESS_INSPECT] = "org.virt.hooks.inspect",
};

typedef struct Query Query;

struct Query {
        Access *access;
        sd_bus_message *message; /* NULL once it was sent away */
        AccessAction action;
        access_granted_t granted;
        void *userdata;
        Caller *caller;
        sd_bus_slot *slot;
        TAILQ_ENTRY(Query) queries;
};

struct Access {
        sd_bus *bus;
        Callers *callers;
        TAILQ_HEAD(, Query) queries;
        uint64_t max_waiting, max_per_user;
};

static Query *query_free(Query *query) {
        TAILQ_REMOVE(&query->access->queries, query, queries);
        caller_unref(query->caller);
        sd_bus_slot_unref(query->slot);
        sd_bus_message_unref(query->message);
        free(query);
        return NULL;
}

DEFINE_CLEANUP(Query, query_free);

static void query_grant(Query *query, Caller *caller) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = query->granted(query->message, caller, query->userdata, &error);
        if (r < 0)
                bus_reply_errno(query->message, r, &error);
}

static void query_deny(Query *query, const Caller *caller, const char *why) {
        (void) bus_reply_errorf(
                query->message, SD_BUS_ERROR_ACCESS_DENIED,
                "User %u may not call %s(): %s; call as root, or let polkit allow %s",
                (unsigned) caller->uid, sd_bus_message_get_member(query->message), why,
                access_actions[query->action]);
}

/* polkit's answer: is authorised, could be with a dialog, and details. */
static int on_polkit_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(query_free_pointer) Query *query = userdata;
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        int authorized = 0, challenge = 0, r;

        if (failure) {
                query_deny(query, query->caller,
                           sd_bus_error_has_name(failure, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                                           sd_bus_error_has_name(failure,
                                                                 SD_BUS_ERROR_NAME_HAS_NO_OWNER)
                                   ? "there is no polkit to ask"
                                   : "polkit could not be asked");
                return 0;
        }
        r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
        if (r < 0)
                query_deny(query, query->caller, "polkit's answer makes no sense");
        else if (!authorized)
                query_deny(query, query->caller,
                           challenge ? "polkit wants an administrator's password"
                                     : "polkit says no");
        else
                query_grant(query, query->caller);
        return 0;
}

static int query_ask_polkit(Query *query, Caller *caller) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *question = NULL;
        bool interactive = sd_bus_message_get_allow_interactive_authorization(query->message) > 0;
        int r;

        r = sd_bus_message_new_method_call(
                query->access->bus, &question, "org.freedesktop.PolicyKit1",
                "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority",
                "CheckAuthorization");
        if (r < 0)
                return r;
        r = sd_bus_message_append(question, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                  caller->name, access_actions[query->action], 0,
                                  (uint32_t) (interactive ? 1 : 0), "");
        if (r < 0)
                return r;
        /* Somebody who types a password takes as long as that takes. */
        r = sd_bus_call_async(query->access->bus, &query->slot, question, on_polkit_answer, query,
                              interactive ? UINT64_MAX : 0);
        if (r < 0)
                return r;
        query->caller = caller_ref(caller);
        return 0;
}

/* Whoever is not allowed yet must not be able to use up what the others need. Who may not is told.
 */
static bool may_wait(const Access *access, const Caller *caller, sd_bus_message *message) {
        uint64_t all = 0, own = 0;
        const Query *query;

        TAILQ_FOREACH (query, &access->queries, queries)
                if (query->caller) {
                        all++;
                        own += query->caller->uid == caller->uid;
                }
        if (own >= access->max_per_user)
                (void) bus_reply_errorf(
                        message, ERROR_LIMIT_EXCEEDED,
                        "%" PRIu64 " calls of user %u wait for polkit already: wait for replies, "
                        "or raise MaxUnauthorizedPerUser= in virt-hooks.conf",
                        own, (unsigned) caller->uid);
        else if (all >= access->max_waiting)
                (void) bus_reply_errorf(message, ERROR_LIMIT_EXCEEDED,
                                        "%" PRIu64
                                        " calls wait for polkit already: try again, or raise "
                                        "MaxUnauthorized= in virt-hooks.conf",
                                        all);
        else
                return true;
        return false;
}

static void on_identified(sd_bus_message *message, Caller *caller, void *userdata) {
        Query *query = userdata;
        int r;

        if (!query->message) {
                query_free(query);
                return;
        }
        if (!caller) {
                (void) bus_reply_errorf(message, SD_BUS_ERROR_ACCESS_DENIED,
                                        "The bus does not say who is calling; call again");
                query_free(query);
                return;
        }
        if (caller_is_privileged(caller)) {
                query_grant(query, caller);
                query_free(query);
                return;
        }
        if (!may_wait(query->access, caller, message)) {
                query_free(query);
                return;
        }
        r = query_ask_polkit(query, caller);
        if (r < 0) {
                query_deny(query, caller, "polkit could not be asked");
                query_free(query);
        }
}

static int query_start(Access *access, sd_bus_message *message, AccessAction action,
                       access_granted_t granted, void *userdata, sd_bus_error *error) {
        Query *query;
        int r;

        if (memory_is_short() || descriptors_run_short())
                return bus_error_setf(
                        error, ERROR_LIMIT_EXCEEDED,
                        "The service is short of memory or descriptors, and %s() has done "
                        "nothing: call again",
                        sd_bus_message_get_member(message));
        query = malloc(sizeof(Query));
        if (!query)
                return -ENOMEM;
        *query = (Query){
                .access = access,
                .message = sd_bus_message_ref(message),
                .action = action,
                .granted = granted,
                .userdata = userdata,
        };
        TAILQ_INSERT_TAIL(&access->queries, query, queries);

        r = callers_identify(access->callers, message, on_identified, query, error);
        if (r < 0) {
                query_free(query);
                return r;
        }
        return 1;
}

int access_check(Access *access, sd_bus_message *message, AccessAction action,
                 access_granted_t granted, void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = query_start(access, message, action, granted, userdata, &error);

        /* Left to sd-bus, an error that does not fit into memory would not be sent at all. */
        if (r < 0)
                bus_reply_errno(message, r, &error);
        return 1;
}

void access_caller_gone(Access *access, const Caller *caller) {
        Query *query = TAILQ_FIRST(&access->queries);

        while (query) {
                Query *next = TAILQ_NEXT(query, queries);

                if (query->caller == caller)
                        query_free(query);
                query = next;
        }
}

int access_new(Access **ret, sd_bus *bus, Callers *callers) {
        Access *access = malloc(sizeof(Access));

        if (!access)
                return -ENOMEM;
        *access = (Access){
                .bus = sd_bus_ref(bus),
                .callers = callers,
        };
        TAILQ_INIT(&access->queries);
        (void) memory_is_short(); /* keeps some for the first call */
        *ret = access;
        return 0;
}

void access_send_away(Access *access) {
        Query *query;

        TAILQ_FOREACH (query, &access->queries, queries) {
                if (!query->message)
                        continue;
                (void) bus_reply_errorf(query->message, ERROR_SHUTTING_DOWN,
                                        "The service is shutting down: call again when it is back");
                query->message = sd_bus_message_unref(query->message);
                query->slot = sd_bus_slot_unref(query->slot); /* polkit's answer is of no use now */
        }
}

void access_set_limits(Access *access, uint64_t waiting, uint64_t waiting_per_user) {
        access->max_waiting = waiting;
        access->max_per_user = waiting_per_user;
}

Access *access_free(Access *access) {
        if (!access)
                return NULL;
        access_send_away(access);
        while (!TAILQ_EMPTY(&access->queries))
                query_free(TAILQ_FIRST(&access->queries));
        sd_bus_unref(access->bus);
        free(access);
        return NULL;
}
