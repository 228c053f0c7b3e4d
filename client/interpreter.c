/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The start of a script, as the kernel and env read it. Where the file is of no use, what it was
 * meant to be is looked at all the same: whoever mends one thing wants to know of the next.
 */

#include "interpreter.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "text.h"

#define KERNEL_READS 256U  /* BINPRM_BUF_SIZE */
#define HEAD_SIZE    1024U /* more than the kernel reads, for what should not be before "#!" */

/* Where a service's scripts find programs. */
#define SERVICE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char blanks[] = " \t\r\n\v\f";

typedef struct Inspection {
        const Subject *subject;
        Findings *findings;
        int fd;
        char head[HEAD_SIZE + 1]; /* a NUL follows */
        size_t size;
        char *program; /* that interprets the script, when it was found */
} Inspection;

/* "sed -i OPTIONS SCRIPT FILE"; FILE is what links lead to, since sed(1) would replace a link. */
static char *sed_command(const Subject *subject, const char *options, const char *script) {
        _cleanup_free_ char *target = realpath(subject->path, NULL);
        _cleanup_free_ char *word = text_shell_word(target ? target : subject->path);
        _cleanup_free_ char *script_word = text_shell_word(script);

        if (!word || !script_word)
                return NULL;
        return text_format("sed -i%s %s %s", options, script_word, word);
}

/* The command that makes the first line "#!PROGRAM ARGUMENTS". */
static char *first_line_command(const Subject *subject, const char *program,
                                const char *arguments) {
        _cleanup_free_ char *script = NULL;

        if (asprintf(&script, "1c #!%s%s%s", program, *arguments ? " " : "", arguments) < 0) {
                script = NULL;
                return NULL;
        }
        return sed_command(subject, "", script);
}

