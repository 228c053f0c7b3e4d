/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Facts: what a run is told to be in each of its states, and that a copy has all of it when the
 * run is gone.
 */

#include "run-facts.h"
#include "support.h"

#include <uuid.h>

static const RunContext context = {};

/* A run about a network's port with whatever a run can have. */
typedef struct Fixture {
        Caller caller;
        Run *run;
} Fixture;

static void fixture_open(Fixture *f) {
        const RequestArguments arguments = {
                HOOK_NETWORK, "default", "port-created", "", "", false
        };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *request;

        *f = (Fixture){
                .caller = { .references = 1,
                            .uid = 64055,
                            .pid = 4711,
                            .comm = (char *) "libvirtd",
                            .unit = (char *) "libvirtd.service" },
        };
        assert_int_equal(request_new(&request, &arguments, &error), 0);
        request->info.has_port = true;
        (void) strcpy(request->info.uuid, "5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11");
        (void) strcpy(request->info.port_uuid, "6c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b12");
        request->info.port_mac = strdup("52:54:00:11:22:33");
        request->info.port_owner = strdup("web-01");
        assert_int_equal(run_new(&f->run, &context, request, &f->caller), 0);
}

static void fixture_close(Fixture *f) {
        f->run = run_free(f->run);
        assert_int_equal(f->caller.references, 1);
}

/* The run has run one script, which printed bytes of all kinds, and was refused afterwards. */
static void end_run(Run *run) {
        run->started_at = 1700000000000000;
        run->sequence_started = 7;
        run->sequence_finished = 8;
        run->duration = 2500;
        run->list.scripts = calloc(1, sizeof(Script));
        run->results = calloc(1, sizeof(ScriptResult));
        assert_non_null(run->list.scripts);
        assert_non_null(run->results);
        run->list.n = 1;
        run->list.scripts[0].path = strdup("/etc/libvirt/hooks/network");
        run->results[0] = (ScriptResult){
                .path = run->list.scripts[0].path,
                .status = 256,
                .duration = 2000,
                .error = strdup("no"),
                .error_size = 2,
                .error_total = 2,
                .output = malloc(3),
                .output_size = 3,
                .output_total = 5000,
        };
        memcpy(run->results[0].output, "a\0\xff", 3);
        run->scripts = 1;
        run->finished = true;
        run->outcome = RUN_REFUSED;
        run->reason = strdup("the reason");
        run->message = strdup("the message");
}

static void assert_subject(const RunFacts *facts) {
        assert_string_equal(hook_type_to_string(facts->type), "network");
        assert_string_equal(facts->object, "default");
        assert_string_equal(facts->operation, "port-created");
        assert_string_equal(facts->suboperation, "begin");
        assert_string_equal(facts->extra, "-");
        assert_string_equal(facts->uuid, "5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11");
        assert_string_equal(facts->port_uuid, "6c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b12");
        assert_string_equal(facts->port_mac, "52:54:00:11:22:33");
        assert_string_equal(facts->port_owner, "web-01");
        assert_null(facts->port_owner_uuid);
        assert_string_equal(facts->caller_comm, "libvirtd");
        assert_string_equal(facts->caller_unit, "libvirtd.service");
        assert_int_equal(facts->caller_uid, 64055);
        assert_int_equal(facts->caller_pid, 4711);
}

static void assert_ended(const RunFacts *facts) {
        assert_subject(facts);
        assert_int_equal(facts->state, RUN_STATE_FINISHED);
        assert_int_equal(facts->started_at, 1700000000000000);
        assert_int_equal(facts->duration, 2500);
        assert_int_equal(facts->sequence_started, 7);
        assert_int_equal(facts->sequence_finished, 8);
        assert_int_equal(facts->pid, 0);
        assert_null(facts->script);
        assert_int_equal(facts->outcome, RUN_REFUSED);
        assert_int_equal(facts->effect, HOOK_EFFECT_ABORT);
        assert_string_equal(facts->reason, "the reason");
        assert_string_equal(facts->message, "the message");
        assert_int_equal(facts->scripts, 1);
        assert_string_equal(facts->results[0].path, "/etc/libvirt/hooks/network");
        assert_int_equal(facts->results[0].status, 256);
        assert_int_equal(facts->results[0].duration, 2000);
        assert_int_equal(facts->results[0].error_size, 2);
        assert_memory_equal(facts->results[0].error, "no", 2);
        assert_int_equal(facts->results[0].output_size, 3);
        assert_memory_equal(facts->results[0].output, "a\0\xff", 3);
        assert_int_equal(facts->results[0].output_total, 5000);
}

static void test_a_view_tells_of_each_state(void **state) {
        RunFacts facts;
        Fixture f;

        fixture_open(&f);
        run_describe(f.run, &facts);
        assert_subject(&facts);
        assert_int_equal(facts.state, RUN_STATE_WAITING);
        assert_true(facts.queued_at > 0);
        assert_int_equal(facts.started_at, 0);
        assert_int_equal(facts.scripts, 0);
        assert_null(facts.reason);

        f.run->started_at = 1;
        run_describe(f.run, &facts);
        assert_int_equal(facts.state, RUN_STATE_RUNNING);

        end_run(f.run);
        run_describe(f.run, &facts);
        assert_ended(&facts);
        fixture_close(&f);
}

/* In memory of just its size, that whoever looks for bad accesses sees what is beyond. */
static RunFacts *copy_of(const RunFacts *facts) {
        size_t size = run_facts_size(facts);
        void *place = malloc(size);
        RunFacts *copy;

        assert_non_null(place);
        copy = run_facts_copy(facts, place);
        assert_ptr_equal(copy, place);
        return copy;
}

static void test_a_copy_outlives_the_run(void **state) {
        char id[UUID_TEXT_SIZE];
        RunFacts facts, *copy;
        Fixture f;

        fixture_open(&f);
        end_run(f.run);
        memcpy(id, f.run->id, sizeof(id));
        run_describe(f.run, &facts);
        copy = copy_of(&facts);
        fixture_close(&f);

        assert_string_equal(copy->id, id);
        assert_ended(copy);
        free(copy);
}

static void test_a_copy_of_little_is_small(void **state) {
        RunFacts facts, *copy;
        Fixture f;

        fixture_open(&f);
        run_describe(f.run, &facts);
        copy = copy_of(&facts);
        assert_subject(copy);
        assert_null(copy->results);
        assert_true(run_facts_size(copy) < 512); /* a thousand of them are kept */
        free(copy);
        fixture_close(&f);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_view_tells_of_each_state),
                cmocka_unit_test(test_a_copy_outlives_the_run),
                cmocka_unit_test(test_a_copy_of_little_is_small),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("run-facts", tests, NULL, NULL);
}
