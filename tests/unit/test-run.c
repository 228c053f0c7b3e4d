/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A run: its scripts in order, what goes from one to the next, and what comes of them all. There is
 * no bus: the caller is made up.
 */

#include "run.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bus-names.h"
#include "descriptors.h"

#define UUID    "5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11"
#define FOREVER "300"

#define DOMAIN_WITH(inside) "<domain><name>web-01</name><uuid>" UUID "</uuid>" inside "</domain>"
#define DOMAIN              DOMAIN_WITH("")
#define NETWORK             "<network><name>default</name><uuid>" UUID "</uuid></network>"

/* The beginning of libvirt's words for a script that failed in here. */
#define FAILED                                                                                     \
        "Hook script execution failed: internal error: Child process (LC_ALL=C PATH=/usr/bin:/bin "

typedef struct Stage {
        Sandbox *sandbox;
        Settings *settings;
        char *directories[2], *environment[3];
        RunContext context;
        Caller caller;
        Run *run;
        bool done;
        uint64_t lasted; /* what the last warning about a long run said */
} Stage;

static void on_lasts(const Run *run, uint64_t after);

static void stage_open(Stage *stage, Sandbox *sandbox) {
        *stage = (Stage){
                .sandbox = sandbox,
                .directories = { (char *) sandbox_path(sandbox, "hooks") },
                .environment = { (char *) "LC_ALL=C", (char *) "PATH=/usr/bin:/bin" },
                .caller = { .references = 1 },
        };
        stage->context = (RunContext){
                .event = sandbox->event,
                .environment = stage->environment,
                .lasts = on_lasts,
        };
        assert_int_equal(
                settings_load(&stage->settings, sandbox_path(sandbox, "no-settings"), false), 0);
        stage->context.settings = stage->settings;
        assert_int_equal(
                scripts_new(&stage->context.scripts, stage->directories, true, false, NULL), 0);
        assert_int_equal(drain_new(&stage->context.drain, sandbox->event), 0);
}

static void stage_close(Stage *stage) {
        stage->run = run_free(stage->run);
        assert_null(stage->run);
        assert_int_equal(stage->caller.references, 1);
        drain_free(stage->context.drain);
        scripts_free(stage->context.scripts);
        settings_free(stage->settings);
}

static Request *new_request(HookType type, const char *object, const char *operation,
                            const char *document, bool lenient) {
        const RequestArguments arguments = { type, object, operation, "", "", lenient };
        static const DocumentLimits limits = { .size = 4194304, .depth = 128 };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Bytes *bytes = NULL;
        Request *request;
        int r;

        if (document)
                assert_int_equal(bytes_new_take(&bytes, strdup(document), strlen(document)), 0);
        r = request_new(&request, &arguments, &error);
        if (r >= 0)
                r = request_set_document(request, bytes, NULL, &limits, &error);
        if (r < 0)
                fail_msg("%s", error.message);
        bytes_unref(bytes);
        return request;
}

static void on_done(Run *run, void *userdata) {
        Stage *stage = userdata;

        assert_false(stage->done);
        assert_true(run->finished);
        stage->done = true;
}

static void set_run(Stage *stage, Request *request) {
        stage->done = false;
        stage->run = run_free(stage->run);
        assert_int_equal(run_new(&stage->run, &stage->context, request, &stage->caller), 0);
        assert_false(stage->run->finished);
}

static void run_to_its_end(Stage *stage) {
        run_start(stage->run, on_done, stage);
        loop_until(stage->sandbox, &stage->done);
        assert_int_equal(run_pid(stage->run), 0);
}

static void run_guest(Stage *stage, const char *operation) {
        set_run(stage, new_request(HOOK_QEMU, "web-01", operation, DOMAIN, false));
        run_to_its_end(stage);
}

static void assert_success(const Run *run, unsigned scripts) {
        if (run->outcome != RUN_SUCCESS)
                fail_msg("%s: %s", run_outcome_to_string(run->outcome), run->message);
        assert_int_equal(run->scripts, scripts);
        assert_int_equal(run->status, 0);
        assert_null(run->error_name);
        assert_null(run->message);
        assert_null(run->reason);
        assert_null(run->failure);
        assert_int_equal(run_effect(run), HOOK_EFFECT_PROCEED);
}

static void assert_failure(const Run *run, RunOutcome outcome, const char *error_name,
                           const char *reason) {
        assert_string_equal(run_outcome_to_string(run->outcome), run_outcome_to_string(outcome));
        assert_string_equal(run->error_name, error_name);
        assert_string_equal(run->reason, reason);
        assert_non_null(run->message);
        assert_null(run->output);
}

/* A failure in our own words, whose message has the object before and the REMEDY behind. */
static void assert_own_failure(Stage *stage, RunOutcome outcome, const char *error_name,
                               const char *reason, const char *remedy) {
        assert_failure(stage->run, outcome, error_name, reason);
        assert_has(stage->run->message, "'web-01'");
        assert_has(stage->run->message, reason);
        assert_has(stage->run->message, remedy);
        assert_null(stage->run->failure);
        assert_int_equal(stage->run->status, 0);
}

static const char *file(Stage *stage, const char *name) {
        return sandbox_read(stage->sandbox, sandbox_path(stage->sandbox, name));
}

