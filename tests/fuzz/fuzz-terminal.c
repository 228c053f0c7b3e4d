/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A script's text on its way to a terminal. Nothing gets there that is not shown, and nothing is
 * wider than it may be. The first byte is the terminal's width; NULs part the cells of a table.
 */

#include "terminal.h"

#include <stdio.h>

#include "fuzz.h"
#include "table.h"

static void check_escaped(const char *data, size_t size, size_t width) {
        for (int lines = 0; lines < 2; lines++) {
                _cleanup_free_ char *text = terminal_escape(data, size, lines), *part = NULL;
                size_t part_size;
                FILE *stream;

                must(text);
                must_be_showable(text, strlen(text), lines);
                if (lines)
                        continue;
                stream = open_memstream(&part, &part_size);
                must(stream);
                terminal_write(stream, text, width, true);
                must(fclose(stream) == 0);
                must(terminal_columns(part) == width);
                must_be_showable(part, part_size, false);
        }
}

/* What is printed, without the sequences that are our own. */
static void check_printed(void) {
        _cleanup_free_ char *printed = NULL;
        size_t size, kept = 0;

        printed = stdout_end(&size);
        for (size_t i = 0; i < size;) {
                size_t n = printed[i] == '\x1b' ? strcspn(printed + i, "m") + 1 : 0;

                must(n <= sizeof("\x1b[0;1;31m"));
                if (n > 0)
                        i += n;
                else
                        printed[kept++] = printed[i++];
        }
        must_be_showable(printed, kept, true);
}

static void check_table(const char *data, size_t size) {
        static const Column columns[] = { { "A", false, true },
                                          { "B", true, false },
                                          { "C", false, true } };
        Pieces pieces = { data, size };
        Table *table;

        must(table_new(&table, columns, ELEMENTS(columns)) == 0);
        while (pieces.size > 0) {
                _cleanup_free_ char *cell = pieces_next(&pieces);

                table_add(table, (Colour) (strlen(cell) % COLOUR_MAX), cell);
        }
        (void) table_fits(table);
        stdout_start();
        must(table_print(table) == 0);
        check_printed();
        table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        _cleanup_free_ char *text = NULL;
        char width[16];

        if (size == 0)
                return 0;
        (void) snprintf(width, sizeof(width), "%u", bytes[0]);
        must(setenv("COLUMNS", width, true) == 0);
        check_escaped((const char *) bytes + 1, size - 1, bytes[0]);
        check_table((const char *) bytes + 1, size - 1);

        text = strndup((const char *) bytes + 1, size - 1);
        stdout_start();
        terminal_print(COLOUR_BAD, text);
        check_printed();
        return 0;
}
