/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Subscribers. Each writes a byte into a pipe for each HookFinished that it gets.
 */

#include "subscribers.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

#include "bus-names.h"
#include "fatal.h"

static int on_finished(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const int *fd = userdata;

        return write(*fd, "", 1) < 0 ? -errno : 0;
}

_Noreturn static void listen_to_signals(const MessageBus *bus, unsigned n, int fd) {
        sd_event *event;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        must(sd_event_new(&event), "an event loop");
        for (unsigned i = 0; i < n; i++) {
                sd_bus *connection = message_bus_connect(bus);

                must(sd_bus_match_signal(connection, NULL, BRIDGE_NAME, BRIDGE_PATH,
                                         BRIDGE_INTERFACE, "HookFinished", on_finished, &fd),
                     "a match");
                must(sd_bus_match_signal(connection, NULL, BRIDGE_NAME, BRIDGE_PATH,
                                         BRIDGE_INTERFACE, "HookStarted", NULL, NULL),
                     "a match");
                must(sd_bus_attach_event(connection, event, 0), "an event loop");
        }
        if (write(fd, "", 1) == 1)
                (void) sd_event_loop(event);
        _exit(EXIT_SUCCESS);
}

static void read_bytes(int fd, size_t n) {
        char buffer[4096];

        while (n > 0) {
                ssize_t r = read(fd, buffer, MIN(n, sizeof(buffer)));

                if (r <= 0)
                        fatal("the subscribers have gone");
                n -= (size_t) r;
        }
}

Subscribers *subscribers_new(const MessageBus *bus, unsigned n) {
        Subscribers *subscribers = must_have(calloc(1, sizeof(Subscribers)));
        int fds[2];

        must_sys(pipe(fds), "pipe");
        subscribers->n = n;
        subscribers->fd = fds[0];
        subscribers->pid = (pid_t) must_sys(fork(), "fork");
        if (subscribers->pid == 0)
                listen_to_signals(bus, n, fds[1]);
        (void) close(fds[1]);
        read_bytes(fds[0], 1);
        return subscribers;
}

void subscribers_wait(Subscribers *subscribers, unsigned calls) {
        read_bytes(subscribers->fd, (size_t) calls * subscribers->n);
}

Subscribers *subscribers_free(Subscribers *subscribers) {
        if (!subscribers)
                return NULL;
        (void) kill(subscribers->pid, SIGKILL);
        (void) waitpid(subscribers->pid, NULL, 0);
        (void) close(subscribers->fd);
        free(subscribers);
        return NULL;
}
