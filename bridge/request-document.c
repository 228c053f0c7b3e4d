/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The gate's other half: documents. It is apart from the rest so that who runs hooks without
 * judging documents does without libxml2.
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
                        "The %s document for %s '%s' %s: pass less, or raise %s= in virt-hooks.conf",
                        what, hook_type_to_string(request->operation.type), request->object,
                        problem, part && part->size > limits->size ? "MaxDocument" : "MaxDepth");
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

/* What a chain of filters printed must be about the same domain as the request's document. */
static int check_output(const Request *request, const char *data, size_t size,
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
        if (!request->lenient) /* a lenient caller judges itself */
                request->check_output = check_output;
        return 0;
}

static int refuse_port(const Request *request, bool has_port, sd_bus_error *error) {
        return bus_error_setf(
                error, ERROR_INVALID_DOCUMENT, "The network document for network '%s' comes %s",
                request->object,
                has_port ? "with a port, and this operation is not about one: pass the network "
                           "alone, as 'virsh net-dumpxml' prints it"
                         : "without a port, and this operation is about one: pass what 'virsh "
                           "net-port-dumpxml' prints, too");
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
