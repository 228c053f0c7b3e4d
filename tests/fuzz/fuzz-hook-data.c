/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is wrapped into <hookData> must still be about the same network and port, as we read it and
 * as libvirt does. A network document, then after a NUL a port; where there is none, a sample.
 */

#include "document.h"
#include "fuzz.h"
#include "hook-data.h"
#include "port-sample.h"
#include "tree.h"

static const DocumentLimits limits = { .size = 1024 * 1024, .depth = 32 };
static const DocumentLimits wrapped_limits = { .size = 2 * 1024 * 1024, .depth = 33 };

/* Returns whether it is a document of KIND: then *info has it. */
static bool is_document(const Bytes *bytes, DocumentKind kind, const DocumentLimits *within,
                        DocumentInfo *info) {
        _cleanup_free_ char *problem = NULL;

        return document_check(bytes->data, bytes->size, kind, within, info, &problem) >= 0 &&
               info->kind == kind;
}

static void must_be_same(const char *a, const char *b) {
        must(streq(a ? a : "", b ? b : ""));
}

static void check_wrapped(const Bytes *wrapped, const DocumentInfo *network,
                          const DocumentInfo *port) {
        xmlDocPtr tree = tree_parse(wrapped->data, wrapped->size);
        _cleanup_free_ char *problem = NULL;
        DocumentInfo info;

        must(document_check(wrapped->data, wrapped->size, DOCUMENT_NETWORK, &wrapped_limits, &info,
                            &problem) == 0);
        must(info.kind == DOCUMENT_HOOK_DATA && info.has_port == !!port);
        must_be_same(info.name, network->name);
        must_be_same(info.uuid, network->uuid);
        if (port) {
                must_be_same(info.port_uuid, port->port_uuid);
                must_be_same(info.port_mac, port->port_mac);
                must_be_same(info.port_owner, port->port_owner);
                must_be_same(info.port_owner_uuid, port->port_owner_uuid);
        }
        tree_must_agree(tree, &info);
        must(xmlChildElementCount(xmlDocGetRootElement(tree)) == 1UL + !!port);
        document_info_clear(&info);
        xmlFreeDoc(tree);
}

static void wrap(const Bytes *network, const DocumentInfo *network_info, const Bytes *port,
                 const DocumentInfo *port_info) {
        _cleanup_(bytes_unref_pointer) Bytes *wrapped = NULL;

        must(hook_data_new(&wrapped, network, port) == 0);
        check_wrapped(wrapped, network_info, port_info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Pieces pieces = { (const char *) data, size };
        _cleanup_(bytes_unref_pointer) Bytes *network = NULL, *port = NULL;
        DocumentInfo network_info = {}, port_info = {};
        char *text = pieces_next(&pieces);

        must(bytes_new_take(&network, text, strlen(text)) == 0);
        text = pieces_rest(&pieces, &size);
        must(bytes_new_take(&port, text, size) == 0);
        if (is_document(network, DOCUMENT_NETWORK, &limits, &network_info)) {
                wrap(network, &network_info, NULL, NULL);
                if (port->size == 0) {
                        port = bytes_unref(port);
                        must(port_sample_new(&port, network, network_info.uuid) == 0);
                        must(is_document(port, DOCUMENT_PORT, &limits, &port_info));
                        wrap(network, &network_info, port, &port_info);
                } else if (is_document(port, DOCUMENT_PORT, &limits, &port_info))
                        wrap(network, &network_info, port, &port_info);
        }
        document_info_clear(&network_info);
        document_info_clear(&port_info);
        return 0;
}
