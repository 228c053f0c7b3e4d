/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One child: what it finds, how it is fed and listened to, and how it ends.
 */

#include "process.h"

#include "descriptors.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Longer than any test takes: what is to be over before must not wait for it. */
#define FOREVER     "300"
#define NOT_FOREVER (20 * USEC_PER_SEC)

typedef struct Child {
        Sandbox *sandbox;
        Drain *drain;
        ProcessSpec spec;
        char *argv[5], *envp[3];
        Process *process;
        bool done;
        unsigned n_done;
        uint64_t took; /* microseconds until it was done */
} Child;

static void on_done(Process *process, void *userdata) {
        Child *child = userdata;

        child->done = true;
        child->n_done++;
}

/* A child that executes PATH, with up to two arguments. */
static void child_open_file(Child *child, Sandbox *sandbox, const char *path, const char *first,
                            const char *second) {
        *child = (Child){
                .sandbox = sandbox,
                .argv = { (char *) path, (char *) first, (char *) second },
                .envp = { (char *) "PATH=/usr/sbin:/usr/bin:/sbin:/bin" },
        };
        assert_int_equal(drain_new(&child->drain, sandbox->event), 0);
        child->spec = (ProcessSpec){
                .name = "the child",
                .argv = child->argv,
                .envp = child->envp,
                .output_head = 8 * 1024 * 1024,
                .error_max = 65536,
                .drain = child->drain,
        };
}

/* A child that runs SCRIPT, in which $DIR is the sandbox's directory. */
static void child_open(Child *child, Sandbox *sandbox, const char *script) {
        child_open_file(child, sandbox, "/bin/sh", "-c", script);
        child->envp[1] = (char *) sandbox_format(sandbox, "DIR=%s", sandbox->directory);
}

static void child_start(Child *child) {
        int r = process_spawn(&child->process, child->sandbox->event, &child->spec, on_done, child);

        if (r < 0)
                fail_msg("The child cannot be started: %s", strerror(-r));
        assert_false(child->done); /* the event loop has not run */
}

static void child_wait(Child *child) {
        uint64_t started = now_usec(CLOCK_MONOTONIC);

        loop_until(child->sandbox, &child->done);
        child->took = now_usec(CLOCK_MONOTONIC) - started;
        assert_int_equal(child->n_done, 1);
}

static void child_run(Child *child) {
        child_start(child);
        child_wait(child);
}

static void child_close(Child *child) {
        child->process = process_free(child->process);
        assert_null(child->process);
        assert_null(drain_free(child->drain));
}

static const char *kept(Child *child, const Capture *capture) {
        const char *text;
        char *made;
        size_t size;

        assert_int_equal(capture_text(capture, &made, &size), 0);
        text = sandbox_format(child->sandbox, "%s", made);
        free(made);
        return text;
}

static const char *output_of(Child *child) {
        return kept(child, &child->process->output);
}

static const char *error_of(Child *child) {
        return kept(child, &child->process->error);
}

/* What SCRIPT prints, when it has run and succeeded. */
static const char *output_of_script(Sandbox *sandbox, const char *script) {
        const char *output;
        Child child;

        child_open(&child, sandbox, script);
        child_run(&child);
        assert_int_equal(child.process->status, 0);
        assert_string_equal(error_of(&child), "");
        output = output_of(&child);
        child_close(&child);
        return output;
}

