/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The gate: what gets past it may be run. Every refusal names the object and what to do about it.
 */

#include "request.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "bus-error.h"
#include "bus-names.h"
#include "environment.h"
#include "journal-ids.h"
#include "log.h"
#include "text.h"

#define ENVIRONMENT_VARIABLE_MAX 65536U /* bytes; half of what execve(2) takes */

Request *request_free(Request *request) {
        if (!request)
                return NULL;
        free(request->object);
        free(request->suboperation);
        free(request->extra);
        free(request->unknown_operation);
        bytes_unref(request->document);
        document_info_clear(&request->info);
        strv_free(request->environment);
        free(request);
        return NULL;
}

/*
 * WHAT is the argument's name in the interface. OBJECT is whom the call is about; NULL where VALUE
 * itself is to be that.
 */
static int check_argument(const char *what, const char *value, const char *object,
                          sd_bus_error *error) {
        const char *control = text_find_control(value);
        const char *open = object ? " for '" : "", *close = object ? "'" : "";

        if (!object)
                object = "";
        /* The bus has no NULL, nor has the table. */
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
        if (strlen(value) > REQUEST_ARGUMENT_MAX)
                return bus_error_setf(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "The %s '%.32s...'%s%s%s has %zu bytes: libvirt's have at most %u", what,
                        value, open, object, close, strlen(value), REQUEST_ARGUMENT_MAX);
        if (control)
                return bus_error_setf(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "The %s '%.*s...'%s%s%s has a control character or a line break: pass it without",
                        what, (int) (control - value), value, open, object, close);
        return 0;
}

static int check_object(HookType type, const char *object, sd_bus_error *error) {
        int r;

        if (type == HOOK_DAEMON) {
                if (!streq(object, "-"))
                        return bus_error_setf(
                                error, SD_BUS_ERROR_INVALID_ARGS,
                                "The daemon hook has no object, but got '%.64s': pass '-'", object);
                return 0;
        }
        if (!*object)
                return bus_error_setf(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "The %s hook needs the name of its object, but got an empty one",
                        hook_type_to_string(type));
        r = check_argument("name", object, NULL, error);
        if (r < 0)
                return r;
        if (strchr(object, '/'))
                return bus_error_setf(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "The name '%s' has a slash, and no %s's name has one: pass the name, "
                        "not a path",
                        object, type == HOOK_NETWORK ? "network" : "guest");
        return 0;
}

/*
 * An operation of a newer libvirt: its scripts get what they would get there, and its failure is
 * taken seriously.
 */
static int request_take_unknown_operation(Request *request, const RequestArguments *arguments) {
        log_entry(LOG_WARNING, JOURNAL_ID_UNKNOWN_REQUEST, NULL,
                  "%s %s: operation '%s' is not known here, passing it on as it is",
                  hook_type_to_string(arguments->type), request->object, arguments->operation);
        request->unknown_operation = strdup(arguments->operation);
        if (!request->unknown_operation)
                return -ENOMEM;
        request->operation = (HookOperation){
                .type = arguments->type,
                .name = request->unknown_operation,
                .suboperation = "-",
                .extra = "-",
                .input = HOOK_INPUT_ANY,
                .filter = true,
                .on_failure = HOOK_EFFECT_ABORT,
        };
        return 0;
}

static int request_take_operation(Request *request, const RequestArguments *arguments,
                                  sd_bus_error *error) {
        const HookOperation *operation;
        int r;

        operation = hook_operation_find(arguments->type, arguments->operation);
        if (operation) {
                request->operation = *operation;
                return 0;
        }

        r = check_argument("operation", arguments->operation, request->object, error);
        if (r < 0)
                return r;
        if (!arguments->lenient || !*arguments->operation) {
                _cleanup_free_ char *names = hook_operation_names(arguments->type);

                return bus_error_setf(error, ERROR_UNKNOWN_OPERATION,
                                      "There is no %s operation '%s' for '%s': libvirt has %s",
                                      hook_type_to_string(arguments->type), arguments->operation,
                                      request->object, names ? names : "others");
        }
        return request_take_unknown_operation(request, arguments);
}

