/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks run: one hook call by hand. It goes by Run(), which gives the scripts' own words and
 * status.
 */

#include <signal.h>
#include <stdio.h>

#include "bytes.h"
#include "complain.h"
#include "connection.h"
#include "document-file.h"
#include "hook-data.h"
#include "hooks-directories.h"
#include "message-json.h"
#include "quantity.h"
#include "script-failure.h"
#include "service.h"
#include "terminal.h"
#include "text.h"
#include "verbs.h"

enum {
        OPTION_XML = VERB_OPTION,
        OPTION_PORT_XML,
        OPTION_TIMEOUT,
};

static const struct option run_options[] = {
        { "xml", required_argument, NULL, OPTION_XML },
        { "port-xml", required_argument, NULL, OPTION_PORT_XML },
        { "timeout", required_argument, NULL, OPTION_TIMEOUT },
        {},
};

static struct {
        const char *xml, *port_xml; /* files; "-" is standard input */
        uint64_t timeout;           /* microseconds; 0 where the service's settings hold */
} arguments;

static int parse(int option, const char *argument) {
        switch (option) {
        case OPTION_XML:
                arguments.xml = argument;
                return 0;
        case OPTION_PORT_XML:
                arguments.port_xml = argument;
                return 0;
        default:
                if (quantity_parse_time(argument, &arguments.timeout) >= 0)
                        return 0;
                complain("'%s' is no time; write it as 30s or 5min", argument);
                return -EINVAL;
        }
}

/* What goes to the scripts. With a port it is made into what libvirt makes of the two. */
static int read_document(Bytes **ret) {
        _cleanup_(bytes_unref_pointer) Bytes *main = NULL, *port = NULL;
        int r;

        r = document_file_read(arguments.xml, &main);
        if (r >= 0)
                r = document_file_read(arguments.port_xml, &port);
        if (r < 0)
                return r;
        if (!port) {
                *ret = TAKE_PTR(main);
                return 0;
        }
        r = main ? hook_data_new(ret, main, port) : -EBADMSG;
        if (r < 0)
                complain("--port-xml goes with a network in --xml: %s",
                         r == -EBADMSG ? "one of them is missing or is no XML" : strerror(-r));
        return r;
}

static int make_call(sd_bus *bus, int n, char **words, sd_bus_message **ret) {
        _cleanup_(bytes_unref_pointer) Bytes *document = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = read_document(&document);
        if (r < 0)
                return r;
        fd = bytes_to_sealed_fd("virt-hooks-document", document ? document->data : NULL,
                                document ? document->size : 0);
        if (fd < 0) {
                complain("the document cannot be passed on: %s", strerror(-fd));
                return fd;
        }
        r = connection_new_call(bus, &call, "Run");
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "sssssh", words[0], words[1], words[2],
                                  n > 3 ? words[3] : "", n > 4 ? words[4] : "", fd);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0 && arguments.timeout > 0)
                r = sd_bus_message_append(call, "{sv}", "timeout", "t", arguments.timeout);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r < 0) {
                complain("the call cannot be made: %s; are all arguments valid text?",
                         strerror(-r));
                return r;
        }
        *ret = TAKE_PTR(call);
        return 0;
}

/* What the service answered. */
typedef struct Answer {
        const char *outcome, *run;
        int32_t status;
        Bytes *output, *errors;
        json_object *details;
} Answer;

static void answer_clear(Answer *answer) {
        bytes_unref(answer->output);
        bytes_unref(answer->errors);
        json_put_pointer(&answer->details);
}

static int read_answer(sd_bus_message *reply, Answer *answer) {
        int output_fd, errors_fd, r;

        r = sd_bus_message_read(reply, "sihhs", &answer->outcome, &answer->status, &output_fd,
                                &errors_fd, &answer->run);
        if (r >= 0)
                r = message_read_dictionary(reply, &answer->details);
        if (r >= 0)
                r = bytes_new_sealed(&answer->output, output_fd, SIZE_MAX);
        if (r >= 0)
                r = bytes_new_sealed(&answer->errors, errors_fd, SIZE_MAX);
        if (r < 0)
                complain("the service's answer makes no sense: %s", strerror(-r));
        return r;
}

