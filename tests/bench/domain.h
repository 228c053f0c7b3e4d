/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Domains of a given size.
 */

#include "util.h"

/* SIZE bytes at least, for the guest NAME, most of them many small elements, or one long text; to
 * be freed. */
char *domain_dense(const char *name, size_t size);
char *domain_long(const char *name, size_t size);

/* A sealed memfd with it. */
int domain_fd(const char *document);
