/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bytes that several parts share and nobody changes: a document on its way from the message or the
 * memfd it came in, through the check, to the pipe of each script. Counted by reference, never
 * copied.
 */

#include <stddef.h>

#include "util.h"

typedef struct Bytes {
        const char *data; /* not NUL-terminated */
        size_t size;
        bool is_sealed; /* in whole pages that nobody ever changes, also when the bytes are gone */
        /* The rest is bytes.c's own. */
        unsigned references;
        void (*release)(void *owner);
        void *owner;
} Bytes;

/*
 * DATA stays where it is; release(OWNER) is called with the last reference, and also when this
 * function fails. Returns 0 or -ENOMEM.
 */
int bytes_new(Bytes **ret, const char *data, size_t size, void (*release)(void *owner),
              void *owner);

/*
 * Takes DATA, which was malloc()ed. It is freed with the last reference, and also when this
 * function fails.
 */
int bytes_new_take(Bytes **ret, char *data, size_t size);

/*
 * Maps the memfd FD from its start to its end. FD stays the caller's and may be closed afterwards.
 * It must be sealed against shrinking and writing: nobody changes what was checked, and no access
 * meets a missing page. Returns 0; -EFBIG where it has more than MAX bytes, and then maps nothing,
 * since a hole in it would become memory; or another negative errno.
 */
int bytes_new_sealed(Bytes **ret, int fd, size_t max);

/*
 * Reads FD to its end, and waits for it. Returns 0; -EFBIG where it has more than MAX bytes; or
 * another negative errno.
 */
int bytes_new_read(Bytes **ret, int fd, size_t max);

/* Whether FD is a memfd that is sealed as bytes_new_sealed() wants it. */
bool bytes_fd_is_sealed(int fd);

/* Seals the memfd FD so. Returns 0 or a negative errno. */
int bytes_seal_fd(int fd);

/* Writes the SIZE bytes at DATA into the memfd FD, which is empty, and seals it. Returns 0 or a
 * negative errno. */
int bytes_fill_fd(int fd, const char *data, size_t size);

/* Returns a sealed memfd with the SIZE bytes at DATA, named NAME in /proc, or a negative errno. */
int bytes_to_sealed_fd(const char *name, const char *data, size_t size);

Bytes *bytes_ref(Bytes *bytes);
Bytes *bytes_unref(Bytes *bytes); /* takes NULL, returns NULL */

DEFINE_CLEANUP(Bytes, bytes_unref);
