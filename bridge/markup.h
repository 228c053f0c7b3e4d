/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where the pieces of markup in XML start and end. For well-formed documents without a DTD, and for
 * what comes before the first fault of others; libxml2 is the judge of both.
 *
 * Source: https://www.w3.org/TR/xml/, 2.4 Character Data and Markup.
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * The first byte after the tag, comment, CDATA section or processing instruction that starts with
 * the
 * '<' at P; END where it does not end before. RET_ATTRIBUTES, which may be NULL, gets how many
 * attributes a tag has.
 */
const char *markup_end(const char *p, const char *end, size_t *ret_attributes);

/* Whether the markup at P is the start or the end of an element. */
bool markup_is_tag(const char *p, const char *end);
