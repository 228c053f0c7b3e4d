/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks-forward: stands where libvirt expects a hook script, under the script's name, and has
 * the service run the scripts. libvirt must not be able to tell the difference.
 */

#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "environment.h"
#include "forward-call.h"
#include "forward-direct.h"
#include "forward-lock.h"
#include "log.h"

#define PROGRAM      "virt-hooks-forward"
#define DOCUMENT_MAX (64U * 1024U * 1024U) /* libvirt's own strings have at most 4 MiB */

enum {
        EXIT_USAGE = 2,
};

static void print_help(void) {
        (void) fputs(
                "Usage: " PROGRAM " [--help] [--version]\n"
                "       LINK OBJECT OPERATION SUB-OPERATION EXTRA <DOCUMENT\n"
                "\n"
                "LINK is a link to " PROGRAM " that has the name of a type of hooks and lies\n"
                "where libvirt looks for that hook, like /etc/libvirt/hooks/qemu: it has virt-hooksd\n"
                "run the type's scripts. 'virt-hooks attach' makes such links, and 'virt-hooks detach'\n"
                "takes them away.\n"
                "\n"
                "See virt-hooks-forward(8).\n",
                stdout);
}

/* Somebody calls us by our own name, to learn what we are, or by one that is no type's. */
static int explain(int argc, char **argv) {
        _cleanup_free_ char *types = NULL;

        if (argc == 2 && streq(argv[1], "--version")) {
                (void) puts(PACKAGE_STRING);
                return EXIT_SUCCESS;
        }
        if (argc == 2 && (streq(argv[1], "--help") || streq(argv[1], "-h"))) {
                print_help();
                return EXIT_SUCCESS;
        }
        types = hook_type_names();
        (void) fprintf(
                stderr,
                "virt-hooks: it runs scripts as a link with the name of their type (%s), not as "
                "'%s'; see '" PROGRAM " --help'\n",
                types ? types : "qemu and others", argc > 0 ? basename(argv[0]) : PROGRAM);
        return EXIT_USAGE;
}

static int read_document(Bytes **ret) {
        int r = bytes_new_read(ret, STDIN_FILENO, DOCUMENT_MAX);

        if (r == -EBADF) /* there is no standard input: as good as an empty one */
                return 0;
        if (r >= 0 && (*ret)->size == 0)
                *ret = bytes_unref(*ret);
        return r;
}

static void call_hook(ForwardCall *call, Verdict *verdict) {
        _cleanup_free_ char *why_not = NULL;
        int r;

        r = read_document(&call->document);
        if (r >= 0)
                r = environment_new_inherited(&call->environment);
        if (r < 0) {
                verdict_refuse(verdict, "the document for '%s' cannot be read: %s",
                               call->arguments.object, strerror(-r));
                return;
        }
        if (!forward_call(call, verdict, &why_not))
                forward_direct(call, why_not, verdict);
}

static int forward(HookType type, char **words) {
        ForwardCall call = {
                .arguments = {
                        .type = type,
                        .object = words[0],
                        .operation = words[1],
                        .suboperation = words[2],
                        .extra = words[3],
                        .lenient = true,
                },
        };
        _cleanup_(verdict_clear) Verdict verdict = {};

        call_hook(&call, &verdict);
        bytes_unref(call.document);
        strv_free(call.environment);
        return verdict_give_back(&verdict, type, words[0], words[1]);
}

int main(int argc, char **argv) {
        const struct sigaction ignore = { .sa_handler = SIG_IGN };
        HookType type = hook_type_from_string(argc > 0 ? basename(argv[0]) : PROGRAM);

        if (type == HOOK_TYPE_INVALID)
                return explain(argc, argv);
        if (argc != 5) {
                (void) fprintf(stderr,
                               "virt-hooks: libvirt's hooks have four arguments, not %d: "
                               "OBJECT OPERATION SUB-OPERATION EXTRA\n",
                               argc - 1);
                return EXIT_USAGE;
        }
        forward_lock(argv);
        /* Whoever looks for the caller sees the link's name else, and takes "qemu" for a guest. */
        program_invocation_short_name = (char *) PROGRAM;
        (void) prctl(PR_SET_NAME, PROGRAM);
        /* Standard error is libvirt's. */
        log_set_target(LOG_TARGET_JOURNAL);
        /* libvirt may stop listening, and a script need not read its document. */
        (void) sigaction(SIGPIPE, &ignore, NULL);
        return forward(type, argv + 1);
}
