/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The connection to the bus.
 */

#include "connection.h"

#include "bus-names.h"
#include "bus-open.h"
#include "complain.h"
#include "terminal.h"
#include "text.h"

static int open_transport(sd_bus **ret, const Options *options) {
        switch (options->transport) {
        case TRANSPORT_SYSTEM:
                return sd_bus_open_system(ret);
        case TRANSPORT_USER:
                return sd_bus_open_user(ret);
        case TRANSPORT_ADDRESS:
                return bus_open_address(ret, options->where);
        case TRANSPORT_HOST:
                return sd_bus_open_system_remote(ret, options->where);
        case TRANSPORT_MACHINE:
                return sd_bus_open_system_machine(ret, options->where);
        }
        return -EINVAL;
}

int connection_open(sd_bus **ret, const Options *options) {
        static const char *const remedies[] = {
                [TRANSPORT_SYSTEM] =
                        "the system bus cannot be reached: %s; is dbus running? --user and "
                        "--address= name other buses",
                [TRANSPORT_USER] =
                        "the user's bus cannot be reached: %s; DBUS_SESSION_BUS_ADDRESS says "
                        "where it is",
                [TRANSPORT_ADDRESS] = "the bus at %2$s cannot be reached: %1$s",
                [TRANSPORT_HOST] =
                        "the system bus of the host %2$s cannot be reached: %1$s; does 'ssh "
                        "%2$s' work?",
                [TRANSPORT_MACHINE] = "the system bus of the machine %2$s cannot be reached: %1$s; "
                                      "'machinectl list' shows which run",
        };
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        const char *name;
        int r;

        r = open_transport(&bus, options);
        if (r >= 0)
                r = sd_bus_get_unique_name(bus, &name); /* waits: ssh may only fail now */
        if (r >= 0)
                r = sd_bus_set_allow_interactive_authorization(bus, terminal_is_interactive());
        if (r < 0) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                complain(remedies[options->transport], strerror(-r), options->where);
#pragma GCC diagnostic pop
                return r;
        }
        *ret = TAKE_PTR(bus);
        return 0;
}

char *connection_command(const Options *options) {
        static const char *const names[] = {
                [TRANSPORT_SYSTEM] = "",
                [TRANSPORT_USER] = " --user",
                [TRANSPORT_ADDRESS] = " --address=",
                [TRANSPORT_HOST] = " --host=",
                [TRANSPORT_MACHINE] = " --machine=",
        };
        bool has_argument = options->transport > TRANSPORT_USER;

        return text_format("virt-hooks%s%s", names[options->transport],
                           has_argument ? options->where : "");
}

int connection_new_call(sd_bus *bus, sd_bus_message **ret, const char *member) {
        int r = sd_bus_message_new_method_call(bus, ret, BRIDGE_NAME, BRIDGE_PATH, BRIDGE_INTERFACE,
                                               member);

        if (r < 0)
                complain("the call cannot be made: %s", strerror(-r));
        return r;
}

bool connection_is_absence(const sd_bus_error *error) {
        return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
               sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

void connection_complain(int r, const sd_bus_error *error) {
        if (connection_is_absence(error))
                complain("the service is not on this bus and cannot be started from it; start "
                         "virt-hooksd, or name another bus with --user or --address=");
        else if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY))
                complain("the service went away before it answered; its log says why");
        else
                complain("%s", error && error->message ? error->message : strerror(-r));
}

int connection_try_call(sd_bus *bus, sd_bus_message *call, bool for_ever,
                        sd_bus_message **ret_reply, sd_bus_error *error) {
        return sd_bus_call(bus, call, for_ever ? UINT64_MAX : 0, error, ret_reply);
}

int connection_call(sd_bus *bus, sd_bus_message *call, bool for_ever, sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = connection_try_call(bus, call, for_ever, ret_reply, &error);
        if (r < 0)
                connection_complain(r, &error);
        return r;
}
