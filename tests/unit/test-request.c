/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The gate: which arguments and documents get past it, and what is said to the others.
 */

#include "request.h"
#include "support.h"

#include <stdio.h>

#include "bus-names.h"
#include "text.h"

#define UUID      "5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11"
#define PORT_UUID "6da5607b-ed8c-4c06-9f6a-7a9102a34147"

#define DOMAIN_OF(name) "<domain><name>" name "</name><uuid>" UUID "</uuid></domain>"
#define DOMAIN          DOMAIN_OF("web-01")
#define NETWORK         "<network><name>default</name><uuid>" UUID "</uuid></network>"
#define PORT                                                                                       \
        "<networkport><uuid>" PORT_UUID "</uuid><owner><name>web-01</name><uuid>" UUID             \
        "</uuid></owner><mac address='52:54:00:12:34:56'/></networkport>"

static const DocumentLimits wide_limits = { .size = 4 * 1024 * 1024, .depth = 128 };

static Request *request_of(HookType type, const char *object, const char *operation) {
        const RequestArguments arguments = {
                .type = type,
                .object = object,
                .operation = operation,
                .suboperation = "",
                .extra = "",
        };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *request = NULL;

        if (request_new(&request, &arguments, &error) < 0)
                fail_msg("%s", error.message);
        return request;
}

/* The error has NAME and tells WHAT, in words that the bus carries. It is freed. */
static void assert_error(sd_bus_error *error, int r, const char *name, const char *what) {
        assert_true(r < 0);
        if (!sd_bus_error_is_set(error))
                fail_msg("There is no error, but %d", r);
        if (!streq(error->name, name))
                fail_msg("%s: %s", error->name, error->message);
        assert_has(error->message, what);
        if (!text_is_sendable(error->message, strlen(error->message)))
                fail_msg("The bus would not carry '%s'", error->message);
        sd_bus_error_free(error);
}

static void assert_refused(const RequestArguments *arguments, const char *name, const char *what) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *request = NULL;
        int r = request_new(&request, arguments, &error);

        assert_error(&error, r, name, what);
        assert_null(request);
}

static void test_a_request_has_what_was_asked_for(void **state) {
        const RequestArguments arguments = {
                HOOK_QEMU, "web-01", "release", "end", "crashed", false
        };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *request;

        assert_int_equal(request_new(&request, &arguments, &error), 0);
        assert_int_equal(request->operation.type, HOOK_QEMU);
        assert_string_equal(request->operation.name, "release");
        assert_int_equal(request->operation.on_failure, HOOK_EFFECT_IGNORED);
        assert_string_equal(request->object, "web-01");
        assert_string_equal(request->suboperation, "end");
        assert_string_equal(request->extra, "crashed");
        assert_null(request->document);
        assert_null(request->environment);
        assert_int_equal(request->timeout, 0); /* the settings hold */
        assert_null(request_free(request));
        assert_null(request_free(NULL));
}

static void test_empty_arguments_stand_for_the_tables(void **state) {
        Request *request = request_of(HOOK_QEMU, "web-01", "stopped");

        assert_string_equal(request->suboperation, "end");
        assert_string_equal(request->extra, "-");
        request_free(request);

        request = request_of(HOOK_DAEMON, "", "reload");
        assert_string_equal(request->object, "-");
        assert_string_equal(request->suboperation, "begin");
        assert_string_equal(request->extra, "SIGHUP");
        request_free(request);

        request = request_of(HOOK_DAEMON, "-", "shutdown");
        assert_string_equal(request->object, "-");
        assert_string_equal(request->suboperation, "-");
        assert_string_equal(request->extra, "shutdown");
        request_free(request);
}

static void test_operations_that_the_type_lacks_are_refused(void **state) {
        assert_refused(&(RequestArguments){ HOOK_QEMU, "web-01", "port-created", "", "", false },
                       ERROR_UNKNOWN_OPERATION,
                       "There is no qemu operation 'port-created' for 'web-01': libvirt has "
                       "prepare, start, ");
        assert_refused(&(RequestArguments){ HOOK_LXC, "c1", "", "", "", false },
                       ERROR_UNKNOWN_OPERATION, "'' for 'c1'");
        assert_refused(&(RequestArguments){ HOOK_DAEMON, "-", "stop", "", "", false },
                       ERROR_UNKNOWN_OPERATION, "start, shutdown, reload");
}