static int exit_status(const Answer *answer) {
        if (streq(answer->outcome, "success") || streq(answer->outcome, "no-script"))
                return EXIT_SUCCESS;
        if (streq(answer->outcome, "failed"))
                return answer->status;
        if (streq(answer->outcome, "killed"))
                return EXIT_KILLED + answer->status;
        return streq(answer->outcome, "timed-out") ? EXIT_TIMED_OUT : EXIT_NO_VERDICT;
}

/* What scripts printed: as it is into a file, harmless on a terminal. */
static void print_bytes(FILE *stream, const Bytes *bytes) {
        _cleanup_free_ char *escaped = NULL;

        if (bytes->size == 0)
                return;
        if (!isatty(fileno(stream))) {
                (void) fwrite(bytes->data, 1, bytes->size, stream);
                return;
        }
        escaped = terminal_escape(bytes->data, bytes->size, true);
        (void) fputs(escaped ? escaped : "", stream);
}

/* Our own words begin on a line of their own. */
static void print_errors(const Bytes *errors) {
        if (errors->size == 0)
                return;
        (void) fflush(stdout);
        print_bytes(stderr, errors);
        if (errors->data[errors->size - 1] != '\n')
                (void) fputc('\n', stderr);
}

/* Where the service looks for scripts: "/a, /b". NULL where it does not say. Ownership: the caller
 * frees it. */
static char *list_directories(sd_bus *bus) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(json_put_pointer) json_object *properties = NULL;
        _cleanup_strv_ char **directories = NULL;
        json_object *list;

        if (service_get_properties(bus, &properties, &error) < 0 ||
            !json_object_object_get_ex(properties, "HooksDirectories", &list))
                return NULL;
        for (size_t i = 0; i < json_object_array_length(list); i++)
                if (strv_add(&directories,
                             json_object_get_string(json_object_array_get_idx(list, i))) < 0)
                        return NULL;
        return directories ? hooks_directories_to_string(directories) : NULL;
}

/* The daemon has no name. */
static const char *object_name(char **words) {
        return *words[1] ? words[1] : "-";
}

/* That is a success, but seldom what somebody wants who calls a hook by hand. */
static void tell_of_no_script(sd_bus *bus, const Options *options, char **words) {
        _cleanup_free_ char *directories = list_directories(bus);
        _cleanup_free_ char *command = connection_command(options);

        complain("%s %s %s: no script ran; those of %s are looked for in %s: '%s scripts' lists "
                 "what is there",
                 words[0], object_name(words), words[2], words[0],
                 directories ? directories : "the service's directories",
                 command ? command : "virt-hooks");
}

/* The message of a script's own failure is for programs, and has again what the script wrote. */
static void tell_of_failure(const Answer *answer, char **words) {
        const char *remedy = json_text(answer->details, "remedy");
        _cleanup_free_ char *own = NULL;

        if (streq(answer->outcome, "failed"))
                own = script_failure_remedy(answer->status, (const char *) answer->errors->data,
                                            answer->errors->size);
        if (own)
                remedy = own;
        complain("%s %s %s: %s (%s)%s%s", words[0], object_name(words), words[2],
                 json_text(answer->details, "reason"), json_text(answer->details, "effect"),
                 *remedy ? "; " : "", remedy);
}

static int print_answer(sd_bus *bus, const Options *options, const Answer *answer, char **words) {
        print_bytes(stdout, answer->output);
        print_errors(answer->errors);
        if (streq(answer->outcome, "no-script"))
                tell_of_no_script(bus, options, words);
        else if (*json_text(answer->details, "reason"))
                tell_of_failure(answer, words);
        return exit_status(answer);
}

