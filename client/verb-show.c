/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks show: everything about a run, as the script wrote it. What the service has forgotten
 * may still be in the journal, with less.
 */

#include <inttypes.h>

#include "complain.h"
#include "connection.h"
#include "journal-history.h"
#include "message-json.h"
#include "run-record.h"
#include "service.h"
#include "verbs.h"
#include "when.h"

enum {
        OPTION_DIRECTORY = VERB_OPTION,
};

static const struct option show_options[] = {
        { "directory", required_argument, NULL, OPTION_DIRECTORY },
        {},
};

static HistoryQuery query = { .until = UINT64_MAX, .limit = UINT64_MAX };

static int parse(int option, const char *argument) {
        query.directory = argument;
        return 0;
}

static void print_field(const char *name, const char *value) {
        _cleanup_free_ char *escaped = terminal_escape(value, strlen(value), false);

        if (*value)
                (void) printf("%12s:  %s\n", name, escaped ? escaped : "");
}

/* The script's words, line by line, as it wrote them. */
static void print_words(const char *title, json_object *result, const char *key,
                        const char *size_key) {
        const char *text = json_text(result, key);
        uint64_t size = json_number(result, size_key);
        _cleanup_free_ char *escaped = terminal_escape(text, strlen(text), true);

        if (size == 0 || !escaped)
                return;
        (void) printf("      %s (%" PRIu64 " bytes):\n", title, size);
        for (const char *line = escaped; *line;) {
                size_t n = strcspn(line, "\n");

                (void) printf("        %.*s\n", (int) n, line);
                line += n + (line[n] == '\n');
        }
}

static void print_result(json_object *result) {
        char started[WHEN_SIZE], duration[WHEN_SIZE], user[WHEN_SIZE], system[WHEN_SIZE];
        bool exited = json_object_object_get_ex(result, "status", NULL);
        uint64_t number = json_number(result, exited ? "status" : "signal");
        const char *path = json_text(result, "path");
        _cleanup_free_ char *escaped = terminal_escape(path, strlen(path), false);

        (void) printf(
                "\n    %s\n      %s%s %" PRIu64 "%s, started %s, took %s (user %s, system %s)\n",
                escaped ? escaped : "",
                terminal_colour(exited && number == 0 ? COLOUR_GOOD : COLOUR_BAD),
                exited ? "exit status" : "killed by signal", number, terminal_colour(COLOUR_PLAIN),
                when_format_clock(started, json_number(result, "started_at")),
                when_format_span(duration, json_number(result, "duration_usec")),
                when_format_span(user, json_number(result, "user_usec")),
                when_format_span(system, json_number(result, "system_usec")));
        print_words("Standard error", result, "errors", "errors_size");
        print_words("End of standard output", result, "output", "output_size");
}

static void print_number(const char *name, json_object *run, const char *key) {
        if (json_object_object_get_ex(run, key, NULL))
                (void) printf("%12s:  %" PRIu64 "\n", name, json_number(run, key));
}

static void print_when(const char *name, json_object *run, const char *key) {
        char when[WHEN_SIZE];

        if (json_object_object_get_ex(run, key, NULL))
                print_field(name, when_format(when, json_number(run, key)));
}

/* Somebody's name, and in brackets what else tells who that is. */
static void print_named(const char *title, const char *name, const char *about) {
        _cleanup_free_ char *name_escaped = terminal_escape(name, strlen(name), false);
        _cleanup_free_ char *about_escaped = terminal_escape(about, strlen(about), false);

        (void) printf("%12s:  %s (%s)\n", title, name_escaped ? name_escaped : "",
                      about_escaped ? about_escaped : "");
}

static void print_owner(json_object *run) {
        const char *owner = json_text(run, "port_owner"), *uuid = json_text(run, "port_owner_uuid");

        if (*owner && *uuid)
                print_named("Port's owner", owner, uuid);
        else
                print_field("Port's owner", *owner ? owner : uuid);
}

static void print_caller(json_object *run) {
        char about[64];

        if (!json_object_object_get_ex(run, "caller_pid", NULL)) /* the journal does not know it */
                return;
        (void) snprintf(about, sizeof(about), "pid %" PRIu64 ", uid %" PRIu64,
                        json_number(run, "caller_pid"), json_number(run, "caller_uid"));
        print_named("Caller", json_text(run, "caller_comm"), about);
}

/* Whoever looks at a hook that hangs will want to look at its process. */
static void print_running(json_object *run) {
        char about[32];

        if (!json_object_object_get_ex(run, "pid", NULL))
                return;
        (void) snprintf(about, sizeof(about), "pid %" PRIu64, json_number(run, "pid"));
        print_named("Running now", json_text(run, "script"), about);
}

