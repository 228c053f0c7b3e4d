/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The dispatcher looks into folders that are compiled in: it gets some of our own there, which
 * nobody else sees.
 */

#include "dispatcher.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

#include "fatal.h"
#include "hooks.h"
#include "place.h"
#include "samples.h"
#include "spawn.h"

#define NAME "org.freedesktop.nm_dispatcher"

static const char *const programs[] = {
        "/usr/lib/NetworkManager/nm-dispatcher",
        "/usr/libexec/nm-dispatcher",
};

static const char *const folders[] = {
        "/etc/NetworkManager/dispatcher.d",
        "/usr/lib/NetworkManager/dispatcher.d",
};

static const char *find_program(void) {
        for (size_t i = 0; i < ELEMENTS(programs); i++)
                if (access(programs[i], X_OK) == 0)
                        return programs[i];
        return NULL;
}

const char *dispatcher_why_not(void) {
        if (!find_program())
                return "it is not installed";
        return place_is_private() ? NULL : "only root can give it a script";
}

static void make_script(void) {
        static bool made;

        if (made)
                return;
        made = true;
        for (size_t i = 0; i < ELEMENTS(folders); i++)
                if (access(folders[i], F_OK) == 0)
                        must_sys(mount("tmpfs", folders[i], "tmpfs", 0, "mode=755"), folders[i]);
        place_write(must_have(strdup("/etc/NetworkManager/dispatcher.d/10-bench")),
                    "#!/bin/sh\nexit 0\n", 0755);
}

Dispatcher *dispatcher_new(const char *kind) {
        _cleanup_free_ char *variable = NULL, *log = place_path("dispatcher.log");
        Dispatcher *dispatcher = must_have(calloc(1, sizeof(Dispatcher)));
        uint64_t until = now_nsec() + 10 * 1000 * USEC_PER_SEC;
        _cleanup_close_ int fd = -EBADF;

        make_script();
        fd = (int) must_sys(open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0644), log);
        dispatcher->bus = message_bus_new(kind);
        dispatcher->client = message_bus_connect(dispatcher->bus);
        if (asprintf(&variable, "DBUS_SYSTEM_BUS_ADDRESS=%s", dispatcher->bus->address) < 0)
                fatal("memory is short");
        dispatcher->pid =
                spawn_program((char *[]){ (char *) find_program(), (char *) "--persist", NULL },
                              (char *[]){ variable, NULL }, fd, -EBADF);
        while (sd_bus_get_name_creds(dispatcher->client, NAME, 0, NULL) < 0) {
                if (now_nsec() > until)
                        fatal("NetworkManager's dispatcher does not start");
                (void) usleep(10000);
        }
        return dispatcher;
}

void dispatcher_act(Dispatcher *dispatcher) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        /* The host's name has changed: nothing of a device or a connection needs to be told. */
        r = sd_bus_call_method(dispatcher->client, NAME, "/org/freedesktop/nm_dispatcher", NAME,
                               "Action", &error, &reply,
                               "sa{sa{sv}}a{sv}a{sv}a{sv}a{sv}a{sv}a{sv}a{sv}ssa{sv}a{sv}a{sv}b",
                               "hostname", 0, 0, 0, 0, 0, 0, 0, 0, "", "", 0, 0, 0, 0);
        if (r < 0)
                fatal("NetworkManager's dispatcher: %s", error.message ? error.message : "?");
}

Dispatcher *dispatcher_free(Dispatcher *dispatcher) {
        if (!dispatcher)
                return NULL;
        sd_bus_flush_close_unref(dispatcher->client);
        spawn_end_program(dispatcher->pid);
        message_bus_free(dispatcher->bus);
        free(dispatcher);
        return NULL;
}
