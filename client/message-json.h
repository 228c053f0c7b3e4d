/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages as JSON: the keys of the interface are the keys of our output, and nothing is renamed on
 * the way.
 */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "util.h"

/* Reads the a{sv} at MESSAGE's position into an object. Variants become what they hold. Returns 0
 * or a negative errno. */
int message_read_dictionary(sd_bus_message *message, json_object **ret);

/* Reads the aa{sv} at MESSAGE's position into an array. */
int message_read_dictionaries(sd_bus_message *message, json_object **ret);

/*
 * Reads a signal of the service, HookStarted or HookFinished, into one object: "event" with its
 * name, then the arguments, then the details.
 */
int message_read_event(sd_bus_message *signal, json_object **ret);

/* Adds KEY with what the functions of json-c made, NULL for short memory. Takes VALUE. Returns 0 or
 * -ENOMEM. */
int json_take(json_object *object, const char *key, json_object *value);

/* The same with the SIZE bytes at DATA, which may be anything, as a string. */
int json_take_bytes(json_object *object, const char *key, const char *data, size_t size);

/* The string at KEY; "" where there is none. */
const char *json_text(json_object *object, const char *key);

/* The number at KEY; 0 where there is none. */
uint64_t json_number(json_object *object, const char *key);

/* Prints OBJECT on standard output as one line. */
void json_print_line(json_object *object);

static inline void json_put_pointer(json_object **object) {
        if (*object)
                (void) json_object_put(*object);
}