static void assert_no_children_left(void) {
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

static void test_output_and_error_are_collected(void **state) {
        Child child;

        child_open(&child, *state, "echo out; echo err >&2; echo out again");
        child_run(&child);
        assert_int_equal(child.process->status, 0);
        assert_false(process_failed(child.process));
        assert_string_equal(output_of(&child), "out\nout again\n");
        assert_string_equal(error_of(&child), "err\n");
        child_close(&child);
        assert_no_children_left();
}

static void test_the_arguments_are_the_childs(void **state) {
        const char *path = sandbox_script(*state, "hooks/qemu", "printf '[%s]\\n' \"$0\" \"$@\"");
        Child child;

        child_open_file(&child, *state, path, "from snapshot", "");
        child.argv[3] = (char *) "$(id) *";
        child_run(&child);
        assert_string_equal(output_of(&child),
                            sandbox_format(*state, "[%s]\n[from snapshot]\n[]\n[$(id) *]\n", path));
        child_close(&child);
}

static void test_the_environment_is_only_what_is_given(void **state) {
        Child child;

        assert_int_equal(setenv("VIRT_HOOKS_TEST", "leaked", 1), 0);
        child_open_file(&child, *state, "/usr/bin/env", NULL, NULL);
        child.envp[0] = (char *) "LC_ALL=C";
        child.envp[1] = (char *) "B=two words";
        child_run(&child);
        (void) unsetenv("VIRT_HOOKS_TEST");
        assert_string_equal(output_of(&child), "LC_ALL=C\nB=two words\n");
        child_close(&child);
}

static void test_the_environment_may_be_empty(void **state) {
        Child child;

        child_open_file(&child, *state, "/usr/bin/env", NULL, NULL);
        child.envp[0] = NULL;
        child_run(&child);
        assert_int_equal(child.process->status, 0);
        assert_string_equal(output_of(&child), "");
        child_close(&child);
}

static void test_the_working_directory_is_the_root(void **state) {
        assert_string_equal(output_of_script(*state, "pwd"), "/\n");
}

static void test_the_umask_is_022(void **state) {
        mode_t before = umask(0077);
        const char *output = output_of_script(*state, "umask");

        assert_int_equal(umask(before), 0077); /* ours is left alone */
        assert_true(streq(output, "0022\n") || streq(output, "022\n"));
}

static void test_the_child_has_a_session_of_its_own(void **state) {
        int pid, group, session;
        Child child;

        child_open_file(&child, *state, "/bin/cat", "/proc/self/stat", NULL);
        child_run(&child);
        assert_int_equal(sscanf(output_of(&child), "%d (cat) R %*d %d %d", &pid, &group, &session),
                         3);
        assert_int_equal(pid, child.process->pid);
        assert_int_equal(group, pid);
        assert_int_equal(session, pid);
        child_close(&child);
}

static void ignore(int number) {
}

/*
 * Two signals the C library keeps for itself, and sigaction(3) does not touch them; but whoever
 * started us, such as make(1), may have left them ignored.
 */
static void set_library_signals(void (*handler)(int)) {
        struct {
                void (*handler)(int);
                unsigned long rest[4];
        } action = { .handler = handler };

        for (int number = 32; number <= 33; number++)
                assert_int_equal(syscall(SYS_rt_sigaction, number, &action, NULL, 8), 0);
}

static void test_signals_are_default_and_unblocked(void **state) {
        sigset_t blocked, before, after;
        const char *status;
        Child child;

        (void) sigemptyset(&blocked);
        (void) sigaddset(&blocked, SIGTERM);
        (void) sigaddset(&blocked, SIGCHLD);
        (void) sigaddset(&blocked, SIGRTMIN + 1);
        assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
        (void) signal(SIGUSR1, SIG_IGN); /* as SIGPIPE is already */
        (void) signal(SIGUSR2, ignore);
        set_library_signals(SIG_IGN);

        child_open_file(&child, *state, "/bin/cat", "/proc/self/status", NULL);
        child_run(&child);
        status = output_of(&child);
        child_close(&child);

        (void) signal(SIGUSR1, SIG_DFL);
        (void) signal(SIGUSR2, SIG_DFL);
        set_library_signals(SIG_DFL);
        assert_int_equal(sigprocmask(SIG_SETMASK, &before, &after), 0);
        assert_true(sigismember(&after, SIGTERM)); /* ours is left alone */
        assert_false(sigismember(&after, SIGINT));

        assert_has(status, "\nSigBlk:\t0000000000000000\n");
        assert_has(status, "\nSigIgn:\t0000000000000000\n");
        assert_has(status, "\nSigCgt:\t0000000000000000\n");
}

static void test_no_other_descriptor_gets_through(void **state) {
        int fds[2], high;
        Child child;

        assert_int_equal(pipe(fds), 0); /* not closed on exec */
        high = fcntl(fds[0], F_DUPFD, 200);
        assert_true(high >= 200);
        child_open_file(&child, *state, "/bin/ls", "/proc/self/fd", NULL);
        child_run(&child);
        (void) close(fds[0]);
        (void) close(fds[1]);
        (void) close(high);
        assert_string_equal(output_of(&child), "0\n1\n2\n3\n"); /* 3 is the folder itself */
        child_close(&child);
}

static void test_without_a_document_the_input_is_dev_null(void **state) {
        assert_string_equal(output_of_script(*state, "readlink /proc/self/fd/0; cat"),
                            "/dev/null\n");
}

static void test_the_limit_of_descriptors_is_that_of_the_start(void **state) {
        struct rlimit original, low, high;
        const char *output;
        rlim_t soft, hard;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &original), 0);
        low = original;
        low.rlim_cur = 128;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        descriptors_raise_limit();
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &high), 0);
        assert_int_equal(high.rlim_cur, original.rlim_max);
        output = output_of_script(*state, "ulimit -S -n; ulimit -H -n");
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &original), 0);
        descriptors_raise_limit();

        assert_int_equal(sscanf(output, "%lu\n%lu\n", &soft, &hard), 2);
        assert_int_equal(soft, 128);
        assert_int_equal(hard, original.rlim_max);
        assert_string_equal(output_of_script(*state, "ulimit -S -n"),
                            sandbox_format(*state, "%lu\n", original.rlim_cur));
}

