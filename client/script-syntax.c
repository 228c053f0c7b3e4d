/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * "sh -n" reads commands and does not execute them. The script is on the shell's standard input, so
 * that a part of it can be asked about, and the environment is empty, for it could name a file to
 * execute first. A shell that takes long is killed, and nothing is found.
 */

#include "script-syntax.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bytes.h"
#include "safe-path.h"
#include "script-text.h"
#include "text.h"

#define PATIENCE  5000 /* milliseconds */
#define EXITS_MAX 8U   /* ends of a script that are tried */

typedef struct Shell {
        const char *path, *name;
        bool extended; /* bash has to be told of extglob before it reads, if the script sets it */
} Shell;

const char *script_syntax_shell(const char *program) {
        static const char *const names[] = { "sh",   "bash",  "dash", "ash", "ksh",
                                             "mksh", "ksh93", "yash", "zsh" };
        const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (streq(name, names[i]))
                        return names[i];
        return NULL;
}

/* Returns the wait(2) status, or a negative errno. */
static int wait_for(pid_t pid) {
        _cleanup_close_ int fd = (int) syscall(SYS_pidfd_open, pid, 0);
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int status;

        if (fd < 0 || poll(&p, 1, PATIENCE) <= 0)
                (void) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return status;
}

/* Returns its pid, or a negative errno. */
static pid_t spawn(const Shell *shell, int input_fd, int error_fd) {
        char *argv[] = { (char *) shell->name, (char *) "-n", NULL, NULL, NULL };
        char *envp[] = { (char *) "LC_ALL=C", NULL };
        posix_spawn_file_actions_t actions;
        pid_t pid = 0;
        int r;

        if (shell->extended) {
                argv[2] = (char *) "-O";
                argv[3] = (char *) "extglob";
        }
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_adddup2(&actions, input_fd, STDIN_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY,
                                                     0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, error_fd, STDERR_FILENO);
        if (r == 0)
                r = posix_spawn(&pid, shell->path, &actions, NULL, argv, envp);
        (void) posix_spawn_file_actions_destroy(&actions);
        return r == 0 ? pid : -r;
}

/* Whether SHELL can read the SIZE bytes at TEXT; if not, what it says of them is in *RET_WORDS
 * (free it). What cannot be found out counts as can be read. */
static bool can_read(const Shell *shell, const char *text, size_t size, char **ret_words) {
        _cleanup_close_ int input = bytes_to_sealed_fd("virt-hooks-script", text, size);
        _cleanup_close_ int errors = memfd_create("virt-hooks-words", MFD_CLOEXEC);
        char words[512];
        ssize_t n;
        pid_t pid;
        int status;

        if (input < 0 || errors < 0 || lseek(input, 0, SEEK_SET) < 0)
                return true;
        pid = spawn(shell, input, errors);
        if (pid < 0)
                return true;
        status = wait_for(pid);
        if (status < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == 0)
                return true;
        n = pread(errors, words, sizeof(words) - 1, 0);
        if (n <= 0)
                return true;
        words[n] = '\0';
        words[strcspn(words, "\n")] = '\0';
        if (ret_words)
                *ret_words = strdup(words);
        return false;
}

/* "exit 0", and "exec tclsh ..."; but "exec 2>&1" goes on. LINE has SIZE bytes. */
static bool is_end(const char *line, size_t size) {
        if (size < 5)
                return false;
        if (memcmp(line, "exit", 4) == 0)
                return strchr(" ;\n", line[4]);
        return size > 5 && memcmp(line, "exec ", 5) == 0 && !strchr("0123456789<>&{ \n", line[5]);
}

/*
 * What stands behind such a line is never read, and may be anything: a text, an archive, a program
 * in another language. If all that is before it can be read it is not inside of anything.
 */
static bool ends_before(const Shell *shell, const char *text, size_t size) {
        const char *line = text, *end = text + size;

        for (unsigned tries = 0; line < end && tries < EXITS_MAX;) {
                const char *newline = memchr(line, '\n', (size_t) (end - line));
                const char *next = newline ? newline + 1 : end;

                if (is_end(line, (size_t) (next - line))) {
                        if (can_read(shell, text, (size_t) (next - text), NULL))
                                return true;
                        tries++;
                }
                line = next;
        }
        return false;
}

/* Of a script with the line ends of another system more is known than its syntax. */
static size_t mend_line_ends(char *text, size_t size) {
        size_t n = 0;

        for (size_t i = 0; i < size; i++)
                if (text[i] != '\r' || i + 1 >= size || text[i + 1] != '\n')
                        text[n++] = text[i];
        return n;
}

/* "bash: line 4: it is wrong" and "sh: 4: it is wrong" without the name. */
static char *describe(const Shell *shell, const char *words) {
        size_t n = strlen(shell->name);

        if (strncmp(words, shell->name, n) == 0 && strncmp(words + n, ": ", 2) == 0)
                words += n + 2;
        return text_format("%s%s", *words >= '0' && *words <= '9' ? "line " : "", words);
}

static bool is_safe(const char *program) {
        _cleanup_free_ char *why_not = NULL;

        return safe_path_check(program, &why_not) >= 0 && !why_not;
}

void script_syntax_check(const Subject *subject, const char *program, Findings *findings) {
        Shell shell = { .path = program, .name = script_syntax_shell(program) };
        _cleanup_free_ char *text = NULL, *words = NULL, *description = NULL;
        size_t size;

        if (!shell.name || !is_safe(program))
                return;
        (void) signal(SIGCHLD, SIG_DFL); /* whoever started us may have ignored his own */
        size = script_text_read(subject->path, &text);
        if (size == 0 || size == SCRIPT_TEXT_MAX) /* there may be more of it */
                return;
        size = mend_line_ends(text, size);
        shell.extended = streq(shell.name, "bash") && memmem(text, size, "extglob", 7);
        if (can_read(&shell, text, size, &words) || ends_before(&shell, text, size))
                return;
        description = words ? describe(&shell, words) : NULL;
        findings_add(findings, subject, "syntax-error",
                     text_format("mend it until '%s -n %s' says nothing", program, subject->word),
                     "it has a syntax error, at which %s gives up: %s", shell.name,
                     description ? description : "it does not say where");
}
