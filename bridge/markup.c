/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Finding the ends of markup takes no more than looking for the marks.
 */

#include "markup.h"

#include <string.h>

#include "util.h"

/* The first byte after the next MARK, or the end. */
static const char *after(const char *p, const char *end, const char *mark) {
        const char *found = memmem(p, (size_t) (end - p), mark, strlen(mark));

        return found ? found + strlen(mark) : end;
}

static bool starts_with(const char *p, const char *end, const char *mark) {
        return (size_t) (end - p) >= strlen(mark) && memcmp(p, mark, strlen(mark)) == 0;
}

/* A '>' in an attribute's value does not end the tag. */
static const char *tag_end(const char *p, const char *end, size_t *attributes) {
        for (; p < end; p++) {
                if (*p == '>')
                        return p + 1;
                if (*p != '"' && *p != '\'')
                        continue;
                ++*attributes;
                p = memchr(p + 1, *p, (size_t) (end - p - 1));
                if (!p)
                        break;
        }
        return end;
}

const char *markup_end(const char *p, const char *end, size_t *ret_attributes) {
        size_t attributes = 0;

        if (starts_with(p, end, "<!--"))
                p = after(p + 4, end, "-->");
        else if (starts_with(p, end, "<![CDATA["))
                p = after(p + 9, end, "]]>");
        else if (starts_with(p, end, "<?"))
                p = after(p + 2, end, "?>");
        else
                p = tag_end(p, end, &attributes);
        if (ret_attributes)
                *ret_attributes = attributes;
        return p;
}

bool markup_is_tag(const char *p, const char *end) {
        return p + 1 < end && p[0] == '<' && p[1] != '!' && p[1] != '?';
}
