/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * libvirt's error text, word for word: people search for it, and programs look into it.
 */

#include "script-error.h"

#include <stdio.h>
#include <sys/wait.h>

#include "memory.h"
#include "text.h"
#include "util.h"

/*
 * The name of a variable stays outside the quotes: a='b c' is an assignment, 'a=b c' is a command.
 *
 */
static void write_assignment(FILE *stream, const char *assignment) {
        size_t n = strcspn(assignment, "=");

        (void) fprintf(stream, "%.*s=", (int) n, assignment);
        text_write_shell_word(stream, assignment + n + (assignment[n] == '='));
        (void) fputc(' ', stream);
}

static void write_status(FILE *stream, int status) {
        if (WIFEXITED(status))
                (void) fprintf(stream, "exit status %d", WEXITSTATUS(status));
        else if (WIFSIGNALED(status))
                (void) fprintf(stream, "fatal signal %d", WTERMSIG(status));
        else
                (void) fprintf(stream, "invalid value %d", status);
}

static char *try_message(char *const *environment, char *const *argv, int status, const char *text,
                         size_t size) {
        _cleanup_free_ char *message = NULL;
        size_t message_size;
        FILE *stream;

        stream = open_memstream(&message, &message_size);
        if (!stream)
                return NULL;
        (void) fputs("Hook script execution failed: internal error: Child process (", stream);
        for (char *const *e = environment; e && *e; e++)
                write_assignment(stream, *e);
        for (char *const *a = argv; *a; a++) {
                if (a != argv)
                        (void) fputc(' ', stream);
                text_write_shell_word(stream, *a);
        }
        (void) fputs(") unexpected ", stream);
        write_status(stream, status);
        if (size > 0) {
                (void) fputs(": ", stream);
                (void) fwrite(text, 1, size, stream);
        }
        if (fclose(stream) != 0)
                return NULL;
        return text_to_utf8(message, message_size);
}

char *script_error_message(char *const *environment, char *const *argv, int status,
                           const char *text, size_t size) {
        char *message = try_message(environment, argv, status, text, size);

        if (!message && memory_try_again(-ENOMEM))
                message = try_message(environment, argv, status, text, size);
        return message;
}

char *script_error_reason(const char *name, int status) {
        if (WIFEXITED(status))
                return text_format("%s exited with status %d", name, WEXITSTATUS(status));
        return text_format("%s was killed by signal %d", name, WTERMSIG(status));
}
