/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What libvirt hands to hooks, as far as the bridge must understand it: that it is well-formed and
 * bounded XML of the right kind, and whom it is about. Documents come from strangers and from
 * scripts: there is no DTD, no entity but the five of XML itself, no network.
 *
 * Source: https://libvirt.org/formatdomain.html, https://libvirt.org/formatnetwork.html,
 * https://libvirt.org/formatnetworkport.html.
 */

#include <stddef.h>

#include "util.h"

typedef enum DocumentKind {
        DOCUMENT_DOMAIN,    /* <domain> */
        DOCUMENT_NETWORK,   /* <network> */
        DOCUMENT_PORT,      /* <networkport> */
        DOCUMENT_HOOK_DATA, /* <hookData>: a <network>, and a <networkport> where the operation is
                               about one */
} DocumentKind;

typedef struct DocumentLimits {
        uint64_t size;  /* bytes */
        uint64_t depth; /* elements inside each other, the root is 1 */
} DocumentLimits;

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

/*
 * Checks the SIZE bytes at DATA. EXPECTED is the kind it must be; for DOCUMENT_NETWORK a <hookData>
 * is as good, and info->kind tells. Returns 0, with *info filled (document_info_clear() it); or,
 * with *ret_problem set to a sentence's second half such as "is empty" or "has a DTD" (free() it),
 * -EBADMSG where the document is wrong, -E2BIG where it is beyond LIMITS; or -ENOMEM.
 */
int document_check(const char *data, size_t size, DocumentKind expected,
                   const DocumentLimits *limits, DocumentInfo *info, char **ret_problem);