static void test_another_suboperation_is_refused(void **state) {
        assert_refused(&(RequestArguments){ HOOK_QEMU, "web-01", "start", "end", "", false },
                       ERROR_UNKNOWN_OPERATION, "has the sub-operation 'begin', not 'end'");
        assert_refused(&(RequestArguments){ HOOK_DAEMON, "-", "start", "begin", "", false },
                       ERROR_UNKNOWN_OPERATION, "has the sub-operation '-', not 'begin'");
}

static void test_extra_may_be_any_text(void **state) {
        static const char *const extras[] = { "from snapshot", "--help", "a/b", "$(x) 'y' \"z\"",
                                              "z\xc3\xbcrich" };

        for (size_t i = 0; i < ELEMENTS(extras); i++) {
                const RequestArguments arguments = { HOOK_QEMU, "web-01",  "release",
                                                     "",        extras[i], false };
                sd_bus_error error = SD_BUS_ERROR_NULL;
                Request *request;

                assert_int_equal(request_new(&request, &arguments, &error), 0);
                assert_string_equal(request->extra, extras[i]);
                request_free(request);
        }
}

static void test_names_of_objects(void **state) {
        static const char *const good[] = { "a",      ".",      "..",        "-",
                                            "--help", "web 01", "$(reboot)", "z\xc3\xbcrich",
                                            "\\",     "*",      "'" };

        for (size_t i = 0; i < ELEMENTS(good); i++) {
                Request *request = request_of(HOOK_QEMU, good[i], "start");

                assert_string_equal(request->object, good[i]);
                request_free(request);
        }
}

static void assert_name_refused(const char *name, const char *what) {
        assert_refused(&(RequestArguments){ HOOK_QEMU, name, "start", "", "", false },
                       SD_BUS_ERROR_INVALID_ARGS, what);
        assert_refused(&(RequestArguments){ HOOK_NETWORK, name, "start", "", "", true },
                       SD_BUS_ERROR_INVALID_ARGS, what);
}

static void test_names_that_nothing_can_have(void **state) {
        assert_name_refused("", "needs the name of its object");
        assert_name_refused("/etc/passwd", "'/etc/passwd' has a slash");
        assert_name_refused("../x", "has a slash");
        assert_name_refused("web\n01", "'web...' has a control character");
        assert_name_refused("web\x7f", "has a control character");
        assert_name_refused("web\xc2\x85", "has a control character");
        assert_name_refused("\t", "has a control character");
}

static void test_the_daemon_has_no_object(void **state) {
        assert_refused(&(RequestArguments){ HOOK_DAEMON, "web-01", "start", "", "", false },
                       SD_BUS_ERROR_INVALID_ARGS, "'web-01'");
}

static void test_arguments_have_at_most_255_bytes(void **state) {
        char text[257] = "";
        RequestArguments arguments = { HOOK_QEMU, text, "release", "", "", false };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *request;

        memset(text, 'x', 255);
        arguments.extra = text;
        assert_int_equal(request_new(&request, &arguments, &error), 0);
        request_free(request);

        text[255] = 'x';
        arguments.object = "web-01";
        assert_refused(&arguments, SD_BUS_ERROR_INVALID_ARGS, "256 bytes");
        arguments.extra = "";
        arguments.object = text;
        assert_refused(&arguments, SD_BUS_ERROR_INVALID_ARGS, "256 bytes");
        arguments.object = "web-01";
        arguments.suboperation = text;
        assert_refused(&arguments, SD_BUS_ERROR_INVALID_ARGS, "256 bytes");
        arguments.suboperation = "";
        arguments.operation = text;
        assert_refused(&arguments, SD_BUS_ERROR_INVALID_ARGS, "256 bytes");
}

