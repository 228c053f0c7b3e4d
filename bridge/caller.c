/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The known callers, in a tree by unique name. One whose identity is being asked for parks its
 * calls, in order.
 */

#include "caller.h"

#include <assert.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <systemd/sd-login.h>

#include "bus-error.h"
#include "bus-names.h"
#include "log.h"
#include "proc-stat.h"
#include "text.h"

typedef struct ParkedCall ParkedCall;

struct ParkedCall {
        sd_bus_message *message;
        caller_identified_t identified;
        void *userdata;
        bool counted; /* it is not its connection's first */
        ParkedCall *next;
};

struct Callers {
        sd_bus *bus;
        sd_bus_slot *name_owner_changed;
        void *by_name; /* tsearch(3) */
        caller_gone_t gone;
        void *userdata;
        unsigned n_parked; /* that are counted */
        uint64_t max_parked, max_per_caller;
};

static int by_name(const void *a, const void *b) {
        return strcmp(((const Caller *) a)->name, ((const Caller *) b)->name);
}

static ParkedCall *parked_call_free(ParkedCall *parked) {
        ParkedCall *next = parked->next;

        sd_bus_message_unref(parked->message);
        free(parked);
        return next;
}

int caller_new_self(Caller **ret) {
        Caller *caller = malloc(sizeof(Caller));

        if (!caller)
                return -ENOMEM;
        *caller = (Caller){
                .uid = geteuid(),
                .pid = getpid(),
                .references = 1,
        };
        *ret = caller;
        return 0;
}

Caller *caller_ref(Caller *caller) {
        assert(caller->references > 0);
        caller->references++;
        return caller;
}

Caller *caller_unref(Caller *caller) {
        if (!caller)
                return NULL;
        assert(caller->references > 0);
        if (--caller->references > 0)
                return NULL;
        sd_bus_slot_unref(caller->query);
        while (caller->parked)
                caller->parked = parked_call_free(caller->parked);
        free(caller->name);
        free(caller->comm);
        free(caller->unit);
        free(caller);
        return NULL;
}

bool caller_is_privileged(const Caller *caller) {
        return caller->uid == 0 || caller->uid == geteuid();
}

/* The parent of PID; 0 where it is gone or has none. */
static pid_t parent_of(pid_t pid) {
        ProcStat stat;

        return proc_stat_read(pid, &stat) ? stat.parent : 0;
}

bool caller_descends_from(const Caller *caller, pid_t ancestor) {
        bool once = false;

        for (size_t i = 0; i < caller->n_ancestors && !once; i++)
                once = caller->ancestors[i] == ancestor;
        if (!once)
                return false;
        /* It was so at the first call. A number may be another process's by now. */
        for (pid_t pid = caller->pid; pid > 1; pid = parent_of(pid))
                if (pid == ancestor)
                        return true;
        return false;
}

static char *read_comm(pid_t pid) {
        _cleanup_close_ int fd = -EBADF;
        char path[64], comm[64];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/comm", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        n = read(fd, comm, sizeof(comm));
        if (n < 0)
                return NULL;
        if (n > 0 && comm[n - 1] == '\n')
                n--;
        return text_to_utf8(comm, (size_t) n);
}

void caller_look_up_process(Caller *caller) {
        if (caller->looked_up)
                return;
        caller->looked_up = true;
        caller->comm = read_comm(caller->pid);
        if (sd_pid_get_unit(caller->pid, &caller->unit) < 0 &&
            sd_pid_get_user_unit(caller->pid, &caller->unit) < 0)
                caller->unit = NULL;
}

static void caller_look_up_ancestors(Caller *caller) {
        for (pid_t pid = caller->pid; pid > 1 && caller->n_ancestors < CALLER_ANCESTORS_MAX;
             pid = parent_of(pid))
                caller->ancestors[caller->n_ancestors++] = pid;
}

static int read_credentials(Caller *caller, sd_bus_message *reply) {
        const char *key;
        uint32_t value;
        bool have_uid = false;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &key);
                if (r < 0)
                        return r;
                if (streq(key, "UnixUserID") || streq(key, "ProcessID")) {
                        r = sd_bus_message_read(reply, "v", "u", &value);
                        if (r < 0)
                                return r;
                        if (streq(key, "UnixUserID")) {
                                caller->uid = value;
                                have_uid = true;
                        } else
                                caller->pid = (pid_t) value;
                } else {
                        r = sd_bus_message_skip(reply, "v");
                        if (r < 0)
                                return r;
                }
                r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return have_uid ? 0 : -ENODATA;
}

/*
 * Tells of all parked calls, in order: KNOWN is CALLER, or NULL where nobody can say who it is.
 * None of them counts any more when the first goes on, which may have to wait elsewhere: it comes
 * before the others.
 */
static void caller_unpark(Caller *caller, Caller *known) {
        for (ParkedCall *parked = caller->parked; parked; parked = parked->next)
                if (parked->counted) {
                        caller->waiting--;
                        caller->callers->n_parked--;
                }
        while (caller->parked) {
                ParkedCall *parked = caller->parked;

                caller->parked = parked->next;
                parked->identified(parked->message, known, parked->userdata);
                (void) parked_call_free(parked);
        }
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        /* What is called back may lose the connection, and with it this caller. */
        _cleanup_(caller_unref_pointer) Caller *caller = caller_ref(userdata);
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        int r;

        caller->query = sd_bus_slot_unref(caller->query);
        r = failure ? -sd_bus_error_get_errno(failure) : read_credentials(caller, reply);
        if (r < 0) { /* the next call asks again */
                caller_unpark(caller, NULL);
                return 0;
        }
        caller_look_up_ancestors(caller);
        caller_unpark(caller, caller);
        caller->identified = true; /* from here on nobody needs to wait behind the parked calls */
        return 0;
}

