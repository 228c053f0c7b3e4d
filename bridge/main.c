/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooksd: options, signals, the connection to the bus, and the loop.
 */

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include "bridge.h"
#include "bus-names.h"
#include "bus-open.h"
#include "descriptors.h"
#include "document.h"
#include "interrupt.h"
#include "journald.h"
#include "log.h"
#include "memory.h"

typedef enum BusKind {
        BUS_SYSTEM,
        BUS_USER,
        BUS_ADDRESS,
} BusKind;

typedef struct Options {
        BusKind kind;
        const char *address;
        BridgeOptions bridge;
} Options;

static void print_help(void) {
        (void) printf(
                "Usage: %s [OPTION...]\n"
                "\n"
                "Runs libvirt's hook scripts for callers on D-Bus and tells everybody the results.\n"
                "\n"
                "      --system               Serve the system bus (default)\n"
                "      --user                 Serve the user's session bus\n"
                "      --address=ADDRESS      Serve the bus at ADDRESS\n"
                "      --config=FILE          Read the settings from FILE and FILE.d/*.conf\n"
                "      --hooks-directory=DIR  Look for scripts in DIR, not where the settings say;\n"
                "                             may be repeated\n"
                "      --version              Print the version and exit\n"
                "  -h, --help                 Print this help and exit\n"
                "\n"
                "See virt-hooksd(8), virt-hooks.conf(5) and org.virt.Hooks(5).\n",
                program_invocation_short_name);
}

static int add_hooks_directory(Options *options, const char *path) {
        _cleanup_free_ char *absolute = realpath(path, NULL);

        if (!absolute && *path != '/') {
                (void) fprintf(
                        stderr,
                        "%s: --hooks-directory=%s: %m; give a directory that exists, or its absolute path\n",
                        program_invocation_short_name, path);
                return -errno;
        }
        if (!absolute)
                log_warning(
                        "--hooks-directory=%s: %m; it is looked at all the same, should it come",
                        path);
        return strv_add(&options->bridge.hooks_directories, *path == '/' ? path : absolute);
}

/*
 * Returns 1 to go on, 0 where all is done, negative where the command line is wrong, which has been
 * said.
 */
static int parse_options(Options *options, int argc, char **argv) {
        enum {
                OPTION_SYSTEM = 0x100,
                OPTION_USER,
                OPTION_ADDRESS,
                OPTION_CONFIG,
                OPTION_HOOKS_DIRECTORY,
                OPTION_VERSION,
        };
        static const struct option table[] = {
                { "system", no_argument, NULL, OPTION_SYSTEM },
                { "user", no_argument, NULL, OPTION_USER },
                { "address", required_argument, NULL, OPTION_ADDRESS },
                { "config", required_argument, NULL, OPTION_CONFIG },
                { "hooks-directory", required_argument, NULL, OPTION_HOOKS_DIRECTORY },
                { "version", no_argument, NULL, OPTION_VERSION },
                { "help", no_argument, NULL, 'h' },
                {},
        };
        int c, r;

        while ((c = getopt_long(argc, argv, "h", table, NULL)) >= 0)
                switch (c) {
                case OPTION_SYSTEM:
                        options->kind = BUS_SYSTEM;
                        break;
                case OPTION_USER:
                        options->kind = BUS_USER;
                        break;
                case OPTION_ADDRESS:
                        if (!bus_address_is_valid(optarg)) {
                                (void) fprintf(stderr, "%s: " BUS_ADDRESS_WRONG "\n",
                                               program_invocation_short_name, optarg);
                                return -EINVAL;
                        }
                        options->kind = BUS_ADDRESS;
                        options->address = optarg;
                        break;
                case OPTION_CONFIG:
                        options->bridge.settings_file = optarg;
                        options->bridge.settings_required = true;
                        break;
                case OPTION_HOOKS_DIRECTORY:
                        r = add_hooks_directory(options, optarg);
                        if (r < 0)
                                return r;
                        break;
                case OPTION_VERSION:
                        (void) puts(PACKAGE_STRING);
                        return 0;
                case 'h':
                        print_help();
                        return 0;
                default: /* getopt(3) has said what is wrong */
                        (void) fprintf(stderr, "%s: see --help\n", program_invocation_short_name);
                        return -EINVAL;
                }
        if (optind < argc) {
                (void) fprintf(stderr, "%s: there is no argument '%s': see --help\n",
                               program_invocation_short_name, argv[optind]);
                return -EINVAL;
        }
        return 1;
}

static int open_bus(const Options *options, sd_bus **ret) {
        switch (options->kind) {
        case BUS_SYSTEM:
                return sd_bus_open_system_with_description(ret, "virt-hooksd");
        case BUS_USER:
                return sd_bus_open_user_with_description(ret, "virt-hooksd");
        default:
                return bus_open_address(ret, options->address);
        }
}

