/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The vtable. Each method asks for access first; what it does once it may is the function of the
 * same name that ends in _granted.
 */

#include "bridge-bus.h"

#include <assert.h>
#include <strings.h>

#include "bus-error.h"
#include "bus-names.h"
#include "call.h"
#include "log.h"
#include "run-bus.h"
#include "run-filter.h"
#include "text.h"

/* Each type has a method of its name. */
static HookType type_of_method(const char *member) {
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                if (strcasecmp(hook_type_to_string(type), member) == 0)
                        return type;
        return HOOK_TYPE_INVALID;
}

static int hook_granted(sd_bus_message *message, Caller *caller, void *userdata,
                        sd_bus_error *error) {
        HookType type = type_of_method(sd_bus_message_get_member(message));

        assert(type != HOOK_TYPE_INVALID);
        return call_method(userdata, message, caller, type, error);
}

static int run_granted(sd_bus_message *message, Caller *caller, void *userdata,
                       sd_bus_error *error) {
        return call_raw(userdata, message, caller, error);
}

static int reload_granted(sd_bus_message *message, Caller *caller, void *userdata,
                          sd_bus_error *error) {
        int r = bridge_reload(userdata);

        if (r < 0)
                return sd_bus_error_set_errnof(
                        error, r,
                        "The settings could not be read again, all is as it was: see the "
                        "service's log");
        return sd_bus_reply_method_return(message, "");
}

static int no_such_run(const char *id, sd_bus_error *error) {
        return bus_error_setf(
                error, ERROR_NO_SUCH_RUN,
                "There is no run '%.64s': it may have ended and be forgotten; ListRuns() has "
                "those that are known",
                id);
}

static Call *find_call(Bridge *bridge, const char *id) {
        Call *call;

        TAILQ_FOREACH (call, &bridge->calls, calls)
                if (call->run && streq(call->run->id, id))
                        return call;
        return NULL;
}

static int cancel_granted(sd_bus_message *message, Caller *caller, void *userdata,
                          sd_bus_error *error) {
        Bridge *bridge = userdata;
        const char *id;
        Call *call;
        int r;

        r = sd_bus_message_read(message, "s", &id);
        if (r < 0)
                return r;
        call = find_call(bridge, id);
        if (!call && history_find(bridge->history, id))
                return bus_error_setf(
                        error, ERROR_NO_SUCH_RUN,
                        "The run '%.64s' has ended already: there is nothing to cancel", id);
        if (!call)
                return no_such_run(id, error);
        call_cancel(call, caller);
        return sd_bus_reply_method_return(message, "");
}

static int get_run_granted(sd_bus_message *message, Caller *caller, void *userdata,
                           sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Bridge *bridge = userdata;
        const RunFacts *run;
        const Call *call;
        RunFacts live;
        const char *id;
        int r;

        r = sd_bus_message_read(message, "s", &id);
        if (r < 0)
                return r;
        call = find_call(bridge, id);
        if (call)
                run_describe(call->run, &live);
        run = call ? &live : history_find(bridge->history, id);
        if (!run)
                return no_such_run(id, error);

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = run_append_summary(reply, run);
        if (r >= 0)
                r = run_append_text(reply, "instance", report_instance(bridge->report));
        if (r >= 0)
                r = run_append_results(reply, run);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(bridge->bus, reply, NULL);
}

static int method_cancel(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Bridge *bridge = userdata;

        return access_check(bridge->access, message, ACCESS_MANAGE, cancel_granted, bridge);
}

static int method_get_run(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Bridge *bridge = userdata;

        return access_check(bridge->access, message, ACCESS_INSPECT, get_run_granted, bridge);
}

static int method_hook(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Bridge *bridge = userdata;

        return access_check(bridge->access, message, ACCESS_RUN, hook_granted, bridge);
}

static int method_run(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Bridge *bridge = userdata;

        return access_check(bridge->access, message, ACCESS_RUN, run_granted, bridge);
}

static int method_reload(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Bridge *bridge = userdata;

        return access_check(bridge->access, message, ACCESS_MANAGE, reload_granted, bridge);
}