static int caller_new(Callers *callers, const char *name, Caller **ret) {
        _cleanup_(caller_unref_pointer) Caller *caller = NULL;

        caller = calloc(1, sizeof(Caller));
        if (!caller)
                return -ENOMEM;
        caller->references = 1;
        caller->callers = callers;
        caller->name = strdup(name);
        if (!caller->name || !tsearch(caller, &callers->by_name, by_name))
                return -ENOMEM;
        *ret = TAKE_PTR(caller); /* the tree's reference */
        return 0;
}

static Caller *callers_find(Callers *callers, const char *name) {
        Caller key = { .name = (char *) name };
        void *node = tfind(&key, &callers->by_name, by_name);

        return node ? *(Caller **) node : NULL;
}

const Caller *callers_find_known(Callers *callers, sd_bus_message *message) {
        const char *name = sd_bus_message_get_sender(message);
        const Caller *caller = name ? callers_find(callers, name) : NULL;

        return caller && caller->identified ? caller : NULL;
}

static int caller_park(Caller *caller, sd_bus_message *message, caller_identified_t identified,
                       void *userdata) {
        ParkedCall *parked = malloc(sizeof(ParkedCall)), **last = &caller->parked;

        if (!parked)
                return -ENOMEM;
        *parked = (ParkedCall){
                .message = sd_bus_message_ref(message),
                .identified = identified,
                .userdata = userdata,
                .counted = caller->parked,
        };
        while (*last)
                last = &(*last)->next;
        *last = parked;
        if (parked->counted) {
                caller->waiting++;
                caller->callers->n_parked++;
        }
        return 0;
}

static int check_limits(const Callers *callers, const Caller *caller, sd_bus_error *error) {
        if (callers->n_parked >= callers->max_parked)
                return bus_error_setf(
                        error, ERROR_LIMIT_EXCEEDED,
                        "The bus is still to say who calls, and %u calls wait for that "
                        "already: try again, or raise MaxWaiting= in virt-hooks.conf",
                        callers->n_parked);
        if (caller->waiting >= callers->max_per_caller)
                return bus_error_setf(
                        error, ERROR_LIMIT_EXCEEDED,
                        "The bus is still to say who calls, and %u calls of this connection "
                        "wait for that already: wait for replies, or raise "
                        "MaxWaitingPerCaller= in virt-hooks.conf",
                        caller->waiting);
        return 0;
}

int callers_identify(Callers *callers, sd_bus_message *message, caller_identified_t identified,
                     void *userdata, sd_bus_error *error) {
        const char *name = sd_bus_message_get_sender(message);
        Caller *caller;
        int r;

        if (!name)
                return bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                      "The call has no sender: connect through a bus");
        caller = callers_find(callers, name);
        if (!caller) {
                r = caller_new(callers, name, &caller);
                if (r < 0)
                        return r;
        }
        if (caller->identified) {
                identified(message, caller, userdata);
                return 0;
        }

        if (caller->parked) {
                r = check_limits(callers, caller, error);
                if (r < 0)
                        return r;
        } else if (!caller->query) {
                r = sd_bus_call_method_async(callers->bus, &caller->query, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                             "GetConnectionCredentials", on_credentials, caller,
                                             "s", name);
                if (r < 0)
                        return r;
        }
        return caller_park(caller, message, identified, userdata);
}

void callers_set_limits(Callers *callers, uint64_t waiting, uint64_t waiting_per_caller) {
        callers->max_parked = waiting;
        callers->max_per_caller = waiting_per_caller;
}

static void callers_forget(Callers *callers, Caller *caller) {
        (void) tdelete(caller, &callers->by_name, by_name);
        caller->gone = true;
        caller_unpark(caller, NULL);
        callers->gone(caller, callers->userdata);
        caller_unref(caller);
}

static int on_name_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        Callers *callers = userdata;
        const char *name;
        Caller *caller;
        int r;

        r = sd_bus_message_read(signal, "s", &name);
        if (r < 0)
                return 0; /* the bus's own signals are in order; a forged one is nobody's */
        caller = callers_find(callers, name);
        if (caller)
                callers_forget(callers, caller);
        return 0;
}

int callers_new(Callers **ret, sd_bus *bus, caller_gone_t gone, void *userdata) {
        _cleanup_(callers_free_pointer) Callers *callers = calloc(1, sizeof(Callers));
        int r;

        if (!callers)
                return -ENOMEM;
        callers->bus = sd_bus_ref(bus);
        callers->gone = gone;
        callers->userdata = userdata;
        /* Only names that vanish: arg2 is the new owner. */
        r = sd_bus_add_match_async(
                bus, &callers->name_owner_changed,
                "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''",
                on_name_owner_changed, NULL, callers); /* that it fails loses the connection */
        if (r < 0)
                return r;
        *ret = TAKE_PTR(callers);
        return 0;
}

Callers *callers_free(Callers *callers) {
        if (!callers)
                return NULL;
        while (callers->by_name) {
                Caller *caller = *(Caller **) callers->by_name;

                (void) tdelete(caller, &callers->by_name, by_name);
                caller_unref(caller);
        }
        sd_bus_slot_unref(callers->name_owner_changed);
        sd_bus_unref(callers->bus);
        free(callers);
        return NULL;
}
