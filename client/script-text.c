/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A script that has the path of a folder in it finds nothing when the folder has moved, and most
 * say nothing then: their guest starts unguarded.
 */

#include "script-text.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "script-syntax.h"
#include "text.h"

#define SCRIPTS_MAX 100U /* of a folder; each file may be looked for in all of them */

size_t script_text_read(const char *path, char **ret) {
        FILE *file = fopen(path, "re");
        size_t n = 0;

        *ret = file ? malloc(SCRIPT_TEXT_MAX + 1) : NULL;
        if (*ret) {
                n = fread(*ret, 1, SCRIPT_TEXT_MAX, file);
                (*ret)[n] = '\0';
        }
        if (file)
                (void) fclose(file);
        return n;
}

bool script_text_has(const char *path, const char *text) {
        _cleanup_free_ char *script = NULL;
        size_t n = script_text_read(path, &script);

        return n > 0 && memmem(script, n, text, strlen(text));
}

/* What a script is written in, by its first line. */
typedef enum Language {
        LANGUAGE_UNKNOWN,
        LANGUAGE_SHELL,
        LANGUAGE_PYTHON,
        LANGUAGE_HASHED, /* another one whose comments begin with "#" */
} Language;

/* Whether NAME is that of PROGRAM, or of a version of it: "python3.11". */
static bool is_version_of(const char *name, const char *program) {
        size_t n = strlen(program);

        return strncmp(name, program, n) == 0 && !name[n + strspn(name + n, ".0123456789")];
}

static Language language_from_interpreter(const char *name) {
        static const char *const hashed[] = { "perl", "ruby", "awk",   "gawk",   "mawk",
                                              "fish", "csh",  "tclsh", "expect", "tcsh" };

        if (script_syntax_shell(name))
                return LANGUAGE_SHELL;
        if (is_version_of(name, "python"))
                return LANGUAGE_PYTHON;
        for (size_t i = 0; i < ELEMENTS(hashed); i++)
                if (is_version_of(name, hashed[i]))
                        return LANGUAGE_HASHED;
        return LANGUAGE_UNKNOWN;
}

/* Of the words in the first line: env and busybox have the interpreter among their arguments. */
static Language language_of(const char *script) {
        _cleanup_free_ char *line = NULL;
        char *rest, *word;

        if (strncmp(script, "#!", 2) != 0)
                return LANGUAGE_UNKNOWN;
        line = strndup(script + 2, strcspn(script + 2, "\n"));
        rest = line;
        while ((word = strsep(&rest, " \t\r"))) {
                const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;

                if (*word && *word != '-' && !strchr(word, '=') && !streq(name, "env") &&
                    !streq(name, "busybox"))
                        return language_from_interpreter(name);
        }
        return LANGUAGE_UNKNOWN;
}

/* Whether LINE, which is not the first one, does nothing. */
static bool is_comment(Language language, const char *line) {
        return language != LANGUAGE_UNKNOWN && line[strspn(line, " \t")] == '#';
}

static bool goes_on(char c) {
        return isalnum((unsigned char) c) || strchr("._-", c);
}

/* Whether P is where the path of the folder in which NAME is has ended, or goes on with NAME. */
static bool ends_or_has(const char *p, const char *name) {
        while (*p == '/' && p[1] == '/')
                p++;
        return *p == '\0' || (*p != '/' && !goes_on(*p)) ||
               (*p == '/' && (!goes_on(p[1]) || strncmp(p + 1, name, strlen(name)) == 0));
}

unsigned script_text_speaks_of(const char *path, const char *folder, const char *name) {
        _cleanup_free_ char *script = NULL;
        size_t n = script_text_read(path, &script), length = strlen(folder);
        Language language = n > 0 ? language_of(script) : LANGUAGE_UNKNOWN;
        const char *line = script, *end = script + n, *p;

        for (unsigned number = 1; n > 0 && line < end; number++) {
                const char *stop = memchr(line, '\n', (size_t) (end - line));

                if (!stop)
                        stop = end;
                p = number > 1 && is_comment(language, line) ? stop : line;
                while ((p = memmem(p, (size_t) (stop - p), folder, length))) {
                        p += length;
                        if (ends_or_has(p, name))
                                return number;
                }
                line = stop + 1;
        }
        return 0;
}

