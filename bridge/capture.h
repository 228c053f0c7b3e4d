/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a script wrote to one of its pipes, under a cap: so much from the start, so much from the
 * end, and how much it was in all. A script may write for ever; what is kept does not grow beyond
 * the cap.
 */

#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

typedef struct Capture {
        size_t head_max; /* bytes kept from the start */
        size_t tail_max; /* bytes kept from the end, after the head */

        char *head;
        size_t head_size, head_allocated;
        char *tail; /* a ring of tail_max bytes; the next byte goes to tail_at */
        size_t tail_at, tail_size;
        uint64_t total; /* all that was written */
        bool is_short;  /* some of it is lost because memory was short */
} Capture;

/* Frees what is kept; the caps stay, and the capture can be used again. */
void capture_clear(Capture *capture);

/* Where memory is short bytes are lost; total counts them all the same. */
void capture_append(Capture *capture, const char *data, size_t size);

/* How many bytes are missing between the head and the tail. */
uint64_t capture_lost(const Capture *capture);

/* The line that stands for LOST bytes. Returns BUFFER. */
#define CAPTURE_GAP_SIZE 64U
const char *capture_format_gap(char buffer[static CAPTURE_GAP_SIZE], uint64_t lost);

/*
 * All that is kept as one text, with a line that says how much is missing where something is. A NUL
 * follows the text. Ownership: the caller frees *ret. Returns 0 or -ENOMEM.
 */
int capture_text(const Capture *capture, char **ret, size_t *ret_size);

/*
 * Takes the head away, up to its first NUL, as a document: *ret is NULL where that is blank.
 * Returns 0; -E2BIG where something is missing; or -ENOMEM, also where memory was short before.
 */
int capture_take_document(Capture *capture, Bytes **ret);