static int print_json(const Answer *answer) {
        _cleanup_(json_put_pointer) json_object *object = json_object_new_object();
        json_object *details = answer->details;
        int r;

        if (!object)
                return trouble("out of memory");
        r = json_take(object, "run", json_object_new_string(answer->run));
        if (r >= 0)
                r = json_take(object, "outcome", json_object_new_string(answer->outcome));
        if (r >= 0)
                r = json_take(object, "status", json_object_new_int(answer->status));
        if (r >= 0)
                r = json_take_bytes(object, "output", answer->output->data, answer->output->size);
        if (r >= 0)
                r = json_take_bytes(object, "errors", answer->errors->data, answer->errors->size);
        json_object_object_foreach(details, key, value) {
                if (r >= 0)
                        r = json_take(object, key, json_object_get(value));
        }
        if (r < 0)
                return trouble("out of memory");
        json_print_line(object);
        return exit_status(answer);
}

/* What somebody is told who ends the waiting. A handler may write it, but not make it. */
static char *farewell;

static int prepare_farewell(const Options *options) {
        _cleanup_free_ char *command = connection_command(options), *text = NULL, *escaped = NULL;

        if (command)
                text = text_format("a hook that runs by now goes on; '%s list' shows it, '%s "
                                   "cancel' with its id ends it",
                                   command, command);
        if (text)
                escaped = terminal_escape(text, strlen(text), false);
        farewell = escaped ? text_format("%s: %s\n", program_invocation_short_name, escaped) : NULL;
        return farewell ? 0 : -ENOMEM;
}

/* The signal comes once more, to end us as it does without us: SA_RESETHAND. */
static void on_signal(int number) {
        ssize_t n = write(STDERR_FILENO, farewell, strlen(farewell));

        (void) n; /* we end all the same */
        (void) raise(number);
}

/* HANDLER is on_signal while there may be a hook that goes on without us, otherwise SIG_DFL. A call
 * that still waits for its turn, or for a password, goes with its caller; which of them it is
 * nobody has told us. */
static void watch_signals(void (*handler)(int number)) {
        static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
        const struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESETHAND };
        struct sigaction before;

        for (size_t i = 0; i < ELEMENTS(numbers); i++)
                if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
                        (void) sigaction(numbers[i], &action, NULL);
}

static int call_and_wait(sd_bus *bus, const Options *options, sd_bus_message *call,
                         sd_bus_message **ret_reply) {
        int r = prepare_farewell(options);

        if (r < 0) {
                complain("out of memory");
                return r;
        }
        watch_signals(on_signal);
        r = connection_call(bus, call, true, ret_reply);
        watch_signals(SIG_DFL);
        free(farewell);
        return r;
}

static int run(const Options *options, int n_words, char **words) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_(answer_clear) Answer answer = {};
        HookType type = hook_type_from_string(words[0]);

        /* What is no type here may be a newer service's. */
        if (type != HOOK_TYPE_INVALID &&
            document_file_check_names(type, arguments.xml, "--xml", arguments.port_xml) < 0)
                return EXIT_USAGE;
        if (connection_open(&bus, options) < 0)
                return EXIT_NO_VERDICT;
        if (sd_bus_can_send(bus, 'h') <= 0) {
                complain("a document cannot be passed over this connection; call virt-hooks run on "
                         "that machine itself");
                return EXIT_NO_VERDICT;
        }
        if (make_call(bus, n_words, words, &call) < 0 ||
            call_and_wait(bus, options, call, &reply) < 0 || read_answer(reply, &answer) < 0)
                return EXIT_NO_VERDICT;
        return options->json ? print_json(&answer) : print_answer(bus, options, &answer, words);
}

const Verb verb_run = {
        .name = "run",
        .arguments = "TYPE OBJECT OPERATION [SUBOPERATION [EXTRA]]",
        .summary = "Run a hook now, print its output and exit with its script's status",
        .help = "      --xml=FILE         The document of the guest or network; - is standard input\n"
                "      --port-xml=FILE    The port, for a network's port-created and port-deleted\n"
                "      --timeout=TIME     End the scripts after TIME\n",
        .min_arguments = 3,
        .max_arguments = 5,
        .options = run_options,
        .parse = parse,
        .run = run,
};
