/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Private buses. What everybody may do on them is of no interest; their limits are as wide as those
 * of a system bus for root.
 */

#include "message-bus.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bus-open.h"
#include "fatal.h"
#include "place.h"
#include "spawn.h"

const char *const message_bus_kinds[] = { "dbus-daemon", "dbus-broker", NULL };

static bool is_installed(const char *program) {
        static const char *const directories[] = { "/usr/bin", "/usr/local/bin", "/bin" };
        char path[256];

        for (size_t i = 0; i < ELEMENTS(directories); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", directories[i], program);
                if (access(path, X_OK) == 0)
                        return true;
        }
        return false;
}

const char *message_bus_why_not(const char *kind) {
        if (streq(kind, "dbus-daemon"))
                return is_installed("dbus-daemon") ? NULL : "it is not installed";
        if (!is_installed("dbus-broker-launch"))
                return "it is not installed";
        return place_is_private() ? NULL : "only root can have one of its own";
}

static void write_configuration(const char *socket_path, char *path) {
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text,
                     "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration "
                     "1.0//EN\" \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                     "<busconfig>\n"
                     "<type>session</type>\n"
                     "<auth>EXTERNAL</auth>\n"
                     "<listen>unix:path=%s</listen>\n"
                     "<policy context=\"default\">\n"
                     "<allow user=\"*\"/><allow own=\"*\"/>\n"
                     "<allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
                     "<allow eavesdrop=\"true\"/>\n"
                     "</policy>\n"
                     "<limit name=\"max_replies_per_connection\">50000</limit>\n"
                     "<limit name=\"max_connections_per_user\">2000</limit>\n"
                     "</busconfig>\n",
                     socket_path) < 0)
                fatal("memory is short");
        place_write(path, text, 0644);
}

static int listen_at(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = (int) must_sys(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                                "socket");

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        must_sys(bind(fd, (const struct sockaddr *) &address, sizeof(address)), path);
        must_sys(listen(fd, 4096), path);
        return fd;
}

/* The launcher gets its socket as from systemd, and connects to its own bus, too. */
static void start_broker(MessageBus *bus, const char *path, const char *option, int log) {
        _cleanup_close_ int fd = listen_at(path);
        _cleanup_free_ char *variable = NULL;

        if (asprintf(&variable, "DBUS_SESSION_BUS_ADDRESS=%s", bus->address) < 0)
                fatal("memory is short");
        bus->pid = spawn_program((char *[]){ (char *) "dbus-broker-launch", (char *) "--scope",
                                             (char *) "user", (char *) option, NULL },
                                 (char *[]){ variable, NULL }, log, fd);
}

/* The socket is there a moment before the bus listens. */
static bool is_listening(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        if (strlen(path) >= sizeof(address.sun_path))
                fatal("%s: too long for a socket", path);
        (void) memcpy(address.sun_path, path, strlen(path));
        fd = (int) must_sys(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
        return connect(fd, (const struct sockaddr *) &address, sizeof(address)) == 0;
}

static void wait_ready(const char *path, const char *kind) {
        for (unsigned i = 0; i < 1000; i++) {
                if (is_listening(path))
                        return;
                (void) usleep(10000);
        }
        fatal("%s does not start", kind);
}

MessageBus *message_bus_new(const char *kind) {
        static unsigned number;
        _cleanup_free_ char *path = place_path("bus-%u", ++number), *option = NULL,
                            *log = place_path("bus-%u.log", number);
        _cleanup_close_ int fd = -EBADF;
        MessageBus *bus = must_have(calloc(1, sizeof(MessageBus)));

        write_configuration(path, place_path("bus-%u.conf", number));
        if (asprintf(&bus->address, "unix:path=%s", path) < 0 ||
            asprintf(&option, "--config-file=%s.conf", path) < 0)
                fatal("memory is short");
        fd = (int) must_sys(open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0644), log);
        if (streq(kind, "dbus-broker"))
                start_broker(bus, path, option, fd);
        else
                bus->pid = spawn_program((char *[]){ (char *) "dbus-daemon", option,
                                                     (char *) "--nofork", (char *) "--nopidfile",
                                                     NULL },
                                         NULL, fd, -EBADF);
        wait_ready(path, kind);
        return bus;
}

MessageBus *message_bus_free(MessageBus *bus) {
        if (!bus)
                return NULL;
        spawn_end_program(bus->pid);
        free(bus->address);
        free(bus);
        return NULL;
}

sd_bus *message_bus_connect(const MessageBus *bus) {
        const char *name;
        sd_bus *connection;

        must(bus_open_address(&connection, bus->address), "the private bus");
        must(sd_bus_get_unique_name(connection, &name), "the private bus");
        must(sd_bus_set_method_call_timeout(connection, 120 * USEC_PER_SEC), "the private bus");
        return connection;
}