/* A service may be started without them; then its pipes get their numbers. */
static int run_without_standard_fds(void) {
        char *argv[] = { (char *) "/bin/sh", (char *) "-c", (char *) "cat; echo err >&2", NULL };
        Child child = { .argv = { NULL } };
        Bytes *input;

        for (int fd = 0; fd < 3; fd++)
                (void) close(fd);
        child.sandbox = &(Sandbox){};
        if (sd_event_new(&child.sandbox->event) < 0 ||
            drain_new(&child.drain, child.sandbox->event) < 0 ||
            bytes_new_take(&input, strdup("document"), 8) < 0)
                return 2;
        child.spec = (ProcessSpec){
                .name = "the child",
                .argv = argv,
                .envp = child.envp,
                .input = input,
                .output_head = 100,
                .error_max = 100,
                .drain = child.drain,
        };
        if (process_spawn(&child.process, child.sandbox->event, &child.spec, on_done, &child) < 0)
                return 3;
        while (!child.done)
                if (sd_event_run(child.sandbox->event, NOT_FOREVER) < 0)
                        return 4;
        if (child.process->output.head_size != 8 ||
            memcmp(child.process->output.head, "document", 8) != 0)
                return 5;
        return child.process->error.total == 4 && child.process->status == 0 ? 0 : 6;
}

static void test_the_service_may_have_no_standard_descriptors(void **state) {
        pid_t pid = fork();
        int status;

        if (pid == 0)
                _exit(run_without_standard_fds());
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* SIZE bytes, of which no two pieces are alike. */
static Bytes *new_document(size_t size) {
        char *text = malloc(size > 0 ? size : 1);
        Bytes *bytes;

        assert_non_null(text);
        for (size_t i = 0; i < size; i++)
                text[i] = (char) (i * 131 + (i >> 8) * 31 + (i >> 16));
        assert_int_equal(bytes_new_take(&bytes, text, size), 0);
        return bytes;
}

static void test_the_document_comes_through_whatever_its_size(void **state) {
        static const size_t sizes[] = { 0, 1, 4096, 65535, 65536, 65537, 1048577, 5000000 };

        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                Child child;

                child_open_file(&child, *state, "/bin/cat", NULL, NULL);
                child.spec.input = new_document(sizes[i]);
                child_run(&child);
                assert_int_equal(child.process->status, 0);
                assert_int_equal(child.process->output.total, sizes[i]);
                assert_int_equal(child.process->output.head_size, sizes[i]);
                if (sizes[i] > 0)
                        assert_memory_equal(child.process->output.head, child.spec.input->data,
                                            sizes[i]);
                child_close(&child);
                assert_int_equal(child.spec.input->references, 1);
                bytes_unref(child.spec.input);
        }
}

static void test_a_document_need_not_be_read(void **state) {
        static const char *const scripts[] = { "echo ok", "head -c 10 >/dev/null; echo ok",
                                               "exec <&-; sleep 0.05; echo ok" };

        for (size_t i = 0; i < ELEMENTS(scripts); i++) {
                Child child;

                child_open(&child, *state, scripts[i]);
                child.spec.input = new_document(3000000);
                child_run(&child);
                assert_int_equal(child.process->status, 0);
                assert_string_equal(output_of(&child), "ok\n");
                child_close(&child);
                assert_int_equal(child.spec.input->references, 1);
                bytes_unref(child.spec.input);
        }
}

/* It holds the document, too, and reads nothing of it. */
static void test_a_background_child_does_not_keep_the_document(void **state) {
        Child child;

        child_open(&child, *state, "sleep " FOREVER " >/dev/null 2>&1 & echo $!");
        child.spec.input = new_document(3000000);
        child_run(&child);
        assert_int_equal(child.spec.input->references, 1);
        assert_int_equal(kill(atoi(output_of(&child)), SIGKILL), 0);
        child_close(&child);
        bytes_unref(child.spec.input);
}

static void test_both_pipes_can_be_filled(void **state) {
        Child child;

        child_open(&child, *state,
                   "i=0; while [ $i -lt 40 ]; do head -c 20000 /dev/zero; "
                   "head -c 20000 /dev/zero >&2; i=$((i + 1)); done");
        child.spec.error_max = 1000;
        child_run(&child);
        assert_int_equal(child.process->status, 0);
        assert_int_equal(child.process->output.total, 800000);
        assert_int_equal(child.process->output.head_size, 800000);
        assert_int_equal(child.process->error.total, 800000);
        child_close(&child);
}