static int request_take_suboperation(Request *request, const RequestArguments *arguments,
                                     sd_bus_error *error) {
        const HookOperation *operation = &request->operation;
        const char *value =
                *arguments->suboperation ? arguments->suboperation : operation->suboperation;
        int r;

        r = check_argument("sub-operation", value, request->object, error);
        if (r < 0)
                return r;
        if (!streq(value, operation->suboperation)) {
                if (!arguments->lenient)
                        return bus_error_setf(
                                error, ERROR_UNKNOWN_OPERATION,
                                "The %s operation '%s' for '%s' has the sub-operation '%s', not '%s'",
                                hook_type_to_string(operation->type), operation->name,
                                request->object, operation->suboperation, value);
                log_entry(LOG_WARNING, JOURNAL_ID_UNKNOWN_REQUEST, NULL,
                          "%s %s %s: sub-operation '%s' is not known here, passing it on as it is",
                          hook_type_to_string(operation->type), request->object, operation->name,
                          value);
        }
        return replace_string(&request->suboperation, value);
}

int request_new(Request **ret, const RequestArguments *arguments, sd_bus_error *error) {
        _cleanup_(request_free_pointer) Request *request = NULL;
        const char *object = arguments->object;
        int r;

        if (arguments->type == HOOK_DAEMON && !*object)
                object = "-";
        r = check_object(arguments->type, object, error);
        if (r < 0)
                return r;

        request = malloc(sizeof(Request));
        if (!request)
                return -ENOMEM;
        *request = (Request){
                .lenient = arguments->lenient,
        };
        r = replace_string(&request->object, object);
        if (r < 0)
                return r;
        r = request_take_operation(request, arguments, error);
        if (r < 0)
                return r;
        r = request_take_suboperation(request, arguments, error);
        if (r < 0)
                return r;
        r = check_argument("extra argument", arguments->extra, request->object, error);
        if (r < 0)
                return r;
        r = replace_string(&request->extra,
                           *arguments->extra ? arguments->extra : request->operation.extra);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(request);
        return 0;
}

int request_new_unchecked(Request **ret, const RequestArguments *arguments) {
        _cleanup_(request_free_pointer) Request *request = NULL;
        const HookOperation *operation;
        int r;

        request = malloc(sizeof(Request));
        if (!request)
                return -ENOMEM;
        *request = (Request){ .lenient = true };
        r = replace_string(&request->object, arguments->object);
        if (r >= 0)
                r = replace_string(&request->suboperation, arguments->suboperation);
        if (r >= 0)
                r = replace_string(&request->extra, arguments->extra);
        if (r < 0)
                return r;
        operation = hook_operation_find(arguments->type, arguments->operation);
        if (operation)
                request->operation = *operation;
        else
                r = request_take_unknown_operation(request, arguments);
        if (r >= 0)
                *ret = TAKE_PTR(request);
        return r;
}

static int check_assignment(const Request *request, const char *assignment, bool *seen,
                            sd_bus_error *error) {
        size_t i = environment_name_index(assignment);

        if (i == ENVIRONMENT_NAMES)
                return bus_error_setf(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "The environment for '%s' has '%.64s': libvirt passes only LC_ALL, "
                        "LD_PRELOAD, LD_LIBRARY_PATH, PATH, HOME, USER, LOGNAME and TMPDIR",
                        request->object, assignment);
        if (seen[i])
                return bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                      "The environment for '%s' has %.*s twice: pass it once",
                                      request->object, (int) strcspn(assignment, "="), assignment);
        if (strlen(assignment) > ENVIRONMENT_VARIABLE_MAX)
                return bus_error_setf(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "The environment for '%s' has '%.32s...' of more than %u bytes: shorten it",
                        request->object, assignment, ENVIRONMENT_VARIABLE_MAX);
        seen[i] = true;
        return 0;
}

int request_set_environment(Request *request, char *const *environment, sd_bus_error *error) {
        bool seen[ENVIRONMENT_NAMES] = {};
        _cleanup_strv_ char **copy = NULL;
        int r;

        copy = calloc(1, sizeof(char *)); /* an empty environment is one, too */
        if (!copy)
                return -ENOMEM;
        for (char *const *e = environment; e && *e; e++) {
                r = check_assignment(request, *e, seen, error);
                if (r >= 0)
                        r = strv_add(&copy, *e);
                if (r < 0)
                        return r;
        }
        strv_free(request->environment);
        request->environment = TAKE_PTR(copy);
        return 0;
}
