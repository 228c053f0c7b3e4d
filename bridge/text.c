/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Hostile bytes made harmless.
 */

#include "text.h"

#include <stdio.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static bool is_continuation(unsigned char c) {
        return (c & 0xc0) == 0x80;
}

size_t text_character(const char *s, size_t size) {
        const unsigned char *u = (const unsigned char *) s;
        size_t length;

        if (size == 0)
                return 0;
        if (u[0] < 0x80)
                return 1;
        if (u[0] >= 0xc2 && u[0] <= 0xdf)
                length = 2;
        else if (u[0] >= 0xe0 && u[0] <= 0xef)
                length = 3;
        else if (u[0] >= 0xf0 && u[0] <= 0xf4)
                length = 4;
        else
                return 0;
        if (size < length)
                return 0;
        for (size_t i = 1; i < length; i++)
                if (!is_continuation(u[i]))
                        return 0;

        if (u[0] == 0xe0 && u[1] < 0xa0) /* overlong */
                return 0;
        if (u[0] == 0xed && u[1] > 0x9f) /* a surrogate */
                return 0;
        if (u[0] == 0xf0 && u[1] < 0x90) /* overlong */
                return 0;
        if (u[0] == 0xf4 && u[1] > 0x8f) /* beyond U+10FFFF */
                return 0;
        return length;
}

bool text_is_utf8(const char *s, size_t size) {
        for (size_t i = 0; i < size;) {
                size_t n = text_character(s + i, size - i);

                if (n == 0 || s[i] == '\0')
                        return false;
                i += n;
        }
        return true;
}

char *text_to_utf8(const char *s, size_t size) {
        size_t bad = 0;
        char *text, *p;

        for (size_t i = 0; i < size;) {
                size_t n = text_character(s + i, size - i);

                if (n == 0 || s[i] == '\0') {
                        bad++;
                        n = 1;
                }
                i += n;
        }

        text = malloc(size - bad + bad * strlen(REPLACEMENT) + 1);
        if (!text)
                return NULL;
        p = text;
        for (size_t i = 0; i < size;) {
                size_t n = text_character(s + i, size - i);

                if (n == 0 || s[i] == '\0') {
                        p = mempcpy(p, REPLACEMENT, strlen(REPLACEMENT));
                        n = 1;
                } else
                        p = mempcpy(p, s + i, n);
                i += n;
        }
        *p = '\0';
        return text;
}

char *text_vformat(const char *format, va_list arguments) {
        _cleanup_free_ char *text = NULL;
        int n = vasprintf(&text, format, arguments);

        if (n < 0) {
                text = NULL;
                return NULL;
        }
        return text_to_utf8(text, (size_t) n);
}

char *text_format(const char *format, ...) {
        va_list arguments;
        char *text;

        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);
        return text;
}

const char *text_find_control(const char *s) {
        for (const unsigned char *u = (const unsigned char *) s; *u; u++)
                if (*u < 0x20 || *u == 0x7f || (u[0] == 0xc2 && u[1] >= 0x80 && u[1] <= 0x9f))
                        return (const char *) u;
        return NULL;
}

bool text_is_blank(const char *s, size_t size) {
        for (size_t i = 0; i < size && s[i] != '\0'; i++)
                if (!strchr(" \t\n\v\f\r", s[i]))
                        return false;
        return true;
}
