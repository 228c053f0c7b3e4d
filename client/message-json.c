/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From D-Bus to JSON. Numbers stay numbers, 64 bits wide; bytes of strings are valid UTF-8, the bus
 * sees to that.
 */

#include "message-json.h"

#include <stdio.h>

#include "dictionary.h"
#include "text.h"

int json_take(json_object *object, const char *key, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(object, key, value) < 0) {
                (void) json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

int json_take_bytes(json_object *object, const char *key, const char *data, size_t size) {
        _cleanup_free_ char *text = text_to_utf8(data, size);

        return text ? json_take(object, key, json_object_new_string(text)) : -ENOMEM;
}

const char *json_text(json_object *object, const char *key) {
        json_object *value;

        if (!json_object_object_get_ex(object, key, &value) ||
            !json_object_is_type(value, json_type_string))
                return "";
        return json_object_get_string(value);
}

uint64_t json_number(json_object *object, const char *key) {
        json_object *value;

        return json_object_object_get_ex(object, key, &value) ? json_object_get_uint64(value) : 0;
}

void json_print_line(json_object *object) {
        (void) puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE));
}

static json_object *new_basic(char type, const void *p) {
        switch (type) {
        case 's':
        case 'o':
        case 'g':
                return json_object_new_string(*(const char *const *) p);
        case 'b':
                return json_object_new_boolean(*(const int *) p);
        case 'u':
                return json_object_new_uint64(*(const uint32_t *) p);
        case 'i':
                return json_object_new_int(*(const int32_t *) p);
        case 't':
                return json_object_new_uint64(*(const uint64_t *) p);
        default:
                return NULL;
        }
}

static int read_basic(sd_bus_message *message, char type, json_object **ret) {
        union {
                const char *s;
                int32_t i;
                uint32_t u;
                uint64_t t;
                int b;
        } value = {};
        int r;

        if (!strchr("sogbuit", type)) { /* a newer service may say what we do not understand */
                r = sd_bus_message_skip(message, NULL);
                *ret = json_object_new_string("");
                return r < 0 ? r : 0;
        }
        r = sd_bus_message_read_basic(message, type, &value);
        if (r < 0)
                return r;
        *ret = new_basic(type, &value);
        return *ret ? 0 : -ENOMEM;
}

static int read_array(sd_bus_message *message, const char *element, json_object **ret);

static int read_value(sd_bus_message *message, json_object **ret) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(message, &type, &contents);
        if (r < 0)
                return r;
        if (type == 'a' && streq(contents, "{sv}"))
                return message_read_dictionary(message, ret);
        if (type == 'a')
                return read_array(message, contents, ret);
        return read_basic(message, type, ret);
}

static int read_array(sd_bus_message *message, const char *element, json_object **ret) {
        _cleanup_(json_put_pointer) json_object *array = json_object_new_array();
        int r;

        if (!array)
                return -ENOMEM;
        r = sd_bus_message_enter_container(message, 'a', element);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(message, 0)) == 0) {
                json_object *value;

                r = read_value(message, &value);
                if (r < 0)
                        return r;
                if (json_object_array_add(array, value) < 0) {
                        (void) json_object_put(value);
                        return -ENOMEM;
                }
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(message);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(array);
        return 0;
}

int message_read_dictionaries(sd_bus_message *message, json_object **ret) {
        return read_array(message, "a{sv}", ret);
}

static int read_entry(const char *key, sd_bus_message *message, void *userdata,
                      sd_bus_error *error) {
        const char *contents;
        json_object *value;
        int r;

        r = sd_bus_message_peek_type(message, NULL, &contents);
        if (r >= 0)
                r = sd_bus_message_enter_container(message, 'v', contents);
        if (r >= 0)
                r = read_value(message, &value);
        if (r >= 0)
                r = json_take(userdata, key, value);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

/* The entries of the a{sv} at MESSAGE's position are added to OBJECT. */
static int read_into(sd_bus_message *message, json_object *object) {
        return dictionary_read(message, "entry", read_entry, object, NULL);
}

int message_read_dictionary(sd_bus_message *message, json_object **ret) {
        _cleanup_(json_put_pointer) json_object *object = json_object_new_object();
        int r;

        if (!object)
                return -ENOMEM;
        r = read_into(message, object);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(object);
        return 0;
}

static int read_arguments(sd_bus_message *message, json_object *object, const char *const *keys) {
        for (; *keys; keys++) {
                json_object *value;
                int r = read_value(message, &value);

                if (r >= 0)
                        r = json_take(object, *keys, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

int message_read_event(sd_bus_message *signal, json_object **ret) {
        static const char *const common[] = { "type",  "object", "operation", "suboperation",
                                              "extra", "run",    NULL };
        static const char *const finished[] = { "outcome", "effect", "duration_usec", NULL };
        _cleanup_(json_put_pointer) json_object *object = json_object_new_object();
        const char *name = sd_bus_message_get_member(signal);
        int r;

        if (!object)
                return -ENOMEM;
        r = json_take(object, "event", json_object_new_string(name));
        if (r >= 0)
                r = read_arguments(signal, object, common);
        if (r >= 0 && streq(name, "HookFinished"))
                r = read_arguments(signal, object, finished);
        if (r >= 0)
                r = read_into(signal, object);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(object);
        return 0;
}
