/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The check of a document: one pass of libxml2's SAX parser, no tree. It stops at the first thing
 * that is wrong. The parser fetches what it reads next: fed piece by piece it looks for the end of
 * each tag before it reads it, and goes over each text twice; given all at once it makes a copy.
 */

#include "document.h"

#include <assert.h>
#include <inttypes.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>
#include <stdarg.h>
#include <uuid.h>

#include "markup.h"
#include "text.h"

/*
 * libxml2 compares each attribute with all others of its element, each prefix with all namespaces
 * in scope, and keeps every name: with too many of them a document that is not large takes minutes.
 */
#define ATTRIBUTES_MAX 256U
#define NAMESPACES_MAX 1024U
#define NAMES_MAX_SIZE (256U * 1024U) /* bytes of all different names */

/* The deepest elements of interest: domain/name, and hookData/networkport/owner/name. */
#define PATH_LEVELS_DOMAIN 2U
#define PATH_LEVELS        4U

/*
 * No name, uuid or MAC address is longer: libvirt keeps files that are named after its objects.
 * They go into signals and lists, and are kept with the history.
 */
#define VALUE_MAX_SIZE 255U

typedef struct Parser {
        xmlParserCtxtPtr context;
        xmlParserInputBufferPtr buffer; /* the context's */
        const char *next, *end;         /* what is yet to be fetched */
        DocumentKind expected;
        const DocumentLimits *limits;
        DocumentInfo *info;

        uint64_t depth, levels; /* deeper than LEVELS nothing is of interest */
        uint64_t n_namespaces;
        char path[128]; /* the elements from the root to here, "hookData/network/name" */
        size_t path_ends[PATH_LEVELS]; /* its length at each depth */
        bool path_valid[PATH_LEVELS];  /* false where a name was too long to be of interest */

        char **value; /* where the text of the element at value_depth goes */
        uint64_t value_depth;
        char *uuid;        /* the uuids as the document has them; checked at the end of each */
        bool seen_network; /* inside <hookData> */

        int r; /* the first thing that was wrong */
        char *problem;
} Parser;

_printf_(3, 4)
static void parser_fail(Parser *p, int r, const char *format, ...) {
        va_list arguments;

        if (p->r < 0)
                return;
        p->r = r;
        va_start(arguments, format);
        p->problem = text_vformat(format, arguments);
        va_end(arguments);
        if (!p->problem)
                p->r = -ENOMEM;
        xmlStopParser(p->context);
}

/*
 * As XPath's string() has it, and so libvirt: the text of the element and of all that is inside it.
 */
static void on_text(void *userdata, const xmlChar *text, int size) {
        Parser *p = userdata;
        size_t length;
        char *grown;

        if (p->r < 0 || size <= 0)
                return;
        length = strlen(*p->value);
        if (length + (size_t) size > VALUE_MAX_SIZE) {
                parser_fail(p, -EBADMSG, "has a name or uuid of more than %u bytes",
                            VALUE_MAX_SIZE);
                return;
        }
        grown = realloc(*p->value, length + (size_t) size + 1);
        if (!grown) {
                parser_fail(p, -ENOMEM, "could not be read");
                return;
        }
        *(char *) mempcpy(grown + length, text, (size_t) size) = '\0';
        *p->value = grown;
}

/* Text is fetched and checked in any case; whether anybody looks at it is decided here. */
static void listen_for_text(Parser *p, bool listen) {
        p->context->sax->characters = p->context->sax->ignorableWhitespace =
                p->context->sax->cdataBlock = listen ? on_text : NULL;
}

static const char *path_without_hook_data(Parser *p) {
        static const char prefix[] = "hookData/";

        if (p->info->kind != DOCUMENT_HOOK_DATA)
                return p->path;
        return strncmp(p->path, prefix, strlen(prefix)) == 0 ? p->path + strlen(prefix) : "";
}

static void root_started(Parser *p, const char *name) {
        static const char *const roots[] = {
                [DOCUMENT_DOMAIN] = "domain",
                [DOCUMENT_NETWORK] = "network",
                [DOCUMENT_PORT] = "networkport",
                [DOCUMENT_HOOK_DATA] = "hookData",
        };

        if (streq(name, roots[p->expected])) {
                p->info->kind = p->expected;
                p->info->has_port = p->expected == DOCUMENT_PORT;
        } else if (p->expected == DOCUMENT_NETWORK && streq(name, roots[DOCUMENT_HOOK_DATA]))
                p->info->kind = DOCUMENT_HOOK_DATA;
        else
                parser_fail(p, -EBADMSG, "has the root element <%.64s>, not <%s>", name,
                            roots[p->expected]);
}

