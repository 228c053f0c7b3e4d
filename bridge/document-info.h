/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whom a document is about.
 *
 * Source: https://libvirt.org/formatdomain.html, https://libvirt.org/formatnetwork.html,
 * https://libvirt.org/formatnetworkport.html.
 */

#include "util.h"

typedef enum DocumentKind {
        DOCUMENT_DOMAIN,    /* <domain> */
        DOCUMENT_NETWORK,   /* <network> */
        DOCUMENT_PORT,      /* <networkport> */
        DOCUMENT_HOOK_DATA, /* <hookData>: a <network>, and a <networkport> where the operation is
                               about one */
} DocumentKind;

/*
 * Whom a document is about. Uuids are in libuuid's lower-case form; a text that the document does
 * not have is empty or NULL.
 */
typedef struct DocumentInfo {
        DocumentKind kind;
        char *name; /* of the domain or the network */
        char uuid[UUID_TEXT_SIZE];
        bool has_port;
        char port_uuid[UUID_TEXT_SIZE];
        char *port_mac;
        char *port_owner; /* the guest that the port belongs to */
        char port_owner_uuid[UUID_TEXT_SIZE];
} DocumentInfo;

void document_info_clear(DocumentInfo *info);