static const char *bus_name(const Options *options) {
        return options->kind == BUS_SYSTEM ? "the system bus"
               : options->kind == BUS_USER ? "the user's bus"
                                           : options->address;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Bridge *bridge = userdata;

        if (info->ssi_signo != SIGHUP) {
                bridge_stop(bridge, EXIT_SUCCESS);
                return 0;
        }
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                          (unsigned long long) now_usec(CLOCK_MONOTONIC));
        (void) bridge_reload(bridge);
        (void) sd_notify(0, "READY=1");
        return 0;
}

/* Signals go to BRIDGE. They were blocked by block_signals(). */
static int watch_signals(sd_event *event, Bridge *bridge) {
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

        for (size_t i = 0; i < ELEMENTS(signals); i++) {
                int r = sd_event_add_signal(event, NULL, signals[i], on_signal, bridge);

                if (r < 0)
                        return r;
        }
        return 0;
}

static void block_signals(void) {
        const struct sigaction ignore = { .sa_handler = SIG_IGN },
                               child = { .sa_handler = SIG_DFL };
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        (void) sigaction(SIGPIPE, &ignore,
                         NULL); /* a script that closes its stdin is no reason to die */
        (void) sigaction(SIGCHLD, &child, NULL); /* whoever started us may have ignored it */
}

/* Started without standard descriptors, we would give their numbers to sockets and pipes. */
static void open_standard_fds(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= STDERR_FILENO);
        close_fd(fd);
}

typedef struct Start {
        const Options *options;
        Bridge *bridge;
} Start;

/* The answer to RequestName. */
static int read_name_reply(sd_bus_message *reply) {
        enum {
                PRIMARY_OWNER = 1,
        };
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        uint32_t answer;
        int r;

        if (failure)
                return -sd_bus_error_get_errno(failure);
        r = sd_bus_message_read(reply, "u", &answer);
        if (r < 0)
                return r;
        return answer == PRIMARY_OWNER ? 0 : -EEXIST;
}

static int on_name(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Start *start = userdata;
        int r = read_name_reply(reply);

        if (sd_bus_is_open(sd_bus_message_get_bus(reply)) <= 0) /* the bridge hears of that */
                return 0;
        if (r >= 0) {
                (void) sd_notify(0, "READY=1\nSTATUS=Waiting for calls");
                memory_give_back_start();
                document_set_up(); /* behind that: it fetches again what each document needs */
                return 0;
        }
        if (r == -EEXIST)
                log_error("Another service has the name " BRIDGE_NAME
                          " on %s already: stop it first, or serve another bus",
                          bus_name(start->options));
        else
                log_error("The name " BRIDGE_NAME
                          " cannot be had on %s: %s: is org.virt.Hooks.conf installed, and does it "
                          "let this user own the name?",
                          bus_name(start->options), strerror(-r));
        bridge_stop(start->bridge, EXIT_FAILURE);
        return 0;
}

/* As sd_event_loop(). Whatever is done in it may close what strangers have sent. */
static int run_loop(sd_event *event) {
        int r = 0, code;

        while (r >= 0 && sd_event_get_state(event) != SD_EVENT_FINISHED) {
                r = sd_event_prepare(event);
                if (r == 0)
                        r = sd_event_wait(event, UINT64_MAX);
                if (r <= 0)
                        continue;
                interrupt_begin();
                r = sd_event_dispatch(event);
                interrupt_end();
        }
        interrupt_begin(); /* and so may the end */
        if (r >= 0)
                r = sd_event_get_exit_code(event, &code);
        return r < 0 ? r : code;
}

static int serve(const Options *options) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(bridge_free_pointer) Bridge *bridge = NULL;
        Start start = { .options = options };
        int r;

        r = sd_event_default(&event);
        journald_use_loop(event);
        if (r >= 0)
                r = open_bus(options, &bus);
        if (r < 0) {
                log_error(
                        "%s cannot be reached: %s; is dbus running? --user and --address= name other buses",
                        bus_name(options), strerror(-r));
                return r;
        }
        r = bridge_new(&bridge, event, bus, &options->bridge);
        if (r < 0)
                return r;
        r = watch_signals(event, bridge);
        /* It would wait until the bus has read all: bridge_stop() does, but not for ever. */
        if (r >= 0)
                r = sd_bus_set_close_on_exit(bus, false);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0) {
                log_error("The event loop cannot be set up: %s", strerror(-r));
                return r;
        }
        /* Only where the unit asks for it. */
        r = sd_event_set_watchdog(event, true);
        if (r < 0)
                log_warning("The watchdog cannot be served, ignoring: %s", strerror(-r));
        /* The name comes last: who finds it finds a service that works. */
        start.bridge = bridge;
        r = sd_bus_request_name_async(bus, NULL, BRIDGE_NAME, 0, on_name, &start);
        if (r >= 0)
                r = run_loop(event);
        if (r < 0)
                log_error("The event loop failed: %s", strerror(-r));
        return r;
}

int main(int argc, char **argv) {
        Options options = {
                .bridge.settings_file = SETTINGS_FILE,
        };
        int r;

        r = parse_options(&options, argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        open_standard_fds();
        block_signals();
        descriptors_raise_limit();
        descriptors_take_spare();
        r = serve(&options);
        journald_use_loop(NULL);
        document_clean_up();
        strv_free(options.bridge.hooks_directories);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
