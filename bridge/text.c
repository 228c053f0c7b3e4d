/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Hostile bytes made harmless.
 */

#include "text.h"

#include "memory.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Decodes the bytes that a well-formed character at U has. Returns their number, 0 if malformed. */
static size_t decode(const unsigned char *u, size_t size, uint32_t *ret) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint32_t c;
        size_t length;

        if (size == 0)
                return 0;
        if (u[0] < 0x80) {
                *ret = u[0];
                return 1;
        }
        length = (u[0] & 0xe0) == 0xc0   ? 2
                 : (u[0] & 0xf0) == 0xe0 ? 3
                 : (u[0] & 0xf8) == 0xf0 ? 4
                                         : 0;
        if (length == 0 || size < length)
                return 0;
        c = u[0] & (0x7fU >> length);
        for (size_t i = 1; i < length; i++) {
                if ((u[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (u[i] & 0x3f);
        }
        if (c < smallest[length]) /* overlong */
                return 0;
        *ret = c;
        return length;
}

static bool is_sendable(uint32_t c) {
        if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return false;
        return (c & 0xfffe) != 0xfffe && !(c >= 0xfdd0 && c <= 0xfdef);
}

size_t text_character(const char *s, size_t size) {
        uint32_t c;
        size_t length = decode((const unsigned char *) s, size, &c);

        return length > 0 && is_sendable(c) ? length : 0;
}

bool text_is_sendable(const char *s, size_t size) {
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

_printf_(1, 0)
static char *try_format(const char *format, va_list arguments) {
        _cleanup_free_ char *text = NULL;
        int n = vasprintf(&text, format, arguments);

        if (n < 0) {
                text = NULL;
                return NULL;
        }
        return text_to_utf8(text, (size_t) n);
}

char *text_vformat(const char *format, va_list arguments) {
        va_list again;
        char *text;

        va_copy(again, arguments);
        text = try_format(format, arguments);
        if (!text && memory_try_again(-ENOMEM))
                text = try_format(format, again);
        va_end(again);
        return text;
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

void text_write_shell_word(FILE *stream, const char *word) {
        if (*word && !strpbrk(word, "\r\t\n !\"#$&'()*;<>?[\\]^`{|}~")) {
                (void) fputs(word, stream);
                return;
        }
        (void) fputc('\'', stream);
        for (; *word; word++)
                if (*word == '\'')
                        (void) fputs("'\\''", stream);
                else
                        (void) fputc(*word, stream);
        (void) fputc('\'', stream);
}

char *text_shell_word(const char *word) {
        char *text = NULL;
        size_t size;
        FILE *stream;

        stream = open_memstream(&text, &size);
        if (!stream)
                return NULL;
        text_write_shell_word(stream, word);
        if (fclose(stream) != 0) {
                free(text);
                return NULL;
        }
        return text;
}
