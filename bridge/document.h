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

#include "document-info.h"

typedef struct DocumentLimits {
        uint64_t size;  /* bytes */
        uint64_t depth; /* elements inside each other, the root is 1 */
} DocumentLimits;

/*
 * Sets libxml2 up and brings its code into memory, so that the first document, which somebody waits
 * for, takes no longer than others. The first use of libxml2 would do the former, too.
 */
void document_set_up(void);
void document_clean_up(void);

/*
 * Checks the SIZE bytes at DATA. EXPECTED is the kind it must be; for DOCUMENT_NETWORK a <hookData>
 * is as good, and info->kind tells. Returns 0, with *info filled (document_info_clear() it); or,
 * with *ret_problem set to a sentence's second half such as "is empty" or "has a DTD" (free() it),
 * -EBADMSG where the document is wrong, -E2BIG where it is beyond LIMITS; or -ENOMEM.
 */
int document_check(const char *data, size_t size, DocumentKind expected,
                   const DocumentLimits *limits, DocumentInfo *info, char **ret_problem);