static void test_what_is_kept_is_capped(void **state) {
        Child child;

        child_open(&child, *state,
                   "printf start; printf '%1000s' ''; printf finish; "
                   "printf first >&2; printf '%1000s' '' >&2; printf last! >&2");
        child.spec.output_head = 0;
        child.spec.output_tail = 6;
        child.spec.error_max = 10;
        child_run(&child);
        assert_string_equal(output_of(&child), "[... 1005 bytes left out ...]\nfinish");
        assert_string_equal(error_of(&child), "first\n[... 1000 bytes left out ...]\nlast!");
        child_close(&child);
}

static void test_an_odd_cap_is_used_up(void **state) {
        Child child;

        child_open(&child, *state, "printf abcdefghijk >&2");
        child.spec.error_max = 11;
        child_run(&child);
        assert_string_equal(error_of(&child), "abcdefghijk");
        child_close(&child);
}

static void test_the_exit_status_is_told(void **state) {
        static const int statuses[] = { 0, 1, 3, 126, 127, 255 };

        for (size_t i = 0; i < ELEMENTS(statuses); i++) {
                Child child;

                child_open(&child, *state, sandbox_format(*state, "exit %d", statuses[i]));
                child_run(&child);
                assert_true(WIFEXITED(child.process->status));
                assert_int_equal(WEXITSTATUS(child.process->status), statuses[i]);
                assert_int_equal(process_failed(child.process), statuses[i] != 0);
                child_close(&child);
        }
}

/* Waits for the child in our stead. */
static void steal_child(pid_t pid) {
        siginfo_t info;

        assert_int_equal(waitid(P_PID, (id_t) pid, &info, WEXITED), 0);
}

static void test_a_lost_end_is_no_signal(void **state) {
        Child child;

        child_open(&child, *state, "echo printed; echo said >&2");
        child.spec.error_grace = USEC_PER_SEC;
        child_start(&child);
        steal_child(child.process->pid);
        log_start(*state);
        child_wait(&child);
        assert_non_null(strstr(log_end(*state), "its end was lost"));
        assert_true(child.process->lost);
        assert_true(process_failed(child.process));
        assert_string_equal(output_of(&child), "printed\n");
        assert_string_equal(error_of(&child), "said\n");
        process_kill(child.process, SIGKILL); /* nobody: the number may be another one's */
        child_close(&child);
}

static void test_a_fatal_signal_is_told(void **state) {
        Child child;

        child_open(&child, *state, "echo partly; kill -KILL $$");
        child_run(&child);
        assert_true(WIFSIGNALED(child.process->status));
        assert_int_equal(WTERMSIG(child.process->status), SIGKILL);
        assert_true(process_failed(child.process));
        assert_string_equal(output_of(&child), "partly\n");
        child_close(&child);
}

static void test_the_times_are_told(void **state) {
        uint64_t before = now_usec(CLOCK_MONOTONIC), at = now_usec(CLOCK_REALTIME);
        Child child;

        child_open(&child, *state, "sleep 0.05");
        child_run(&child);
        assert_true(child.process->started >= before);
        assert_true(child.process->ended - child.process->started >= 50 * USEC_PER_MSEC);
        assert_true(child.process->ended <= now_usec(CLOCK_MONOTONIC));
        assert_in_range(child.process->started_at, at, now_usec(CLOCK_REALTIME));
        child_close(&child);
}

/* PATH cannot be executed: libvirt's status and words. */
static void assert_not_executed(Sandbox *sandbox, const char *path, int status,
                                const char *description) {
        const char *expected, *error;
        Child child;

        child_open_file(&child, sandbox, path, NULL, NULL);
        child_run(&child);
        assert_true(WIFEXITED(child.process->status));
        assert_int_equal(WEXITSTATUS(child.process->status), status);
        expected = sandbox_format(sandbox, "libvirt:  error : cannot execute binary %s: %s\n", path,
                                  description);
        error = error_of(&child);
        assert_has_prefix(error, expected);
        error += strlen(expected);
        if (*error)
                assert_has_prefix(error, "=="); /* the address sanitizer wonders about the stack */
        assert_string_equal(output_of(&child), "");
        child_close(&child);
        assert_no_children_left();
}

static void test_a_file_that_is_not_there_ends_with_127(void **state) {
        assert_not_executed(*state, sandbox_path(*state, "none"), 127, "No such file or directory");
        assert_not_executed(*state, sandbox_file(*state, "lost", 0755, "#!/no/such/interpreter\n"),
                            127, "No such file or directory");
        assert_not_executed(*state, sandbox_file(*state, "crlf", 0755, "#!/bin/sh\r\nexit 0\r\n"),
                            127, "No such file or directory");
}

