/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sample port. It is written as libvirt writes it, single quotes and all: scripts look at
 * documents with sed(1).
 */

#include "port-sample.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <uuid.h>

#define OWNER "rehearsal"

/* A uuid that is always the same for the same network and PURPOSE. */
static void make_uuid(const char *network_uuid, const char *purpose,
                      char text[static UUID_TEXT_SIZE]) {
        uuid_t space, uuid;

        if (uuid_parse(network_uuid, space) < 0)
                uuid_clear(space);
        uuid_generate_sha1(uuid, space, purpose, strlen(purpose));
        uuid_unparse_lower(uuid, text);
}

static void write_escaped(FILE *stream, const char *text) {
        for (; *text; text++)
                switch (*text) {
                case '&':
                        (void) fputs("&amp;", stream);
                        break;
                case '<':
                        (void) fputs("&lt;", stream);
                        break;
                case '>':
                        (void) fputs("&gt;", stream);
                        break;
                case '\'':
                        (void) fputs("&apos;", stream);
                        break;
                case '"':
                        (void) fputs("&quot;", stream);
                        break;
                default:
                        (void) fputc(*text, stream);
                }
}

/* The ATTRIBUTE of the network's child ELEMENT, or NULL. Ownership: the caller frees it. */
static char *find_attribute(const xmlNode *network, const char *element, const char *attribute) {
        for (xmlNode *node = network->children; node; node = node->next)
                if (node->type == XML_ELEMENT_NODE && streq((const char *) node->name, element))
                        return (char *) xmlGetNoNsProp(node, (const xmlChar *) attribute);
        return NULL;
}

/* The <network> itself or the one in <hookData>; NULL where there is none. */
static const xmlNode *find_network(xmlDoc *document) {
        const xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;

        if (!root || !streq((const char *) root->name, "hookData"))
                return root;
        for (const xmlNode *node = root->children; node; node = node->next)
                if (node->type == XML_ELEMENT_NODE && streq((const char *) node->name, "network"))
                        return node;
        return NULL;
}

/* What the guest's interface is plugged into, where the document says so. */
static void write_plug(FILE *stream, const Bytes *text) {
        _cleanup_free_ char *bridge = NULL, *mode = NULL;
        xmlDoc *document = xmlReadMemory(text->data, (int) text->size, NULL, NULL,
                                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                                 XML_PARSE_IGNORE_ENC);
        const xmlNode *network = find_network(document);

        if (network) {
                bridge = find_attribute(network, "bridge", "name");
                mode = find_attribute(network, "forward", "mode");
        }
        xmlFreeDoc(document);
        if (!bridge)
                return;
        (void) fprintf(stream, "  <plug type='%s' bridge='",
                       mode && streq(mode, "bridge") ? "bridge" : "network");
        write_escaped(stream, bridge);
        (void) fputs("'/>\n", stream);
}

int port_sample_new(Bytes **ret, const Bytes *network, const char *network_uuid) {
        char port_uuid[UUID_TEXT_SIZE], owner_uuid[UUID_TEXT_SIZE];
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return -ENOMEM;
        make_uuid(network_uuid, "port", port_uuid);
        make_uuid(network_uuid, "owner", owner_uuid);
        (void) fprintf(stream,
                       "<networkport>\n"
                       "  <uuid>%s</uuid>\n"
                       "  <owner>\n"
                       "    <name>" OWNER "</name>\n"
                       "    <uuid>%s</uuid>\n"
                       "  </owner>\n"
                       "  <mac address='52:54:00:12:34:56'/>\n",
                       port_uuid, owner_uuid);
        write_plug(stream, network);
        (void) fputs("</networkport>\n", stream);
        if (fclose(stream) != 0)
                return -ENOMEM;
        return bytes_new_take(ret, TAKE_PTR(text), size);
}
