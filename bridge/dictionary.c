/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading dictionaries.
 */

#include "dictionary.h"

#include "bus-error.h"
#include "util.h"

static int read_entry(sd_bus_message *message, const char *what, dictionary_entry_t entry,
                      void *userdata, sd_bus_error *error) {
        const char *key;
        int r;

        r = sd_bus_message_read(message, "s", &key);
        if (r < 0)
                return r;
        r = entry(key, message, userdata, error);
        if (r == -ENXIO && !sd_bus_error_is_set(error)) /* sd-bus's word for another type */
                return bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                      "The %s '%.64s' has a value of the wrong type: see "
                                      "org.virt.Hooks(5)",
                                      what, key);
        return r;
}

int dictionary_read(sd_bus_message *message, const char *what, dictionary_entry_t entry,
                    void *userdata, sd_bus_error *error) {
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = read_entry(message, what, entry, userdata, error);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}
