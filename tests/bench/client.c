/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The clients' side, as a program with sd-bus writes it.
 */

#include "client.h"

#include "bus-names.h"
#include "domain.h"
#include "fatal.h"

static void must_reply(int r, const char *member, const sd_bus_error *error) {
        if (r < 0)
                fatal("%s: %s", member, error->message ? error->message : strerror(-r));
}

void client_ping(sd_bus *bus) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        must_reply(sd_bus_call_method(bus, BRIDGE_NAME, BRIDGE_PATH, "org.freedesktop.DBus.Peer",
                                      "Ping", &error, NULL, ""),
                   "Ping", &error);
}

void client_call(sd_bus *bus, const char *object, const char *operation, const char *document) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        must_reply(sd_bus_call_method(bus, BRIDGE_NAME, BRIDGE_PATH, BRIDGE_INTERFACE, "Qemu",
                                      &error, &reply, "sssss", object, operation, "", "", document),
                   "Qemu", &error);
}

void client_run(sd_bus *bus, const char *object, const char *operation, const char *document) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_close_ int fd = domain_fd(document);
        const char *outcome = "";

        must_reply(sd_bus_call_method(bus, BRIDGE_NAME, BRIDGE_PATH, BRIDGE_INTERFACE, "Run",
                                      &error, &reply, "sssssha{sv}", "qemu", object, operation, "",
                                      "", fd, 0),
                   "Run", &error);
        must(sd_bus_message_read(reply, "s", &outcome), "Run");
        if (!streq(outcome, "success") && !streq(outcome, "no-script"))
                fatal("Run: %s", outcome);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Flight *flight = userdata;

        if (sd_bus_message_is_method_error(reply, NULL))
                fatal("a call in flight: %s", sd_bus_message_get_error(reply)->message);
        flight->n--;
        return 0;
}

void flight_start(Flight *flight, const char *method, const char *object, const char *document) {
        must(sd_bus_call_method_async(flight->bus, NULL, BRIDGE_NAME, BRIDGE_PATH, BRIDGE_INTERFACE,
                                      method, on_reply, flight, "sssss", object, OPERATION_PLAIN,
                                      "", "", document),
             method);
        flight->n++;
}

void flight_wait(Flight *flight, unsigned n) {
        while (flight->n > n)
                if (must(sd_bus_process(flight->bus, NULL), "the private bus") == 0)
                        must(sd_bus_wait(flight->bus, UINT64_MAX), "the private bus");
}
