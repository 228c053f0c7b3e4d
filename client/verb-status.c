/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks status: the service at a glance.
 */

#include <inttypes.h>

#include "attachment.h"
#include "bus-names.h"
#include "complain.h"
#include "connection.h"
#include "hook.h"
#include "message-json.h"
#include "proc-stat.h"
#include "run-record.h"
#include "service.h"
#include "verbs.h"
#include "when.h"

/* "qemu 2, network 1": the scripts that run, by type. */
static void print_counts(json_object *list) {
        const char *separator = "";

        for (HookType type = 0; type < HOOK_TYPE_MAX; type++) {
                unsigned n = 0;

                for (size_t i = 0; i < json_object_array_length(list); i++) {
                        json_object *script = json_object_array_get_idx(list, i);

                        n += service_script_is_usable(script) &&
                             streq(json_text(script, "type"), hook_type_to_string(type));
                }
                if (n > 0) {
                        (void) printf("%s%s %u", separator, hook_type_to_string(type), n);
                        separator = ", ";
                }
        }
        (void) puts(*separator ? "" : "none");
}

static void print_directories(json_object *properties) {
        json_object *directories;

        if (!json_object_object_get_ex(properties, "HooksDirectories", &directories))
                return;
        for (size_t i = 0; i < json_object_array_length(directories); i++) {
                const char *path =
                        json_object_get_string(json_object_array_get_idx(directories, i));
                _cleanup_free_ char *escaped = terminal_escape(path, strlen(path), false);

                (void) printf("%s  %s\n", i == 0 ? "  Directories:" : "              ",
                              escaped ? escaped : "");
        }
}

/* Since when the service is there, and its pid: the bus knows who has the name. */
static int find_owner(sd_bus *bus, pid_t *ret_pid, uint64_t *ret_since) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        ProcStat stat;
        int r;

        r = sd_bus_get_name_creds(bus, BRIDGE_NAME, SD_BUS_CREDS_PID, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_pid(creds, ret_pid);
        if (r < 0)
                return r;
        if (!proc_stat_read(*ret_pid, &stat))
                return -ESRCH;
        *ret_since = now_usec(CLOCK_REALTIME) - now_usec(CLOCK_BOOTTIME) +
                     stat.started * USEC_PER_SEC / (uint64_t) sysconf(_SC_CLK_TCK);
        return 0;
}

/* Adds which process the service is, and since when, where that is one of this machine. */
static int take_owner(json_object *status, sd_bus *bus, const Options *options) {
        uint64_t since = 0;
        pid_t pid = 0;
        int r;

        if (options->transport == TRANSPORT_HOST || options->transport == TRANSPORT_MACHINE ||
            find_owner(bus, &pid, &since) < 0)
                return 0;
        r = json_take(status, "Since", json_object_new_uint64(since));
        return r < 0 ? r : json_take(status, "Pid", json_object_new_int64(pid));
}

static void print_owner(json_object *status) {
        uint64_t started = json_number(status, "Since");
        char since[WHEN_SIZE], span[WHEN_SIZE];

        if (started > 0)
                (void) printf("        Since:  %s; %s ago (pid %" PRIu64 ")\n",
                              when_format(since, started),
                              when_format_span(span, now_usec(CLOCK_REALTIME) - started),
                              json_number(status, "Pid"));
}

/* Adds which of libvirt's hooks are attached, where they are this machine's. */
static int take_attached(json_object *status, const Options *options) {
        _cleanup_(attachment_free_pointer) Attachment *attachment = NULL;
        json_object *list;
        int r;

        if (options->transport == TRANSPORT_HOST || options->transport == TRANSPORT_MACHINE)
                return 0;
        r = attachment_new(&attachment, NULL);
        if (r < 0)
                return r;
        list = json_object_new_array();
        for (HookType type = 0; list && type < HOOK_TYPE_MAX; type++)
                if (attachment_has(attachment, type, NULL))
                        (void) json_object_array_add(
                                list, json_object_new_string(hook_type_to_string(type)));
        r = json_take(status, "Attached", list);
        if (r >= 0 && attachment_is_half_done(attachment))
                r = json_take(status, "HalfAttached", json_object_new_boolean(true));
        return r;
}

