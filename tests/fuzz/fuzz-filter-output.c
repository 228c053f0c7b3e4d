/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a filter prints, all the way: out of the pipe in pieces, cut at a NUL, blank or not, and
 * judged. What is taken is about the same domain, and can be sent. The first byte is how many bytes
 * a piece has.
 */

#include "capture.h"
#include "fuzz.h"
#include "request.h"
#include "tree.h"

#define NAME "web-01"
#define UUID "5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11"

static const DocumentLimits limits = { .size = 64 * 1024, .depth = 32 };

static Request *new_request(void) {
        static const RequestArguments arguments = {
                .type = HOOK_QEMU,
                .object = NAME,
                .operation = "migrate",
                .suboperation = "",
                .extra = "",
        };
        static const char text[] = "<domain><name>" NAME "</name><uuid>" UUID "</uuid></domain>";
        _cleanup_(bytes_unref_pointer) Bytes *document = NULL;
        Request *request;

        must(request_new(&request, &arguments, NULL) >= 0);
        must(bytes_new_take(&document, strdup(text), strlen(text)) >= 0);
        must(request_set_document(request, document, NULL, &limits, NULL) >= 0);
        must(request->check_output);
        return request;
}

static void check_taken(const Bytes *output) {
        _cleanup_free_ char *text = strndup(output->data, output->size);
        xmlDocPtr tree = tree_parse(output->data, output->size);
        DocumentInfo info = { .kind = DOCUMENT_DOMAIN, .name = (char[]){ NAME }, .uuid = UUID };

        must(strlen(text) == output->size);
        must_be_sendable(text);
        tree_must_agree(tree, &info);
        xmlFreeDoc(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static Request *request;
        _cleanup_(bytes_unref_pointer) Bytes *output = NULL;
        _cleanup_free_ char *problem = NULL;
        Capture capture = { .head_max = limits.size };
        size_t piece = size > 0 && data[0] > 0 ? data[0] : 256;
        int r;

        if (!request)
                request = new_request();
        for (size_t i = 1; i < size; i += piece)
                capture_append(&capture, (const char *) data + i, MIN(piece, size - i));
        r = capture_take_document(&capture, &output);
        must(r == (size > limits.size + 1 ? -E2BIG : 0));
        if (output) {
                r = request->check_output(request, output->data, output->size, &limits, &problem);
                must(r == 0 || r == -EBADMSG);
                must(!problem == (r == 0));
                if (r == 0)
                        check_taken(output);
        }
        capture_clear(&capture);
        return 0;
}