/* What the value of PATH is kept in, or NULL where it is of no interest. */
static char **value_of(Parser *p, const char *path) {
        bool domain = p->info->kind == DOCUMENT_DOMAIN;

        if (streq(path, domain ? "domain/name" : "network/name"))
                return &p->info->name;
        if (streq(path, "networkport/owner/name"))
                return &p->info->port_owner;
        if (streq(path, domain ? "domain/uuid" : "network/uuid") ||
            streq(path, "networkport/uuid") || streq(path, "networkport/owner/uuid"))
                return &p->uuid;
        return NULL;
}

static char *uuid_of(Parser *p, const char *path) {
        if (streq(path, "networkport/uuid"))
                return p->info->port_uuid;
        if (streq(path, "networkport/owner/uuid"))
                return p->info->port_owner_uuid;
        return p->info->uuid;
}

static bool path_push(Parser *p, const char *name) {
        size_t start = p->depth > 1 ? p->path_ends[p->depth - 2] : 0, length = strlen(name);
        bool valid = p->depth == 1 || p->path_valid[p->depth - 2];
        char *end = p->path + start;

        if (start + 1 + length >= sizeof(p->path))
                valid = false;
        if (valid) {
                if (p->depth > 1)
                        *end++ = '/';
                end = mempcpy(end, name, length);
        }
        *end = '\0';
        p->path_valid[p->depth - 1] = valid;
        p->path_ends[p->depth - 1] = (size_t) (end - p->path);
        return valid;
}

static void take_mac(Parser *p, int n_attributes, const xmlChar **attributes) {
        size_t size;

        for (int i = 0; i < n_attributes; i++, attributes += 5) {
                /* localname, prefix, URI, value, end of the value */
                if (!streq((const char *) attributes[0], "address") || attributes[1] ||
                    p->info->port_mac) /* the first one counts, as in XPath */
                        continue;
                size = (size_t) (attributes[4] - attributes[3]);
                if (size > VALUE_MAX_SIZE) {
                        parser_fail(p, -EBADMSG, "has a MAC address of more than %u bytes",
                                    VALUE_MAX_SIZE);
                        return;
                }
                p->info->port_mac = strndup((const char *) attributes[3], size);
                if (!p->info->port_mac)
                        parser_fail(p, -ENOMEM, "could not be read");
        }
}

static void hook_data_child_started(Parser *p, const char *path) {
        bool *seen;

        if (streq(path, "network"))
                seen = &p->seen_network;
        else if (streq(path, "networkport"))
                seen = &p->info->has_port;
        else
                return;
        if (*seen)
                parser_fail(p, -EBADMSG, "has more than one <%s>", path);
        *seen = true;
}

static void on_start_element(void *userdata, const xmlChar *local_name, const xmlChar *prefix,
                             const xmlChar *uri, int n_namespaces, const xmlChar **namespaces,
                             int n_attributes, int n_defaulted, const xmlChar **attributes) {
        /*
         * libvirt's own elements have no namespace; one that has is somebody's metadata, and so is
         * one whose prefix nobody has declared.
         */
        const char *name = uri || prefix ? "{}" : (const char *) local_name, *path;
        Parser *p = userdata;
        char **value;

        if (p->r < 0)
                return;
        p->depth++;
        if (p->depth > p->limits->depth) {
                parser_fail(p, -E2BIG, "has more than %" PRIu64 " elements inside each other",
                            p->limits->depth);
                return;
        }
        p->n_namespaces += (uint64_t) n_namespaces;
        if (p->n_namespaces > NAMESPACES_MAX)
                parser_fail(p, -EBADMSG, "declares more than %u namespaces", NAMESPACES_MAX);
        if (p->depth == 1)
                root_started(p, name);
        if (p->r < 0 || p->depth > p->levels || !path_push(p, name) || p->value)
                return;

        path = path_without_hook_data(p);
        if (p->info->kind == DOCUMENT_HOOK_DATA && p->depth == 2)
                hook_data_child_started(p, path);
        if (streq(path, "networkport/mac"))
                take_mac(p, n_attributes, attributes);

        value = value_of(p, path);
        if (!value)
                return;
        if (*value || (value == &p->uuid && *uuid_of(p, path))) {
                parser_fail(p, -EBADMSG, "has more than one <%s>", path);
                return;
        }
        *value = strdup("");
        if (!*value)
                parser_fail(p, -ENOMEM, "could not be read");
        p->value = value;
        p->value_depth = p->depth;
        listen_for_text(p, true);
}

static void uuid_ended(Parser *p) {
        const char *path = path_without_hook_data(p);
        uuid_t uuid;

        if (uuid_parse(p->uuid, uuid) < 0)
                parser_fail(p, -EBADMSG, "has an <%s> that is not a uuid", strrchr(path, '/') + 1);
        else
                uuid_unparse_lower(uuid, uuid_of(p, path));
        free(p->uuid);
        p->uuid = NULL;
}