static void test_a_file_that_cannot_be_executed_ends_with_126(void **state) {
        assert_not_executed(*state, sandbox_file(*state, "plain", 0644, "#!/bin/sh\n"), 126,
                            "Permission denied");
        assert_not_executed(*state, sandbox_folder(*state, "folder", 0755), 126,
                            "Permission denied");
        assert_not_executed(*state, sandbox_file(*state, "text", 0755, "echo no interpreter\n"),
                            126, "Exec format error");
        assert_not_executed(*state, sandbox_file(*state, "empty", 0755, ""), 126,
                            "Exec format error");
}

static void test_a_successs_output_is_waited_for(void **state) {
        Child child;

        child_open(&child, *state, "{ sleep 0.2; echo late; } & echo early");
        child.spec.output_grace = NOT_FOREVER;
        child_run(&child);
        assert_string_equal(output_of(&child), "early\nlate\n");
        assert_true(child.took < NOT_FOREVER); /* until the pipe's end, and no longer */
        child_close(&child);
}

static void test_a_failures_stderr_is_waited_for(void **state) {
        Child child;

        child_open(&child, *state, "{ sleep 0.2; echo late >&2; } & echo early >&2; exit 3");
        child.spec.error_grace = NOT_FOREVER;
        child_run(&child);
        assert_int_equal(WEXITSTATUS(child.process->status), 3);
        assert_string_equal(error_of(&child), "early\nlate\n");
        assert_true(child.took < NOT_FOREVER);
        child_close(&child);
}

/* Runs SCRIPT, which prints the number of a child that holds some pipe for ever. */
static void run_with_holder(Sandbox *sandbox, const char *script, uint64_t output_grace,
                            uint64_t error_grace, uint64_t at_least) {
        Child child;
        pid_t holder;

        child_open(&child, sandbox, script);
        child.spec.output_grace = output_grace;
        child.spec.error_grace = error_grace;
        child_run(&child);
        holder = atoi(output_of(&child));
        assert_true(child.took >= at_least);
        assert_true(child.took < NOT_FOREVER);
        assert_true(holder > 0);
        assert_true(is_alive(holder)); /* it was not harmed */
        (void) kill(holder, SIGKILL);
        child_close(&child);
}

static void test_graces_end(void **state) {
        uint64_t grace = 100 * USEC_PER_MSEC;

        run_with_holder(*state, "sleep " FOREVER " 2>/dev/null & echo $!", grace, UINT64_MAX,
                        grace);
        run_with_holder(*state, "sleep " FOREVER " >/dev/null & echo $!; exit 3", UINT64_MAX, grace,
                        grace);
}

static void test_without_a_grace_nothing_is_waited_for(void **state) {
        run_with_holder(*state, "sleep " FOREVER " & echo $!", 0, UINT64_MAX, 0);
        run_with_holder(*state, "sleep " FOREVER " & echo $!; exit 3", UINT64_MAX, 0, 0);
}

static void test_only_the_pipe_that_counts_is_waited_for(void **state) {
        /* A success's stderr, and a failure's output. */
        run_with_holder(*state, "sleep " FOREVER " >/dev/null & echo $!", UINT64_MAX, UINT64_MAX,
                        0);
        run_with_holder(*state, "sleep " FOREVER " 2>/dev/null & echo $!; exit 3", UINT64_MAX,
                        UINT64_MAX, 0);
}

static void test_closed_pipes_do_not_end_the_wait_for_the_child(void **state) {
        Child child;

        child_open(&child, *state, "echo out; exec >&- 2>&-; sleep 0.1; exit 5");
        child.spec.output_grace = child.spec.error_grace = NOT_FOREVER;
        child_run(&child);
        assert_int_equal(WEXITSTATUS(child.process->status), 5);
        assert_string_equal(output_of(&child), "out\n");
        child_close(&child);
}

static void test_a_background_child_can_go_on_writing(void **state) {
        const char *file = sandbox_path(*state, "written");
        Child child;

        child_open(
                &child, *state,
                "{ until [ -e $DIR/go ]; do sleep 0.02; done; head -c 500000 /dev/zero && head -c 500000 /dev/zero >&2 && "
                ": >$DIR/written; } &");
        child_run(&child);
        assert_int_equal(access(file, F_OK), -1);
        child.process = process_free(child.process); /* the pipes are the drain's */
        (void) sandbox_file(*state, "go", 0644, "");
        loop_until_file(*state, file);
        child_close(&child);
}

static void test_an_endless_writer_does_not_keep_us(void **state) {
        Child child;

        child_open(&child, *state, "yes & echo $! >$DIR/pid; exit 0");
        child.spec.output_head = 100;
        child_run(&child);
        assert_true(child.took < NOT_FOREVER);
        assert_int_equal(kill(atoi(sandbox_read(*state, sandbox_path(*state, "pid"))), SIGKILL), 0);
        child_close(&child);
}

