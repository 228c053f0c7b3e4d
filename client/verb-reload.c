/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks reload: the service reads its settings again.
 */

#include <inttypes.h>

#include "complain.h"
#include "connection.h"
#include "message-json.h"
#include "service.h"
#include "verbs.h"

/* The service goes on with what it understands of its settings, and its reply says nothing. An
 * older one does not say at all. */
static void tell_of_faults(sd_bus *bus) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(json_put_pointer) json_object *properties = NULL;
        uint64_t n;

        if (service_get_properties(bus, &properties, &error) < 0)
                return;
        n = json_number(properties, "SettingsFaults");
        if (n > 0)
                complain("the settings were read, but for %" PRIu64 " fault%s; 'virt-hooks check' "
                         "on that machine and the service's log tell of them",
                         n, n == 1 ? "" : "s");
}

static int reload(const Options *options, int n_arguments, char **arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;

        if (connection_open(&bus, options) < 0 || connection_new_call(bus, &call, "Reload") < 0 ||
            connection_call(bus, call, false, &reply) < 0)
                return EXIT_TROUBLE;
        tell_of_faults(bus);
        return EXIT_SUCCESS;
}

const Verb verb_reload = {
        .name = "reload",
        .arguments = "",
        .summary = "Let the service read its settings again and look anew for scripts",
        .help = "",
        .run = reload,
};
