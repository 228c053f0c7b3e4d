/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The second opinion on documents: libxml2's tree and XPath, by which libvirt itself reads them.
 */

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "document.h"

/* The tree of the SIZE bytes at DATA; NULL where they are not well-formed. Like libvirt it does
 * not care for namespaces. */
xmlDocPtr tree_parse(const char *data, size_t size);

/* Whether document_check() has to take TREE as of KIND, within what it calls sensible. */
bool tree_is_acceptable(xmlDocPtr tree, DocumentKind kind);

/* Ends the fuzzer where TREE is not about whom INFO says. */
void tree_must_agree(xmlDocPtr tree, const DocumentInfo *info);