/* SCRIPT finds the sandbox's directory in $DIR. */
static void add_script(Stage *stage, const char *name, const char *script) {
        (void) sandbox_script(stage->sandbox, sandbox_format(stage->sandbox, "hooks/%s", name),
                              sandbox_format(stage->sandbox, "export DIR=%s\n%s",
                                             stage->sandbox->directory, script));
}

static void test_outcomes_have_names(void **state) {
        static const char *const names[] = {
                "success",   "no-script", "failed",  "killed",
                "timed-out", "cancelled", "refused", "invalid-output"
        };

        assert_int_equal(ELEMENTS(names), RUN_OUTCOME_MAX);
        for (RunOutcome outcome = 0; outcome < RUN_OUTCOME_MAX; outcome++)
                assert_string_equal(run_outcome_to_string(outcome), names[outcome]);
}

static void test_without_scripts_a_run_is_over_at_once(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false));
        run_start(stage.run, on_done, &stage);
        assert_true(stage.done);
        assert_int_equal(stage.run->outcome, RUN_NO_SCRIPT);
        assert_int_equal(stage.run->scripts, 0);
        assert_null(stage.run->message);
        assert_null(stage.run->error_name);
        assert_int_equal(run_effect(stage.run), HOOK_EFFECT_PROCEED);
        stage_close(&stage);
}

static void test_every_run_has_an_id_of_its_own(void **state) {
        char id[UUID_TEXT_SIZE];
        Stage stage;

        stage_open(&stage, *state);
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false));
        assert_int_equal(strlen(stage.run->id), UUID_TEXT_SIZE - 1);
        (void) strcpy(id, stage.run->id);
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false));
        assert_string_not_equal(stage.run->id, id);
        stage_close(&stage);
}

static void test_a_script_gets_what_libvirt_gives_it(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu",
                   "printf '%s|' \"$0\" \"$@\" >$DIR/args; cat >$DIR/stdin; "
                   "echo $LC_ALL $PATH $VIRT_HOOKS_RUN >$DIR/env");
        run_guest(&stage, "prepare");
        assert_success(stage.run, 1);
        assert_string_equal(file(&stage, "args"),
                            sandbox_format(*state, "%s/hooks/qemu|web-01|prepare|begin|-|",
                                           stage.sandbox->directory));
        assert_string_equal(file(&stage, "stdin"), DOMAIN);
        assert_string_equal(file(&stage, "env"),
                            sandbox_format(*state, "C /usr/bin:/bin %s\n", stage.run->id));
        assert_null(stage.run->output);
        stage_close(&stage);
}

static void test_the_daemons_script_gets_no_document(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "daemon",
                   "readlink /proc/self/fd/0 >$DIR/stdin; echo \"$*\" >$DIR/args");
        set_run(&stage, new_request(HOOK_DAEMON, "-", "reload", NULL, false));
        run_to_its_end(&stage);
        assert_success(stage.run, 1);
        assert_string_equal(file(&stage, "stdin"), "/dev/null\n");
        assert_string_equal(file(&stage, "args"), "- reload begin SIGHUP\n");
        stage_close(&stage);
}

static void test_the_callers_environment_replaces_ours(void **state) {
        char *environment[] = { (char *) "USER=me", NULL };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *request;
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "/usr/bin/env >$DIR/env; exit 1");
        request = new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false);
        assert_int_equal(request_set_environment(request, environment, &error), 0);
        set_run(&stage, request);
        run_to_its_end(&stage);
        assert_has(file(&stage, "env"), "USER=me\n");
        assert_has(file(&stage, "env"),
                   sandbox_format(*state, "VIRT_HOOKS_RUN=%s\n", stage.run->id));
        assert_has_not(file(&stage, "env"), "LC_ALL=");
        /* The error text has it, too, without the run's id. */
        assert_has(stage.run->message, "Child process (USER=me /");
        stage_close(&stage);
}

static void test_a_failure_is_told_in_libvirts_words(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "echo 'Could not find required XYZZY' >&2; exit 3");
        run_guest(&stage, "prepare");
        assert_failure(stage.run, RUN_FAILED, ERROR_SCRIPT_FAILED, "qemu exited with status 3");
        assert_string_equal(stage.run->message,
                            sandbox_format(*state,
                                           FAILED "%s/hooks/qemu web-01 prepare begin -) "
                                                  "unexpected exit status 3: "
                                                  "Could not find required XYZZY\n",
                                           stage.sandbox->directory));
        assert_int_equal(stage.run->status, 3);
        assert_int_equal(run_effect(stage.run), HOOK_EFFECT_ABORT);
        assert_ptr_equal(stage.run->failure, &stage.run->results[0]);
        stage_close(&stage);
}

static void test_a_fatal_signal_is_told(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu.d/20-vlan", "kill -KILL $$");
        run_guest(&stage, "start");
        assert_failure(stage.run, RUN_KILLED, ERROR_SCRIPT_FAILED,
                       "qemu.d/20-vlan was killed by signal 9");
        assert_has(stage.run->message, "web-01 start begin -) unexpected fatal signal 9");
        assert_int_equal(stage.run->status, SIGKILL);
        stage_close(&stage);
}

static void test_the_effect_is_the_operations(void **state) {
        static const struct {
                const char *operation;
                HookEffect effect;
        } cases[] = {
                { "started", HOOK_EFFECT_ABORT },
                { "stopped", HOOK_EFFECT_IGNORED },
                { "reconnect", HOOK_EFFECT_KILL },
        };
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "exit 1");
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                run_guest(&stage, cases[i].operation);
                assert_int_equal(stage.run->outcome, RUN_FAILED);
                assert_int_equal(run_effect(stage.run), cases[i].effect);
        }
        stage_close(&stage);
}

