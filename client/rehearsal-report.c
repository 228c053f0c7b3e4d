/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The report. A run tells of the script that failed last, and people want to know of each: so what
 * a script did is told from its own result, and from the run what only the run can know.
 */

#include "rehearsal-report.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>

#include "message-json.h"
#include "script-error.h"
#include "script-failure.h"
#include "table.h"
#include "when.h"

#define WORDS_MAX 160U /* bytes of a line in the table */
#define EXCERPT   5U   /* lines from the start and the end of an output */

/* One line: what SCRIPT did in RUN. */
typedef struct Row {
        const Run *run;
        const Script *script;       /* NULL where none was found or could be looked for */
        const ScriptResult *result; /* NULL where it was not started */
        RunOutcome outcome;
} Row;

/* Which script's output is not what it should be; the last that printed anything, or too much. */
static const ScriptResult *find_invalid(const Run *run) {
        const ScriptResult *found = NULL;

        for (unsigned i = 0; i < run->scripts; i++) {
                if (run->results[i].output_total > run->context->settings->max_output)
                        return &run->results[i];
                if (run->results[i].output_total > 0)
                        found = &run->results[i];
        }
        return found;
}

static RunOutcome result_outcome(const Run *run, const ScriptResult *result) {
        bool last = result == &run->results[run->scripts - 1];

        if (last && (run->outcome == RUN_TIMED_OUT || run->outcome == RUN_CANCELLED))
                return run->outcome;
        if (run->outcome == RUN_INVALID_OUTPUT && result == find_invalid(run))
                return run->outcome;
        if (!WIFEXITED(result->status))
                return RUN_KILLED;
        return WEXITSTATUS(result->status) == 0 ? RUN_SUCCESS : RUN_FAILED;
}

/* How many rows RUN has: one for each script that was started, else one that tells why none was. */
static size_t count_rows(const Run *run) {
        return run->scripts + (run->outcome == RUN_REFUSED || run->scripts == 0);
}

static Row get_row(const Run *run, size_t i) {
        const ScriptResult *result = i < run->scripts ? &run->results[i] : NULL;

        return (Row){
                .run = run,
                .script = i < run->list.n ? &run->list.scripts[i] : NULL,
                .result = result,
                .outcome = result ? result_outcome(run, result) : run->outcome,
        };
}

static bool row_failed(const Row *row) {
        return row->outcome != RUN_SUCCESS && row->outcome != RUN_NO_SCRIPT;
}

/* Our own words for what went wrong. Ownership: the caller frees it. NULL where nothing did. */
static char *row_reason(const Row *row) {
        if (!row_failed(row))
                return NULL;
        if (row->outcome == RUN_FAILED || row->outcome == RUN_KILLED)
                /* It was a script that failed. */
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
                return script_error_reason(row->script->name, row->result->status);
        return strdup(row->run->reason ? row->run->reason : run_outcome_to_string(row->outcome));
}

static int take_number(json_object *object, const char *key, uint64_t value) {
        return json_take(object, key, json_object_new_uint64(value));
}

static int take_text(json_object *object, const char *key, const char *text) {
        return json_take_bytes(object, key, text, strlen(text));
}

static int take_call(json_object *object, const Life *life, const Run *run) {
        const Request *request = run->request;
        int r;

        r = take_text(object, "event", "Rehearsed");
        if (r >= 0)
                r = take_text(object, "life", life->name);
        if (r >= 0)
                r = take_text(object, "type", hook_type_to_string(request->operation.type));
        if (r >= 0)
                r = take_text(object, "object", request->object);
        if (r >= 0)
                r = take_text(object, "operation", request->operation.name);
        if (r >= 0)
                r = take_text(object, "suboperation", request->suboperation);
        if (r >= 0)
                r = take_text(object, "extra", request->extra);
        if (r >= 0)
                r = take_text(object, "run", run->id);
        return r;
}

static int take_result(json_object *object, const ScriptResult *result) {
        bool exited = WIFEXITED(result->status);
        int r;

        r = take_number(
                object, exited ? "status" : "signal",
                (uint64_t) (exited ? WEXITSTATUS(result->status) : WTERMSIG(result->status)));
        if (r >= 0)
                r = take_number(object, "duration_usec", result->duration);
        if (r >= 0)
                r = json_take_bytes(object, "errors", result->error ? result->error : "",
                                    result->error_size);
        return r;
}