static void print_attached(json_object *status) {
        json_object *list;
        size_t n;

        if (!json_object_object_get_ex(status, "Attached", &list))
                return;
        n = json_object_array_length(list);
        (void) printf("     Attached:  %s", n > 0 ? "" : "none");
        for (size_t i = 0; i < n; i++)
                (void) printf("%s%s", i > 0 ? ", " : "",
                              json_object_get_string(json_object_array_get_idx(list, i)));
        (void) puts(json_object_object_get_ex(status, "HalfAttached", NULL)
                            ? "; an attach or detach did not come to its end, which 'virt-hooks "
                              "check' as root takes back"
                            : "");
}

/* Where the service cannot tell anything: what is known without it. WHY_NOT is half a sentence.
 * Returns RESULT. */
static int tell_without_service(const Options *options, int result, const char *why_not) {
        _cleanup_(json_put_pointer) json_object *status = json_object_new_object();

        if (!status || take_attached(status, options) < 0)
                return trouble("out of memory");
        if (json_object_object_length(status) == 0)
                return result;
        if (options->json) {
                json_print_line(status);
                return result;
        }
        (void) printf("%s virt-hooksd %s\n", terminal_sign(SIGN_ABSENT), why_not);
        print_attached(status);
        return result;
}

static int print_running(sd_bus *bus) {
        _cleanup_(json_put_pointer) json_object *runs = NULL;

        if (service_list_runs(bus, &(ListFilter){ .state = "running" }, &runs) < 0)
                return EXIT_TROUBLE;
        if (json_object_array_length(runs) == 0)
                return EXIT_SUCCESS;
        (void) putchar('\n');
        return run_record_print_unfinished(runs, false, "");
}

static int print_status(sd_bus *bus, json_object *properties, json_object *list) {
        char when[WHEN_SIZE];

        terminal_print(COLOUR_GOOD, terminal_sign(SIGN_THERE));
        (void) fputs(" virt-hooksd ", stdout);
        terminal_print(COLOUR_PLAIN, json_text(properties, "Version"));
        (void) putchar('\n');
        print_owner(properties);
        (void) printf("         Runs:  %" PRIu64 ", of them %" PRIu64 " failed; %" PRIu64
                      " run and %" PRIu64 " wait now\n",
                      json_number(properties, "Runs"), json_number(properties, "Failures"),
                      json_number(properties, "Running"), json_number(properties, "Queued"));
        (void) printf("      Scripts:  ");
        print_counts(list);
        (void) printf("       Looked:  %s\n",
                      when_format(when, json_number(properties, "ScriptsLoadedAt")));
        print_directories(properties);
        if (json_number(properties, "SettingsFaults") > 0)
                (void) printf("     Settings:  %" PRIu64
                              " wrong, which 'virt-hooks check' and the log tell of\n",
                              json_number(properties, "SettingsFaults"));
        print_attached(properties);
        (void) fputs("     Instance:  ", stdout);
        terminal_print(COLOUR_PLAIN, json_text(properties, "Instance"));
        (void) putchar('\n');
        return print_running(bus);
}

/* Exit status 3 where the service is not there, as systemctl(1) has it. */
static int status(const Options *options, int n_arguments, char **arguments) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(json_put_pointer) json_object *properties = NULL, *list = NULL;
        int r;

        if (connection_open(&bus, options) < 0)
                return tell_without_service(options, EXIT_TROUBLE, "cannot be asked");
        r = service_get_properties(bus, &properties, &error);
        if (r < 0 && connection_is_absence(&error)) {
                complain("the service does not run on this bus; where it is installed the first "
                         "call starts it");
                return tell_without_service(options, EXIT_ABSENT, "does not run");
        }
        if (r < 0) {
                connection_complain(r, &error);
                return tell_without_service(options, EXIT_TROUBLE, "does not answer");
        }
        if (service_list_scripts(bus, &list) < 0)
                return EXIT_TROUBLE;
        if (take_owner(properties, bus, options) < 0 || take_attached(properties, options) < 0)
                return trouble("out of memory");
        if (!options->json)
                return print_status(bus, properties, list);
        if (json_take(properties, "Scripts", TAKE_PTR(list)) < 0)
                return trouble("out of memory");
        json_print_line(properties);
        return EXIT_SUCCESS;
}

const Verb verb_status = {
        .name = "status",
        .arguments = "",
        .summary = "Tell whether the service is up, since when, what it has and what runs now",
        .help = "",
        .run = status,
};