static void on_end_element(void *userdata, const xmlChar *local_name, const xmlChar *prefix,
                           const xmlChar *uri) {
        Parser *p = userdata;

        if (p->r < 0)
                return;
        if (p->value && p->depth == p->value_depth) {
                if (p->value == &p->uuid)
                        uuid_ended(p);
                p->value = NULL;
                listen_for_text(p, false);
        }
        p->depth--;
        if (p->depth > 0 && p->depth <= p->levels)
                p->path[p->path_ends[p->depth - 1]] = '\0';
}

static void on_dtd(void *userdata, const xmlChar *name, const xmlChar *external_id,
                   const xmlChar *system_id) {
        parser_fail(userdata, -EBADMSG, "has a DTD, and hooks' documents never have one");
}

/* The parser's own complaint, in one line. */
static void parser_not_well_formed(Parser *p, const xmlError *e) {
        _cleanup_free_ char *message = NULL;

        if (e && e->code == XML_ERR_NO_MEMORY) { /* what a full dictionary is called, too */
                if (xmlDictGetUsage(p->context->dict) > NAMES_MAX_SIZE)
                        parser_fail(p, -EBADMSG, "has too long or too many names of elements");
                else
                        parser_fail(p, -ENOMEM, "could not be read");
                return;
        }
        if (e && e->message)
                message = text_to_utf8(e->message, MIN(strcspn(e->message, "\n"), 256));
        parser_fail(p, -EBADMSG, "is not well-formed XML: line %d: %s", e ? e->line : 0,
                    message ? message : "no element");
}

/* It would go on to look for more that is wrong. */
static void on_error(void *userdata, xmlErrorPtr error) {
        Parser *p = userdata;

        if (error->level == XML_ERR_FATAL)
                parser_not_well_formed(p, error);
}

/* Gives the parser the next bytes, SPACE at most. */
static int on_fetch(void *userdata, char *buffer, int space) {
        Parser *p = userdata;
        size_t n = MIN((size_t) space, (size_t) (p->end - p->next));

        memcpy(buffer, p->next, n);
        p->next += n;
        /* Or it would ask again at each step of the last 250 bytes, which are much of a small
         * document, and prepare each time for the answer. */
        if (p->next == p->end)
                p->buffer->readcallback = NULL;
        return (int) n;
}

/* What no parser's own handler gets, for want of memory, would go to standard error. */
_printf_(2, 3)
static void drop_complaint(void *userdata, const char *format, ...) {
}

static int parser_run(Parser *p, const char *data, size_t size) {
        xmlParserInputPtr input;

        p->next = data;
        p->end = data + size;
        p->buffer = xmlParserInputBufferCreateIO(on_fetch, NULL, p, XML_CHAR_ENCODING_NONE);
        if (!p->buffer)
                return p->r = -ENOMEM;
        input = xmlNewIOInputStream(p->context, p->buffer, XML_CHAR_ENCODING_NONE);
        if (!input) {
                xmlFreeParserInputBuffer(p->buffer);
                return p->r = -ENOMEM;
        }
        if (inputPush(p->context, input) < 0) {
                xmlFreeInputStream(input);
                return p->r = -ENOMEM;
        }
        (void) xmlParseDocument(p->context);
        if (p->r == 0 && !p->context->wellFormed)
                parser_not_well_formed(p, xmlCtxtGetLastError(p->context));
        return p->r;
}

/*
 * Whether it starts as XML in UTF-8 does, by a byte order mark, blanks, and '<'. libxml2 goes by
 * the first bytes and would read EBCDIC, which the scripts would not.
 */
static bool starts_with_markup(const char *data, size_t size) {
        static const char mark[] = "\xef\xbb\xbf";
        size_t i = 0;

        if (size >= strlen(mark) && memcmp(data, mark, strlen(mark)) == 0)
                i = strlen(mark);
        while (i < size && strchr(" \t\r\n", data[i]))
                i++;
        return i < size && data[i] == '<';
}

/* An attribute takes five bytes, and the parser reads none behind a '<': where the next one is near
 * there is nothing to count. */
#define NEAR (5 * (ssize_t) ATTRIBUTES_MAX)

/* Whether any '<' has the next one, or the end, far away. */
static bool has_wide_gap(const char *data, size_t size) {
        const char *p = memchr(data, '<', size), *end = data + size;

        while (p && end - p > NEAR)
                p = memrchr(p + 1, '<', NEAR);
        return !p;
}

