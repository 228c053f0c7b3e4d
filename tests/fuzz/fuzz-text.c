/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A script's text on its way into messages and command lines. What comes out can be sent; what was
 * right before is not changed; a word for a shell is one word there.
 */

#include "text.h"

#include <sys/wait.h>

#include "fuzz.h"
#include "script-error.h"

static void check_conversion(const char *data, size_t size) {
        _cleanup_free_ char *text = text_to_utf8(data, size), *again = NULL;

        must(text);
        must_be_sendable(text);
        must(text_is_sendable(text, strlen(text)));
        again = text_to_utf8(text, strlen(text));
        must(again && streq(again, text));
        must(text_is_sendable(data, size) ==
             (strlen(text) == size && memcmp(text, data, size) == 0));
}

/*
 * What a shell makes of one word: quotes are taken off, and outside of them nothing may stand that
 * means something to it. Source: POSIX, Shell Command Language, 2.2 Quoting. (wordexp(3) does not
 * take quotes off as a shell does.)
 */
static char *unquote(const char *word) {
        char *plain = strdup(word), *to = plain;

        must(plain && *word);
        while (*word)
                if (*word == '\'') {
                        const char *end = strchr(word + 1, '\'');

                        must(end);
                        to = mempcpy(to, word + 1, (size_t) (end - word - 1));
                        word = end + 1;
                } else if (*word == '\\') {
                        must(word[1] && word[1] != '\n');
                        *to++ = word[1];
                        word += 2;
                } else {
                        must(!strchr("|&;<>()$`\\\"' \t\n*?[]#~{}!^", *word));
                        *to++ = *word++;
                }
        *to = '\0';
        return plain;
}

static void check_word(const char *word) {
        _cleanup_free_ char *quoted = text_shell_word(word), *plain = NULL;

        must(quoted);
        plain = unquote(quoted);
        must(streq(plain, word));
}

static void check_messages(const char *word, const char *data, size_t size) {
        char *assignment = NULL;
        char *environment[] = { NULL, NULL }, *argv[] = { (char *) word, (char *) word, NULL };
        _cleanup_free_ char *message = NULL, *reason = NULL, *formatted = NULL;

        must(asprintf(&assignment, "PATH=%s", word) >= 0);
        environment[0] = assignment;
        message = script_error_message(environment, argv, W_EXITCODE(1, 0), data, size);
        reason = script_error_reason(word, W_EXITCODE(0, 9));
        formatted = text_format("%.32s|%s", word, word);
        must(message && reason && formatted);
        must_be_sendable(message);
        must_be_sendable(reason);
        must_be_sendable(formatted);
        free(assignment);
}

static void check_control(const char *word) {
        const char *control = text_find_control(word);

        if (control) {
                must(control >= word && control < word + strlen(word));
                return;
        }
        for (const char *p = word; *p; p++)
                must((unsigned char) *p >= 0x20 && *p != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        const char *data = (const char *) bytes;
        _cleanup_free_ char *word = strndup(size > 0 ? data : "", size);

        check_conversion(data, size);
        (void) text_is_blank(data, size);
        check_word(word);
        check_control(word);
        check_messages(word, data, size);
        return 0;
}