/* Whether "." or "source" is a word between START and END. */
static bool has_reading_word(const char *start, const char *end) {
        while (start < end) {
                const char *word = start + strspn(start, " \t;&|({");
                size_t n = strcspn(word, " \t");

                if (word + n < end &&
                    ((n == 1 && *word == '.') || (n == 6 && strncmp(word, "source", n) == 0)))
                        return true;
                start = word + (n > 0 ? n : 1);
        }
        return false;
}

/* Whether the script at PATH reads a file whose path ends with ELEMENT, which begins with '/'. */
static bool reads(const char *path, const char *element) {
        _cleanup_free_ char *script = NULL;
        size_t n = script_text_read(path, &script);
        const char *p = script;

        while (n > 0 && (p = strstr(p, element))) {
                const char *start = p;

                while (start > script && start[-1] != '\n')
                        start--;
                p += strlen(element);
                if ((*p == '\0' || !goes_on(*p)) && has_reading_word(start, p))
                        return true;
        }
        return false;
}

bool script_text_any_executable(const char *folder, ScriptUses *uses, const char *text) {
        DIR *directory = opendir(folder);
        const struct dirent *entry;
        unsigned looked_at = 0;
        bool found = false;
        struct stat st;

        while (directory && !found && looked_at < SCRIPTS_MAX && (entry = readdir(directory))) {
                _cleanup_free_ char *path = NULL;

                if (fstatat(dirfd(directory), entry->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode) ||
                    !(st.st_mode & 0111))
                        continue;
                looked_at++;
                if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
                        path = NULL;
                found = path && (!uses || uses(path, text));
        }
        if (directory)
                (void) closedir(directory);
        return found;
}

bool script_text_is_used(const char *path, bool is_folder) {
        const char *name = strrchr(path, '/');
        _cleanup_free_ char *folder = strndup(path, (size_t) (name - path)), *above = NULL;
        _cleanup_free_ char *element = NULL;
        ScriptUses *uses = is_folder ? script_text_has : reads;

        if (asprintf(&above, "%s/..", folder ? folder : "") < 0)
                above = NULL;
        if (asprintf(&element, "%s%s", name, is_folder ? "/" : "") < 0)
                element = NULL;
        if (!folder || !above || !element)
                return false;
        return script_text_any_executable(folder, uses, element) ||
               script_text_any_executable(above, uses, element);
}

static Language language_of_file(const char *path) {
        _cleanup_free_ char *script = NULL;

        return script_text_read(path, &script) > 0 ? language_of(script) : LANGUAGE_UNKNOWN;
}

/* "/.." for each of the LEVELS. */
static char *climb(unsigned levels) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        while (levels-- > 0)
                (void) fputs("/..", stream);
        return fclose(stream) == 0 ? TAKE_PTR(text) : NULL;
}

/* Between single quotes $(...) is mere text: those that begin with FOLDER begin behind it then. */
static char *shell_command(const char *path, const char *folder, const char *up, const char *word) {
        _cleanup_free_ char *quoted = text_format("'%s", folder), *first = NULL;

        if (!quoted)
                return NULL;
        first = script_text_has(path, quoted)
                        ? text_format("s|\\x27%s|\"$(dirname \"$0\")%s\"\\x27|g; ", folder, up)
                        : strdup("");
        return first ? text_format("sed -i --follow-symlinks '%ss|%s|$(dirname \"$0\")%s|g' %s",
                                   first, folder, up, word)
                     : NULL;
}

char *script_text_remedy(const char *path, const char *folder, unsigned levels, const char *to,
                         const char *back) {
        _cleanup_free_ char *word = text_shell_word(path), *up = climb(levels), *beside = NULL;
        Language language = language_of_file(path);

        if (!word || !up)
                return NULL;
        if (language == LANGUAGE_SHELL)
                return shell_command(path, folder, up, word);
        beside =
                language == LANGUAGE_PYTHON
                        ? text_format("write os.path.dirname(os.path.abspath(__file__))%s%s%s for "
                                      "%s,",
                                      levels > 0 ? " + \"" : "", up, levels > 0 ? "\"" : "", folder)
                        : strdup("let it look beside itself,");
        if (!beside)
                return NULL;
        return text_format("%s which works in both places; or, for the new place alone, so that %s "
                           "will be refused: sed -i --follow-symlinks 's|%s|%s|g' %s",
                           beside, back, folder, to, word);
}
