/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rows of cells under headings, as wide as they need to be and as the terminal lets them.
 */

#include "terminal.h"

typedef struct Table Table;

typedef struct Column {
        const char *heading;
        bool right;  /* numbers and times line up at their ends */
        bool shrink; /* may be cut where the terminal is too narrow, though not to nothing */
} Column;

/* COLUMNS stay the caller's and must live as long as the table. */
int table_new(Table **ret, const Column *columns, size_t n_columns);
Table *table_free(Table *table); /* takes NULL, returns NULL */

/* Adds the next cell, row by row. TEXT may be anything: it is escaped; NULL is an empty cell. Short
 * memory is told of by table_print(). */
void table_add(Table *table, Colour colour, const char *text);
_printf_(3, 4)
void table_addf(Table *table, Colour colour, const char *format, ...);

/* Whether all columns fit into the terminal: as wide as they are, or cut where they may be. */
bool table_fits(const Table *table);

/* Prints all rows on standard output. Returns 0 or a negative errno. */
int table_print(const Table *table);

DEFINE_CLEANUP(Table, table_free);
