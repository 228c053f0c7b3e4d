/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Questions to the service.
 */

#include "service.h"

#include "bus-names.h"
#include "complain.h"
#include "connection.h"
#include "message-json.h"
#include "run-record.h"

static int append_text(sd_bus_message *call, const char *key, const char *value) {
        return value ? sd_bus_message_append(call, "{sv}", key, "s", value) : 0;
}

static int append_filter(sd_bus_message *call, const ListFilter *filter) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0)
                r = append_text(call, "run", filter->run);
        if (r >= 0)
                r = append_text(call, "type", filter->type);
        if (r >= 0)
                r = append_text(call, "object", filter->object);
        if (r >= 0)
                r = append_text(call, "state", filter->state);
        if (r >= 0)
                r = append_text(call, "outcome", filter->outcome);
        if (r >= 0 && filter->since > 0)
                r = sd_bus_message_append(call, "{sv}", "since", "t", filter->since);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

int service_list_runs(sd_bus *bus, const ListFilter *filter, json_object **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = connection_new_call(bus, &call, "ListRuns");
        if (r < 0)
                return r;
        r = append_filter(call, filter);
        if (r < 0) {
                complain("the filter cannot be sent: %s; is it valid text?", strerror(-r));
                return r;
        }
        r = connection_call(bus, call, false, &reply);
        if (r < 0)
                return r;
        r = message_read_dictionaries(reply, ret);
        if (r < 0)
                complain("the service's answer makes no sense: %s", strerror(-r));
        return r;
}

int service_read_run_id(char *text) {
        for (char *c = text; *c; c++)
                if (*c >= 'A' && *c <= 'Z')
                        *c = (char) (*c - 'A' + 'a');
        if (*text)
                return 0;
        complain("the id of the run is empty; 'virt-hooks list' and 'virt-hooks history' show ids");
        return -EINVAL;
}

void service_complain_no_run(const Options *options, const char *text) {
        _cleanup_free_ char *command = connection_command(options);

        complain("there is no run '%s'; '%s list' and '%s history' show those there are", text,
                 command ? command : "virt-hooks", command ? command : "virt-hooks");
}

void service_complain_ambiguous(const char *text) {
        complain("more than one run begins with '%s'; give more of its id", text);
}

int service_find_run(sd_bus *bus, const char *text, bool unfinished, char **ret) {
        _cleanup_(json_put_pointer) json_object *runs = NULL;
        const char *found = NULL;
        int r;

        r = service_list_runs(bus, &(ListFilter){ .run = text }, &runs);
        if (r < 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(runs); i++) {
                const char *id = json_text(json_object_array_get_idx(runs, i), "run");

                if (unfinished && run_record_finished(json_object_array_get_idx(runs, i)) &&
                    !streq(id, text))
                        continue;
                if (found) {
                        service_complain_ambiguous(text);
                        return -ENOTUNIQ;
                }
                found = id;
        }
        if (!found)
                return -ENOENT;
        *ret = strdup(found);
        return *ret ? 0 : -ENOMEM;
}

static int read_script(sd_bus_message *reply, json_object *scripts) {
        const char *type, *path, *why_not;
        json_object *script;
        int usable, r;

        r = sd_bus_message_read(reply, "(ssbs)", &type, &path, &usable, &why_not);
        if (r <= 0)
                return r;
        script = json_object_new_object();
        if (!script)
                return -ENOMEM;
        r = json_take(script, "type", json_object_new_string(type));
        if (r >= 0)
                r = json_take(script, "path", json_object_new_string(path));
        if (r >= 0)
                r = json_take(script, "usable", json_object_new_boolean(usable));
        if (r >= 0)
                r = json_take(script, "why_not", json_object_new_string(why_not));
        if (r >= 0 && json_object_array_add(scripts, script) == 0)
                return 1;
        (void) json_object_put(script);
        return -ENOMEM;
}

int service_list_scripts(sd_bus *bus, json_object **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_(json_put_pointer) json_object *scripts = json_object_new_array();
        int r;

        if (!scripts)
                return -ENOMEM;
        r = connection_new_call(bus, &call, "ListScripts");
        if (r >= 0)
                r = connection_call(bus, call, false, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(ssbs)");
        while (r >= 0 && (r = read_script(reply, scripts)) > 0)
                ;
        if (r < 0) {
                complain("the service's answer makes no sense: %s", strerror(-r));
                return r;
        }
        *ret = TAKE_PTR(scripts);
        return 0;
}

bool service_script_is_usable(json_object *script) {
        json_object *usable;

        return json_object_object_get_ex(script, "usable", &usable) &&
               json_object_get_boolean(usable);
}

/* Whoever asks whether the service is there does not want it started. */
int service_get_properties(sd_bus *bus, json_object **ret, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, BRIDGE_NAME, BRIDGE_PATH,
                                           "org.freedesktop.DBus.Properties", "GetAll");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, 0);
        if (r >= 0)
                r = sd_bus_message_append(call, "s", BRIDGE_INTERFACE);
        if (r >= 0)
                r = sd_bus_call(bus, call, 0, error, &reply);
        return r < 0 ? r : message_read_dictionary(reply, ret);
}