static void test_control_characters_are_refused_in_all_arguments(void **state) {
        assert_refused(&(RequestArguments){ HOOK_QEMU, "web-01", "start\n", "", "", false },
                       SD_BUS_ERROR_INVALID_ARGS, "'start...' for 'web-01' has a control");
        assert_refused(&(RequestArguments){ HOOK_QEMU, "web-01", "start", "begin\r", "", true },
                       SD_BUS_ERROR_INVALID_ARGS, "'begin...' for 'web-01' has a control");
        assert_refused(&(RequestArguments){ HOOK_QEMU, "web-01", "start", "", "a\x1b", false },
                       SD_BUS_ERROR_INVALID_ARGS, "'a...' for 'web-01' has a control");
        assert_refused(&(RequestArguments){ HOOK_QEMU, "web-01", "new\n", "", "", true },
                       SD_BUS_ERROR_INVALID_ARGS, "'new...' for 'web-01' has a control");
}

static void test_a_lenient_request_passes_on_what_is_unknown(void **state) {
        const RequestArguments arguments = { HOOK_QEMU, "web-01", "resize", "", "", true };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *request;

        log_start(*state);
        assert_int_equal(request_new(&request, &arguments, &error), 0);
        assert_has(log_end(*state), "qemu web-01: operation 'resize' is not known here");
        assert_string_equal(request->operation.name, "resize");
        assert_string_equal(request->suboperation, "-");
        assert_string_equal(request->extra, "-");
        assert_int_equal(request->operation.type, HOOK_QEMU);
        assert_int_equal(request->operation.input, HOOK_INPUT_ANY);
        assert_int_equal(request->operation.on_failure, HOOK_EFFECT_ABORT);
        assert_true(request->lenient);
        request_free(request);
}

static void test_a_lenient_request_passes_on_another_suboperation(void **state) {
        const RequestArguments arguments = { HOOK_QEMU, "web-01", "start", "middle", "", true };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *request;

        log_start(*state);
        assert_int_equal(request_new(&request, &arguments, &error), 0);
        assert_has(log_end(*state), "sub-operation 'middle' is not known here");
        assert_string_equal(request->operation.name, "start");
        assert_string_equal(request->suboperation, "middle");
        request_free(request);
}

static void test_a_lenient_request_needs_an_operation_and_a_name(void **state) {
        assert_refused(&(RequestArguments){ HOOK_QEMU, "web-01", "", "", "", true },
                       ERROR_UNKNOWN_OPERATION, "''");
        assert_refused(&(RequestArguments){ HOOK_QEMU, "a/b", "resize", "", "", true },
                       SD_BUS_ERROR_INVALID_ARGS, "slash");
}

static void leave_alone(void *owner) {
}

static Bytes *bytes_of_size(const char *text, size_t size) {
        Bytes *bytes;

        assert_int_equal(bytes_new(&bytes, text, size, leave_alone, NULL), 0);
        return bytes;
}

/* Gives REQUEST the texts, of which PORT, and then MAIN, may be NULL. */
static int set_document(Request *request, const char *main_text, const char *port_text,
                        const DocumentLimits *limits, sd_bus_error *error) {
        Bytes *main_bytes = main_text ? bytes_of_size(main_text, strlen(main_text)) : NULL;
        Bytes *port_bytes = port_text ? bytes_of_size(port_text, strlen(port_text)) : NULL;
        int r;

        r = request_set_document(request, main_bytes, port_bytes, limits, error);
        bytes_unref(main_bytes); /* the request has its own reference */
        bytes_unref(port_bytes);
        return r;
}

/* Makes a request, gives it the documents, which must be fine, and returns it. */
static Request *request_with(HookType type, const char *object, const char *operation,
                             const char *main_text, const char *port_text) {
        Request *request = request_of(type, object, operation);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        if (set_document(request, main_text, port_text, &wide_limits, &error) < 0)
                fail_msg("%s", error.message);
        return request;
}

static void assert_document(const Request *request, const char *expected) {
        assert_non_null(request->document);
        assert_int_equal(request->document->size, strlen(expected));
        assert_memory_equal(request->document->data, expected, strlen(expected));
}

static void assert_document_refused(HookType type, const char *object, const char *operation,
                                    const char *main_text, const char *port_text, const char *name,
                                    const char *what) {
        Request *request = request_of(type, object, operation);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = set_document(request, main_text, port_text, &wide_limits, &error);

        if (r < 0 && sd_bus_error_is_set(&error) && type != HOOK_DAEMON)
                assert_has(error.message, object);
        assert_error(&error, r, name, what);
        assert_null(request->document);
        request_free(request);
}

