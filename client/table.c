/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tables: cells are kept until all are known, for their widths.
 */

#include "table.h"

#include <stdarg.h>

#define CUT_MIN 8U /* columns in which a name can still be told from most others */

typedef struct Cell {
        char *text; /* escaped */
        size_t width;
        Colour colour;
} Cell;

struct Table {
        const Column *columns;
        size_t n_columns;
        Cell *cells;
        size_t n_cells, n_allocated;
        bool failed;
};

int table_new(Table **ret, const Column *columns, size_t n_columns) {
        Table *table = malloc(sizeof(Table));

        if (!table)
                return -ENOMEM;
        *table = (Table){
                .columns = columns,
                .n_columns = n_columns,
        };
        *ret = table;
        return 0;
}

Table *table_free(Table *table) {
        if (!table)
                return NULL;
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i].text);
        free(table->cells);
        free(table);
        return NULL;
}

static Cell *next_cell(Table *table) {
        if (table->n_cells == table->n_allocated) {
                size_t n = table->n_allocated > 0 ? table->n_allocated * 2 : 64;
                Cell *grown = reallocarray(table->cells, n, sizeof(Cell));

                if (!grown)
                        return NULL;
                table->cells = grown;
                table->n_allocated = n;
        }
        return &table->cells[table->n_cells];
}

void table_add(Table *table, Colour colour, const char *text) {
        Cell *cell = next_cell(table);
        char *escaped = terminal_escape(text ? text : "", text ? strlen(text) : 0, false);

        if (!cell || !escaped) {
                table->failed = true;
                free(escaped);
                return;
        }
        *cell = (Cell){
                .text = escaped,
                .width = terminal_columns(escaped),
                .colour = colour,
        };
        table->n_cells++;
}

void table_addf(Table *table, Colour colour, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(&text, format, arguments) < 0)
                text = NULL;
        va_end(arguments);
        if (!text)
                table->failed = true;
        table_add(table, colour, text);
}

/* What a COLUMN that may shrink keeps: cut further it would tell nothing. */
static size_t least_width(const Table *table, size_t column) {
        size_t heading = terminal_columns(table->columns[column].heading);

        return heading > CUT_MIN ? heading : CUT_MIN;
}

static size_t column_width(const Table *table, size_t column) {
        size_t width = terminal_columns(table->columns[column].heading);

        for (size_t i = column; i < table->n_cells; i += table->n_columns)
                if (table->cells[i].width > width)
                        width = table->cells[i].width;
        return width;
}

bool table_fits(const Table *table) {
        size_t room = terminal_width(), sum = table->n_columns - 1;

        for (size_t c = 0; c < table->n_columns; c++) {
                size_t width = column_width(table, c);

                sum += table->columns[c].shrink ? MIN(width, least_width(table, c)) : width;
        }
        return room == 0 || sum <= room;
}

/*
 * Takes columns from those that may shrink, the widest first, until all fit into ROOM or no more
 * can be taken.
 */
static void shrink(const Table *table, size_t *widths, size_t room) {
        for (;;) {
                size_t sum = table->n_columns - 1, widest = table->n_columns;

                for (size_t c = 0; c < table->n_columns; c++) {
                        sum += widths[c];
                        if (table->columns[c].shrink && widths[c] > least_width(table, c) &&
                            (widest == table->n_columns || widths[c] > widths[widest]))
                                widest = c;
                }
                if (sum <= room || widest == table->n_columns)
                        return;
                widths[widest]--;
        }
}

/* LAST: nothing but empty cells follows in the row. */
static void print_cell(const Table *table, const char *text, size_t text_width, size_t column,
                       size_t width, Colour colour, bool last) {
        const char *sequence = colour == COLOUR_PLAIN ? "" : terminal_colour(colour);

        if (table->columns[column].right)
                for (size_t i = text_width; i < width; i++)
                        (void) putchar(' ');
        (void) fputs(sequence, stdout);
        terminal_write(stdout, text, width, !last && !table->columns[column].right);
        if (*sequence)
                (void) fputs(terminal_colour(COLOUR_PLAIN), stdout);
        (void) putchar(last ? '\n' : ' ');
}

/* The last row may have N cells only. */
static void print_row(const Table *table, const Cell *cells, size_t n, const size_t *widths) {
        while (n > 1 && cells[n - 1].width == 0)
                n--;
        for (size_t c = 0; c < n; c++)
                print_cell(table, cells[c].text, cells[c].width, c, widths[c], cells[c].colour,
                           c == n - 1);
}

int table_print(const Table *table) {
        _cleanup_free_ size_t *widths = calloc(table->n_columns, sizeof(size_t));
        size_t room = terminal_width();

        if (!widths || table->failed)
                return -ENOMEM;
        for (size_t c = 0; c < table->n_columns; c++)
                widths[c] = column_width(table, c);
        if (room > 0)
                shrink(table, widths, room);

        for (size_t c = 0; c < table->n_columns; c++)
                print_cell(table, table->columns[c].heading,
                           terminal_columns(table->columns[c].heading), c, widths[c], COLOUR_BOLD,
                           c == table->n_columns - 1);
        for (size_t i = 0; i < table->n_cells; i += table->n_columns)
                print_row(table, &table->cells[i], MIN(table->n_columns, table->n_cells - i),
                          widths);
        return 0;
}