/* A path may have any bytes, and a message may not. */
static int append_script(sd_bus_message *reply, HookType type, const Script *script) {
        _cleanup_free_ char *path = text_to_utf8(script->path, strlen(script->path));
        _cleanup_free_ char *why_not = NULL;

        if (script->why_not)
                why_not = text_to_utf8(script->why_not, strlen(script->why_not));
        if (!path || (script->why_not && !why_not))
                return -ENOMEM;
        return sd_bus_message_append(reply, "(ssbs)", hook_type_to_string(type), path, !why_not,
                                     why_not ? why_not : "");
}

static int append_scripts(sd_bus_message *reply, Scripts *scripts, HookType type,
                          sd_bus_error *error) {
        ScriptList list;
        int r;

        r = scripts_find(scripts, type, true, &list);
        if (r < 0)
                return bus_error_setf(error, SD_BUS_ERROR_FAILED,
                                      "The scripts of %s cannot be listed: %s",
                                      hook_type_to_string(type), strerror(-r));
        for (size_t i = 0; i < list.n && r >= 0; i++)
                r = append_script(reply, type, &list.scripts[i]);
        script_list_clear(&list);
        return r;
}

static int method_list_scripts(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Bridge *bridge = userdata;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssbs)");
        for (HookType type = 0; type < HOOK_TYPE_MAX && r >= 0; type++)
                r = append_scripts(reply, bridge->context.scripts, type, error);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(bridge->bus, reply, NULL);
}

/* Counts the run in *n where the filter lets it through. */
static int append_run(sd_bus_message *reply, const RunFilter *filter, const RunFacts *run,
                      uint32_t *n) {
        if (!run_filter_match(filter, run))
                return 0;
        (*n)++;
        return run_append_entry(reply, run);
}

/* Running and waiting calls in order of arrival, then those that have ended, the newest first. */
static int append_runs(sd_bus_message *reply, Bridge *bridge, const RunFilter *filter) {
        const RunFacts *run = NULL;
        RunFacts live;
        uint32_t n = 0;
        Call *call;
        int r = 0;

        TAILQ_FOREACH (call, &bridge->calls, calls) {
                if (r < 0 || n >= filter->limit)
                        return r;
                if (call->run) {
                        run_describe(call->run, &live);
                        r = append_run(reply, filter, &live, &n);
                }
        }
        while (r >= 0 && n < filter->limit && (run = history_next(bridge->history, run)))
                r = append_run(reply, filter, run, &n);
        return r;
}

static int method_list_runs(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Bridge *bridge = userdata;
        RunFilter filter;
        int r;

        r = run_filter_read(&filter, message, error);
        if (r >= 0)
                r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (r >= 0)
                r = append_runs(reply, bridge, &filter);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(bridge->bus, reply, NULL);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", PACKAGE_VERSION);
}

static int get_hooks_directories(sd_bus *bus, const char *path, const char *interface,
                                 const char *property, sd_bus_message *reply, void *userdata,
                                 sd_bus_error *error) {
        int r = sd_bus_message_open_container(reply, 'a', "s");

        for (char *const *d = bridge_hooks_directories(userdata); d && *d && r >= 0; d++) {
                _cleanup_free_ char *directory = text_to_utf8(*d, strlen(*d));

                r = directory ? sd_bus_message_append(reply, "s", directory) : -ENOMEM;
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_instance(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Bridge *bridge = userdata;

        return sd_bus_message_append(reply, "s", report_instance(bridge->report));
}

static int get_scripts_loaded_at(sd_bus *bus, const char *path, const char *interface,
                                 const char *property, sd_bus_message *reply, void *userdata,
                                 sd_bus_error *error) {
        Bridge *bridge = userdata;

        return sd_bus_message_append(reply, "t", scripts_loaded_at(bridge->context.scripts));
}

static int get_settings_faults(sd_bus *bus, const char *path, const char *interface,
                               const char *property, sd_bus_message *reply, void *userdata,
                               sd_bus_error *error) {
        Bridge *bridge = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) bridge->settings->n_faults);
}

static int get_running(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Bridge *bridge = userdata;

        return sd_bus_message_append(reply, "u", queue_running(bridge->queue));
}