static pid_t pid_in(Sandbox *sandbox, const char *name) {
        const char *path = sandbox_path(sandbox, name);

        loop_until_file(sandbox, path);
        return atoi(sandbox_read(sandbox, path));
}

static void test_a_signal_goes_to_the_whole_group(void **state) {
        Child child;
        pid_t helper;

        child_open(&child, *state,
                   "sleep " FOREVER " & echo $! >$DIR/new; mv $DIR/new $DIR/pid; wait");
        child_start(&child);
        helper = pid_in(*state, "pid");
        process_kill(child.process, SIGTERM);
        child_wait(&child);
        assert_true(WIFSIGNALED(child.process->status));
        assert_int_equal(WTERMSIG(child.process->status), SIGTERM);
        assert_true(dies(helper));
        child_close(&child);
}

static void test_a_child_may_answer_to_term(void **state) {
        Child child;

        child_open(&child, *state,
                   "trap 'echo cleaned up; exit 7' TERM; echo $$ >$DIR/new; mv $DIR/new $DIR/pid; "
                   "while :; do sleep 0.02; done");
        child_start(&child);
        (void) pid_in(*state, "pid");
        process_kill(child.process, SIGTERM);
        child_wait(&child);
        assert_int_equal(WEXITSTATUS(child.process->status), 7);
        assert_string_equal(output_of(&child), "cleaned up\n");
        child_close(&child);
}

static void test_nobody_withstands_kill(void **state) {
        Child child;
        pid_t helper;

        child_open(&child, *state,
                   "trap '' TERM; sleep " FOREVER " & echo $! >$DIR/new; mv $DIR/new $DIR/pid; "
                   "sleep " FOREVER);
        child_start(&child);
        helper = pid_in(*state, "pid");
        process_kill(child.process, SIGTERM);
        loop_for(*state, 50 * USEC_PER_MSEC);
        assert_false(child.done);
        assert_true(is_alive(helper));
        process_kill(child.process, SIGKILL);
        child_wait(&child);
        assert_int_equal(WTERMSIG(child.process->status), SIGKILL);
        assert_true(dies(helper));
        child_close(&child);
}

static void test_a_child_may_be_ended_before_it_has_executed(void **state) {
        static const int signals[] = { SIGTERM, SIGKILL };

        for (size_t i = 0; i < 200; i++) {
                Child child;

                child_open_file(&child, *state, "/bin/sleep", FOREVER, NULL);
                child_start(&child);
                process_kill(child.process, signals[i % ELEMENTS(signals)]);
                child_wait(&child);
                assert_int_equal(child.process->status, signals[i % ELEMENTS(signals)]);
                child_close(&child);
        }
}

static void test_a_child_that_was_ended_is_done_when_its_group_is(void **state) {
        Child child;
        pid_t helper;

        child_open(&child, *state,
                   "(trap 'sleep 0.2; : >$DIR/tidied; exit' TERM; echo $$ >$DIR/group; "
                   "sh -c 'echo $PPID' >$DIR/new; mv $DIR/new $DIR/pid; "
                   "while :; do sleep 0.02; done) & wait");
        child_start(&child);
        helper = pid_in(*state, "pid");
        process_kill(child.process, SIGTERM);
        child_wait(&child);
        assert_int_equal(WTERMSIG(child.process->status), SIGTERM);
        assert_true(access(sandbox_path(*state, "tidied"), F_OK) == 0);
        assert_false(is_alive(helper));
        /* What it took to tidy up is not the child's own time. */
        assert_true(child.took > 200 * USEC_PER_MSEC);
        assert_true(child.process->ended - child.process->started < child.took);
        child_close(&child);
}

static void test_who_ignores_term_in_the_group_is_waited_for_until_kill(void **state) {
        Child child;
        pid_t helper;

        child_open(&child, *state,
                   "(trap '' TERM; sleep " FOREVER " & echo $! >$DIR/new; mv $DIR/new $DIR/pid; "
                   "wait) & wait");
        child_start(&child);
        helper = pid_in(*state, "pid");
        process_kill(child.process, SIGTERM);
        loop_for(*state, 100 * USEC_PER_MSEC);
        assert_false(child.done);
        assert_true(is_alive(helper));
        process_kill(child.process, SIGKILL);
        child_wait(&child);
        assert_int_equal(WTERMSIG(child.process->status), SIGTERM); /* the child's own end */
        assert_true(dies(helper));
        child_close(&child);
}

static void test_the_group_is_ended_also_when_only_text_is_waited_for(void **state) {
        Child child;
        pid_t helper;

        child_open(&child, *state,
                   "sleep " FOREVER " & echo $! >$DIR/new; mv $DIR/new $DIR/pid; exit 1");
        child.spec.error_grace = NOT_FOREVER;
        child_start(&child);
        helper = pid_in(*state, "pid");
        while (!child.process->exited)
                loop_for(*state, 5 * USEC_PER_MSEC);
        assert_false(child.done);
        process_kill(child.process, SIGTERM);
        child_wait(&child);
        assert_int_equal(WEXITSTATUS(child.process->status), 1);
        assert_false(is_alive(helper));
        child_close(&child);
}