static void test_all_scripts_run_in_order_also_after_a_failure(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "echo main >>$DIR/order");
        add_script(&stage, "qemu.d/10-a", "echo 10 >>$DIR/order; echo first >&2; exit 3");
        add_script(&stage, "qemu.d/20-b", "echo 20 >>$DIR/order");
        add_script(&stage, "qemu.d/30-c", "echo 30 >>$DIR/order; echo second >&2; exit 4");
        add_script(&stage, "qemu.d/40-d", "echo 40 >>$DIR/order");
        run_guest(&stage, "start");
        assert_string_equal(file(&stage, "order"), "main\n10\n20\n30\n40\n");
        assert_int_equal(stage.run->scripts, 5);
        assert_failure(stage.run, RUN_FAILED, ERROR_SCRIPT_FAILED,
                       "qemu.d/30-c exited with status 4"); /* the last that failed */
        assert_has(stage.run->message, ": second\n");
        assert_has_not(stage.run->message, "first");
        assert_int_equal(stage.run->status, 4);
        stage_close(&stage);
}

static void test_scripts_run_one_after_the_other(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu.d/1", "sleep 0.1; echo done >$DIR/one");
        add_script(&stage, "qemu.d/2", "cat $DIR/one");
        run_guest(&stage, "start");
        assert_success(stage.run, 2);
        stage_close(&stage);
}

static void test_each_scripts_result_is_kept(void **state) {
        const ScriptResult *result;
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "echo out; echo err >&2; exit 3");
        add_script(&stage, "qemu.d/10-a", "sleep 0.05");
        run_guest(&stage, "start");
        assert_int_equal(stage.run->scripts, 2);

        result = &stage.run->results[0];
        assert_string_equal(strrchr(result->path, '/'), "/qemu");
        assert_int_equal(result->status, W_EXITCODE(3, 0));
        assert_int_equal(result->error_size, 4);
        assert_memory_equal(result->error, "err\n", 4);
        assert_int_equal(result->output_size, 4);
        assert_memory_equal(result->output, "out\n", 4);
        assert_int_equal(result->error_total, 4);
        assert_int_equal(result->output_total, 4);
        assert_true(result->started >= stage.run->started_at);

        result = &stage.run->results[1];
        assert_string_equal(strrchr(result->path, '/'), "/10-a");
        assert_int_equal(result->status, 0);
        assert_null(result->error);
        assert_null(result->output);
        assert_true(result->duration >= 50 * USEC_PER_MSEC);
        assert_true(run_duration(stage.run) >= result->duration);
        assert_true(stage.run->started_at >= stage.run->queued_at);
        stage_close(&stage);
}

static void test_an_output_that_nobody_asked_for_is_thrown_away(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "echo not XML; head -c 100000 /dev/zero | tr '\\0' x; echo end");
        add_script(&stage, "qemu.d/10-a", "cat >$DIR/stdin");
        run_guest(&stage, "start");
        assert_success(stage.run, 2);
        assert_null(stage.run->output);
        assert_string_equal(file(&stage, "stdin"), DOMAIN);
        assert_int_equal(stage.run->results[0].output_total, 8 + 100000 + 4);
        assert_has(stage.run->results[0].output, "xend\n"); /* the end is kept for who asks */
        stage_close(&stage);
}

static void assert_output(const Run *run, const char *expected) {
        assert_non_null(run->output);
        assert_int_equal(run->output->size, strlen(expected));
        assert_memory_equal(run->output->data, expected, strlen(expected));
}

static void test_a_filters_output_is_the_next_ones_input(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "sed 's|</domain>|<a/></domain>|'");
        add_script(&stage, "qemu.d/10-a", "tee $DIR/stdin | sed 's|</domain>|<b/></domain>|'");
        run_guest(&stage, "migrate");
        assert_success(stage.run, 2);
        assert_string_equal(file(&stage, "stdin"), DOMAIN_WITH("<a/>"));
        assert_output(stage.run, DOMAIN_WITH("<a/><b/>"));
        stage_close(&stage);
}

static void test_a_filter_that_prints_nothing_changes_nothing(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", ":");
        add_script(&stage, "qemu.d/10-a", "printf ' \\n\\t\\n'");
        add_script(&stage, "qemu.d/20-b", "cat >$DIR/stdin");
        run_guest(&stage, "restore");
        assert_success(stage.run, 3);
        assert_null(stage.run->output);
        assert_string_equal(file(&stage, "stdin"), DOMAIN);

        add_script(&stage, "qemu", "sed 's|</domain>|<a/></domain>|'");
        run_guest(&stage, "restore");
        assert_success(stage.run, 3);
        assert_string_equal(file(&stage, "stdin"), DOMAIN_WITH("<a/>"));
        assert_output(stage.run, DOMAIN_WITH("<a/>"));
        stage_close(&stage);
}

static void test_after_a_failure_scripts_get_the_original(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "sed 's|</domain>|<a/></domain>|'");
        add_script(&stage, "qemu.d/10-a", "cat >$DIR/stdin-10; echo '<dropped/>'; exit 1");
        add_script(&stage, "qemu.d/20-b", "tee $DIR/stdin-20 | sed 's|</domain>|<b/></domain>|'");
        add_script(&stage, "qemu.d/30-c", "cat >$DIR/stdin-30");
        run_guest(&stage, "migrate");
        assert_failure(stage.run, RUN_FAILED, ERROR_SCRIPT_FAILED,
                       "qemu.d/10-a exited with status 1");
        assert_string_equal(file(&stage, "stdin-10"), DOMAIN_WITH("<a/>"));
        assert_string_equal(file(&stage, "stdin-20"), DOMAIN);
        assert_string_equal(file(&stage, "stdin-30"), DOMAIN);
        stage_close(&stage);
}