static void test_a_guest_gets_its_document(void **state) {
        Bytes *bytes = bytes_of_size(DOMAIN, strlen(DOMAIN));
        Request *request = request_of(HOOK_QEMU, "web-01", "start");
        sd_bus_error error = SD_BUS_ERROR_NULL;

        assert_int_equal(request_set_document(request, bytes, NULL, &wide_limits, &error), 0);
        assert_ptr_equal(request->document, bytes); /* not a copy */
        assert_string_equal(request->info.name, "web-01");
        assert_string_equal(request->info.uuid, UUID);
        bytes_unref(bytes);
        request_free(request);
}

static void test_documents_of_guests_that_are_refused(void **state) {
        assert_document_refused(HOOK_QEMU, "web-01", "start", NULL, NULL, ERROR_INVALID_DOCUMENT,
                                "is empty: pass what 'virsh dumpxml' prints");
        assert_document_refused(HOOK_QEMU, "web-01", "start", "", NULL, ERROR_INVALID_DOCUMENT,
                                "is empty");
        assert_document_refused(HOOK_QEMU, "web-02", "start", DOMAIN, NULL, ERROR_INVALID_DOCUMENT,
                                "is about 'web-01', not about 'web-02'");
        assert_document_refused(HOOK_LXC, "web-01", "start", NETWORK, NULL, ERROR_INVALID_DOCUMENT,
                                "<network>, not <domain>");
        assert_document_refused(HOOK_LIBXL, "web-01", "migrate", "<domain>", NULL,
                                ERROR_INVALID_DOCUMENT, "not well-formed");
}

static void test_a_document_beyond_the_limits_is_told_so(void **state) {
        static const DocumentLimits small = { .size = sizeof(DOMAIN) - 2, .depth = 128 };
        static const DocumentLimits flat = { .size = 65536, .depth = 1 };
        Request *request = request_of(HOOK_QEMU, "web-01", "start");
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = set_document(request, DOMAIN, NULL, &small, &error);

        assert_error(&error, r, ERROR_LIMIT_EXCEEDED, "virt-hooks.conf");
        r = set_document(request, DOMAIN, NULL, &flat, &error);
        assert_error(&error, r, ERROR_LIMIT_EXCEEDED, "inside each other");
        assert_null(request->document);
        request_free(request);
}

static void test_a_network_is_wrapped(void **state) {
        Request *request = request_with(HOOK_NETWORK, "default", "start", NETWORK "\n", NULL);

        assert_document(request, "<hookData>\n  " NETWORK "\n</hookData>");
        assert_string_equal(request->info.name, "default");
        assert_string_equal(request->info.uuid, UUID);
        assert_false(request->info.has_port);
        request_free(request);
}

static void test_a_port_is_wrapped_with_its_network(void **state) {
        Request *request = request_with(HOOK_NETWORK, "default", "port-created", NETWORK, PORT);

        assert_document(request, "<hookData>\n  " NETWORK "\n  " PORT "\n</hookData>");
        assert_string_equal(request->info.name, "default");
        assert_true(request->info.has_port);
        assert_string_equal(request->info.port_uuid, PORT_UUID);
        assert_string_equal(request->info.port_mac, "52:54:00:12:34:56");
        assert_string_equal(request->info.port_owner, "web-01");
        assert_string_equal(request->info.port_owner_uuid, UUID);
        request_free(request);
}

static void test_hook_data_is_passed_on_as_it_is(void **state) {
        Request *request = request_with(HOOK_NETWORK, "default", "started",
                                        "<hookData>" NETWORK "</hookData>\n", NULL);

        assert_document(request, "<hookData>" NETWORK "</hookData>\n");
        request_free(request);

        request = request_with(HOOK_NETWORK, "default", "port-deleted",
                               "<hookData>" NETWORK PORT "</hookData>", NULL);
        assert_document(request, "<hookData>" NETWORK PORT "</hookData>");
        assert_true(request->info.has_port);
        assert_string_equal(request->info.port_owner, "web-01");
        request_free(request);
}

