/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Questions to the service.
 */

#include "service.h"

#include "bus-names.h"
#include "complain.h"
#include "connection.h"
#include "message-json.h"

static int append_text(sd_bus_message *call, const char *key, const char *value) {
        return value ? sd_bus_message_append(call, "{sv}", key, "s", value) : 0;
}

static int append_filter(sd_bus_message *call, const ListFilter *filter) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "{sv}");
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

void service_complain_no_run(const char *text) {
        complain("there is no run '%s'; 'virt-hooks list' and 'virt-hooks history' show those "
                 "there are",
                 text);
}

void service_complain_ambiguous(const char *text) {
        complain("more than one run begins with '%s'; give more of its id", text);
}

static bool is_finished(json_object *run) {
        return streq(json_text(run, "state"), "finished");
}

int service_find_run(sd_bus *bus, const char *text, bool unfinished, char **ret) {
        _cleanup_(json_put_pointer) json_object *runs = NULL;
        const char *found = NULL;
        int r;

        r = service_list_runs(bus, &(ListFilter){}, &runs);
        if (r < 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(runs); i++) {
                const char *id = json_text(json_object_array_get_idx(runs, i), "run");

                if (strncmp(id, text, strlen(text)) != 0 ||
                    (unfinished && is_finished(json_object_array_get_idx(runs, i)) &&
                     !streq(id, text)))
                        continue;
                if (found) {
                        service_complain_ambiguous(text);
                        return -ENOTUNIQ;
                }
                found = id;
        }
        if (!found || !*text)
                return -ENOENT;
        *ret = strdup(found);
        return *ret ? 0 : -ENOMEM;
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