static void test_after_a_failure_output_does_not_matter(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        stage.settings->max_output = 1024;
        add_script(&stage, "qemu", "exit 3");
        add_script(&stage, "qemu.d/10-a", "head -c 2000 /dev/zero");
        run_guest(&stage, "migrate");
        assert_failure(stage.run, RUN_FAILED, ERROR_SCRIPT_FAILED, "qemu exited with status 3");
        stage_close(&stage);
}

static void test_a_filters_output_ends_at_its_first_nul(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "cat; printf '\\0<trailer>'");
        run_guest(&stage, "migrate");
        assert_success(stage.run, 1);
        assert_output(stage.run, DOMAIN);
        stage_close(&stage);
}

static void test_a_filters_output_must_be_the_same_guest(void **state) {
        static const struct {
                const char *script, *message;
        } cases[] = {
                { "echo Done.", "not well-formed" },
                { "sed s/web-01/secret-name/", "has the name 'secret-name' instead of 'web-01'" },
                { "sed s/5c1b3b7e/6da5607b/", "has the uuid 6da5607b-" },
                { "echo '<network/>'", "<network>, not <domain>" },
        };
        Stage stage;

        stage_open(&stage, *state);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                add_script(&stage, "qemu", cases[i].script);
                run_guest(&stage, "migrate");
                assert_failure(stage.run, RUN_INVALID_OUTPUT, ERROR_INVALID_OUTPUT,
                               "the output of its scripts is no document of the same domain");
                assert_has(stage.run->message, cases[i].message);
                assert_int_equal(run_effect(stage.run), HOOK_EFFECT_ABORT);
        }
        stage_close(&stage);
}

static void test_only_the_end_of_the_chain_is_judged(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "echo no XML");
        add_script(&stage, "qemu.d/10-a", "[ \"$(cat)\" = 'no XML' ] && echo '" DOMAIN "'");
        run_guest(&stage, "migrate");
        assert_success(stage.run, 2);
        assert_output(stage.run, DOMAIN "\n");
        stage_close(&stage);
}

static void test_a_filters_output_is_capped(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        stage.settings->max_output = 4096;
        add_script(&stage, "qemu", "head -c 4097 /dev/zero | tr '\\0' ' '");
        run_guest(&stage, "migrate");
        assert_own_failure(&stage, RUN_INVALID_OUTPUT, ERROR_INVALID_OUTPUT,
                           "qemu printed 4097 bytes, more than the 4096 that are allowed",
                           "MaxOutput=");

        add_script(&stage, "qemu", "head -c 4096 /dev/zero | tr '\\0' ' '");
        run_guest(&stage, "migrate");
        assert_success(stage.run, 1);
        stage_close(&stage);
}

static void test_a_lenient_callers_output_is_not_judged(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "echo no XML");
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "migrate", DOMAIN, true));
        run_to_its_end(&stage);
        assert_success(stage.run, 1);
        assert_output(stage.run, "no XML\n");
        stage_close(&stage);
}

static void test_late_output_of_a_filter_is_waited_for(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        stage.settings->scripts[HOOK_QEMU].output_grace = 20 * USEC_PER_SEC;
        add_script(&stage, "qemu", "{ sleep 0.1; echo '" DOMAIN_WITH("<late/>") "'; } & exit 0");
        run_guest(&stage, "migrate");
        assert_success(stage.run, 1);
        assert_output(stage.run, DOMAIN_WITH("<late/>") "\n");
        stage_close(&stage);
}

static void test_a_background_child_does_not_delay_the_guest(void **state) {
        pid_t holder;
        Stage stage;

        stage_open(&stage, *state);
        stage.settings->scripts[HOOK_QEMU].output_grace = UINT64_MAX;
        add_script(&stage, "qemu", "sleep " FOREVER " & echo $! >$DIR/pid");
        run_guest(&stage, "start"); /* which is no filter */
        assert_success(stage.run, 1);
        holder = atoi(file(&stage, "pid"));
        assert_true(is_alive(holder));
        assert_int_equal(kill(holder, SIGKILL), 0);
        stage_close(&stage);
}

static void test_a_run_times_out(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        stage.settings->scripts[HOOK_QEMU].timeout = 50 * USEC_PER_MSEC;
        add_script(&stage, "qemu.d/10-a", "exec sleep " FOREVER);
        add_script(&stage, "qemu.d/20-b", ": >$DIR/ran");
        run_guest(&stage, "start");
        assert_own_failure(&stage, RUN_TIMED_OUT, ERROR_TIMED_OUT, "qemu.d/10-a timed out",
                           "than the 0.05 s that Timeout=");
        assert_int_equal(stage.run->scripts, 1); /* the others do not run any more */
        assert_int_equal(access(sandbox_path(*state, "ran"), F_OK), -1);
        assert_int_equal(run_effect(stage.run), HOOK_EFFECT_ABORT);
        assert_true(run_duration(stage.run) >= 50 * USEC_PER_MSEC);
        stage_close(&stage);
}