static void test_a_freed_child_is_killed_with_its_group(void **state) {
        pid_t pid, helper;
        Child child;

        child_open(&child, *state,
                   "trap '' TERM; sleep " FOREVER " & echo $! >$DIR/new; mv $DIR/new $DIR/pid; "
                   "sleep " FOREVER);
        child.spec.input = new_document(1000000);
        child_start(&child);
        helper = pid_in(*state, "pid");
        pid = child.process->pid;
        child.process = process_free(child.process);
        assert_false(is_alive(pid));
        assert_true(dies(helper));
        loop_for(*state, 20 * USEC_PER_MSEC);
        assert_int_equal(child.n_done, 0);
        assert_int_equal(child.spec.input->references, 1);
        bytes_unref(child.spec.input);
        child_close(&child);
        assert_no_children_left();
        assert_null(process_free(NULL));
}

static void free_at_once(Process *process, void *userdata) {
        process_free(process);
        *(bool *) userdata = true;
}

static void test_the_process_may_be_freed_when_it_is_done(void **state) {
        static const char *const scripts[] = { ":", "sleep 0.02 & exit 1", "exec >&- 2>&-" };

        for (size_t i = 0; i < ELEMENTS(scripts); i++) {
                Process *process;
                bool done = false;
                Child child;

                child_open(&child, *state, scripts[i]);
                child.spec.error_grace = USEC_PER_SEC;
                assert_int_equal(process_spawn(&process, child.sandbox->event, &child.spec,
                                               free_at_once, &done),
                                 0);
                loop_until(*state, &done);
                child_close(&child);
        }
}

static void test_nothing_is_left_behind(void **state) {
        unsigned before, references;
        Child child;

        child_open(&child, *state, "cat; echo err >&2");
        child.spec.input = new_document(200000);
        before = count_fds();
        references = child.spec.input->references;
        for (int i = 0; i < 5; i++) {
                child.done = false;
                child.n_done = 0;
                child_run(&child);
                child.process = process_free(child.process);
                assert_int_equal(count_fds(), before);
                assert_int_equal(child.spec.input->references, references);
                assert_no_children_left();
        }
        bytes_unref(child.spec.input);
        child_close(&child);
}

static void test_many_children_do_not_mix(void **state) {
        Child children[30];

        for (size_t i = 0; i < ELEMENTS(children); i++) {
                child_open_file(&children[i], *state, "/bin/cat", NULL, NULL);
                children[i].spec.input = new_document(10000 * i);
                child_start(&children[i]);
        }
        for (size_t i = 0; i < ELEMENTS(children); i++) {
                child_wait(&children[i]);
                assert_int_equal(children[i].process->output.total, 10000 * i);
                if (i > 0)
                        assert_memory_equal(children[i].process->output.head,
                                            children[i].spec.input->data, 10000 * i);
                bytes_unref(children[i].spec.input);
                child_close(&children[i]);
        }
}

/*
 * Our limit leaves no more than SPARE descriptors. Returns what process_spawn() does; a child that
 * it starts must be none the worse.
 */
static int spawn_with_spare_fds(Child *child, rlim_t spare) {
        struct rlimit limit, original;
        int first_free, r;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &original), 0);
        first_free = fcntl(sd_event_get_fd(child->sandbox->event), F_DUPFD_CLOEXEC, 3);
        assert_true(first_free >= 3);
        (void) close(first_free);
        limit = original;
        limit.rlim_cur = (rlim_t) first_free + spare;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        r = process_spawn(&child->process, child->sandbox->event, &child->spec, on_done, child);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &original), 0);
        return r;
}

static void test_a_lack_of_descriptors_is_told_and_runs_nothing(void **state) {
        const char *file = sandbox_path(*state, "ran");
        unsigned failures = 0, before;
        rlim_t spare = 0;
        Child child;
        int r;

        child_open(&child, *state, ": >$DIR/ran; cat; echo err >&2");
        assert_int_equal(bytes_new_take(&child.spec.input, strdup("document\n"), 9), 0);
        descriptors_raise_limit();
        before = count_fds();
        while ((r = spawn_with_spare_fds(&child, spare++)) < 0) {
                assert_int_equal(r, -EMFILE);
                assert_null(child.process);
                assert_int_equal(count_fds(), before);
                assert_int_equal(access(file, F_OK), -1);
                assert_no_children_left();
                failures++;
        }
        assert_true(failures >= 6); /* three pipes have six ends */

        /* A child that could be started, be it with the last ones, has all that it needs. */
        for (unsigned i = 0; i < 6; i++) {
                child_wait(&child);
                assert_int_equal(child.process->status, 0);
                assert_string_equal(output_of(&child), "document\n");
                assert_string_equal(error_of(&child), "err\n");
                child.process = process_free(child.process);
                child.done = false;
                child.n_done = 0;
                assert_int_equal(spawn_with_spare_fds(&child, spare++), 0);
        }
        child.process = process_free(child.process);
        bytes_unref(child.spec.input);
        child_close(&child);
}