static void test_documents_of_networks_that_are_refused(void **state) {
        static const struct {
                const char *object, *operation, *network, *port, *what;
        } wrong[] = {
                { "default", "start", DOMAIN, NULL, "<domain>, not <network>" },
                { "other", "start", NETWORK, NULL, "is about 'default', not about 'other'" },
                { "default", "start", NULL, NULL, "is empty" },
                { "default", "start", NETWORK, PORT, "comes with a port" },
                { "default", "start", "<hookData>" NETWORK PORT "</hookData>", NULL,
                  "comes with a port" },
                { "default", "port-created", NETWORK, NULL, "comes without a port" },
                { "default", "port-created", "<hookData>" NETWORK "</hookData>", NULL,
                  "comes without a port" },
                { "default", "port-created", "<hookData>" NETWORK PORT "</hookData>", PORT,
                  "is a <hookData> already" },
                { "default", "port-created", NETWORK, NETWORK, "<network>, not <networkport>" },
                { "default", "port-created", NETWORK, "<networkport/>", "no <uuid>" },
                { "default", "port-created", NETWORK, "", "is empty" },
                { "default", "port-created", PORT, NETWORK, "<networkport>, not <network>" },
        };

        for (size_t i = 0; i < ELEMENTS(wrong); i++)
                assert_document_refused(HOOK_NETWORK, wrong[i].object, wrong[i].operation,
                                        wrong[i].network, wrong[i].port, ERROR_INVALID_DOCUMENT,
                                        wrong[i].what);
}

static void test_network_and_port_count_together(void **state) {
        static const DocumentLimits limits = { .size = sizeof(NETWORK PORT) - 2, .depth = 8 };
        Request *request = request_of(HOOK_NETWORK, "default", "port-created");
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = set_document(request, NETWORK, PORT, &limits, &error);

        assert_error(&error, r, ERROR_LIMIT_EXCEEDED, "MaxDocument=");
        request_free(request);
}

static void test_the_daemon_has_no_document(void **state) {
        Request *request = request_with(HOOK_DAEMON, "-", "start", NULL, NULL);

        assert_null(request->document);
        request_free(request);
        assert_document_refused(HOOK_DAEMON, "-", "start", DOMAIN, NULL, ERROR_INVALID_DOCUMENT,
                                "has no document");
}

/* TEXT in UTF-16, which the caller frees. */
static Bytes *utf16_of(const char *text) {
        size_t n = strlen(text);
        char *wide = calloc(n, 2);
        Bytes *bytes;

        assert_non_null(wide);
        for (size_t i = 0; i < n; i++)
                wide[2 * i] = text[i];
        assert_int_equal(bytes_new_take(&bytes, wide, 2 * n), 0);
        return bytes;
}

static void test_a_document_in_another_encoding_is_refused(void **state) {
        static const char *const texts[] = { "<?xml version='1.0'?>" DOMAIN,
                                             "<?xml version='1.0'?>" NETWORK };
        static const HookType types[] = { HOOK_QEMU, HOOK_NETWORK };

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                Request *request = request_of(types[i], i == 0 ? "web-01" : "default", "start");
                sd_bus_error error = SD_BUS_ERROR_NULL;
                Bytes *bytes = utf16_of(texts[i]);
                int r = request_set_document(request, bytes, NULL, &wide_limits, &error);

                assert_error(&error, r, ERROR_INVALID_DOCUMENT, "");
                bytes_unref(bytes);
                request_free(request);
        }
}

static Request *lenient_request(const char *operation, HookType type, const char *object) {
        const RequestArguments arguments = { type, object, operation, "", "", true };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *request;

        assert_int_equal(request_new(&request, &arguments, &error), 0);
        return request;
}

static void test_a_lenient_request_passes_on_what_it_does_not_understand(void **state) {
        static const char *const texts[] = { "<guest/>", "no XML", DOMAIN_OF("web-02"),
                                             "<domain><name>web-01</name></domain>" };

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                Request *request = lenient_request("start", HOOK_QEMU, "web-01");
                sd_bus_error error = SD_BUS_ERROR_NULL;

                log_start(*state);
                assert_int_equal(set_document(request, texts[i], NULL, &wide_limits, &error), 0);
                assert_has(log_end(*state), "It is passed on as it is.");
                assert_document(request, texts[i]);
                assert_false(sd_bus_error_is_set(&error));
                assert_null(request->info.name);
                assert_string_equal(request->info.uuid, "");
                request_free(request);
        }
}