static void test_the_callers_timeout_comes_first(void **state) {
        Request *request;
        Stage stage;

        stage_open(&stage, *state);
        stage.settings->scripts[HOOK_QEMU].timeout = 200 * USEC_PER_SEC;
        add_script(&stage, "qemu", "sleep " FOREVER);
        request = new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false);
        request->timeout = 50 * USEC_PER_MSEC;
        set_run(&stage, request);
        run_to_its_end(&stage);
        assert_int_equal(stage.run->outcome, RUN_TIMED_OUT);
        stage_close(&stage);
}

static void test_a_caller_may_do_without_a_timeout(void **state) {
        Request *request;
        Stage stage;

        stage_open(&stage, *state);
        stage.settings->scripts[HOOK_QEMU].timeout = 20 * USEC_PER_MSEC;
        add_script(&stage, "qemu", "sleep 0.2");
        request = new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false);
        request->timeout = UINT64_MAX;
        set_run(&stage, request);
        run_to_its_end(&stage);
        assert_success(stage.run, 1);
        stage_close(&stage);
}

static void test_the_time_counts_for_the_whole_run(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        /* More than enough for the first, and enough for the second if it had it for itself. */
        stage.settings->scripts[HOOK_QEMU].timeout = 1500 * USEC_PER_MSEC;
        add_script(&stage, "qemu.d/1", "sleep 0.4");
        add_script(&stage, "qemu.d/2", "sleep 1.2");
        run_guest(&stage, "start");
        assert_failure(stage.run, RUN_TIMED_OUT, ERROR_TIMED_OUT, "qemu.d/2 timed out");
        assert_int_equal(stage.run->scripts, 2);
        stage_close(&stage);
}

/* Starts SCRIPT, which makes the file "ready", and cancels it then. */
static void cancel_when_ready(Stage *stage, const char *operation, const char *script) {
        add_script(stage, "qemu", script);
        set_run(stage, new_request(HOOK_QEMU, "web-01", operation, DOMAIN, false));
        run_start(stage->run, on_done, stage);
        loop_until_file(stage->sandbox, sandbox_path(stage->sandbox, "ready"));
        run_cancel(stage->run, "was cancelled");
}

static void test_scripts_are_told_before_they_are_killed(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        stage.settings->scripts[HOOK_QEMU].kill_after = UINT64_MAX;
        cancel_when_ready(
                &stage, "start",
                /* A shell's child that is not yet the other program would lose the signal. */
                "trap ': >$DIR/told; exit 0' TERM; "
                "sh -c 'echo $$ >$DIR/pid; : >$DIR/ready; exec sleep " FOREVER "' & wait");
        loop_until(*state, &stage.done);
        assert_int_equal(stage.run->outcome, RUN_CANCELLED);
        assert_int_equal(stage.run->results[0].status, 0);
        assert_int_equal(access(sandbox_path(*state, "told"), F_OK), 0);
        assert_true(dies(atoi(file(&stage, "pid"))));
        stage_close(&stage);
}

static void test_who_does_not_hear_is_killed(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        stage.settings->scripts[HOOK_QEMU].kill_after = 100 * USEC_PER_MSEC;
        cancel_when_ready(&stage, "start",
                          "trap '' TERM; : >$DIR/ready; while :; do sleep 0.02; done");
        loop_until(*state, &stage.done);
        assert_int_equal(stage.run->outcome, RUN_CANCELLED);
        assert_true(WIFSIGNALED(stage.run->results[0].status));
        assert_int_equal(WTERMSIG(stage.run->results[0].status), SIGKILL);
        assert_true(run_duration(stage.run) >= 100 * USEC_PER_MSEC);
        stage_close(&stage);
}

static void test_a_run_can_be_cancelled(void **state) {
        Stage stage;
        pid_t pid;

        stage_open(&stage, *state);
        add_script(&stage, "qemu.d/10-a", "exec sleep " FOREVER);
        add_script(&stage, "qemu.d/20-b", ": >$DIR/ran");
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false));
        run_start(stage.run, on_done, &stage);
        pid = run_pid(stage.run);
        assert_true(is_alive(pid));
        run_cancel(stage.run, "was cancelled by uid 0");
        run_cancel(stage.run, "was cancelled again"); /* changes nothing */
        assert_false(stage.done);
        loop_until(*state, &stage.done);
        assert_own_failure(&stage, RUN_CANCELLED, ERROR_CANCELLED,
                           "was cancelled by uid 0 while qemu.d/10-a ran", "call again");
        assert_int_equal(access(sandbox_path(*state, "ran"), F_OK), -1);
        assert_false(is_alive(pid));
        stage_close(&stage);
}

/* The script has ended, and a child in the background holds the pipe that is waited for. */
static void test_a_run_that_waits_for_a_grace_can_be_ended(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        stage.settings->scripts[HOOK_QEMU].output_grace = UINT64_MAX;
        stage.settings->scripts[HOOK_QEMU].kill_after = 50 * USEC_PER_MSEC;
        add_script(&stage, "qemu", "sleep " FOREVER " & echo $! >$DIR/new; mv $DIR/new $DIR/pid");
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "migrate", DOMAIN, false));
        run_start(stage.run, on_done, &stage);
        loop_until_file(*state, sandbox_path(*state, "pid"));
        while (is_alive(run_pid(stage.run)))
                loop_for(*state, 5 * USEC_PER_MSEC);
        loop_for(*state, 20 * USEC_PER_MSEC);
        assert_false(stage.done);

        run_cancel(stage.run, "was cancelled");
        for (int i = 0; i < 3000 && !stage.done; i++)
                loop_for(*state, 10 * USEC_PER_MSEC);
        (void) kill(atoi(file(&stage, "pid")), SIGKILL);
        assert_true(stage.done);
        assert_int_equal(stage.run->outcome, RUN_CANCELLED);
        stage_close(&stage);
}

