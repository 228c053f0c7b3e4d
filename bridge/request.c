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
#include "hook-data.h"
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

/* What makes documents of this kind, for whoever passed a bad one. */
static const char *document_remedy(DocumentKind kind) {
        switch (kind) {
        case DOCUMENT_DOMAIN:
                return "pass what 'virsh dumpxml' prints";
        case DOCUMENT_PORT:
                return "pass what 'virsh net-port-dumpxml' prints";
        default:
                return "pass what 'virsh net-dumpxml' prints, or the <hookData> that libvirt made of it";
        }
}

static int document_refuse(const Request *request, const char *what, DocumentKind kind,
                           const char *name, const char *problem, sd_bus_error *error) {
        return bus_error_setf(error, name, "The %s document for %s '%s' %s: %s", what,
                              hook_type_to_string(request->operation.type), request->object,
                              problem, document_remedy(kind));
}

static int check_part(const Request *request, const char *what, DocumentKind kind,
                      const Bytes *part, const DocumentLimits *limits, DocumentInfo *info,
                      sd_bus_error *error) {
        _cleanup_free_ char *problem = NULL;
        int r;

        r = document_check(part ? part->data : "", part ? part->size : 0, kind, limits, info,
                           &problem);
        if (r == -EBADMSG)
                return document_refuse(request, what, kind, ERROR_INVALID_DOCUMENT, problem, error);
        if (r == -E2BIG)
                return bus_error_setf(
                        error, ERROR_LIMIT_EXCEEDED,
                        "The %s document for %s '%s' %s: the limits are in virt-hooks.conf", what,
                        hook_type_to_string(request->operation.type), request->object, problem);
        return r;
}

static int check_name(const Request *request, const char *what, DocumentKind kind,
                      sd_bus_error *error) {
        _cleanup_free_ char *problem = NULL;

        if (streq(request->info.name, request->object))
                return 0;
        if (asprintf(&problem, "is about '%.64s', not about '%s'", request->info.name,
                     request->object) < 0)
                return -ENOMEM;
        return document_refuse(request, what, kind, ERROR_INVALID_DOCUMENT, problem, error);
}

static int set_domain(Request *request, Bytes *domain, const DocumentLimits *limits,
                      sd_bus_error *error) {
        int r;

        r = check_part(request, "domain", DOCUMENT_DOMAIN, domain, limits, &request->info, error);
        if (r < 0)
                return r;
        r = check_name(request, "domain", DOCUMENT_DOMAIN, error);
        if (r < 0)
                return r;
        request->document = bytes_ref(domain);
        return 0;
}

static int refuse_port(const Request *request, bool has_port, sd_bus_error *error) {
        return document_refuse(request, "network", DOCUMENT_NETWORK, ERROR_INVALID_DOCUMENT,
                               has_port ? "comes with a port, and this operation is not about one"
                                        : "comes without a port, and this operation is about one",
                               error);
}

/* Moves what PORT says about the port into the request's own description. */
static void take_port_info(Request *request, DocumentInfo *port) {
        request->info.has_port = true;
        memcpy(request->info.port_uuid, port->port_uuid, sizeof(port->port_uuid));
        memcpy(request->info.port_owner_uuid, port->port_owner_uuid, sizeof(port->port_owner_uuid));
        request->info.port_mac = TAKE_PTR(port->port_mac);
        request->info.port_owner = TAKE_PTR(port->port_owner);
        document_info_clear(port);
}

static int set_network(Request *request, Bytes *network, Bytes *port, const DocumentLimits *limits,
                       sd_bus_error *error) {
        bool wants_port = request->operation.input == HOOK_INPUT_PORT;
        DocumentInfo port_info;
        int r;

        r = check_part(request, "network", DOCUMENT_NETWORK, network, limits, &request->info,
                       error);
        if (r < 0)
                return r;
        r = check_name(request, "network", DOCUMENT_NETWORK, error);
        if (r < 0)
                return r;
        if (request->info.kind == DOCUMENT_HOOK_DATA) {
                if (port)
                        return document_refuse(
                                request, "network", DOCUMENT_NETWORK, ERROR_INVALID_DOCUMENT,
                                "is a <hookData> already, and a port came beside it", error);
                if (request->info.has_port != wants_port)
                        return refuse_port(request, request->info.has_port, error);
                request->document = bytes_ref(network);
                return 0;
        }

        if (!port == wants_port)
                return refuse_port(request, port, error);
        if (port && network->size + port->size > limits->size)
                return bus_error_setf(
                        error, ERROR_LIMIT_EXCEEDED,
                        "The network and port documents for %s '%s' have %zu bytes, more than "
                        "the %" PRIu64 " that are allowed: raise MaxDocument= in virt-hooks.conf",
                        hook_type_to_string(request->operation.type), request->object,
                        network->size + port->size, limits->size);
        if (port) {
                r = check_part(request, "port", DOCUMENT_PORT, port, limits, &port_info, error);
                if (r < 0)
                        return r;
                take_port_info(request, &port_info);
        }
        return hook_data_new(&request->document, network, port);
}

