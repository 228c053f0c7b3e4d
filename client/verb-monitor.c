/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks monitor: a line an event, as it happens. It listens to all events, also to those that
 * it does not show: only so it knows which it missed.
 */

#include <inttypes.h>

#include "bus-names.h"
#include "complain.h"
#include "connection.h"
#include "hook.h"
#include "message-json.h"
#include "run-record.h"
#include "type-argument.h"
#include "verbs.h"
#include "when.h"

enum {
        OPTION_TYPE = VERB_OPTION,
        OPTION_OBJECT,
        OPTION_OPERATION,
        OPTION_FAILED,
};

static const struct option monitor_options[] = {
        { "type", required_argument, NULL, OPTION_TYPE },
        { "object", required_argument, NULL, OPTION_OBJECT },
        { "operation", required_argument, NULL, OPTION_OPERATION },
        { "failed", no_argument, NULL, OPTION_FAILED },
        {},
};

static struct {
        const char *type, *object, *operation;
        bool failed;
} wanted;

static int parse(int option, const char *argument) {
        switch (option) {
        case OPTION_TYPE:
                wanted.type = argument;
                return type_argument_read(argument) == HOOK_TYPE_INVALID ? -EINVAL : 0;
        case OPTION_OBJECT:
                wanted.object = argument;
                break;
        case OPTION_OPERATION:
                wanted.operation = argument;
                break;
        default:
                wanted.failed = true;
        }
        return 0;
}

typedef struct Monitor {
        const Options *options;
        char instance[UUID_TEXT_SIZE]; /* of the service, as of the last event; "" before the first
                                        */
        uint64_t sequence;
} Monitor;

/* Something about the service itself, not about a hook. COUNT is of events; 0 is none. */
static void print_note(const Monitor *monitor, const char *event, uint64_t count,
                       const char *text) {
        char clock[WHEN_SIZE];

        if (!monitor->options->json) {
                (void) printf("%s%s  %s%s\n", terminal_colour(COLOUR_WARNING),
                              when_format_clock(clock, now_usec(CLOCK_REALTIME)), text,
                              terminal_colour(COLOUR_PLAIN));
                return;
        }
        if (count > 0)
                (void) printf("{\"event\":\"%s\",\"count\":%" PRIu64 "}\n", event, count);
        else
                (void) printf("{\"event\":\"%s\"}\n", event);
}

/* Tells of events that did not get here: the sequence of an instance has no gaps. */
static void check_sequence(Monitor *monitor, json_object *event) {
        const char *instance = json_text(event, "instance");
        uint64_t sequence = json_number(event, "sequence"), expected = sequence;
        char text[128];

        if (streq(instance, monitor->instance))
                expected = monitor->sequence + 1;
        else if (*monitor->instance) /* a new start of the service, which we saw from its first
                                        event or did not */
                expected = 1;
        if (sequence > expected) {
                (void) snprintf(text, sizeof(text), "%" PRIu64 " events were missed",
                                sequence - expected);
                print_note(monitor, "Missed", sequence - expected, text);
        }
        (void) snprintf(monitor->instance, sizeof(monitor->instance), "%s", instance);
        monitor->sequence = sequence;
}

static bool is_wanted(json_object *event) {
        return (!wanted.type || streq(wanted.type, json_text(event, "type"))) &&
               (!wanted.object || streq(wanted.object, json_text(event, "object"))) &&
               (!wanted.operation || streq(wanted.operation, json_text(event, "operation"))) &&
               (!wanted.failed || run_record_failed(event));
}

static void print_event(json_object *event) {
        char clock[WHEN_SIZE], span[WHEN_SIZE];
        const char *type = json_text(event, "type"), *reason = json_text(event, "reason");
        _cleanup_free_ char *escaped = terminal_escape(type, strlen(type), false);

        terminal_print(COLOUR_FAINT, when_format_clock(clock, now_usec(CLOCK_REALTIME)));
        (void) printf("  %-7s ", escaped ? escaped : "");
        terminal_print(COLOUR_BOLD, json_text(event, "object"));
        (void) putchar(' ');
        terminal_print(COLOUR_PLAIN, json_text(event, "operation"));
        (void) putchar(' ');
        if (streq(json_text(event, "event"), "HookStarted")) {
                terminal_print(COLOUR_FAINT, "started");
                (void) putchar('\n');
                return;
        }
        terminal_print(run_record_colour(event), json_text(event, "outcome"));
        (void) printf(" %s", when_format_span(span, json_number(event, "duration_usec")));
        if (*reason) {
                (void) fputs("  ", stdout);
                terminal_print(COLOUR_PLAIN, reason);
        }
        (void) putchar('\n');
}

static int on_event(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        _cleanup_(json_put_pointer) json_object *event = NULL;
        const char *member = sd_bus_message_get_member(signal);
        Monitor *monitor = userdata;

        if (!streq(member, "HookStarted") && !streq(member, "HookFinished"))
                return 0; /* a newer service's */
        if (message_read_event(signal, &event) < 0) {
                complain("a signal that makes no sense was passed over");
                return 0;
        }
        check_sequence(monitor, event);
        if (!is_wanted(event))
                return 0;
        if (monitor->options->json)
                json_print_line(event);
        else
                print_event(event);
        return 0;
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *name, *before, *after;

        if (sd_bus_message_read(signal, "sss", &name, &before, &after) < 0)
                return 0;
        if (*after)
                print_note(userdata, "ServiceAppeared", 0, "the service is there");
        else
                print_note(userdata, "ServiceGone", 0, "the service is gone");
        return 0;
}

static int subscribe(sd_bus *bus, Monitor *monitor) {
        int r;

        /* One match for both signals: between two, one of them would be missed. */
        r = sd_bus_match_signal(bus, NULL, BRIDGE_NAME, BRIDGE_PATH, BRIDGE_INTERFACE, NULL,
                                on_event, monitor);
        if (r >= 0)
                r = sd_bus_add_match(
                        bus, NULL,
                        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                        "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                        "arg0='" BRIDGE_NAME "'",
                        on_owner_changed, monitor);
        if (r < 0)
                complain("the bus does not let us listen: %s", strerror(-r));
        return r;
}

/* Whoever watches an idle service wants to know whether there is one. */
static void tell_presence(sd_bus *bus, const Monitor *monitor) {
        if (sd_bus_get_name_creds(bus, BRIDGE_NAME, 0, NULL) < 0)
                print_note(monitor, "ServiceGone", 0, "the service is not there; waiting for it");
}

static int monitor(const Options *options, int n_arguments, char **arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        Monitor m = { .options = options };
        int r;

        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        if (wanted.operation)
                operation_argument_check(wanted.type, wanted.operation, "waiting");
        if (connection_open(&bus, options) < 0 || subscribe(bus, &m) < 0)
                return EXIT_TROUBLE;
        tell_presence(bus, &m);
        do {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        } while ((r >= 0 || r == -EINTR) && !ferror(stdout));
        return ferror(stdout) ? EXIT_TROUBLE
                              : trouble("the connection to the bus is lost: %s", strerror(-r));
}

const Verb verb_monitor = {
        .name = "monitor",
        .arguments = "",
        .summary = "Print a line for each event as it happens",
        .help = "      --type=TYPE        Only hooks of TYPE\n"
                "      --object=NAME      Only of the guest or network NAME\n"
                "      --operation=NAME   Only of the operation NAME\n"
                "      --failed           Only what failed\n",
        .options = monitor_options,
        .parse = parse,
        .run = monitor,
};