static int take_failure(json_object *object, const Row *row) {
        const HookOperation *operation = &row->run->request->operation;
        _cleanup_free_ char *reason = row_reason(row);
        int r;

        if (!reason)
                return -ENOMEM;
        r = take_text(object, "reason", reason);
        if (r >= 0)
                r = take_text(object, "meaning", life_meaning(operation->type, operation->name));
        /* What is wrong with a filter's output only the run's message says. */
        if (r >= 0 && row->outcome == RUN_INVALID_OUTPUT && row->run->message)
                r = take_text(object, "message", row->run->message);
        return r;
}

/* Whether the scripts of RUN have made another document of theirs. */
static bool is_rewritten(const Run *run) {
        const Bytes *before = run->request->document;

        return run->output && before &&
               (run->output->size != before->size ||
                memcmp(run->output->data, before->data, before->size) != 0);
}

static int print_row_json(const Life *life, const Row *row) {
        _cleanup_(json_put_pointer) json_object *object = json_object_new_object();
        HookEffect effect =
                row_failed(row) ? row->run->request->operation.on_failure : HOOK_EFFECT_PROCEED;
        int r;

        if (!object)
                return -ENOMEM;
        r = take_call(object, life, row->run);
        if (r >= 0)
                r = take_text(object, "outcome", run_outcome_to_string(row->outcome));
        if (r >= 0)
                r = take_text(object, "effect", hook_effect_to_string(effect));
        if (r >= 0)
                r = take_text(object, "script", row->script ? row->script->path : "");
        if (r >= 0 && row->result)
                r = take_result(object, row->result);
        if (r >= 0 && row->run->request->operation.filter)
                r = json_take(object, "rewritten", json_object_new_boolean(is_rewritten(row->run)));
        if (r >= 0 && row_failed(row))
                r = take_failure(object, row);
        if (r >= 0)
                json_print_line(object);
        return r;
}

int rehearsal_report_json(const Life *life, const Run *run) {
        for (size_t i = 0; i < count_rows(run); i++) {
                Row row = get_row(run, i);

                if (print_row_json(life, &row) < 0)
                        return -ENOMEM;
        }
        (void) fflush(stdout);
        return 0;
}

static void add_status(Table *table, const Row *row) {
        Colour colour = row->outcome == RUN_SUCCESS     ? COLOUR_GOOD
                        : row->outcome == RUN_NO_SCRIPT ? COLOUR_FAINT
                        : row->run->request->operation.on_failure == HOOK_EFFECT_IGNORED
                                ? COLOUR_WARNING
                                : COLOUR_BAD;

        if (row->outcome == RUN_SUCCESS)
                table_add(table, colour, "ok");
        else if (row->outcome == RUN_FAILED)
                /* It was a script that failed. */
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
                table_addf(table, colour, "exit %d", WEXITSTATUS(row->result->status));
        else if (row->outcome == RUN_KILLED)
                /* It was a script that was killed. */
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
                table_addf(table, colour, "signal %d", WTERMSIG(row->result->status));
        else
                table_add(table, colour, run_outcome_to_string(row->outcome));
}

/*
 * The first line that the script wrote to its standard error, or why there is none. All of it is
 * told below the table where it matters.
 */
static void add_words(Table *table, const Row *row) {
        const char *text = row->result ? row->result->error : row->run->reason;
        size_t n;

        text = text ? text + strspn(text, "\n") : "";
        n = strcspn(text, "\n");
        if (n <= WORDS_MAX)
                table_addf(table, COLOUR_PLAIN, "%.*s", (int) n, text);
        else {
                for (n = WORDS_MAX; n > 0 && (text[n] & 0xc0) == 0x80;) /* inside a character */
                        n--;
                table_addf(table, COLOUR_PLAIN, "%.*s%s", (int) n, text,
                           terminal_sign(SIGN_ELLIPSIS));
        }
}

static void add_row(Table *table, const Row *row) {
        char span[WHEN_SIZE];

        table_add(table, COLOUR_PLAIN, row->run->request->operation.name);
        table_add(table, COLOUR_PLAIN, row->script ? row->script->name : "-");
        add_status(table, row);
        table_add(table, COLOUR_PLAIN,
                  row->result ? when_format_span(span, row->result->duration) : "-");
        add_words(table, row);
}