/* libvirt's error ends with the script's last words, which may be several lines. */
static void print_message(const char *message) {
        const char *name = "Message:";
        size_t size = strlen(message);

        while (size > 0 && message[size - 1] == '\n')
                size--;
        for (const char *line = message, *end = message + size; line < end; name = "") {
                size_t n = strcspn(line, "\n");
                _cleanup_free_ char *escaped = terminal_escape(line, n, false);

                (void) printf("%13s  %s\n", name, escaped ? escaped : "");
                line += n + 1;
        }
}

static void print_run(json_object *run) {
        char span[WHEN_SIZE];
        json_object *results;

        terminal_print(run_record_colour(run), terminal_sign(SIGN_THERE));
        (void) putchar(' ');
        run_record_print_title(run);
        print_field("Run", json_text(run, "run"));
        print_field("Object", json_text(run, "object"));
        print_field("Uuid", json_text(run, "uuid"));
        print_field("Suboperation", json_text(run, "suboperation"));
        print_field("Extra", json_text(run, "extra"));
        print_field("Effect", json_text(run, "effect"));
        print_field("Reason", json_text(run, "reason"));
        print_when("Queued", run, "queued_at");
        print_when("Started", run, "started_at");
        when_format_span(span, json_number(run, "duration_usec"));
        if (json_number(run, "started_at") > 0)
                print_field(streq(json_text(run, "state"), "running") ? "So far" : "Took", span);
        print_field("Port", json_text(run, "port_uuid"));
        print_field("Port's MAC", json_text(run, "port_mac"));
        print_owner(run);
        print_caller(run);
        print_field("Unit", json_text(run, "caller_unit"));
        print_running(run);
        print_message(json_text(run, "message"));
        if (json_object_object_get_ex(run, "results", &results))
                for (size_t i = 0; i < json_object_array_length(results); i++)
                        print_result(json_object_array_get_idx(results, i));
}

/* What is known of a run by its entry in the journal alone. */
static void print_recorded(json_object *run) {
        print_run(run);
        print_field("Script", json_text(run, "script"));
        print_number("Exit status", run, "status");
        print_number("Signal", run, "signal");
        print_field("Via", json_text(run, "via"));
        (void) puts(
                "\n    This is from the journal. The service does not know the run, or what its "
                "scripts printed.");
}

/* Returns 1; 0 where the service does not know the run; or a negative errno, which has been told
 * of. */
static int ask_service(const Options *options, const char *text, json_object **ret) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        if (connection_open(&bus, options) < 0)
                return -EHOSTUNREACH;
        r = service_find_run(bus, text, false, &id);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = connection_new_call(bus, &call, "GetRun");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", id);
        if (r >= 0)
                r = connection_call(bus, call, false, &reply);
        if (r < 0)
                return r;
        r = message_read_dictionary(reply, ret);
        if (r < 0)
                complain("the service's answer makes no sense: %s", strerror(-r));
        return r < 0 ? r : 1;
}

/* The same for the journal. */
static int ask_journal(const char *text, json_object **ret) {
        int r = journal_history_find(&query, text, ret);

        if (r == -ENOTUNIQ)
                service_complain_ambiguous(text);
        else if (r < 0)
                (void) journal_history_complain(&query, r);
        return r;
}

/* The service is not there, which is no reason not to look into the journal. */
static bool is_absent(int r) {
        return r == -EHOSTUNREACH || r == -ENXIO;
}

static int show(const Options *options, int n_arguments, char **arguments) {
        _cleanup_(json_put_pointer) json_object *run = NULL;
        bool has_journal = history_query_set_bus(&query, options), recorded = false;
        int asked = 0, r;

        if (service_read_run_id(arguments[0]) < 0)
                return EXIT_USAGE;
        r = asked = query.directory ? 0 : ask_service(options, arguments[0], &run);
        if ((asked == 0 || is_absent(asked)) && has_journal)
                recorded = (r = ask_journal(arguments[0], &run)) > 0;
        if (r == 0 && asked == 0)
                service_complain_no_run(options, arguments[0]);
        if (r <= 0)
                return EXIT_TROUBLE;
        if (options->json)
                json_print_line(run);
        else if (recorded)
                print_recorded(run);
        else
                print_run(run);
        return EXIT_SUCCESS;
}

const Verb verb_show = {
        .name = "show",
        .arguments = "RUN",
        .summary = "Show everything about a run, also what its scripts printed",
        .help = "      --directory=DIR    Look into the journal files in DIR, and do not ask the service\n",
        .min_arguments = 1,
        .max_arguments = 1,
        .options = show_options,
        .parse = parse,
        .run = show,
};