static void test_a_lenient_request_understands_what_it_can(void **state) {
        Request *request = lenient_request("start", HOOK_NETWORK, "default");
        sd_bus_error error = SD_BUS_ERROR_NULL;

        log_start(*state);
        assert_int_equal(set_document(request, NETWORK, NULL, &wide_limits, &error), 0);
        assert_string_equal(log_end(*state), "");
        assert_document(request, "<hookData>\n  " NETWORK "\n</hookData>");
        assert_string_equal(request->info.name, "default");
        request_free(request);
}

static void test_a_lenient_request_has_limits_all_the_same(void **state) {
        static const DocumentLimits small = { .size = 16, .depth = 128 };
        Request *request = lenient_request("start", HOOK_QEMU, "web-01");
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = set_document(request, DOMAIN, NULL, &small, &error);

        assert_error(&error, r, ERROR_LIMIT_EXCEEDED, "bytes");
        assert_null(request->document);
        request_free(request);
}

static void test_an_unknown_operation_takes_any_document(void **state) {
        static const char *const texts[] = { NULL, DOMAIN, "no XML" };

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                Request *request;
                sd_bus_error error = SD_BUS_ERROR_NULL;

                log_start(*state);
                request = lenient_request("resize", HOOK_QEMU, "web-01");
                assert_int_equal(set_document(request, texts[i], NULL, &wide_limits, &error), 0);
                (void) log_end(*state);
                if (texts[i])
                        assert_document(request, texts[i]);
                else
                        assert_null(request->document);
                request_free(request);
        }
}

static void test_an_environment_replaces_the_services(void **state) {
        char *environment[] = {
                (char *) "LC_ALL=C",     (char *) "LD_PRELOAD=x.so", (char *) "LD_LIBRARY_PATH=/x",
                (char *) "PATH=/bin",    (char *) "HOME=/root",      (char *) "USER=root",
                (char *) "LOGNAME=root", (char *) "TMPDIR=",         NULL
        };
        Request *request = request_of(HOOK_QEMU, "web-01", "start");
        sd_bus_error error = SD_BUS_ERROR_NULL;

        assert_int_equal(request_set_environment(request, environment, &error), 0);
        for (size_t i = 0; i < ELEMENTS(environment) - 1; i++) {
                assert_string_equal(request->environment[i], environment[i]);
                assert_ptr_not_equal(request->environment[i], environment[i]); /* copies */
        }
        assert_null(request->environment[8]);
        request_free(request);
}

static void test_an_empty_environment_is_one(void **state) {
        Request *request = request_of(HOOK_QEMU, "web-01", "start");
        sd_bus_error error = SD_BUS_ERROR_NULL;

        assert_int_equal(request_set_environment(request, NULL, &error), 0);
        assert_non_null(request->environment);
        assert_null(request->environment[0]);
        request_free(request);
}

static void assert_environment_refused(char *variable, const char *what) {
        char *environment[] = { (char *) "LC_ALL=C", variable, NULL };
        Request *request = request_of(HOOK_QEMU, "web-01", "start");
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = request_set_environment(request, environment, &error);

        assert_error(&error, r, SD_BUS_ERROR_INVALID_ARGS, what);
        assert_null(request->environment);
        request_free(request);
}

static void test_only_libvirts_variables_are_taken(void **state) {
        static const char *const bad[] = { "",           "PATH",    "=x",
                                           "BASH_ENV=x", "path=x",  "PATH =x",
                                           " PATH=x",    "PATHX=x", "VIRT_HOOKS_RUN=x",
                                           "LC_ALLX=" };

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_environment_refused((char *) bad[i], "libvirt passes only LC_ALL, ");
}

static void test_a_variable_comes_once(void **state) {
        assert_environment_refused((char *) "LC_ALL=POSIX", "twice");
}

static void test_variables_are_not_endless(void **state) {
        char *variable = malloc(65538 + 1);

        assert_non_null(variable);
        memset(variable, 'x', 65538);
        variable[65538] = '\0';
        memcpy(variable, "PATH=", 5);
        assert_environment_refused(variable, "65536");
        free(variable);
}

