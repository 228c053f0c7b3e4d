/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The check of domains, networks and ports. What it says must be what libvirt itself would read out
 * of the same bytes, and it must take all that is right.
 */

#include "document.h"
#include "fuzz.h"
#include "tree.h"

static const DocumentLimits limits = { .size = 1024 * 1024, .depth = 32 };

static void check_as(DocumentKind kind, const char *data, size_t size, xmlDocPtr tree) {
        DocumentInfo info;
        char *problem;
        int r = document_check(data, size, kind, &limits, &info, &problem);

        if (r == 0) {
                must(!problem);
                tree_must_agree(tree, &info);
                document_info_clear(&info);
                return;
        }
        must(problem && (r == -EBADMSG || r == -E2BIG));
        must(!info.name && !info.port_mac && !info.port_owner);
        must_be_sendable(problem);
        must(strlen(problem) < 1024 && !strchr(problem, '\n'));
        must(r == -E2BIG || !tree || !tree_is_acceptable(tree, kind));
        free(problem);
}

/* Documents are UTF-8: the tree would also take other encodings that it recognises. */
static bool starts_like_markup(const char *data, size_t size) {
        static const char mark[] = "\xef\xbb\xbf";

        if (size >= 3 && memcmp(data, mark, 3) == 0)
                return true;
        return size > 0 && strchr("< \t\r\n", *data);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        const char *data = (const char *) bytes;
        bool other = memchr(data ? data : "", '\0', size) || !starts_like_markup(data, size);
        xmlDocPtr tree = other ? NULL : tree_parse(data, size);

        for (DocumentKind kind = DOCUMENT_DOMAIN; kind <= DOCUMENT_PORT; kind++)
                check_as(kind, data, size, tree);
        xmlFreeDoc(tree);
        return 0;
}
