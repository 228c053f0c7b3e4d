/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Builds <hookData>. The parts are well-formed and have no DTD, which document.c saw to; so finding
 * out where markup starts and ends takes no more than looking for the marks.
 */

#include "hook-data.h"

#include <stdio.h>

#include "markup.h"
#include "text.h"

typedef struct Slice {
        const char *start, *end;
} Slice;

/* From the root element's start to its end. */
static int find_root(const Bytes *document, Slice *ret) {
        const char *p = document->data, *end = p + document->size, *start = NULL;
        unsigned depth = 0;

        while (p < end && (p = memchr(p, '<', (size_t) (end - p)))) {
                const char *next = markup_end(p, end, NULL);

                if (markup_is_tag(p, end)) {
                        if (!start)
                                start = p;
                        if (p[1] == '/')
                                depth--;
                        else if (next[-2] != '/')
                                depth++;
                        if (depth == 0) {
                                *ret = (Slice){ start, next };
                                return 0;
                        }
                }
                p = next;
        }
        return -EBADMSG;
}

/* Writes a text that stands between two pieces of markup. */
static void write_text(FILE *stream, const char *p, const char *end) {
        if (!text_is_blank(p, (size_t) (end - p))) {
                (void) fwrite(p, 1, (size_t) (end - p), stream);
                return;
        }
        for (; p < end; p++) {
                (void) fputc(*p, stream);
                if (*p == '\n')
                        (void) fputs("  ", stream);
        }
}

static void write_indented(FILE *stream, Slice part) {
        const char *p = part.start;

        (void) fputs("  ", stream);
        while (p < part.end) {
                const char *next;

                if (*p == '<') {
                        next = markup_end(p, part.end, NULL);
                        (void) fwrite(p, 1, (size_t) (next - p), stream);
                } else {
                        next = memchr(p, '<', (size_t) (part.end - p));
                        if (!next)
                                next = part.end;
                        write_text(stream, p, next);
                }
                p = next;
        }
        (void) fputc('\n', stream);
}

static bool is_hook_data(Slice root) {
        static const char start[] = "<hookData";
        size_t n = strlen(start);

        return (size_t) (root.end - root.start) > n && strncmp(root.start, start, n) == 0 &&
               strchr("> \t\r\n/", root.start[n]);
}

/* What is inside ROOT, and its start: up to the tag that ends it. An empty element has no such tag.
 */
static int cut_end(Slice *root) {
        const char *tag = memrchr(root->start, '<', (size_t) (root->end - root->start));

        if (tag == root->start)
                return -EBADMSG;
        root->end = tag;
        return 0;
}

int hook_data_new(Bytes **ret, const Bytes *network, const Bytes *port) {
        _cleanup_free_ char *text = NULL;
        Slice network_part, port_part;
        size_t size = 0;
        bool wrapped;
        FILE *stream;

        if (find_root(network, &network_part) < 0 || (port && find_root(port, &port_part) < 0))
                return -EBADMSG;
        wrapped = is_hook_data(network_part);
        if (wrapped && cut_end(&network_part) < 0)
                return -EBADMSG;

        stream = open_memstream(&text, &size);
        if (!stream)
                return -ENOMEM;
        if (wrapped)
                (void) fwrite(network_part.start, 1,
                              (size_t) (network_part.end - network_part.start), stream);
        else {
                (void) fputs("<hookData>\n", stream);
                write_indented(stream, network_part);
        }
        if (port)
                write_indented(stream, port_part);
        (void) fputs("</hookData>", stream);
        if (fclose(stream) != 0)
                return -ENOMEM;

        return bytes_new_take(ret, TAKE_PTR(text), size);
}
