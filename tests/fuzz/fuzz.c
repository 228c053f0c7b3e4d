/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fuzz.h"

#include <assert.h>
#include <locale.h>
#include <pty.h>
#include <stdio.h>
#include <sys/mman.h>
#include <wchar.h>
#include <wctype.h>

#include "log.h"
#include "text.h"

void fuzz_fail(const char *condition, const char *file, int line) {
        (void) fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
        abort();
}

/* Output goes to a terminal of our own, for the code that asks whether there is one. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
        int ours, theirs;

        must(setlocale(LC_ALL, "C.UTF-8"));
        must(openpty(&ours, &theirs, NULL, NULL, NULL) == 0);
        must(dup2(theirs, STDOUT_FILENO) >= 0);
        must(setenv("TERM", "xterm", true) == 0);
        must(setenv("TZ", "UTC", true) == 0);
        return 0;
}

/*
 * In the place of log.c: what is said goes nowhere, but it must be fit to be said. Its fields are
 * for the journal, which takes any bytes.
 */
void log_entry(int priority, const char *id, const LogField *fields, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);
        must(text);
        must_be_sendable(text);
}

void log_set_target(LogTarget target) {
}

int log_max_level(void) {
        return LOG_DEBUG;
}

/* The next character of the SIZE bytes at S. */
static size_t next_character(const char *s, size_t size, wchar_t *ret) {
        mbstate_t state = {};
        size_t n = mbrtowc(ret, s, size, &state);

        must(n != (size_t) -1 && n != (size_t) -2);
        return n > 0 ? n : 1;
}

void must_be_sendable(const char *text) {
        size_t size = strlen(text);
        wchar_t c;

        for (size_t i = 0; i < size;) {
                i += next_character(text + i, size - i, &c);
                must(c <= 0x10ffff && (c & 0xfffe) != 0xfffe && !(c >= 0xfdd0 && c <= 0xfdef));
        }
}

/* Unicode's Default_Ignorable_Code_Point and Bidi_Control: they are not seen, or turn what is. */
static bool is_unseen(wchar_t c) {
        static const struct {
                wchar_t first, last;
        } ranges[] = {
                { 0xad, 0xad },       { 0x34f, 0x34f },     { 0x61c, 0x61c },
                { 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
                { 0x200b, 0x200f },   { 0x2028, 0x202e },   { 0x2060, 0x206f },
                { 0x3164, 0x3164 },   { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },
                { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0x1bca0, 0x1bca3 },
                { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
        };

        for (size_t i = 0; i < ELEMENTS(ranges); i++)
                if (c >= ranges[i].first && c <= ranges[i].last)
                        return true;
        return false;
}

void must_be_showable(const char *text, size_t size, bool lines) {
        wchar_t c;

        for (size_t i = 0; i < size;) {
                i += next_character(text + i, size - i, &c);
                if (lines && (c == L'\n' || c == L'\t'))
                        continue;
                must(c >= 0x20 && !(c >= 0x7f && c <= 0x9f));
                must(!is_unseen(c));
        }
}

char *pieces_next(Pieces *pieces) {
        size_t n = strnlen(pieces->data ? pieces->data : "", pieces->size);
        char *piece = strndup(n > 0 ? pieces->data : "", n);

        must(piece);
        n += n < pieces->size;
        if (n > 0)
                pieces->data += n;
        pieces->size -= n;
        return piece;
}

char *pieces_rest(Pieces *pieces, size_t *ret_size) {
        char *rest = malloc(pieces->size + 1);

        must(rest);
        if (pieces->size > 0)
                memcpy(rest, pieces->data, pieces->size);
        rest[pieces->size] = '\0';
        *ret_size = pieces->size;
        *pieces = (Pieces){};
        return rest;
}

static FILE *real_stdout;
static char *printed;
static size_t printed_size;

void stdout_start(void) {
        real_stdout = stdout;
        stdout = open_memstream(&printed, &printed_size);
        must(stdout);
}

char *stdout_end(size_t *ret_size) {
        must(fclose(stdout) == 0);
        stdout = real_stdout;
        *ret_size = printed_size;
        return TAKE_PTR(printed);
}

const char *fuzz_file(const void *data, size_t size) {
        static char path[64];
        static int fd = -1;

        if (fd < 0)
                fd = memfd_create("fuzz", MFD_CLOEXEC);
        must(fd >= 0 && ftruncate(fd, 0) == 0);
        must(size == 0 || pwrite(fd, data, size, 0) == (ssize_t) size);
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return path;
}
