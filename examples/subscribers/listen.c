/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Prints a line for each hook that has finished, and says how many events
 * were missed.
 *
 *     cc -o listen listen.c $(pkg-config --cflags --libs libsystemd)
 *     ./listen [--session]
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

typedef struct Listener {
        char instance[64]; /* of the last event; "" before the first */
        uint64_t sequence;
} Listener;

/* The sequence of an instance has no gaps and starts with 1. */
static void note_gap(Listener *l, const char *instance, uint64_t sequence) {
        uint64_t before = strcmp(instance, l->instance) == 0 ? l->sequence : 0;

        if (*l->instance && sequence > before + 1)
                printf("%" PRIu64 " events were missed\n", sequence - before - 1);
        snprintf(l->instance, sizeof(l->instance), "%s", instance);
        l->sequence = sequence;
}

/* Reads the details, and passes over what is of no interest here. */
static int read_details(sd_bus_message *m, const char **instance,
                        uint64_t *sequence, const char **reason) {
        const char *key;
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0 && strcmp(key, "instance") == 0)
                        r = sd_bus_message_read(m, "v", "s", instance);
                else if (r >= 0 && strcmp(key, "sequence") == 0)
                        r = sd_bus_message_read(m, "v", "t", sequence);
                else if (r >= 0 && strcmp(key, "reason") == 0)
                        r = sd_bus_message_read(m, "v", "s", reason);
                else if (r >= 0)
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

static int on_event(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *type, *object, *operation, *sub, *extra, *run;
        const char *outcome = NULL, *effect, *instance = "", *reason = "";
        uint64_t usec = 0, sequence = 0;
        int r;

        r = sd_bus_message_read(m, "ssssss", &type, &object, &operation,
                                &sub, &extra, &run);
        if (r >= 0 && sd_bus_message_is_signal(m, NULL, "HookFinished"))
                r = sd_bus_message_read(m, "sst", &outcome, &effect, &usec);
        if (r >= 0)
                r = read_details(m, &instance, &sequence, &reason);
        if (r < 0)
                return r;
        note_gap(userdata, instance, sequence);
        if (outcome)
                printf("%s '%s' %s: %s (%s, %" PRIu64 " ms) %s\n", type, object,
                       operation, outcome, effect, usec / 1000, reason);
        return 0;
}

int main(int argc, char **argv) {
        Listener listener = { .sequence = 0 };
        sd_bus *bus = NULL;
        int r;

        setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc > 1 && strcmp(argv[1], "--session") == 0)
                r = sd_bus_open_user(&bus);
        else
                r = sd_bus_open_system(&bus);
        if (r < 0) {
                fprintf(stderr, "listen: the bus cannot be reached: %s\n",
                        strerror(-r));
                return 1;
        }
        /* The first string is the sender. Without it anybody's signals get
         * here. */
        r = sd_bus_match_signal(bus, NULL, "org.virt.Hooks", "/org/virt/Hooks",
                                "org.virt.Hooks", NULL, on_event, &listener);
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        fprintf(stderr, "listen: %s\n", strerror(-r));
        sd_bus_unref(bus);
        return 1;
}
