/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hook script that is a compiled program: it writes what it was started with to a file next to
 * itself, argv[0].out, as entries key=value that end with a NUL. Unlike a shell it changes nothing
 * of what it reports on.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(FILE *out, const char *key, const char *value) {
        fprintf(out, "%s=%s", key, value);
        fputc('\0', out);
}

static void put_number(FILE *out, const char *key, long number) {
        char text[32];

        snprintf(text, sizeof(text), "%ld", number);
        put(out, key, text);
}

/* Comes first: the file that the rest goes to would be among the descriptors. */
static int count_extra_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        struct dirent *entry;
        int count = 0;

        if (!dir)
                exit(120);
        while ((entry = readdir(dir))) {
                int fd = atoi(entry->d_name);

                if (fd >= 3 && fd != dirfd(dir))
                        count++;
        }
        closedir(dir);
        return count;
}

static void put_stdin(FILE *out) {
        char path[4096];
        ssize_t length = readlink("/proc/self/fd/0", path, sizeof(path) - 1);
        struct stat st;

        if (length < 0 || fstat(0, &st) < 0)
                exit(121);
        path[length] = '\0';
        put(out, "stdin", S_ISFIFO(st.st_mode) ? "pipe" : path);
}

static void put_signals(FILE *out) {
        struct sigaction action;
        sigset_t mask;

        sigprocmask(SIG_BLOCK, NULL, &mask);
        for (int number = 1; number <= SIGRTMAX; number++) {
                if (sigismember(&mask, number) == 1)
                        put_number(out, "blocked", number);
                if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
                        put_number(out, "handled", number);
        }
}

static void put_limits(FILE *out) {
        for (int resource = 0; resource < RLIMIT_NLIMITS; resource++) {
                struct rlimit limit;
                char text[96];

                if (getrlimit(resource, &limit) < 0)
                        exit(122);
                snprintf(text, sizeof(text), "%d:%lld:%lld", resource, (long long) limit.rlim_cur,
                         (long long) limit.rlim_max);
                put(out, "limit", text);
        }
}

int main(int argc, char **argv, char **envp) {
        int extra_fds = count_extra_fds();
        char path[4096];
        char cwd[4096];
        FILE *out;

        snprintf(path, sizeof(path), "%s.out", argv[0]);
        out = fopen(path, "w");
        if (!out || !getcwd(cwd, sizeof(cwd)))
                return 123;
        for (int i = 0; i < argc; i++)
                put(out, "argv", argv[i]);
        for (char **entry = envp; *entry; entry++)
                put(out, "environment", *entry);
        put_number(out, "extra_fds", extra_fds);
        put_number(out, "umask", umask(0));
        put(out, "cwd", cwd);
        put_stdin(out);
        put_signals(out);
        put_limits(out);
        return fclose(out) == 0 ? 0 : 124;
}