static const char *last_element(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* Whether the file at PATH can be executed by the service. Sets errno where it cannot. */
static bool can_execute(const char *path) {
        struct statvfs fs;
        struct stat st;

        if (stat(path, &st) < 0)
                return false;
        if (S_ISREG(st.st_mode) && (st.st_mode & 0111) &&
            (statvfs(path, &fs) < 0 || !(fs.f_flag & ST_NOEXEC)))
                return true;
        errno = EACCES;
        return false;
}

/* The file NAME in the directories of SEARCH, or NULL. Ownership: the caller frees it. */
static char *find_program(const char *name, const char *search) {
        _cleanup_free_ char *directories = strdup(search);
        char *state = NULL;

        for (char *d = directories ? strtok_r(directories, ":", &state) : NULL; d;
             d = strtok_r(NULL, ":", &state)) {
                char *path;

                if (asprintf(&path, "%s/%s", d, name) < 0)
                        return NULL;
                if (can_execute(path))
                        return path;
                free(path);
        }
        return NULL;
}

/* A path of the user's own is no place for what a service runs. */
static bool is_at_home(const char *path) {
        const char *home = getenv("HOME");
        size_t n = home ? strlen(home) : 0;

        return n > 1 && strncmp(path, home, n) == 0 && path[n] == '/';
}

/* What the program NAME, or the one that has its place now, is on this machine. Ownership: the
 * caller frees it. NULL where it is nowhere. */
static char *find_elsewhere(const char *name) {
        char *found = find_program(name, SERVICE_PATH);
        const char *path = getenv("PATH");

        if (!found && streq(name, "python"))
                found = find_program("python3", SERVICE_PATH);
        if (!found && path)
                found = find_program(name, path);
        if (!found || (*found == '/' && !is_at_home(found)))
                return found;
        free(found);
        return NULL;
}

/* NAME is not there, or not for the service. Its last element may be elsewhere. */
static char *missing_program_remedy(const Inspection *inspection, const char *name,
                                    const char *arguments) {
        _cleanup_free_ char *found = find_elsewhere(last_element(name));

        if (found)
                return first_line_command(inspection->subject, found, arguments);
        return text_format("install %s, or name another interpreter in the first line", name);
}

/* The scripts' working directory is the root, so that is what other paths start at. */
static bool check_program(Inspection *inspection, const char *name, const char *arguments) {
        _cleanup_free_ char *path = NULL, *word = NULL;
        int error;

        if (asprintf(&path, "%s%s", *name == '/' ? "" : "/", name) < 0) {
                path = NULL;
                return false;
        }
        if (can_execute(path)) {
                free(inspection->program);
                inspection->program = TAKE_PTR(path);
                return true;
        }
        error = errno;
        if (error == EACCES) {
                word = text_shell_word(path);
                findings_add(inspection->findings, inspection->subject,
                             "interpreter-not-executable", text_format("chmod +x %s", word),
                             "its interpreter %s is not an executable file (exit status 126)",
                             name);
        } else
                findings_add(inspection->findings, inspection->subject, "no-interpreter",
                             missing_program_remedy(inspection, name, arguments),
                             "its interpreter %s cannot be found: %s (exit status %d)", name,
                             strerror(error), error == ENOENT ? 127 : 126);
        return false;
}

/* env looks for NAME; REST are the words behind it. */
static void check_env_program(Inspection *inspection, const char *name, const char *rest) {
        if (strchr(name, '/')) {
                (void) check_program(inspection, name, rest);
                return;
        }
        inspection->program = find_program(name, SERVICE_PATH);
        if (!inspection->program)
                findings_add(inspection->findings, inspection->subject, "no-interpreter",
                             missing_program_remedy(inspection, name, rest),
                             "env does not find %s in the PATH of a service (exit status 127)",
                             name);
}

/* The words that "env -S" makes of TEXT, up to the program's name. */
static void check_env_words(Inspection *inspection, char *text) {
        if (strpbrk(text, "'\"\\$")) /* env(1) does more with them than is worth following */
                return;
        for (char *word = text + strspn(text, blanks); *word;) {
                char *end = word + strcspn(word, blanks);
                char *next = end + strspn(end, blanks);
                bool with_value = strncmp(word, "-u", 2) == 0 || strncmp(word, "-C", 2) == 0;

                if (*word != '-' && !memchr(word, '=', (size_t) (end - word))) {
                        *end = '\0';
                        check_env_program(inspection, word, next);
                        return;
                }
                if (with_value && end == word + 2) /* "-u NAME" */
                        next += strcspn(next, blanks);
                word = next + strspn(next, blanks);
        }
}

/* ARGUMENT is all that the kernel passes to env ENV: one word, whatever blanks it has. */
static void check_env(Inspection *inspection, const char *env, char *argument) {
        static const char long_option[] = "--split-string";
        size_t n = strcspn(argument, blanks);

        if (!*argument)
                findings_add(inspection->findings, inspection->subject, "no-interpreter",
                             text_format("name the interpreter behind %s in the first line", env),
                             "its first line gives env no program to run");
        else if (strncmp(argument, long_option, strlen(long_option)) == 0)
                check_env_words(inspection, argument + strlen(long_option) +
                                                    (argument[strlen(long_option)] == '='));
        else if (*argument == '-') {
                char *split = memchr(argument, 'S', n);

                if (split)
                        check_env_words(inspection, split + 1);
        } else if (memchr(argument, '=', n))
                return; /* an assignment: env prints the environment */
        else if (argument[n]) {
                _cleanup_free_ char *split = NULL;

                if (asprintf(&split, "-S %s", argument) < 0)
                        split = NULL;
                findings_add(inspection->findings, inspection->subject, "env-arguments",
                             first_line_command(inspection->subject, env, split ? split : ""),
                             "env looks for a program called '%s': it gets all behind it as one "
                             "word (exit status 127)",
                             argument);
        } else
                check_env_program(inspection, argument, "");
}

/* LINE is what follows "#!", without the line's end. */
static void check_line(Inspection *inspection, char *line) {
        char *name = line + strspn(line, " \t"), *end = name + strcspn(name, " \t");
        char *argument = end + strspn(end, " \t");

        for (size_t n = strlen(argument); n > 0 && strchr(" \t", argument[n - 1]); n--)
                argument[n - 1] = '\0';
        *end = '\0';
        if (!*name) {
                findings_add(inspection->findings, inspection->subject, "no-interpreter-line",
                             first_line_command(inspection->subject, "/bin/sh", ""),
                             "its #! names no interpreter, so it cannot be executed (exit status "
                             "126)");
                return;
        }
        if (check_program(inspection, name, argument) && streq(last_element(name), "env")) {
                free(inspection->program);
                inspection->program = NULL;
                check_env(inspection, name, argument);
        }
}

/* START is the "#!". Returns false where even the interpreter's name is cut off. */
static bool check_length(const Inspection *inspection, const char *start) {
        const char *name = start + 2 + strspn(start + 2, " \t");
        bool complete = name + strcspn(name, " \t") < inspection->head + KERNEL_READS - 1;

        if (inspection->size < KERNEL_READS || memchr(inspection->head, '\n', KERNEL_READS))
                return true;
        findings_add(inspection->findings, inspection->subject, "long-interpreter-line",
                     text_format("shorten its first line to less than %u bytes", KERNEL_READS),
                     "the kernel reads %u bytes of its first line, so %s", KERNEL_READS,
                     complete ? "the interpreter's arguments are cut"
                              : "the interpreter's name is cut and it cannot be executed (exit "
                                "status 126)");
        return complete;
}

/* START is the "#!". */
static void check_script(Inspection *inspection, char *start) {
        char *line = start + 2, *end = line + strcspn(line, "\n");

        if (!check_length(inspection, start))
                return;
        *end = '\0';
        if (end > line && end[-1] == '\r') {
                end[-1] = '\0';
                findings_add(inspection->findings, inspection->subject, "crlf",
                             sed_command(inspection->subject, "", "s/\\r$//"),
                             "its lines end with CR LF, so that the CR belongs to the "
                             "interpreter's name or argument");
        }
        check_line(inspection, line);
}

/*
 * Finds the "#!", and tells what stands before it. Returns NULL where there is none.
 */
static char *find_script(Inspection *inspection) {
        static const char mark[] = "\xef\xbb\xbf";
        char *p = inspection->head, *start;
        bool has_mark = strncmp(p, mark, strlen(mark)) == 0;

        p += has_mark ? strlen(mark) : 0;
        start = p + strspn(p, blanks);
        if (strncmp(start, "#!", 2) != 0)
                return NULL;
        if (has_mark)
                findings_add(inspection->findings, inspection->subject, "byte-order-mark",
                             sed_command(inspection->subject, "", "1s/^\\xef\\xbb\\xbf//"),
                             "a byte order mark stands before its #!, so it cannot be executed "
                             "(exit status 126)");
        if (start > p)
                findings_add(inspection->findings, inspection->subject, "blank-before-interpreter",
                             sed_command(inspection->subject, " -z", "s/^[[:space:]]*//"),
                             "white space stands before its #!, so it cannot be executed (exit "
                             "status 126)");
        return start;
}

/* Whether HEADER is of a program for this machine, as we ourselves are one. */
static bool is_native(const ElfW(Ehdr) * header) {
        _cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        ElfW(Ehdr) own;

        return fd >= 0 && read(fd, &own, sizeof(own)) == sizeof(own) &&
               own.e_ident[EI_CLASS] == header->e_ident[EI_CLASS] &&
               own.e_machine == header->e_machine && header->e_phentsize == sizeof(ElfW(Phdr));
}

/* A program that is linked dynamically names its loader. */
static void check_elf(const Inspection *inspection) {
        ElfW(Ehdr) header;
        ElfW(Phdr) entry;
        char loader[PATH_MAX];

        if (inspection->size < sizeof(header))
                return;
        memcpy(&header, inspection->head, sizeof(header));
        for (unsigned i = 0; is_native(&header) && i < header.e_phnum; i++) {
                off_t offset = (off_t) (header.e_phoff + i * sizeof(entry));

                if (pread(inspection->fd, &entry, sizeof(entry), offset) != sizeof(entry))
                        return;
                if (entry.p_type != PT_INTERP)
                        continue;
                if (entry.p_filesz >= sizeof(loader) ||
                    pread(inspection->fd, loader, entry.p_filesz, (off_t) entry.p_offset) !=
                            (ssize_t) entry.p_filesz)
                        return;
                loader[entry.p_filesz] = '\0';
                if (!can_execute(loader))
                        findings_add(inspection->findings, inspection->subject, "no-interpreter",
                                     text_format("install the package that has %s", loader),
                                     "it is a program whose loader %s cannot be found (exit status "
                                     "127)",
                                     loader);
                return;
        }
}

/* "#/bin/bash" is "#!/bin/bash" but for a slip: another interpreter would understand the script
 * differently, and might let pass what it should not. */
static const char *mend_first_line(const Inspection *inspection) {
        const char *head = inspection->head;

        return *head == '#' && head[1 + strspn(head + 1, blanks)] == '/' ? "1s/^#/#!/"
                                                                         : "1i #!/bin/sh";
}

static void check_head(Inspection *inspection) {
        char *script = find_script(inspection);

        if (script)
                check_script(inspection, script);
        else if (inspection->size >= SELFMAG && memcmp(inspection->head, ELFMAG, SELFMAG) == 0)
                check_elf(inspection);
        else
                findings_add(inspection->findings, inspection->subject, "no-interpreter-line",
                             sed_command(inspection->subject, "", mend_first_line(inspection)),
                             "it does not start with #! and is no program, so it cannot be "
                             "executed (exit status 126)");
}

void interpreter_check(const Subject *subject, Findings *findings, char **ret_program) {
        _cleanup_close_ int fd = open(subject->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        Inspection inspection = { .subject = subject, .findings = findings, .fd = fd };
        ssize_t n = fd < 0 ? -1 : read(fd, inspection.head, HEAD_SIZE);

        *ret_program = NULL;
        if (n < 0) {
                findings_add_unreadable(findings, subject, "read", errno);
                return;
        }
        inspection.size = (size_t) n;
        if (n == 0)
                findings_add(findings, subject, "empty",
                             text_format("write a script into it, or: rm %s", subject->word),
                             "it is empty, so it cannot be executed (exit status 126)");
        else
                check_head(&inspection);
        *ret_program = inspection.program;
}
