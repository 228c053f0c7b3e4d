/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The a{sv} of D-Bus: options, filters, details.
 */

#include <systemd/sd-bus.h>

/*
 * An entry with KEY. The callee reads the variant at MESSAGE's position, or skips it.
 * Returns 0 or more to go on, or a negative errno, with *error set or not.
 */
typedef int (*dictionary_entry_t)(const char *key, sd_bus_message *message, void *userdata,
                                  sd_bus_error *error);

/*
 * Reads the a{sv} at MESSAGE's position, entry by entry. WHAT is for messages: "option of Run()".
 * Returns 0; the callee's error; or another negative errno, with *error set to InvalidArgs where a
 * value is of another type than the callee reads.
 */
int dictionary_read(sd_bus_message *message, const char *what, dictionary_entry_t entry,
                    void *userdata, sd_bus_error *error);