static int set_none(Request *request, const Bytes *document, sd_bus_error *error) {
        if (document)
                return bus_error_setf(
                        error, ERROR_INVALID_DOCUMENT,
                        "The daemon hook has no document, but %zu bytes came with '%s': "
                        "pass none, or /dev/null",
                        document->size, request->operation.name);
        return 0;
}

static int set_checked(Request *request, Bytes *main, Bytes *port, const DocumentLimits *limits,
                       sd_bus_error *error) {
        switch (request->operation.input) {
        case HOOK_INPUT_NONE:
                return set_none(request, main, error);
        case HOOK_INPUT_DOMAIN:
                return set_domain(request, main, limits, error);
        case HOOK_INPUT_NETWORK:
        case HOOK_INPUT_PORT:
                return set_network(request, main, port, limits, error);
        case HOOK_INPUT_ANY: /* nobody knows what is right, so nothing is wrong */
                request->document = main ? bytes_ref(main) : NULL;
                return 0;
        }
        assert(false);
        return -EINVAL;
}

int request_set_document(Request *request, Bytes *main, Bytes *port, const DocumentLimits *limits,
                         sd_bus_error *error) {
        _cleanup_(sd_bus_error_free) sd_bus_error problem = SD_BUS_ERROR_NULL;
        int r;

        r = set_checked(request, main, port, limits, &problem);
        if (r >= 0 || !sd_bus_error_is_set(&problem))
                return r;
        if (!request->lenient || sd_bus_error_has_name(&problem, ERROR_LIMIT_EXCEEDED))
                return sd_bus_error_move(error, &problem);

        /* A newer libvirt may send what we do not understand, and its hooks do. */
        log_entry(LOG_WARNING, JOURNAL_ID_UNKNOWN_REQUEST, NULL, "%s. It is passed on as it is.",
                  problem.message);
        document_info_clear(&request->info);
        request->document = main ? bytes_ref(main) : NULL;
        return 0;
}

/* Source: virCommandAddEnvPassCommon() in libvirt's src/util/vircommand.c. */
static const char *const environment_names[] = {
        "LC_ALL=", "LD_PRELOAD=", "LD_LIBRARY_PATH=", "PATH=",
        "HOME=",   "USER=",       "LOGNAME=",         "TMPDIR=",
};

/* The index of ASSIGNMENT's name, or that behind the last. */
static size_t environment_name(const char *assignment) {
        size_t i = 0;

        while (i < ELEMENTS(environment_names) &&
               strncmp(assignment, environment_names[i], strlen(environment_names[i])) != 0)
                i++;
        return i;
}

static int check_assignment(const Request *request, const char *assignment, bool *seen,
                            sd_bus_error *error) {
        size_t i = environment_name(assignment);

        if (i == ELEMENTS(environment_names))
                return bus_error_setf(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "The environment for '%s' has '%.64s': libvirt passes only LC_ALL, "
                        "LD_PRELOAD, LD_LIBRARY_PATH, PATH, HOME, USER, LOGNAME and TMPDIR",
                        request->object, assignment);
        if (seen[i])
                return bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                      "The environment for '%s' has %s twice: pass it once",
                                      request->object, environment_names[i]);
        if (strlen(assignment) > ENVIRONMENT_VARIABLE_MAX)
                return bus_error_setf(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "The environment for '%s' has '%.32s...' of more than %u bytes: shorten it",
                        request->object, assignment, ENVIRONMENT_VARIABLE_MAX);
        seen[i] = true;
        return 0;
}

int request_set_environment(Request *request, char *const *environment, sd_bus_error *error) {
        bool seen[ELEMENTS(environment_names)] = {};
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

int request_check_output(const Request *request, const char *data, size_t size,
                         const DocumentLimits *limits, char **ret_problem) {
        DocumentInfo info;
        int r;

        r = document_check(data, size, DOCUMENT_DOMAIN, limits, &info, ret_problem);
        if (r == -E2BIG)
                return -EBADMSG;
        if (r < 0)
                return r;

        if (!streq(info.name, request->info.name))
                r = asprintf(ret_problem, "has the name '%.64s' instead of '%s'", info.name,
                             request->info.name);
        else if (!streq(info.uuid, request->info.uuid))
                r = asprintf(ret_problem, "has the uuid %s instead of %s", info.uuid,
                             request->info.uuid);
        else if (!text_is_sendable(data, size))
                r = asprintf(ret_problem,
                             "is not UTF-8, or has characters that D-Bus does not carry");
        else {
                document_info_clear(&info);
                return 0;
        }
        document_info_clear(&info);
        return r < 0 ? -ENOMEM : -EBADMSG;
}