/* Ends of pipes with the numbers 0 and 2 must get out of the way first, to where there is room for
 * one. */
static void test_a_lack_that_only_the_child_meets_is_told(void **state) {
        const char *file = sandbox_path(*state, "ran");
        int saved[3], r;
        unsigned failures = 0;
        rlim_t spare = 0;
        Child child;

        child_open(&child, *state, ": >$DIR/ran");
        descriptors_raise_limit();
        for (int fd = 0; fd < 3; fd++) {
                saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
                assert_true(saved[fd] >= 0);
        }
        for (int fd = 0; fd < 3; fd++)
                (void) close(fd);
        do {
                child.process = process_free(child.process);
                child.done = false;
                child.n_done = 0;
                r = spawn_with_spare_fds(&child, spare++);
                if (r < 0)
                        continue;
                child_wait(&child);
                r = process_start_error(child.process);
                failures += r == -EMFILE && access(file, F_OK) < 0;
        } while (r == -EMFILE);
        for (int fd = 0; fd < 3; fd++) {
                assert_int_equal(dup2(saved[fd], fd), fd);
                (void) close(saved[fd]);
        }
        assert_int_equal(r, 0);
        assert_true(failures > 0);
        assert_int_equal(child.process->status, 0);
        child_close(&child);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                sandboxed(test_output_and_error_are_collected),
                sandboxed(test_the_arguments_are_the_childs),
                sandboxed(test_the_environment_is_only_what_is_given),
                sandboxed(test_the_environment_may_be_empty),
                sandboxed(test_the_working_directory_is_the_root),
                sandboxed(test_the_umask_is_022),
                sandboxed(test_the_child_has_a_session_of_its_own),
                sandboxed(test_signals_are_default_and_unblocked),
                sandboxed(test_no_other_descriptor_gets_through),
                sandboxed(test_without_a_document_the_input_is_dev_null),
                sandboxed(test_the_limit_of_descriptors_is_that_of_the_start),
                sandboxed(test_the_service_may_have_no_standard_descriptors),
                sandboxed(test_the_document_comes_through_whatever_its_size),
                sandboxed(test_a_document_need_not_be_read),
                sandboxed(test_a_background_child_does_not_keep_the_document),
                sandboxed(test_both_pipes_can_be_filled),
                sandboxed(test_what_is_kept_is_capped),
                sandboxed(test_an_odd_cap_is_used_up),
                sandboxed(test_the_exit_status_is_told),
                sandboxed(test_a_lost_end_is_no_signal),
                sandboxed(test_a_fatal_signal_is_told),
                sandboxed(test_the_times_are_told),
                sandboxed(test_a_file_that_is_not_there_ends_with_127),
                sandboxed(test_a_file_that_cannot_be_executed_ends_with_126),
                sandboxed(test_a_successs_output_is_waited_for),
                sandboxed(test_a_failures_stderr_is_waited_for),
                sandboxed(test_graces_end),
                sandboxed(test_without_a_grace_nothing_is_waited_for),
                sandboxed(test_only_the_pipe_that_counts_is_waited_for),
                sandboxed(test_closed_pipes_do_not_end_the_wait_for_the_child),
                sandboxed(test_a_background_child_can_go_on_writing),
                sandboxed(test_an_endless_writer_does_not_keep_us),
                sandboxed(test_a_signal_goes_to_the_whole_group),
                sandboxed(test_a_child_may_answer_to_term),
                sandboxed(test_nobody_withstands_kill),
                sandboxed(test_a_child_may_be_ended_before_it_has_executed),
                sandboxed(test_a_child_that_was_ended_is_done_when_its_group_is),
                sandboxed(test_who_ignores_term_in_the_group_is_waited_for_until_kill),
                sandboxed(test_the_group_is_ended_also_when_only_text_is_waited_for),
                sandboxed(test_a_freed_child_is_killed_with_its_group),
                sandboxed(test_the_process_may_be_freed_when_it_is_done),
                sandboxed(test_nothing_is_left_behind),
                sandboxed(test_many_children_do_not_mix),
                sandboxed(test_a_lack_of_descriptors_is_told_and_runs_nothing),
                sandboxed(test_a_lack_that_only_the_child_meets_is_told),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