/* What a script says of its end when we end it is not the verdict. */
static void test_a_cancelled_script_that_fails_is_cancelled(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        cancel_when_ready(&stage, "reconnect",
                          "trap 'echo no >&2; exit 9' TERM; : >$DIR/ready; "
                          "while :; do sleep 0.02; done");
        loop_until(*state, &stage.done);
        assert_own_failure(&stage, RUN_CANCELLED, ERROR_CANCELLED, "was cancelled while qemu ran",
                           "call again");
        assert_int_equal(stage.run->results[0].status, W_EXITCODE(9, 0));
        stage_close(&stage);
}

static void test_a_run_that_is_freed_takes_its_scripts_along(void **state) {
        Stage stage;
        pid_t pid;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "trap '' TERM; while :; do sleep 0.02; done");
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false));
        run_start(stage.run, on_done, &stage);
        pid = run_pid(stage.run);
        assert_true(is_alive(pid));
        stage.run = run_free(stage.run);
        assert_false(is_alive(pid));
        loop_for(*state, 10 * USEC_PER_MSEC);
        assert_false(stage.done);
        stage_close(&stage);
        assert_null(run_free(NULL));
}

static Stage *lasting;

static void on_lasts(const Run *run, uint64_t after) {
        assert_ptr_equal(run, lasting->run);
        lasting->lasted = after;
}

static void test_a_run_that_lasts_is_told_of(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        lasting = &stage;
        stage.settings->scripts[HOOK_QEMU].warn_after = 20 * USEC_PER_MSEC;
        add_script(&stage, "qemu", "sleep 0.1");
        run_guest(&stage, "start");
        assert_success(stage.run, 1);
        assert_int_equal(stage.lasted, 20 * USEC_PER_MSEC);

        stage.lasted = 0;
        stage.settings->scripts[HOOK_QEMU].warn_after = UINT64_MAX;
        run_guest(&stage, "start");
        assert_int_equal(stage.lasted, 0);
        stage_close(&stage);
}

static void test_an_unsafe_script_refuses_the_run(void **state) {
        const char *why;
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu.d/10-a", ": >$DIR/ran");
        add_script(&stage, "qemu.d/20-b", ": >$DIR/ran");
        assert_int_equal(chmod(sandbox_path(*state, "hooks/qemu.d/20-b"), 0777), 0);
        run_guest(&stage, "start");
        why = sandbox_format(*state,
                             "qemu.d/20-b is not safe to run: "
                             "%s/hooks/qemu.d/20-b may be written by everybody; "
                             "'chmod go-w %s/hooks/qemu.d/20-b' mends it",
                             stage.sandbox->directory, stage.sandbox->directory);
        assert_own_failure(&stage, RUN_REFUSED, ERROR_SCRIPT_REFUSED, why, "Ownership=libvirt");
        assert_int_equal(stage.run->scripts, 0); /* not even the safe one ran */
        assert_int_equal(access(sandbox_path(*state, "ran"), F_OK), -1);
        stage_close(&stage);
}

static void test_a_lost_end_is_our_trouble(void **state) {
        siginfo_t info;
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu.d/10-a", "exit 0");
        add_script(&stage, "qemu.d/20-b", ": >$DIR/ran");
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "reconnect", DOMAIN, false));
        run_start(stage.run, on_done, &stage);
        /* Somebody else waits for the child. */
        assert_int_equal(waitid(P_PID, (id_t) run_pid(stage.run), &info, WEXITED), 0);
        log_start(*state);
        loop_until(stage.sandbox, &stage.done);
        (void) log_end(*state);
        assert_own_failure(
                &stage, RUN_REFUSED, ERROR_SCRIPT_REFUSED,
                "qemu.d/10-a has run, but how it ended is not known: another process waited for it",
                "call again");
        assert_int_equal(stage.run->scripts, 2);
        assert_true(stage.run->results[0].lost);
        assert_false(stage.run->results[1].lost);
        assert_int_equal(access(sandbox_path(*state, "ran"), F_OK), 0);
        stage_close(&stage);
}

static void test_a_lost_end_replaces_no_verdict(void **state) {
        siginfo_t info;
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu.d/10-a", "exit 3");
        add_script(&stage, "qemu.d/20-b", "exec sleep " FOREVER);
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false));
        run_start(stage.run, on_done, &stage);
        while (stage.run->scripts < 1)
                assert_true(sd_event_run(stage.sandbox->event, 20 * USEC_PER_SEC) >= 0);
        assert_int_equal(kill(run_pid(stage.run), SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t) run_pid(stage.run), &info, WEXITED), 0);
        log_start(*state);
        loop_until(stage.sandbox, &stage.done);
        (void) log_end(*state);
        assert_int_equal(stage.run->outcome, RUN_FAILED);
        assert_int_equal(stage.run->status, 3);
        assert_true(stage.run->results[1].lost);
        stage_close(&stage);
}