static void test_what_libvirt_passes_is_never_refused(void **state) {
        const RequestArguments odd = { HOOK_QEMU, "a/b\n\xff", "frobnicate", "", "x\ty", false };
        const RequestArguments known = { HOOK_QEMU, "web-01", "reconnect", "begin", "-", false };
        Request *request;

        assert_int_equal(request_new_unchecked(&request, &odd), 0);
        assert_string_equal(request->object, "a/b\n\xff");
        assert_string_equal(request->operation.name, "frobnicate");
        assert_string_equal(request->suboperation, "");
        assert_string_equal(request->extra, "x\ty");
        assert_true(request->operation.filter);
        assert_int_equal(request->operation.on_failure, HOOK_EFFECT_ABORT);
        request_free(request);

        assert_int_equal(request_new_unchecked(&request, &known), 0);
        assert_false(request->operation.filter);
        assert_int_equal(request->operation.on_failure, HOOK_EFFECT_KILL);
        request_free(request);
}

static void assert_output(const char *text, size_t size, int expected, const char *what) {
        Request *request = request_with(HOOK_QEMU, "web-01", "migrate", DOMAIN, NULL);
        char *problem = NULL;

        assert_int_equal(request->check_output(request, text, size, &wide_limits, &problem),
                         expected);
        if (expected < 0)
                assert_has(problem, what);
        else
                assert_null(problem);
        free(problem);
        request_free(request);
}

static void assert_output_refused(const char *text, const char *what) {
        assert_output(text, strlen(text), -EBADMSG, what);
}

static void test_a_filter_may_change_all_but_the_identity(void **state) {
        static const char *const good[] = {
                DOMAIN,
                "<?xml version='1.0'?>\n" DOMAIN "\n",
                ("<domain id='7'><uuid>5C1B3B7E-7F0E-4A5E-9A52-0D2F3F0C9B11</uuid><memory>1</memory>"
                 "<name>web<![CDATA[-]]>01</name></domain>"),
        };

        for (size_t i = 0; i < ELEMENTS(good); i++)
                assert_output(good[i], strlen(good[i]), 0, NULL);
}

static void test_outputs_that_nothing_can_go_on_with(void **state) {
        assert_output_refused("Done.", "not well-formed");
        assert_output_refused("", "is empty");
        assert_output_refused(NETWORK, "<network>, not <domain>");
        assert_output_refused(DOMAIN_OF("web-02"), "has the name 'web-02' instead of 'web-01'");
        assert_output_refused("<domain><name>web-01</name>"
                              "<uuid>6da5607b-ed8c-4c06-9f6a-7a9102a34147</uuid></domain>",
                              "has the uuid " PORT_UUID " instead of " UUID);
        assert_output_refused("<!DOCTYPE domain>" DOMAIN, "DTD");
        assert_output_refused(DOMAIN "\xff", "not well-formed");
        assert_output(DOMAIN "\0x", strlen(DOMAIN) + 2, -EBADMSG, "not");
}

static void test_an_output_that_the_bus_would_not_carry_is_refused(void **state) {
        assert_output_refused("<domain><name>web-01</name><uuid>" UUID
                              "</uuid><title>\xef\xb7\x90</title></domain>",
                              "D-Bus");
}

static void test_an_output_beyond_the_limits_is_refused(void **state) {
        static const DocumentLimits small = { .size = 64, .depth = 128 };
        Request *request = request_with(HOOK_QEMU, "web-01", "migrate", DOMAIN, NULL);
        char *problem = NULL;

        assert_int_equal(request->check_output(request, DOMAIN, strlen(DOMAIN), &small, &problem),
                         -EBADMSG);
        assert_has(problem, "more than the 64 that are allowed");
        free(problem);
        request_free(request);
}

/*
 * Errors that quote long text cut it. Wherever the cut is, the message must be one that the bus
 * carries, or the caller never gets its reply.
 */
