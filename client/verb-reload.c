/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks reload: the service reads its settings again.
 */

#include "connection.h"
#include "verbs.h"

static int reload(const Options *options, int n_arguments, char **arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;

        if (connection_open(&bus, options) < 0 || connection_new_call(bus, &call, "Reload") < 0 ||
            connection_call(bus, call, false, &reply) < 0)
                return EXIT_TROUBLE;
        return EXIT_SUCCESS;
}

const Verb verb_reload = {
        .name = "reload",
        .arguments = "",
        .summary = "Let the service read its settings again and look anew for scripts",
        .help = "",
        .run = reload,
};
