/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The log's level and target as properties, which root and our own user may set. Nothing is kept
 * here: both are the log's own, and a start of the service sets them back.
 */

#include "log-control.h"

#include "bus-error.h"
#include "log.h"

#define LOG_CONTROL_PATH      "/org/freedesktop/LogControl1"
#define LOG_CONTROL_INTERFACE "org.freedesktop.LogControl1"

static int get_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", log_level_to_string(log_max_level()));
}

static int set_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *value, void *userdata, sd_bus_error *error) {
        const char *name;
        int level, r;

        r = sd_bus_message_read(value, "s", &name);
        if (r < 0)
                return r;
        level = log_level_from_string(name);
        if (level < 0)
                return bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                      "There is no log level '%.64s': there are emerg, alert, "
                                      "crit, err, warning, notice, info and debug",
                                      name);
        log_set_max_level(level);
        return 0;
}

static int get_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", log_target_to_string(log_target()));
}

static int set_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *value, void *userdata, sd_bus_error *error) {
        const char *name;
        LogTarget target;
        int r;

        r = sd_bus_message_read(value, "s", &name);
        if (r < 0)
                return r;
        target = log_target_from_string(name);
        if (target == LOG_TARGET_INVALID)
                return bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                      "There is no log target '%.64s': there are auto, journal, "
                                      "console and null",
                                      name);
        log_set_target(target);
        return 0;
}

static int get_identifier(sd_bus *bus, const char *path, const char *interface,
                          const char *property, sd_bus_message *reply, void *userdata,
                          sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", program_invocation_short_name);
}

/* Who it is that wants to set a property is known now: the message comes once more. */
static void on_identified(sd_bus_message *message, Caller *caller, void *userdata) {
        int r = -EACCES;

        if (caller)
                r = sd_bus_message_rewind(message, true);
        if (r >= 0)
                r = sd_bus_enqueue_for_read(sd_bus_message_get_bus(message), message);
        if (r < 0)
                (void) bus_reply_errorf(message, SD_BUS_ERROR_ACCESS_DENIED,
                                        "The bus does not say who is calling; call again");
}

/*
 * Sees messages before the table does. Left to sd-bus, the check would ask the bus who is calling
 * and wait for the answer.
 */
static int check_access(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Callers *callers = userdata;
        const Caller *caller;
        int r;

        if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Set") <= 0)
                return 0;
        caller = callers_find_known(callers, message);
        if (!caller) {
                r = callers_identify(callers, message, on_identified, NULL, error);
                return r < 0 ? r : 1;
        }
        if (!caller_is_privileged(caller))
                return bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                      "User %u may not change how the service logs: call as root",
                                      (unsigned) caller->uid);
        return 0;
}

static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0,
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0,
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, 0),
        SD_BUS_VTABLE_END,
};

int log_control_publish(sd_bus *bus, Callers *callers) {
        int r = sd_bus_add_object(bus, NULL, LOG_CONTROL_PATH, check_access, callers);

        if (r < 0)
                return r;
        return sd_bus_add_object_vtable(bus, NULL, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE,
                                        log_control_vtable, NULL);
}
