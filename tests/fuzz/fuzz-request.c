/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The gate: the arguments of a call with its documents. What gets past it may become the arguments
 * of a program. Pieces: options, object, operation, sub-operation, extra, a variable of the
 * environment, the document, the port.
 */

#include "request.h"

#include "fuzz.h"
#include "text.h"

static const DocumentLimits limits = { .size = 64 * 1024, .depth = 32 };

static void must_be_argument(const char *s) {
        must(strlen(s) <= REQUEST_ARGUMENT_MAX);
        must_be_sendable(s);
        for (const unsigned char *u = (const unsigned char *) s; *u; u++)
                must(*u >= 0x20 && *u != 0x7f);
}

static void must_be_told(int r, sd_bus_error *error) {
        must(r >= 0 || r == -ENOMEM || sd_bus_error_is_set(error));
        if (sd_bus_error_is_set(error)) {
                must_be_sendable(error->message);
                must(strlen(error->message) < 4096);
        }
        sd_bus_error_free(error);
}

static void check_request(const Request *request, const RequestArguments *arguments) {
        must(request->operation.type == arguments->type);
        must_be_argument(request->object);
        must_be_argument(request->operation.name);
        must_be_argument(request->suboperation);
        must_be_argument(request->extra);
        must(*request->object && *request->operation.name && *request->suboperation &&
             *request->extra);
        must(!strchr(request->object, '/'));
        if (!arguments->lenient)
                must(hook_operation_find(arguments->type, arguments->operation));
}

static void set_environment(Request *request, const char *variable) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char *environment[] = { (char *) variable, NULL };
        int r = request_set_environment(request, environment, &error);

        if (r >= 0)
                must(strv_length(request->environment) == 1 &&
                     strchr(request->environment[0], '='));
        must_be_told(r, &error);
}

static void set_document(Request *request, Pieces *pieces, bool lenient) {
        _cleanup_(bytes_unref_pointer) Bytes *main = NULL, *port = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char *text = pieces_next(pieces);
        size_t size = strlen(text);
        int r;

        must(bytes_new_take(&main, text, size) == 0);
        text = pieces_rest(pieces, &size);
        must(bytes_new_take(&port, text, size) == 0);
        r = request_set_document(request, main->size > 0 ? main : NULL,
                                 port->size > 0 ? port : NULL, &limits, &error);
        if (r >= 0 && !lenient) {
                must(!request->document == (request->operation.type == HOOK_DAEMON));
                must(!request->document || streq(request->info.name, request->object));
                must(!request->document || strlen(request->info.uuid) == UUID_TEXT_SIZE - 1);
                must(request->info.has_port == (request->operation.input == HOOK_INPUT_PORT));
        }
        must_be_told(r, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Pieces pieces = { (const char *) data, size };
        _cleanup_free_ char *options = pieces_next(&pieces), *object = pieces_next(&pieces),
                            *operation = pieces_next(&pieces), *suboperation = pieces_next(&pieces),
                            *extra = pieces_next(&pieces), *variable = pieces_next(&pieces);
        const RequestArguments arguments = {
                .type = (unsigned char) options[0] % HOOK_TYPE_MAX,
                .object = object,
                .operation = operation,
                .suboperation = suboperation,
                .extra = extra,
                .lenient = *options && options[1] == 'l',
        };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *request;
        int r;

        /* Strings that a message cannot have do not get here. */
        if (!text_is_sendable(object, strlen(object)) ||
            !text_is_sendable(operation, strlen(operation)) ||
            !text_is_sendable(suboperation, strlen(suboperation)) ||
            !text_is_sendable(extra, strlen(extra)) ||
            !text_is_sendable(variable, strlen(variable)))
                return 0;
        r = request_new(&request, &arguments, &error);
        must_be_told(r, &error);
        if (r < 0)
                return 0;
        check_request(request, &arguments);
        set_environment(request, variable);
        set_document(request, &pieces, arguments.lenient);
        request_free(request);
        return 0;
}