static int print_table(Run *const *runs, size_t n) {
        static const Column columns[] = {
                { "OPERATION", false, false }, { "SCRIPT", false, true },
                { "STATUS", false, false },    { "TIME", true, false },
                { "WORDS", false, true },
        };
        _cleanup_(table_free_pointer) Table *table = NULL;

        if (table_new(&table, columns, ELEMENTS(columns)) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < count_rows(runs[i]); j++) {
                        Row row = get_row(runs[i], j);

                        add_row(table, &row);
                }
        return table_print(table);
}

static size_t count_lines(const char *text) {
        size_t n = 0;

        for (; (text = strchr(text, '\n')); text++)
                n++;
        return n;
}

/* All lines; where there are more than EXCERPT, which may be 0, so many from the start and the end.
 */
static void print_indented(const char *text, size_t size, size_t excerpt) {
        _cleanup_free_ char *escaped = terminal_escape(text, size, true);
        size_t n = escaped ? count_lines(escaped) : 0, i = 0;
        char *rest = escaped, *line;

        for (; (line = strsep(&rest, "\n")); i++)
                if (excerpt > 0 && i >= excerpt && i + excerpt < n) {
                        if (i == excerpt)
                                (void) puts("    [...]");
                } else if (rest || *line) /* what follows the last line's end is no line */
                        (void) printf("    %s\n", line);
}

static void print_line(const char *before, const char *text) {
        (void) fputs(before, stdout);
        terminal_print(COLOUR_PLAIN, text);
        (void) putchar('\n');
}

/* What is wrong with a filter's output is in the run's message, and its ends may show why. */
static void print_invalid_output(const Row *row) {
        const ScriptResult *result = row->result;

        if (row->run->message)
                print_line("  ", row->run->message);
        if (result && result->output) {
                (void) printf("  It printed %" PRIu64 " bytes:\n", result->output_total);
                print_indented(result->output, result->output_size, EXCERPT);
        }
}

static void print_remedy(const ScriptResult *result) {
        _cleanup_free_ char *remedy =
                WIFEXITED(result->status) ? script_failure_remedy(WEXITSTATUS(result->status),
                                                                  result->error, result->error_size)
                                          : NULL;

        if (remedy) {
                (void) fputs("  ", stdout);
                terminal_print(COLOUR_PLAIN, remedy);
                (void) puts(".");
        }
}

static void print_failure(const Row *row) {
        _cleanup_free_ char *reason = row_reason(row);
        const HookOperation *operation = &row->run->request->operation;

        (void) putchar('\n');
        terminal_print(COLOUR_BAD, operation->name);
        print_line(": ", reason ? reason : "it failed");
        if (row->result && row->result->error) {
                print_indented(row->result->error, row->result->error_size, 0);
                print_remedy(row->result);
        }
        if (row->outcome == RUN_INVALID_OUTPUT)
                print_invalid_output(row);
}

/* Returns whether anything failed. */
static bool print_failures(const Run *run) {
        const HookOperation *operation = &run->request->operation;
        bool failed = false;

        for (size_t i = 0; i < count_rows(run); i++) {
                Row row = get_row(run, i);

                if (row_failed(&row)) {
                        print_failure(&row);
                        failed = true;
                }
        }
        if (failed && run->outcome != RUN_CANCELLED)
                print_line("  ", life_meaning(operation->type, operation->name));
        return failed;
}

/* What a filter has made of the document, which the operations behind it got. */
static void print_rewriting(const Run *run) {
        if (!run->output || !run->request->document)
                return;
        terminal_print(COLOUR_PLAIN, run->request->operation.name);
        if (is_rewritten(run))
                (void) printf(
                        ": the XML was rewritten, from %zu to %zu bytes; libvirt goes on with "
                        "the new one.\n",
                        run->request->document->size, run->output->size);
        else
                (void) puts(": the XML was printed as it was.");
}

static void print_title(const Life *life, const Request *request) {
        terminal_print(COLOUR_BOLD,
                       request->operation.type == HOOK_DAEMON ? "The daemon" : request->object);
        print_line(": ", life->title);
}

int rehearsal_report_print(const Life *life, Run *const *runs, size_t n) {
        bool failed = false;

        if (n == 0)
                return 0;
        print_title(life, runs[0]->request);
        if (print_table(runs, n) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                failed |= print_failures(runs[i]);
        for (size_t i = 0; i < n; i++)
                print_rewriting(runs[i]);
        if (!failed) {
                terminal_print(COLOUR_GOOD, "Every script succeeded.");
                print_line(*life->well ? " " : "", life->well);
        }
        return 0;
}
