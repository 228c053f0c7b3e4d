/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Of a shell script the commands are looked at, of one for Python or Perl the few ways in which a
 * call is written. Neither is certain: a false alarm costs more than a call that is not found.
 */

#include "libvirt-call.h"

#include <ctype.h>

#include "script-syntax.h"
#include "script-text.h"
#include "shell-commands.h"
#include "text.h"

/* Programs that connect to libvirt. */
static const char *const programs[] = { "virsh",    "virt-admin", "virt-clone",  "virt-install",
                                        "virt-top", "virt-xml",   "virt-viewer", "virt-manager" };

/*
 * Whether the text behind a virsh is about a device of this machine. No guest is locked for that,
 * so it is answered while the hook is waited for: many have a card detached like this before the
 * guest gets it.
 */
static bool is_about_device(const char *rest, size_t size) {
        static const char start[] = "nodedev-";

        while (size > 0 && (*rest == ' ' || *rest == '\t')) {
                rest++;
                size--;
        }
        return size >= strlen(start) && strncmp(rest, start, strlen(start)) == 0;
}

static bool is_libvirts(const char *name, const char *rest, size_t size) {
        if (streq(name, "virsh") && is_about_device(rest, size))
                return false;
        for (size_t i = 0; i < ELEMENTS(programs); i++)
                if (streq(name, programs[i]))
                        return true;
        return false;
}

/* Whether what stands before QUOTE in LINE makes the string behind it a command that is waited for:
 * "run([" and "system(", but not "Popen([". */
static bool is_in_call(const char *line, const char *quote) {
        static const char *const functions[] = { "system",    "popen",      "run",
                                                 "call",      "exec",       "qx",
                                                 "getoutput", "check_call", "check_output" };
        const char *end = quote;

        while (end > line && strchr(" \t[", end[-1]))
                end--;
        if (end == line || end[-1] != '(')
                return false;
        end--;
        for (size_t i = 0; i < ELEMENTS(functions); i++) {
                size_t n = strlen(functions[i]);

                if ((size_t) (end - line) >= n && memcmp(end - n, functions[i], n) == 0 &&
                    (end - n == line || (!isalnum((unsigned char) end[-1 - (ptrdiff_t) n]) &&
                                         end[-1 - (ptrdiff_t) n] != '_')))
                        return true;
        }
        return false;
}

/* The program of libvirt's that LINE runs, or NULL. */
static const char *find_program_call(const char *line) {
        for (const char *quote = line; (quote = strpbrk(quote, "'\"`")); quote++) {
                const char *name = quote + 1;

                for (size_t i = 0; i < ELEMENTS(programs); i++) {
                        size_t n = strlen(programs[i]);
                        const char *start = name;

                        if (*start == '/') {
                                start += strcspn(start, " '\"`");
                                while (start[-1] != '/')
                                        start--;
                        }
                        if (strncmp(start, programs[i], n) == 0 && strchr(" '\"`", start[n]) &&
                            start[n] && (*quote == '`' || is_in_call(line, quote)))
                                return programs[i];
                }
        }
        return NULL;
}

/* What in LINE connects to libvirt, or NULL. */
static const char *find_call(const char *line) {
        static const char open[] = "libvirt.open"; /* and openAuth(), openReadOnly() */
        const char *p = strstr(line, open);

        if (p && (p == line || (!isalnum((unsigned char) p[-1]) && !strchr("_./'\"", p[-1])))) {
                p += strlen(open);
                while (isalnum((unsigned char) *p))
                        p++;
                if (*p == '(')
                        return open;
        }
        if (strstr(line, "Sys::Virt->new"))
                return "Sys::Virt";
        return find_program_call(line);
}

/* Whether an odd number of Python's quotes of several lines is in LINE. */
static bool toggles_text(const char *line) {
        unsigned n = 0;

        for (const char *p = line; *p; p++)
                if (strncmp(p, "\"\"\"", 3) == 0 || strncmp(p, "'''", 3) == 0) {
                        n++;
                        p += 2;
                }
        return n % 2 == 1;
}

/* TEXT is taken apart. */
static const char *find_in_lines(char *text, unsigned *ret_line) {
        bool in_text = false;
        char *line;

        for (*ret_line = 1; (line = strsep(&text, "\n")); ++*ret_line) {
                const char *start = line + strspn(line, " \t"), *found;

                if (*start == '#')
                        continue;
                found = in_text ? NULL : find_call(start);
                if (found)
                        return found;
                in_text ^= toggles_text(start);
        }
        return NULL;
}

static bool is_language(const char *program) {
        const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;

        return strncmp(name, "python", 6) == 0 || strncmp(name, "perl", 4) == 0;
}

void libvirt_call_check(const Subject *subject, const char *program, Findings *findings) {
        _cleanup_free_ char *text = NULL;
        size_t size = script_text_read(subject->path, &text);
        ShellCommand command = {};
        const char *name = NULL;

        if (size > 0 && script_syntax_shell(program)) {
                if (shell_commands_find(text, size, is_libvirts, &command))
                        name = command.name;
        } else if (size > 0 && is_language(program))
                name = find_in_lines(text, &command.line);
        if (name)
                findings_add(
                        findings, subject, "calls-libvirt",
                        strdup("take what it needs from its arguments and standard input, or "
                               "let it go on without waiting: systemd-run --no-block COMMAND"),
                        "line %u seems to call libvirt (%s), which waits for this hook and may "
                        "not answer before it ends",
                        command.line, name);
}
