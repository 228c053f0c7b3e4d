/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The terminal. Widths are the locale's business, wcwidth(3): main() has set it.
 */

#include "terminal.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <wchar.h>

#include "text.h"

bool terminal_is_interactive(void) {
        return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

size_t terminal_width(void) {
        const char *columns = getenv("COLUMNS");
        struct winsize size;

        if (!isatty(STDOUT_FILENO))
                return 0;
        if (columns && atoi(columns) > 0)
                return (size_t) atoi(columns);
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return 80;
        return size.ws_col;
}

const char *terminal_sign(Sign sign) {
        static const char *const signs[SIGN_MAX][2] = {
                [SIGN_ELLIPSIS] = { "...", "…" },
                [SIGN_THERE] = { "*", "●" },
                [SIGN_ABSENT] = { "*", "○" },
        };

        return signs[sign][streq(nl_langinfo(CODESET), "UTF-8")];
}

static bool wants_colour(void) {
        static int wanted = -1;
        const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

        if (wanted < 0)
                wanted = isatty(STDOUT_FILENO) && empty(no_color) && !empty(term) &&
                         !streq(term, "dumb");
        return wanted;
}

const char *terminal_colour(Colour colour) {
        static const char *const sequences[COLOUR_MAX] = {
                [COLOUR_PLAIN] = "\x1b[0m",      [COLOUR_BOLD] = "\x1b[1m",
                [COLOUR_FAINT] = "\x1b[2m",      [COLOUR_GOOD] = "\x1b[0;32m",
                [COLOUR_WARNING] = "\x1b[0;33m", [COLOUR_BAD] = "\x1b[0;1;31m",
        };

        return wants_colour() ? sequences[colour] : "";
}

/* Decodes the character of LENGTH bytes at S, which is well-formed. */
static uint32_t decode(const unsigned char *s, size_t length) {
        uint32_t c = length == 1 ? s[0] : s[0] & (0x7fU >> length);

        for (size_t i = 1; i < length; i++)
                c = c << 6 | (s[i] & 0x3f);
        return c;
}

/*
 * Characters that turn the direction of the text around them, or hide: a name must not pose as
 * another. Source: Unicode's Bidi_Control and Default_Ignorable_Code_Point, and the lines and
 * annotations of its General Punctuation and Specials.
 */
static bool is_deceptive(uint32_t c) {
        static const struct {
                uint32_t first, last;
        } ranges[] = {
                { 0xad, 0xad },       { 0x34f, 0x34f },     { 0x61c, 0x61c },
                { 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
                { 0x200b, 0x200f },   { 0x2028, 0x202e },   { 0x2060, 0x206f },
                { 0x3164, 0x3164 },   { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },
                { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0x1bca0, 0x1bca3 },
                { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
        };

        if (c < ranges[0].first)
                return false;
        for (size_t i = 0; i < ELEMENTS(ranges); i++)
                if (c >= ranges[i].first && c <= ranges[i].last)
                        return true;
        return false;
}

static bool is_control(uint32_t c) {
        return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

char *terminal_escape(const char *text, size_t size, bool keep_lines) {
        _cleanup_free_ char *escaped = NULL;
        size_t escaped_size;
        FILE *stream;

        stream = open_memstream(&escaped, &escaped_size);
        if (!stream)
                return NULL;
        for (size_t i = 0; i < size;) {
                size_t n = text_character(text + i, size - i);
                uint32_t c;

                if (n == 0) {
                        (void) fprintf(stream, "\\x%02x", (unsigned char) text[i++]);
                        continue;
                }
                c = decode((const unsigned char *) text + i, n);
                if (is_control(c) && !(keep_lines && (c == '\n' || c == '\t')))
                        (void) fprintf(stream, "\\x%02x", (unsigned) c);
                else if (is_deceptive(c))
                        (void) fprintf(stream, "\\u{%x}", (unsigned) c);
                else
                        (void) fwrite(text + i, 1, n, stream);
                i += n;
        }
        if (fclose(stream) != 0)
                return NULL;
        return TAKE_PTR(escaped);
}

/* Columns of the character of LENGTH bytes at S. */
static size_t character_columns(const char *s, size_t length) {
        int width = wcwidth((wchar_t) decode((const unsigned char *) s, length));

        return width < 0 ? 1 : (size_t) width;
}

size_t terminal_columns(const char *text) {
        size_t columns = 0, size = strlen(text);

        for (size_t i = 0; i < size;) {
                size_t n = text_character(text + i, size - i);

                columns += n > 0 ? character_columns(text + i, n) : 1;
                i += n > 0 ? n : 1;
        }
        return columns;
}

void terminal_write(FILE *stream, const char *text, size_t columns, bool pad) {
        const char *ellipsis = terminal_columns(text) > columns ? terminal_sign(SIGN_ELLIPSIS) : "";
        size_t end = MIN(terminal_columns(ellipsis), columns), room = columns - end, used = 0;
        size_t size = strlen(text);

        for (size_t i = 0; i < size;) {
                size_t n = text_character(text + i, size - i);
                size_t width = n > 0 ? character_columns(text + i, n) : 1;

                if (used + width > room)
                        break;
                (void) fwrite(text + i, 1, n > 0 ? n : 1, stream);
                used += width;
                i += n > 0 ? n : 1;
        }
        if (end > 0)
                (void) fputs(ellipsis, stream);
        used += end;
        for (; pad && used < columns; used++)
                (void) fputc(' ', stream);
}

void terminal_print(Colour colour, const char *text) {
        _cleanup_free_ char *escaped = terminal_escape(text, strlen(text), false);

        (void) printf("%s%s%s", colour == COLOUR_PLAIN ? "" : terminal_colour(colour),
                      escaped ? escaped : "",
                      colour == COLOUR_PLAIN ? "" : terminal_colour(COLOUR_PLAIN));
}
