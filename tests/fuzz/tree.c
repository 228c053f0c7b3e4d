/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tree.h"

#include <libxml/xpath.h>
#include <stdio.h>
#include <uuid.h>

#include "fuzz.h"
#include "text.h"

/* Those of document.c. */
#define ATTRIBUTES_MAX 256U
#define NAMESPACES_MAX 1024U
#define VALUE_MAX_SIZE 255U

xmlDocPtr tree_parse(const char *data, size_t size) {
        xmlParserCtxtPtr context = xmlNewParserCtxt();
        xmlDocPtr tree;

        must(context);
        tree = xmlCtxtReadMemory(context, data, (int) size, NULL, NULL,
                                 XML_PARSE_NONET | XML_PARSE_HUGE | XML_PARSE_IGNORE_ENC |
                                         XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        xmlFreeParserCtxt(context);
        return tree;
}

static xmlXPathObjectPtr evaluate(xmlDocPtr tree, const char *function, const char *path) {
        xmlXPathContextPtr context = xmlXPathNewContext(tree);
        xmlXPathObjectPtr object;
        char expression[256];

        must(context);
        (void) snprintf(expression, sizeof(expression), "%s(%s)", function, path);
        object = xmlXPathEvalExpression((const xmlChar *) expression, context);
        must(object);
        xmlXPathFreeContext(context);
        return object;
}

static unsigned count(xmlDocPtr tree, const char *path) {
        xmlXPathObjectPtr object = evaluate(tree, "count", path);
        unsigned n = (unsigned) object->floatval;

        xmlXPathFreeObject(object);
        return n;
}

/* As libvirt reads it. Ownership: the caller frees it. */
static char *string_at(xmlDocPtr tree, const char *path) {
        xmlXPathObjectPtr object = evaluate(tree, "string", path);
        char *s = strdup((const char *) object->stringval);

        must(s);
        xmlXPathFreeObject(object);
        return s;
}

/* The paths of the parts of a kind of document. */
typedef struct Paths {
        const char *root, *name, *uuid;
        const char *port, *port_uuid, *port_mac, *owner, *owner_uuid;
} Paths;

static const Paths paths[] = {
        [DOCUMENT_DOMAIN] = { "/domain", "/domain/name", "/domain/uuid", NULL, NULL, NULL, NULL,
                              NULL },
        [DOCUMENT_NETWORK] = { "/network", "/network/name", "/network/uuid", NULL, NULL, NULL, NULL,
                               NULL },
        [DOCUMENT_PORT] = { "/networkport", NULL, NULL, "/networkport", "/networkport/uuid",
                            "/networkport/mac/@address", "/networkport/owner/name",
                            "/networkport/owner/uuid" },
        [DOCUMENT_HOOK_DATA] = { "/hookData", "/hookData/network/name", "/hookData/network/uuid",
                                 "/hookData/networkport", "/hookData/networkport/uuid",
                                 "/hookData/networkport/mac/@address",
                                 "/hookData/networkport/owner/name",
                                 "/hookData/networkport/owner/uuid" },
};

static bool is_plain(xmlDocPtr tree, const char *path) {
        _cleanup_free_ char *s = string_at(tree, path);

        return strlen(s) <= VALUE_MAX_SIZE && !text_find_control(s);
}

/* Whether the texts at PATH are as often there as they may be, short enough, and uuids if UUID. */
static bool is_fine(xmlDocPtr tree, const char *path, bool needed, bool uuid) {
        _cleanup_free_ char *s = string_at(tree, path);
        unsigned n = count(tree, path);
        uuid_t parsed;

        if (n == 0)
                return !needed;
        return n == 1 && strlen(s) <= VALUE_MAX_SIZE && (!uuid || uuid_parse(s, parsed) >= 0) &&
               (uuid || !needed || *s) && (uuid || !text_find_control(s));
}

static bool is_sensible(const xmlNode *node, unsigned *n_namespaces) {
        unsigned n = 0;

        if (node->type != XML_ELEMENT_NODE)
                return true;
        for (const xmlAttr *a = node->properties; a; a = a->next)
                n++;
        for (const xmlNs *ns = node->nsDef; ns; ns = ns->next) {
                ++*n_namespaces;
                n++;
        }
        if (n > ATTRIBUTES_MAX || *n_namespaces > NAMESPACES_MAX)
                return false;
        for (const xmlNode *child = node->children; child; child = child->next)
                if (!is_sensible(child, n_namespaces))
                        return false;
        return true;
}

bool tree_is_acceptable(xmlDocPtr tree, DocumentKind kind) {
        const Paths *p = &paths[kind];
        unsigned n_namespaces = 0;
        bool port;

        if (kind == DOCUMENT_NETWORK && count(tree, "/hookData") == 1)
                p = &paths[DOCUMENT_HOOK_DATA];
        if (tree->intSubset || count(tree, p->root) != 1 ||
            !is_sensible(xmlDocGetRootElement(tree), &n_namespaces))
                return false;
        if (p == &paths[DOCUMENT_HOOK_DATA] && count(tree, "/hookData/network") != 1)
                return false;
        if (p->name &&
            (!is_fine(tree, p->name, true, false) || !is_fine(tree, p->uuid, true, true)))
                return false;
        port = p->port && count(tree, p->port) > 0;
        return !port || (count(tree, p->port) == 1 && is_fine(tree, p->port_uuid, true, true) &&
                         is_fine(tree, p->owner, false, false) && is_plain(tree, p->port_mac) &&
                         is_fine(tree, p->owner_uuid, false, true));
}

static void must_be(xmlDocPtr tree, const char *path, const char *value) {
        _cleanup_free_ char *s = string_at(tree, path);

        must(streq(s, value ? value : ""));
}

static void must_be_uuid(xmlDocPtr tree, const char *path, const char *value) {
        _cleanup_free_ char *s = string_at(tree, path);
        char lower[UUID_TEXT_SIZE];
        uuid_t uuid;

        if (!*value) {
                must(count(tree, path) == 0);
                return;
        }
        must(uuid_parse(s, uuid) >= 0);
        uuid_unparse_lower(uuid, lower);
        must(streq(lower, value));
}

void tree_must_agree(xmlDocPtr tree, const DocumentInfo *info) {
        const Paths *p = &paths[info->kind];

        must(tree && !tree->intSubset);
        must(count(tree, p->root) == 1);
        if (p->name) {
                must_be(tree, p->name, info->name);
                must_be_uuid(tree, p->uuid, info->uuid);
        }
        must(info->has_port == (p->port && count(tree, p->port) > 0));
        if (!info->has_port)
                return;
        must_be_uuid(tree, p->port_uuid, info->port_uuid);
        must_be(tree, p->port_mac, info->port_mac);
        must_be(tree, p->owner, info->port_owner);
        must_be_uuid(tree, p->owner_uuid, info->port_owner_uuid);
}
