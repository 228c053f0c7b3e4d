/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Documents. Dense ones look like a domain's devices, long ones like a description.
 */

#include "domain.h"

#include <stdio.h>

#include "bytes.h"
#include "fatal.h"

static char *repeat(const char *name, size_t size, const char *before, const char *line,
                    const char *after) {
        size_t n = size / strlen(line) + 1,
               room = n * strlen(line) + strlen(before) + strlen(after) + strlen(name) + 256;
        char *document = must_have(malloc(room)), *p = document;

        p += snprintf(p, room,
                      "<domain type='kvm'>\n  <name>%s</name>\n"
                      "  <uuid>5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11</uuid>\n%s",
                      name, before);
        for (size_t i = 0; i < n; i++)
                p = stpcpy(p, line);
        p = stpcpy(p, after);
        (void) stpcpy(p, "</domain>\n");
        return document;
}

char *domain_dense(const char *name, size_t size) {
        return repeat(name, size, "  <devices>\n",
                      "    <controller type='pci' index='1' model='pcie-root-port'>\n"
                      "      <target chassis='1' port='0x10'/>\n"
                      "      <address type='pci' domain='0x0000' bus='0x00' slot='0x02'/>\n"
                      "    </controller>\n",
                      "  </devices>\n");
}

char *domain_long(const char *name, size_t size) {
        return repeat(name, size, "  <description>",
                      "words of a description as somebody wrote it, in lines like this one\n",
                      "</description>\n");
}

int domain_fd(const char *document) {
        return must(bytes_to_sealed_fd("bench-document", document, strlen(document)), "a memfd");
}