static bool has_crowded_tag(const char *data, size_t size) {
        const char *p, *end = data + size;

        if (!has_wide_gap(data, size))
                return false;
        p = memchr(data, '<', size);
        while (p && p < end) {
                const char *next = memchr(p + 1, '<', (size_t) (end - p - 1));
                size_t attributes;

                if (!next || !markup_is_tag(p, end) || next - p > NEAR) {
                        next = markup_end(p, end, &attributes);
                        if (attributes > ATTRIBUTES_MAX)
                                return true;
                        next = memchr(next, '<', (size_t) (end - next));
                }
                p = next;
        }
        return false;
}

/* VALUE is what the document has at PATH; libvirt has no such names either. */
static bool has_control(Parser *p, const char *path, const char *value) {
        if (!value || !text_find_control(value))
                return false;
        parser_fail(p, -EBADMSG, "has a control character or a line break in its <%s>", path);
        return true;
}

static void check_identity(Parser *p) {
        const DocumentInfo *info = p->info;

        if (has_control(p, "name", info->name) ||
            has_control(p, "networkport/owner/name", info->port_owner) ||
            has_control(p, "networkport/mac", info->port_mac))
                return;
        if (info->kind == DOCUMENT_HOOK_DATA && !p->seen_network)
                parser_fail(p, -EBADMSG, "has no <network> in its <hookData>");
        else if (info->kind != DOCUMENT_PORT && empty(info->name))
                parser_fail(p, -EBADMSG, "has no <name>");
        else if (info->kind != DOCUMENT_PORT && !*info->uuid)
                parser_fail(p, -EBADMSG, "has no <uuid>");
        else if (info->has_port && !*info->port_uuid)
                parser_fail(p, -EBADMSG, "has no <uuid> in its <networkport>");
}

int document_check(const char *data, size_t size, DocumentKind expected,
                   const DocumentLimits *limits, DocumentInfo *info, char **ret_problem) {
        xmlSAXHandler handler = {
                .initialized = XML_SAX2_MAGIC,
                .internalSubset = on_dtd,
                .startElementNs = on_start_element,
                .endElementNs = on_end_element,
                .serror = on_error,
        };
        Parser p = {
                .levels = expected == DOCUMENT_DOMAIN ? PATH_LEVELS_DOMAIN : PATH_LEVELS,
                .expected = expected,
                .limits = limits,
                .info = info,
        };

        assert(expected != DOCUMENT_HOOK_DATA);

        *info = (DocumentInfo){};
        *ret_problem = NULL;

        xmlSetGenericErrorFunc(NULL, drop_complaint);
        p.context = xmlNewParserCtxt();
        if (!p.context)
                return -ENOMEM;
        *p.context->sax = handler;
        p.context->userData = &p;
        /*
         * The limits are ours, not libxml2's; without a DTD nothing can be amplified, and there are
         * no entities but those that must be replaced in attributes, too. The encoding is UTF-8,
         * whatever the document says of itself.
         */
        (void) xmlCtxtUseOptions(p.context, XML_PARSE_NONET | XML_PARSE_HUGE |
                                                    XML_PARSE_IGNORE_ENC | XML_PARSE_NOENT);
        (void) xmlDictSetLimit(p.context->dict, NAMES_MAX_SIZE);

        if (size > limits->size)
                parser_fail(&p, -E2BIG, "has %zu bytes, more than the %" PRIu64 " that are allowed",
                            size, limits->size);
        else if (size > 0 &&
                 memchr(data, '\0', size)) /* libxml2 would take it for another encoding */
                parser_fail(&p, -EBADMSG, "is not well-formed XML: it has a NUL byte");
        else if (text_is_blank(data, size))
                parser_fail(&p, -EBADMSG, "is empty");
        else if (!starts_with_markup(data, size))
                parser_fail(&p, -EBADMSG,
                            "is not well-formed XML: line 1: it does not start with '<'");
        else if (has_crowded_tag(data, size))
                parser_fail(&p, -EBADMSG, "has an element with more than %u attributes",
                            ATTRIBUTES_MAX);
        else if (parser_run(&p, data, size) == 0)
                check_identity(&p);

        xmlFreeParserCtxt(p.context);
        free(p.uuid);
        if (p.r < 0) {
                document_info_clear(info);
                *ret_problem = p.problem;
        }
        return p.r;
}

void document_set_up(void) {
        static const char domain[] = "<domain type='kvm'>\n"
                                     "  <name>guest</name>\n"
                                     "  <uuid>00000000-0000-0000-0000-000000000000</uuid>\n"
                                     "</domain>\n";
        const DocumentLimits limits = { .size = sizeof(domain), .depth = 2 };
        _cleanup_free_ char *problem = NULL;
        DocumentInfo info;

        xmlInitParser();
        if (document_check(domain, strlen(domain), DOCUMENT_DOMAIN, &limits, &info, &problem) >= 0)
                document_info_clear(&info);
}

void document_clean_up(void) {
        xmlCleanupParser();
}