static void test_errors_that_cut_text_can_be_sent(void **state) {
        for (size_t shift = 0; shift < 4; shift++) {
                char name[512], *text, *assignment;
                size_t n = shift;

                memset(name, 'x', shift);
                while (n < 400)
                        n += strlen(strcpy(name + n, "\xf0\x9f\x98\x80"));

                assert_refused(&(RequestArguments){ HOOK_QEMU, name, "start", "", "", false },
                               SD_BUS_ERROR_INVALID_ARGS, "bytes");
                assert_refused(&(RequestArguments){ HOOK_DAEMON, name, "start", "", "", false },
                               SD_BUS_ERROR_INVALID_ARGS, "has no object");

                assert_true(asprintf(&assignment, "X%s=", name) > 0);
                assert_environment_refused(assignment, "libvirt passes only");
                free(assignment);

                assert_true(asprintf(&text,
                                     "<domain><name>%.*s</name><uuid>" UUID "</uuid></domain>",
                                     (int) shift + 240, name) > 0);
                assert_document_refused(HOOK_QEMU, "web-01", "start", text, NULL,
                                        ERROR_INVALID_DOCUMENT, "is about ");
                free(text);
        }
}

static void test_a_root_element_of_any_name_can_be_told(void **state) {
        for (size_t shift = 0; shift < 3; shift++) {
                char name[256] = "", text[300];
                size_t n = shift;

                memset(name, 'x', shift);
                while (n < 200)
                        n += strlen(strcpy(name + n, "\xe4\xb8\xad"));
                (void) snprintf(text, sizeof(text), "<%s/>", name);
                assert_document_refused(HOOK_QEMU, "web-01", "start", text, NULL,
                                        ERROR_INVALID_DOCUMENT, "root element");
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_request_has_what_was_asked_for),
                cmocka_unit_test(test_empty_arguments_stand_for_the_tables),
                cmocka_unit_test(test_operations_that_the_type_lacks_are_refused),
                cmocka_unit_test(test_another_suboperation_is_refused),
                cmocka_unit_test(test_extra_may_be_any_text),
                cmocka_unit_test(test_names_of_objects),
                cmocka_unit_test(test_names_that_nothing_can_have),
                cmocka_unit_test(test_the_daemon_has_no_object),
                cmocka_unit_test(test_arguments_have_at_most_255_bytes),
                cmocka_unit_test(test_control_characters_are_refused_in_all_arguments),
                sandboxed(test_a_lenient_request_passes_on_what_is_unknown),
                sandboxed(test_a_lenient_request_passes_on_another_suboperation),
                cmocka_unit_test(test_a_lenient_request_needs_an_operation_and_a_name),
                cmocka_unit_test(test_a_guest_gets_its_document),
                cmocka_unit_test(test_documents_of_guests_that_are_refused),
                cmocka_unit_test(test_a_document_beyond_the_limits_is_told_so),
                cmocka_unit_test(test_a_network_is_wrapped),
                cmocka_unit_test(test_a_port_is_wrapped_with_its_network),
                cmocka_unit_test(test_hook_data_is_passed_on_as_it_is),
                cmocka_unit_test(test_documents_of_networks_that_are_refused),
                cmocka_unit_test(test_network_and_port_count_together),
                cmocka_unit_test(test_the_daemon_has_no_document),
                cmocka_unit_test(test_a_document_in_another_encoding_is_refused),
                sandboxed(test_a_lenient_request_passes_on_what_it_does_not_understand),
                sandboxed(test_a_lenient_request_understands_what_it_can),
                cmocka_unit_test(test_a_lenient_request_has_limits_all_the_same),
                sandboxed(test_an_unknown_operation_takes_any_document),
                cmocka_unit_test(test_an_environment_replaces_the_services),
                cmocka_unit_test(test_an_empty_environment_is_one),
                cmocka_unit_test(test_only_libvirts_variables_are_taken),
                cmocka_unit_test(test_a_variable_comes_once),
                cmocka_unit_test(test_variables_are_not_endless),
                cmocka_unit_test(test_what_libvirt_passes_is_never_refused),
                cmocka_unit_test(test_a_filter_may_change_all_but_the_identity),
                cmocka_unit_test(test_outputs_that_nothing_can_go_on_with),
                cmocka_unit_test(test_an_output_that_the_bus_would_not_carry_is_refused),
                cmocka_unit_test(test_an_output_beyond_the_limits_is_refused),
                cmocka_unit_test(test_errors_that_cut_text_can_be_sent),
                cmocka_unit_test(test_a_root_element_of_any_name_can_be_told),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
