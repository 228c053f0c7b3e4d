/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The first bytes of a script, for 'virt-hooks check'. Its remedies are commands that people paste
 * into root's shell.
 */

#include "interpreter.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *path = fuzz_file(data, size);
        const Subject subject = { .path = path, .word = path, .type = HOOK_QEMU };
        Findings *findings;
        char *program;

        must(findings_new(&findings) == 0);
        interpreter_check(&subject, findings, &program);
        free(program);
        for (int json = 0; json < 2; json++) {
                _cleanup_free_ char *printed = NULL;
                size_t printed_size;

                stdout_start();
                must(findings_print(findings, json) == 0);
                printed = stdout_end(&printed_size);
                must(strlen(printed) == printed_size);
                must_be_sendable(printed);
        }
        findings_free(findings);
        return 0;
}