static int get_queued(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Bridge *bridge = userdata;

        return sd_bus_message_append(reply, "u", queue_waiting(bridge->queue));
}

static const sd_bus_vtable bridge_vtable[] = {
        SD_BUS_VTABLE_START(0),
        /*
         * Access is checked by the handlers: sd-bus would ask the bus for the sender's credentials
         * at each call.
         */
        SD_BUS_METHOD_WITH_ARGS("Daemon",
                                SD_BUS_ARGS("s", operation, "s", suboperation, "s", extra),
                                SD_BUS_RESULT("s", output, "u", scripts, "s", run), method_hook,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Qemu",
                                SD_BUS_ARGS("s", guest, "s", operation, "s", suboperation, "s",
                                            extra, "s", domain_xml),
                                SD_BUS_RESULT("s", output, "u", scripts, "s", run), method_hook,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Lxc",
                                SD_BUS_ARGS("s", guest, "s", operation, "s", suboperation, "s",
                                            extra, "s", domain_xml),
                                SD_BUS_RESULT("s", output, "u", scripts, "s", run), method_hook,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Libxl",
                                SD_BUS_ARGS("s", guest, "s", operation, "s", suboperation, "s",
                                            extra, "s", domain_xml),
                                SD_BUS_RESULT("s", output, "u", scripts, "s", run), method_hook,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Network",
                                SD_BUS_ARGS("s", network, "s", operation, "s", suboperation, "s",
                                            extra, "s", network_xml, "s", port_xml),
                                SD_BUS_RESULT("s", output, "u", scripts, "s", run), method_hook,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Run",
                                SD_BUS_ARGS("s", type, "s", object, "s", operation, "s",
                                            suboperation, "s", extra, "h", document, "a{sv}",
                                            options),
                                SD_BUS_RESULT("s", outcome, "i", status, "h", output, "h", errors,
                                              "s", run, "a{sv}", details),
                                method_run, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("s", run), SD_BUS_NO_RESULT, method_cancel,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListScripts", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssbs)", scripts),
                                method_list_scripts, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListRuns", SD_BUS_ARGS("a{sv}", filter),
                                SD_BUS_RESULT("aa{sv}", runs), method_list_runs,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetRun", SD_BUS_ARGS("s", run), SD_BUS_RESULT("a{sv}", details),
                                method_get_run, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("HookStarted",
                                SD_BUS_ARGS("s", type, "s", object, "s", operation, "s",
                                            suboperation, "s", extra, "s", run, "a{sv}", details),
                                0),
        SD_BUS_SIGNAL_WITH_ARGS("HookFinished",
                                SD_BUS_ARGS("s", type, "s", object, "s", operation, "s",
                                            suboperation, "s", extra, "s", run, "s", outcome, "s",
                                            effect, "t", duration_usec, "a{sv}", details),
                                0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("HooksDirectories", "as", get_hooks_directories, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Instance", "s", get_instance, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ScriptsLoadedAt", "t", get_scripts_loaded_at, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("SettingsFaults", "u", get_settings_faults, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Running", "u", get_running, 0, 0),
        SD_BUS_PROPERTY("Queued", "u", get_queued, 0, 0),
        SD_BUS_PROPERTY("Runs", "t", NULL, offsetof(Bridge, n_runs), 0),
        SD_BUS_PROPERTY("Failures", "t", NULL, offsetof(Bridge, n_failures), 0),
        SD_BUS_VTABLE_END,
};

int bridge_bus_publish(Bridge *bridge) {
        return sd_bus_add_object_vtable(bridge->bus, NULL, BRIDGE_PATH, BRIDGE_INTERFACE,
                                        bridge_vtable, bridge);
}

void bridge_bus_reloaded(Bridge *bridge) {
        int r = sd_bus_emit_properties_changed(bridge->bus, BRIDGE_PATH, BRIDGE_INTERFACE,
                                               "HooksDirectories", "ScriptsLoadedAt",
                                               "SettingsFaults", NULL);

        if (r < 0)
                log_warning("Changed properties could not be told of, ignoring: %s", strerror(-r));
}
