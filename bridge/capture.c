/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The bounded memory of a pipe. The head grows with what comes, the tail is a ring that is
 * allocated when the head is full: the usual script, which prints nothing or a line, costs nothing
 * or a line.
 */

#include "capture.h"

#include <inttypes.h>
#include <stdio.h>

#include "text.h"

void capture_clear(Capture *capture) {
        free(capture->head);
        free(capture->tail);
        *capture = (Capture){
                .head_max = capture->head_max,
                .tail_max = capture->tail_max,
        };
}

/* Returns how many of the SIZE bytes it took. */
static size_t head_append(Capture *capture, const char *data, size_t size) {
        size_t n = MIN(size, capture->head_max - capture->head_size);
        size_t needed = capture->head_size + n;

        if (n == 0)
                return 0;
        if (needed > capture->head_allocated) {
                size_t allocated = MIN(needed * 2, capture->head_max);
                char *grown = realloc(capture->head, allocated);

                if (!grown) {
                        capture->head_max = capture->head_size;
                        capture->is_short = true;
                        return 0;
                }
                capture->head = grown;
                capture->head_allocated = allocated;
        }
        memcpy(capture->head + capture->head_size, data, n);
        capture->head_size = needed;
        return n;
}

static void tail_append(Capture *capture, const char *data, size_t size) {
        if (size == 0 || capture->tail_max == 0)
                return;
        if (!capture->tail) {
                capture->tail = malloc(capture->tail_max);
                if (!capture->tail) {
                        capture->tail_max = 0;
                        return;
                }
        }
        if (size > capture->tail_max) {
                data += size - capture->tail_max;
                size = capture->tail_max;
        }
        while (size > 0) {
                size_t n = MIN(size, capture->tail_max - capture->tail_at);

                memcpy(capture->tail + capture->tail_at, data, n);
                capture->tail_at = (capture->tail_at + n) % capture->tail_max;
                capture->tail_size = MIN(capture->tail_size + n, capture->tail_max);
                data += n;
                size -= n;
        }
}

void capture_append(Capture *capture, const char *data, size_t size) {
        size_t taken;

        if (size == 0)
                return;
        taken = head_append(capture, data, size);
        tail_append(capture, data + taken, size - taken);
        capture->total += size;
}

uint64_t capture_lost(const Capture *capture) {
        return capture->total - capture->head_size - capture->tail_size;
}

const char *capture_format_gap(char buffer[static CAPTURE_GAP_SIZE], uint64_t lost) {
        (void) snprintf(buffer, CAPTURE_GAP_SIZE, "[... %" PRIu64 " bytes left out ...]\n", lost);
        return buffer;
}

int capture_text(const Capture *capture, char **ret, size_t *ret_size) {
        uint64_t lost = capture_lost(capture);
        char line[CAPTURE_GAP_SIZE], gap[1 + CAPTURE_GAP_SIZE] = "";
        size_t gap_size = 0, oldest, until_wrap, size;
        char *text, *p;

        if (lost > 0)
                gap_size = (size_t) snprintf(gap, sizeof(gap), "%s%s",
                                             capture->head_size > 0 ? "\n" : "",
                                             capture_format_gap(line, lost));

        size = capture->head_size + gap_size + capture->tail_size;
        text = malloc(size + 1);
        if (!text)
                return -ENOMEM;

        p = text;
        if (capture->head_size > 0)
                p = mempcpy(p, capture->head, capture->head_size);
        p = mempcpy(p, gap, gap_size);
        if (capture->tail_size > 0) {
                oldest = (capture->tail_at + capture->tail_max - capture->tail_size) %
                         capture->tail_max;
                until_wrap = MIN(capture->tail_size, capture->tail_max - oldest);
                p = mempcpy(p, capture->tail + oldest, until_wrap);
                p = mempcpy(p, capture->tail, capture->tail_size - until_wrap);
        }
        *p = '\0';

        *ret = text;
        *ret_size = size;
        return 0;
}

int capture_take_document(Capture *capture, Bytes **ret) {
        size_t size = capture->head ? strnlen(capture->head, capture->head_size) : 0;

        *ret = NULL;
        if (capture_lost(capture) > 0)
                return capture->is_short ? -ENOMEM : -E2BIG;
        if (size == 0 || text_is_blank(capture->head, size))
                return 0;
        return bytes_new_take(ret, TAKE_PTR(capture->head), size);
}
