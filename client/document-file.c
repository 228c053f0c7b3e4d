/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Documents from files and pipes.
 */

#include "document-file.h"

#include <fcntl.h>

#include "complain.h"
#include "text.h"

#define DOCUMENT_MAX (64U * 1024U * 1024U) /* more than any service takes */

static void complain_missing(HookType type, const char *option) {
        bool is_network = type == HOOK_NETWORK;
        _cleanup_free_ char *place =
                option ? text_format("give its file as %s=FILE, or %s=-", option, option)
                       : text_format("name its file, or -");

        complain("a %s hook needs the XML of its %s, as '%s' prints it: %s for standard input",
                 hook_type_to_string(type), is_network ? "network" : "guest",
                 is_network ? "virsh net-dumpxml" : "virsh dumpxml", place ? place : "-");
}

int document_file_check_names(HookType type, const char *xml, const char *option,
                              const char *port_xml) {
        if (type != HOOK_DAEMON && !xml)
                complain_missing(type, option);
        else if (port_xml && type != HOOK_NETWORK)
                complain("--port-xml goes with the type network");
        else if (port_xml && streq(port_xml, "-") && streq(xml, "-"))
                complain("standard input cannot be both the network and its port");
        else
                return 0;
        return -EINVAL;
}

int document_file_read(const char *path, Bytes **ret) {
        _cleanup_close_ int opened = -EBADF;
        int r;

        *ret = NULL;
        if (!path)
                return 0;
        if (!streq(path, "-")) {
                opened = open(path, O_RDONLY | O_CLOEXEC);
                if (opened < 0) {
                        r = -errno;
                        complain("%s cannot be read: %m", path);
                        return r;
                }
        }
        r = bytes_new_read(ret, opened >= 0 ? opened : STDIN_FILENO, DOCUMENT_MAX);
        if (r < 0)
                complain("%s cannot be read: %s", path, strerror(-r));
        return r;
}
