/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the fuzzers share. A fuzzer feeds one parser with whatever bytes libFuzzer makes up, and
 * besides that nothing breaks checks what must hold for any bytes.
 *
 * Source: https://llvm.org/docs/LibFuzzer.html.
 */

#include <stdint.h>

#include "util.h"

/* The fuzzer itself, and what it does once at the start: libFuzzer calls both. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the fuzzer where CONDITION does not hold: libFuzzer keeps the input. */
#define must(condition)                                                                            \
        do {                                                                                       \
                if (!(condition))                                                                  \
                        fuzz_fail(#condition, __FILE__, __LINE__);                                 \
        } while (0)
_Noreturn void fuzz_fail(const char *condition, const char *file, int line);

/* Ends the fuzzer where TEXT is no string that sd-bus sends: judged without text.c. */
void must_be_sendable(const char *text);

/*
 * Ends the fuzzer where the TEXT of SIZE bytes could do something to a terminal but be shown there,
 * or pose as another: judged without terminal.c. Tabs and line ends are right with LINES.
 */
void must_be_showable(const char *text, size_t size, bool lines);

/* The input's pieces: what stands between NULs. */
typedef struct Pieces {
        const char *data;
        size_t size;
} Pieces;

/* The next piece as a string, "" behind the last one. Ownership: the caller frees it. */
char *pieces_next(Pieces *pieces);

/* The same as bytes that may have a NUL: all that is left. */
char *pieces_rest(Pieces *pieces, size_t *ret_size);

/* What is printed on standard output in between. Ownership: the caller frees the text. */
void stdout_start(void);
char *stdout_end(size_t *ret_size);

/* A path of a file that has the SIZE bytes at DATA; the same file each time. */
const char *fuzz_file(const void *data, size_t size);