static void test_scripts_that_cannot_be_looked_up_refuse_the_run(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        (void) sandbox_link(*state, "hooks/qemu.d", "qemu.d");
        log_start(*state);
        run_guest(&stage, "start");
        (void) log_end(*state);
        assert_int_equal(stage.run->outcome, RUN_REFUSED);
        assert_string_equal(stage.run->error_name, ERROR_SCRIPT_REFUSED);
        assert_int_equal(run_effect(stage.run), HOOK_EFFECT_ABORT);
        stage_close(&stage);
}

static void test_a_script_without_interpreter_fails_as_in_libvirt(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        (void) sandbox_file(*state, "hooks/qemu", 0755, "#!/no/such/shell\n");
        run_guest(&stage, "start");
        assert_failure(stage.run, RUN_FAILED, ERROR_SCRIPT_FAILED, "qemu exited with status 127");
        assert_has(stage.run->message,
                   ") unexpected exit status 127: libvirt:  error : cannot execute binary ");
        stage_close(&stage);
}

/* What the caller's descriptor FD has got when the run is over. */
static void assert_started(Stage *stage, int write_fd, int read_fd, const char *expected) {
        char buffer[8] = "";

        set_run(stage, new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false));
        stage->run->started_fd = write_fd;
        run_to_its_end(stage);
        stage->run = run_free(stage->run); /* which closes the descriptor */
        assert_int_equal(read(read_fd, buffer, sizeof(buffer)), strlen(expected));
        assert_string_equal(buffer, expected);
        (void) close(read_fd);
}

static void test_the_caller_is_told_when_scripts_start(void **state) {
        Stage stage;
        int fds[2];

        stage_open(&stage, *state);
        add_script(&stage, "qemu.d/1", ":");
        add_script(&stage, "qemu.d/2", ":");
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_started(&stage, fds[1], fds[0], "s");
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_started(&stage, fds[1], fds[0], "s");
        stage_close(&stage);
}

static void test_the_caller_is_not_told_of_scripts_that_do_not_start(void **state) {
        Stage stage;
        int fds[2];

        stage_open(&stage, *state);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_started(&stage, fds[1], fds[0], ""); /* there is no script */

        (void) sandbox_file(*state, "hooks/qemu", 0777, "#!/bin/sh\n");
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_started(&stage, fds[1], fds[0], ""); /* it is not safe */
        stage_close(&stage);
}

/* Runs with WRITE_FD, which would make a careless writer wait, or die, and closes READ_FD. */
static void run_untold(Stage *stage, int write_fd, int read_fd) {
        set_run(stage, new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false));
        stage->run->started_fd = write_fd;
        run_to_its_end(stage);
        assert_success(stage->run, 1);
        close_fd(read_fd);
}

/* Runs with WRITE_FD, whose other end nobody reads any more. */
static void run_given_up(Stage *stage, int write_fd) {
        set_run(stage, new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false));
        stage->run->started_fd = write_fd;
        run_to_its_end(stage);
        assert_int_equal(stage->run->outcome, RUN_CANCELLED);
        assert_int_equal(stage->run->scripts, 0);
        assert_string_equal(stage->run->error_name, ERROR_CANCELLED);
        assert_has(stage->run->message, "gave up");
}

static void test_a_caller_who_cannot_be_told_is_no_harm(void **state) {
        char block[4096] = "";
        int fds[2];
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", ":");
        log_start(*state);
        (void) alarm(20); /* a write that waits ends us */

        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        while (write(fds[1], block, sizeof(block)) > 0)
                ;
        assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
        run_untold(&stage, fds[1], fds[0]); /* a full pipe */

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        while (send(fds[1], block, sizeof(block), MSG_DONTWAIT) > 0)
                ;
        run_untold(&stage, fds[1], fds[0]); /* a full socket */

        (void) alarm(0);
        assert_int_equal(count_of(log_end(*state), "the caller could not be told"), 2);
        stage_close(&stage);
}

static void test_nothing_runs_for_a_caller_who_has_given_up(void **state) {
        Stage stage;
        int fds[2];

        stage_open(&stage, *state);
        add_script(&stage, "qemu", ": >$DIR/ran");

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        (void) close(fds[0]);
        run_given_up(&stage, fds[1]);

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        (void) close(fds[0]);
        run_given_up(&stage, fds[1]);

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(shutdown(fds[0], SHUT_RD), 0);
        run_given_up(&stage, fds[1]);
        (void) close(fds[0]);

        assert_int_equal(access(sandbox_path(*state, "ran"), F_OK), -1);
        stage_close(&stage);
}

static void free_at_once(Run *run, void *userdata) {
        Stage *stage = userdata;

        stage->run = run_free(run);
        stage->done = true;
}

static void test_the_run_may_be_freed_when_it_is_done(void **state) {
        Stage stage;

        stage_open(&stage, *state);
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false));
        run_start(stage.run, free_at_once, &stage); /* before it returns */
        assert_true(stage.done);

        add_script(&stage, "qemu", "exit 1");
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "start", DOMAIN, false));
        run_start(stage.run, free_at_once, &stage);
        loop_until(*state, &stage.done);
        assert_null(stage.run);
        stage_close(&stage);
}

static void test_a_run_leaves_nothing_behind(void **state) {
        unsigned before = 0;
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", "cat; echo err >&2");
        for (int i = 0; i < 3; i++) {
                run_guest(&stage, "migrate");
                assert_success(stage.run, 1);
                stage.run = run_free(stage.run);
                if (i == 0)
                        before = count_fds(); /* the event loop's timer is there from now on */
                assert_int_equal(count_fds(), before);
        }
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
        stage_close(&stage);
}

/* Here the child is the one that meets it, for pipes' ends with the numbers 0 and 2 must get out of
 * the way: see test-process.c. */
static void test_a_lack_of_descriptors_is_no_scripts_failure(void **state) {
        const char *ran = sandbox_path(*state, "ran");
        struct rlimit original, limit;
        unsigned failures = 0;
        int saved[3], first_free;
        Stage stage;

        stage_open(&stage, *state);
        add_script(&stage, "qemu", sandbox_format(*state, ": >%s", ran));
        set_run(&stage, new_request(HOOK_QEMU, "web-01", "started", NULL, true));
        run_to_its_end(&stage); /* now the loop has all that it needs for itself */
        assert_int_equal(unlink(ran), 0);
        descriptors_raise_limit();
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &original), 0);
        limit = original;
        for (int fd = 0; fd < 3; fd++) {
                saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
                assert_true(saved[fd] >= 0);
        }
        first_free = fcntl(saved[0], F_DUPFD_CLOEXEC, 3);
        assert_true(first_free >= 3);
        (void) close(first_free);
        for (int fd = 0; fd < 3; fd++)
                (void) close(fd);
        for (rlim_t spare = 0;; spare++) {
                set_run(&stage, new_request(HOOK_QEMU, "web-01", "started", NULL, true));
                limit.rlim_cur = (rlim_t) first_free + spare;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
                run_start(stage.run, on_done, &stage);
                (void) setrlimit(RLIMIT_NOFILE, &original);
                loop_until(*state, &stage.done);
                if (stage.run->outcome != RUN_REFUSED || access(ran, F_OK) == 0)
                        break;
                failures += streq(stage.run->error_name, ERROR_LIMIT_EXCEEDED) &&
                            stage.run->scripts == 0;
                if (failures != spare + 1)
                        break;
        }
        for (int fd = 0; fd < 3; fd++) {
                assert_int_equal(dup2(saved[fd], fd), fd);
                (void) close(saved[fd]);
        }
        assert_int_equal(stage.run->outcome, RUN_SUCCESS);
        assert_true(failures > 0);
        stage_close(&stage);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_outcomes_have_names),
                sandboxed(test_without_scripts_a_run_is_over_at_once),
                sandboxed(test_every_run_has_an_id_of_its_own),
                sandboxed(test_a_script_gets_what_libvirt_gives_it),
                sandboxed(test_the_daemons_script_gets_no_document),
                sandboxed(test_the_callers_environment_replaces_ours),
                sandboxed(test_a_failure_is_told_in_libvirts_words),
                sandboxed(test_a_fatal_signal_is_told),
                sandboxed(test_the_effect_is_the_operations),
                sandboxed(test_all_scripts_run_in_order_also_after_a_failure),
                sandboxed(test_scripts_run_one_after_the_other),
                sandboxed(test_each_scripts_result_is_kept),
                sandboxed(test_an_output_that_nobody_asked_for_is_thrown_away),
                sandboxed(test_a_filters_output_is_the_next_ones_input),
                sandboxed(test_a_filter_that_prints_nothing_changes_nothing),
                sandboxed(test_after_a_failure_scripts_get_the_original),
                sandboxed(test_after_a_failure_output_does_not_matter),
                sandboxed(test_a_filters_output_ends_at_its_first_nul),
                sandboxed(test_a_filters_output_must_be_the_same_guest),
                sandboxed(test_only_the_end_of_the_chain_is_judged),
                sandboxed(test_a_filters_output_is_capped),
                sandboxed(test_a_lenient_callers_output_is_not_judged),
                sandboxed(test_late_output_of_a_filter_is_waited_for),
                sandboxed(test_a_background_child_does_not_delay_the_guest),
                sandboxed(test_a_run_times_out),
                sandboxed(test_the_callers_timeout_comes_first),
                sandboxed(test_a_caller_may_do_without_a_timeout),
                sandboxed(test_the_time_counts_for_the_whole_run),
                sandboxed(test_scripts_are_told_before_they_are_killed),
                sandboxed(test_who_does_not_hear_is_killed),
                sandboxed(test_a_run_can_be_cancelled),
                sandboxed(test_a_run_that_waits_for_a_grace_can_be_ended),
                sandboxed(test_a_cancelled_script_that_fails_is_cancelled),
                sandboxed(test_a_run_that_is_freed_takes_its_scripts_along),
                sandboxed(test_a_run_that_lasts_is_told_of),
                sandboxed(test_an_unsafe_script_refuses_the_run),
                sandboxed(test_a_lost_end_is_our_trouble),
                sandboxed(test_a_lost_end_replaces_no_verdict),
                sandboxed(test_scripts_that_cannot_be_looked_up_refuse_the_run),
                sandboxed(test_a_script_without_interpreter_fails_as_in_libvirt),
                sandboxed(test_the_caller_is_told_when_scripts_start),
                sandboxed(test_the_caller_is_not_told_of_scripts_that_do_not_start),
                sandboxed(test_a_caller_who_cannot_be_told_is_no_harm),
                sandboxed(test_nothing_runs_for_a_caller_who_has_given_up),
                sandboxed(test_the_run_may_be_freed_when_it_is_done),
                sandboxed(test_a_run_leaves_nothing_behind),
                sandboxed(test_a_lack_of_descriptors_is_no_scripts_failure),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
