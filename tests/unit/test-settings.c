/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The settings' files: what each line sets, what is said of wrong ones, and which line wins.
 */

#include "settings.h"
#include "support.h"

#include <stdio.h>
#include <sys/stat.h>

#define SECOND UINT64_C(1000000)
#define NEVER  UINT64_MAX

/* Every setting that is a number, written out a second time. */
typedef struct Known {
        const char *key;
        size_t offset;
        uint64_t by_default;
        const char *value;                                      /* one that is not the default, */
        uint64_t meaning;                                       /* and what it means */
        const char *smallest, *largest, *too_small, *too_large; /* NULL where there is none */
} Known;

/* clang-format off */
static const Known bridge_known[] = {
        { "Rescan", offsetof(Settings, rescan), RESCAN_ALWAYS, "daemon", RESCAN_DAEMON,
          "always", "daemon", NULL, NULL },
        { "Ownership", offsetof(Settings, ownership), OWNERSHIP_STRICT, "libvirt", OWNERSHIP_LIBVIRT,
          "strict", "libvirt", NULL, NULL },
        { "MaxRunning", offsetof(Settings, max_running), 1024, "7", 7,
          "1", "100000", "0", "100001" },
        { "MaxWaiting", offsetof(Settings, max_waiting), 4096, "7", 7,
          "0", "1000000", "-1", "1000001" },
        { "MaxWaitingPerCaller", offsetof(Settings, max_waiting_per_caller), 256, "7", 7,
          "0", "1000000", "-1", "1000001" },
        { "MaxUnauthorized", offsetof(Settings, max_unauthorized), 128, "7", 7,
          "0", "1000000", "-1", "1000001" },
        { "MaxUnauthorizedPerUser", offsetof(Settings, max_unauthorized_per_user), 16, "7", 7,
          "0", "1000000", "-1", "1000001" },
        { "MaxDocument", offsetof(Settings, document.size), 4194304, "64K", 65536,
          "1K", "16M", "1023", "17M" },
        { "MaxDepth", offsetof(Settings, document.depth), 128, "7", 7,
          "4", "2048", "3", "2049" },
        { "MaxOutput", offsetof(Settings, max_output), 4194304, "8M", 8388608,
          "1K", "16M", "1023", "17M" },
        { "MaxStderr", offsetof(Settings, max_stderr), 65536, "4096", 4096,
          "1K", "1M", "1023", "2M" },
        { "HistoryRuns", offsetof(Settings, history_runs), 1000, "7", 7,
          "0", "1000000", "-1", "1000001" },
        { "HistorySize", offsetof(Settings, history_size), 16777216, "1G", 1073741824,
          "0", "1G", "-1", "2G" },
        { "StopTimeout", offsetof(Settings, stop_timeout), 80 * SECOND, "1min 30s", 90 * SECOND,
          "0", "infinity", "-1s", "soon" },
};

static const Known scripts_known[] = {
        { "Timeout", offsetof(ScriptLimits, timeout), NEVER, "5min", 300 * SECOND,
          "1us", "infinity", "0", "soon" },
        { "WarnAfter", offsetof(ScriptLimits, warn_after), 30 * SECOND, "infinity", NEVER,
          "1us", "infinity", "0", "soon" },
        { "KillAfter", offsetof(ScriptLimits, kill_after), 5 * SECOND, "7", 7 * SECOND,
          "0", "infinity", "-1s", "soon" },
        { "OutputGrace", offsetof(ScriptLimits, output_grace), 2 * SECOND, "0", 0,
          "0", "infinity", "-1s", "soon" },
        { "ErrorGrace", offsetof(ScriptLimits, error_grace), SECOND / 5, "50ms", SECOND / 20,
          "0", "infinity", "-1s", "soon" },
};
/* clang-format on */

static uint64_t value_of(const void *base, const Known *known) {
        return *(const uint64_t *) ((const char *) base + known->offset);
}

/* Loads what virt-hooks.conf in the sandbox says. Nothing must be wrong. */
static Settings *load(Sandbox *sandbox) {
        const char *path = sandbox_path(sandbox, "virt-hooks.conf");
        Settings *settings = NULL;

        log_start(sandbox);
        assert_int_equal(settings_load(&settings, path, false), 0);
        settings_log_faults(settings);
        assert_string_equal(log_end(sandbox), "");
        assert_non_null(settings);
        return settings;
}

static Settings *load_text(Sandbox *sandbox, const char *text) {
        (void) sandbox_file(sandbox, "virt-hooks.conf", 0644, text);
        return load(sandbox);
}

/* Loads TEXT with wrong lines in it. Each must be told of on a line of its own. */
static const char *complaints(Sandbox *sandbox, const char *text, unsigned n, Settings **settings) {
        const char *path = sandbox_file(sandbox, "virt-hooks.conf", 0644, text), *log;

        log_start(sandbox);
        assert_int_equal(settings_load(settings, path, false), 0);
        assert_int_equal((*settings)->n_faults, n);
        settings_log_faults(*settings);
        log = log_end(sandbox);
        if (*log ? count_of(log, "\n") != n : n != 0)
                fail_msg("Not %u complaints: %s", n, log);
        return log;
}

static void assert_defaults(const Settings *settings) {
        for (size_t i = 0; i < ELEMENTS(bridge_known); i++)
                if (value_of(settings, &bridge_known[i]) != bridge_known[i].by_default)
                        fail_msg("%s= is not the default", bridge_known[i].key);
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                for (size_t i = 0; i < ELEMENTS(scripts_known); i++)
                        if (value_of(&settings->scripts[type], &scripts_known[i]) !=
                            scripts_known[i].by_default)
                                fail_msg("%s= is not the default", scripts_known[i].key);
        assert_int_equal(strv_length(settings->hooks_directories), 2);
        assert_string_equal(settings->hooks_directories[0], SYSCONFDIR "/virt-hooks/hooks");
        assert_string_equal(settings->hooks_directories[1], SYSCONFDIR "/libvirt/hooks");
}

/* A setting that is new and not in the tables above would not be tested. */
static void test_these_tests_know_every_setting(void **state) {
        bool known[offsetof(Settings, scripts) / sizeof(uint64_t)] = { false };

        assert_int_equal(sizeof(ScriptLimits), ELEMENTS(scripts_known) * sizeof(uint64_t));
        known[offsetof(Settings, hooks_directories) / sizeof(uint64_t)] = true;
        for (size_t i = 0; i < ELEMENTS(bridge_known); i++)
                known[bridge_known[i].offset / sizeof(uint64_t)] = true;
        for (size_t i = 0; i < ELEMENTS(known); i++)
                if (!known[i])
                        fail_msg("The number at byte %zu of the settings is not tested",
                                 i * sizeof(uint64_t));
}

static void test_without_files_the_defaults_hold(void **state) {
        Settings *settings = load(*state);

        assert_defaults(settings);
        assert_null(settings_free(settings));
}

static void test_an_empty_file_is_fine(void **state) {
        Settings *settings = load_text(*state, "");

        assert_defaults(settings);
        settings_free(settings);
}

static void test_comments_and_empty_lines_are_passed_over(void **state) {
        Settings *settings =
                load_text(*state, "# MaxRunning=1\n\n  \t\n ; x\n[Bridge]\n#MaxRunning=2\n"
                                  "[Scripts]\n;Timeout=1\n");

        assert_defaults(settings);
        settings_free(settings);
}

/* Sets KNOWN in SECTION to VALUE. It must be taken. */
static Settings *load_one(Sandbox *sandbox, const char *section, const Known *known,
                          const char *value) {
        return load_text(sandbox,
                         sandbox_format(sandbox, "[%s]\n%s=%s\n", section, known->key, value));
}

static void test_each_setting_sets_its_own_value_alone(void **state) {
        for (size_t i = 0; i < ELEMENTS(bridge_known); i++) {
                const Known *set = &bridge_known[i];
                Settings *settings = load_one(*state, "Bridge", set, set->value);

                for (size_t j = 0; j < ELEMENTS(bridge_known); j++)
                        assert_int_equal(value_of(settings, &bridge_known[j]),
                                         i == j ? set->meaning : bridge_known[j].by_default);
                settings_free(settings);
        }
}

static void test_each_setting_of_the_scripts_holds_for_all_types(void **state) {
        for (size_t i = 0; i < ELEMENTS(scripts_known); i++) {
                const Known *set = &scripts_known[i];
                Settings *settings = load_one(*state, "Scripts", set, set->value);

                for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                        for (size_t j = 0; j < ELEMENTS(scripts_known); j++)
                                assert_int_equal(
                                        value_of(&settings->scripts[type], &scripts_known[j]),
                                        i == j ? set->meaning : scripts_known[j].by_default);
                settings_free(settings);
        }
}

static void test_each_setting_of_a_type_holds_for_that_type_alone(void **state) {
        for (HookType set_type = 0; set_type < HOOK_TYPE_MAX; set_type++)
                for (size_t i = 0; i < ELEMENTS(scripts_known); i++) {
                        const Known *set = &scripts_known[i];
                        Settings *settings =
                                load_one(*state, hook_type_to_string(set_type), set, set->value);

                        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                                assert_int_equal(value_of(&settings->scripts[type], set),
                                                 type == set_type ? set->meaning : set->by_default);
                        settings_free(settings);
                }
}

static void assert_bounds(Sandbox *sandbox, const char *section, const Known *known) {
        const char *const good[] = { known->smallest, known->largest };
        const char *const bad[] = { known->too_small, known->too_large, "x", "1x", "=1" };

        for (size_t i = 0; i < ELEMENTS(good); i++)
                settings_free(load_one(sandbox, section, known, good[i]));
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                Settings *settings;
                const char *log;

                if (!bad[i])
                        continue;
                log = complaints(
                        sandbox,
                        sandbox_format(sandbox, "\n[%s]\n%s=%s\n", section, known->key, bad[i]), 1,
                        &settings);
                assert_has(log, sandbox_format(sandbox,
                                               "/virt-hooks.conf:3: '%s' is no value for "
                                               "%s=, ignoring the line: it takes ",
                                               bad[i], known->key));
                assert_defaults(settings);
                settings_free(settings);
        }
}

static void test_values_beyond_the_bounds_are_complained_of(void **state) {
        for (size_t i = 0; i < ELEMENTS(bridge_known); i++)
                assert_bounds(*state, "Bridge", &bridge_known[i]);
        for (size_t i = 0; i < ELEMENTS(scripts_known); i++) {
                assert_bounds(*state, "Scripts", &scripts_known[i]);
                assert_bounds(*state, "network", &scripts_known[i]);
        }
}

static void test_a_wrong_line_leaves_what_an_earlier_one_said(void **state) {
        Settings *settings;

        (void) complaints(*state, "[Bridge]\nMaxRunning=7\nMaxRunning=many\n", 1, &settings);
        assert_int_equal(settings->max_running, 7);
        settings_free(settings);
}

static void test_the_last_line_wins(void **state) {
        Settings *settings = load_text(*state, "[Bridge]\nMaxRunning=7\nMaxRunning=8\n[Scripts]\n"
                                               "[Bridge]\nMaxRunning=9\n");

        assert_int_equal(settings->max_running, 9);
        settings_free(settings);
}

static void test_white_space_around_the_parts_is_dropped(void **state) {
        Settings *settings = load_text(*state, " \t[Bridge] \r\n\tMaxRunning =\t7 \r\n"
                                               "StopTimeout= 1min  30s\r\n[qemu]\nTimeout = 5 ");

        assert_int_equal(settings->max_running, 7);
        assert_int_equal(settings->stop_timeout, 90 * SECOND);
        assert_int_equal(settings->scripts[HOOK_QEMU].timeout, 5 * SECOND);
        settings_free(settings);
}

static void test_the_last_line_needs_no_end(void **state) {
        Settings *settings = load_text(*state, "[Bridge]\nMaxRunning=7");

        assert_int_equal(settings->max_running, 7);
        settings_free(settings);
}

static void test_an_empty_value_brings_the_default_back(void **state) {
        Settings *settings = load_text(*state, "[Bridge]\nMaxRunning=7\nMaxRunning=\n"
                                               "[Scripts]\nTimeout=7\nWarnAfter=7\nTimeout=\n"
                                               "[qemu]\nWarnAfter=9\nWarnAfter=\n");

        assert_int_equal(settings->max_running, 1024);
        assert_int_equal(settings->scripts[HOOK_LXC].timeout, NEVER);
        assert_int_equal(settings->scripts[HOOK_QEMU].warn_after, 7 * SECOND); /* of [Scripts] */
        settings_free(settings);
}

static void test_types_inherit_from_scripts_wherever_that_stands(void **state) {
        Settings *settings = load_text(*state, "[qemu]\nTimeout=9\n[network]\nKillAfter=infinity\n"
                                               "[Scripts]\nTimeout=7\nKillAfter=1\n");

        assert_int_equal(settings->scripts[HOOK_QEMU].timeout, 9 * SECOND);
        assert_int_equal(settings->scripts[HOOK_QEMU].kill_after, 1 * SECOND);
        assert_int_equal(settings->scripts[HOOK_NETWORK].timeout, 7 * SECOND);
        assert_int_equal(settings->scripts[HOOK_NETWORK].kill_after, NEVER);
        assert_int_equal(settings->scripts[HOOK_DAEMON].timeout, 7 * SECOND);
        assert_int_equal(settings->scripts[HOOK_QEMU].warn_after, 30 * SECOND);
        settings_free(settings);
}

static void test_wrong_lines_are_told_with_file_and_number(void **state) {
        static const struct {
                const char *text, *complaint;
        } wrong[] = {
                { "MaxRunning=1\n", "virt-hooks.conf:1: 'MaxRunning=' stands before any section" },
                { "# x\n\n[Bridge]\nnothing\n", "virt-hooks.conf:4: 'nothing' is neither" },
                { "[Bridge]\n[Scripts\n", "virt-hooks.conf:2: '[Scripts' is neither" },
                { "[Bridge]\nTimeout=1\n", "virt-hooks.conf:2: there is no setting 'Timeout'" },
                { "[Scripts]\nMaxRunning=1\n",
                  "virt-hooks.conf:2: there is no setting 'MaxRunning'" },
                { "[Scripts]\nHooksDirectories=/x\n",
                  "virt-hooks.conf:2: there is no setting 'HooksDirectories'" },
                { "[Bridge]\nmaxrunning=1\n",
                  "virt-hooks.conf:2: there is no setting 'maxrunning'" },
                { "[Bridge]\n=1\n", "virt-hooks.conf:2: there is no setting ''" },
                { "\n[bridge]\nMaxRunning=1\n", "virt-hooks.conf:2: there is no section [bridge]" },
                { "[]\n", "virt-hooks.conf:1: there is no section []" },
                { "[bhyve]\nTimeout=1\nx=y\n", "virt-hooks.conf:1: there is no section [bhyve]" },
                { "[Bridge]\nHooksDirectories=hooks\n",
                  "virt-hooks.conf:2: HooksDirectories= has 'hooks'" },
        };

        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                Settings *settings;

                assert_has(complaints(*state, wrong[i].text, 1, &settings), wrong[i].complaint);
                assert_defaults(settings);
                settings_free(settings);
        }
}

static void test_each_wrong_line_is_told(void **state) {
        Settings *settings;
        const char *log = complaints(*state, "[Bridge]\nx\nMaxRunning=7\ny\nz=1\n", 3, &settings);

        assert_has(log, ".conf:2: ");
        assert_has(log, ".conf:4: ");
        assert_has(log, ".conf:5: ");
        assert_int_equal(settings->max_running, 7);
        settings_free(settings);
}

static void assert_directories(const Settings *settings, const char *const *expected, size_t n) {
        assert_int_equal(strv_length(settings->hooks_directories), n);
        for (size_t i = 0; i < n; i++)
                assert_string_equal(settings->hooks_directories[i], expected[i]);
}

static void test_directories_are_a_list_that_grows(void **state) {
        static const char *const expected[] = { "/a", "/b", "/c" };
        Settings *settings = load_text(*state, "[Bridge]\nHooksDirectories=/a\t /b\n"
                                               "HooksDirectories=/c\n");

        assert_directories(settings, expected, 3);
        settings_free(settings);
}

static void test_an_empty_value_empties_the_list(void **state) {
        static const char *const expected[] = { "/c" };
        Settings *settings = load_text(*state, "[Bridge]\nHooksDirectories=/a /b\n"
                                               "HooksDirectories=\nHooksDirectories=/c\n");

        assert_directories(settings, expected, 1);
        settings_free(settings);
        settings = load_text(*state, "[Bridge]\nHooksDirectories=/a\nHooksDirectories=\n");
        assert_defaults(settings);
        settings_free(settings);
}

static void test_a_relative_directory_is_left_out(void **state) {
        static const char *const expected[] = { "/a", "/b" };
        Settings *settings;

        (void) complaints(*state, "[Bridge]\nHooksDirectories=/a hooks ./x /b\n", 2, &settings);
        assert_directories(settings, expected, 2);
        settings_free(settings);
}

static void drop_in(Sandbox *sandbox, const char *name, const char *text) {
        (void) sandbox_file(sandbox, sandbox_format(sandbox, "virt-hooks.conf.d/%s", name), 0644,
                            text);
}

static void test_drop_ins_come_after_the_file_by_name(void **state) {
        static const char *const expected[] = { "/main", "/10", "/9", "/B", "/a" };
        Settings *settings;

        drop_in(*state, "a.conf", "[Bridge]\nHooksDirectories=/a\nMaxRunning=4\n");
        drop_in(*state, "B.conf", "[Bridge]\nHooksDirectories=/B\nMaxRunning=3\n");
        drop_in(*state, "9.conf", "[Bridge]\nHooksDirectories=/9\nMaxRunning=2\nMaxWaiting=2\n");
        drop_in(*state, "10.conf", "[Bridge]\nHooksDirectories=/10\nMaxRunning=1\nMaxWaiting=1\n");
        settings = load_text(*state, "[Bridge]\nHooksDirectories=/main\nMaxRunning=9\n"
                                     "MaxDepth=9\n");
        assert_directories(settings, expected, 5);
        assert_int_equal(settings->max_running, 4);
        assert_int_equal(settings->max_waiting, 2);
        assert_int_equal(settings->document.depth, 9);
        settings_free(settings);
}

static void test_drop_ins_need_no_file(void **state) {
        Settings *settings;

        drop_in(*state, "x.conf", "[Bridge]\nMaxRunning=7\n");
        settings = load(*state);
        assert_int_equal(settings->max_running, 7);
        settings_free(settings);
}

static void test_only_conf_files_are_drop_ins(void **state) {
        Settings *settings;

        drop_in(*state, ".x.conf", "[Bridge]\nMaxRunning=1\n");
        drop_in(*state, "x.conf~", "[Bridge]\nMaxRunning=2\n");
        drop_in(*state, "x.conf.dpkg-old", "[Bridge]\nMaxRunning=3\n");
        drop_in(*state, "conf", "[Bridge]\nMaxRunning=4\n");
        drop_in(*state, ".conf", "[Bridge]\nMaxRunning=5\n");
        drop_in(*state, "x.CONF", "[Bridge]\nMaxRunning=6\n");
        settings = load(*state);
        assert_defaults(settings);
        settings_free(settings);
}

static void test_a_section_ends_with_its_file(void **state) {
        Settings *settings;
        const char *log;

        drop_in(*state, "10.conf", "MaxRunning=8\n[Bridge]\nMaxWaiting=8\n");
        drop_in(*state, "20.conf", "MaxWaiting=9\n");
        log = complaints(*state, "[Bridge]\nMaxRunning=7\n", 2, &settings);
        assert_has(log, "/virt-hooks.conf.d/10.conf:1: 'MaxRunning=' stands before any section");
        assert_has(log, "/virt-hooks.conf.d/20.conf:1: 'MaxWaiting=' stands before any section");
        assert_int_equal(settings->max_running, 7);
        assert_int_equal(settings->max_waiting, 8);
        settings_free(settings);
}

static void test_a_drop_in_that_cannot_be_read_does_not_hide_others(void **state) {
        Settings *settings;

        drop_in(*state, "10.conf", "[Bridge]\nMaxRunning=7\n");
        (void) sandbox_folder(*state, "virt-hooks.conf.d/20.conf", 0755);
        (void) sandbox_link(*state, "virt-hooks.conf.d/30.conf", "nowhere");
        drop_in(*state, "40.conf", "[Bridge]\nMaxWaiting=8\n");
        assert_has(complaints(*state, "", 2, &settings), "/20.conf: cannot be read");
        assert_int_equal(settings->max_running, 7);
        assert_int_equal(settings->max_waiting, 8);
        settings_free(settings);
}

static void test_a_required_file_must_be_there(void **state) {
        const char *path = sandbox_path(*state, "virt-hooks.conf");
        Settings *settings = NULL;

        log_start(*state);
        assert_int_equal(settings_load(&settings, path, true), -ENOENT);
        assert_has(log_end(*state), path);
        assert_null(settings);

        (void) sandbox_file(*state, "virt-hooks.conf", 0644, "[Bridge]\nMaxRunning=7\n");
        assert_int_equal(settings_load(&settings, path, true), 0);
        assert_int_equal(settings->max_running, 7);
        settings_free(settings);
}

static void test_a_file_that_cannot_be_read_is_told(void **state) {
        const char *path = sandbox_folder(*state, "virt-hooks.conf", 0755);
        Settings *settings = NULL;

        log_start(*state);
        assert_int_equal(settings_load(&settings, path, false), 0);
        settings_log_faults(settings);
        assert_has(log_end(*state), "virt-hooks.conf: the settings cannot be read, ignoring them");
        assert_defaults(settings);
        settings_free(settings);

        settings = NULL;
        log_start(*state);
        assert_int_equal(settings_load(&settings, path, true), -EISDIR);
        assert_has(log_end(*state), "virt-hooks.conf: the settings cannot be read");
        assert_null(settings);
}

static void test_long_lines_are_read_whole(void **state) {
        char *text = malloc(100200);
        Settings *settings;

        assert_non_null(text);
        memset(text, ' ', 100200);
        memcpy(text, "[Bridge]\nMaxRunning=", 20);
        (void) strcpy(text + 100000, "7\nMaxWaiting=8\n");
        settings = load_text(*state, text);
        assert_int_equal(settings->max_running, 7);
        assert_int_equal(settings->max_waiting, 8);
        settings_free(settings);
        free(text);
}

/* The example with its comment marks before settings taken away, as the build makes it. */
static const char *example(Sandbox *sandbox) {
        const char *text =
                sandbox_read(sandbox, sandbox_source(sandbox, "bridge/virt-hooks.conf.example.in"));
        char *made = NULL;
        size_t size;
        FILE *stream = open_memstream(&made, &size);

        assert_non_null(stream);
        while (*text)
                if (strncmp(text, "@sysconfdir@", 12) == 0) {
                        (void) fputs(SYSCONFDIR, stream);
                        text += 12;
                } else if (text[0] == '\n' && text[1] == '#' && text[2] >= 'A' && text[2] <= 'Z') {
                        (void) fputc('\n', stream);
                        text += 2;
                } else
                        (void) fputc(*text++, stream);
        assert_int_equal(fclose(stream), 0);
        text = sandbox_format(sandbox, "%s", made);
        free(made);
        return text;
}

static void test_the_example_says_the_defaults(void **state) {
        Settings *settings = load_text(*state, example(*state));

        assert_defaults(settings);
        settings_free(settings);
}

static void test_the_example_has_every_setting(void **state) {
        const char *text = example(*state), *scripts = strstr(text, "\n[Scripts]\n");
        const char *types = strstr(text, "\n[daemon]\n");

        assert_non_null(scripts);
        assert_non_null(types);
        assert_true(strstr(text, "\n[Bridge]\n") < scripts);
        assert_int_equal(count_of(text, "\nHooksDirectories="), 1);
        for (size_t i = 0; i < ELEMENTS(bridge_known); i++) {
                const char *line = sandbox_format(*state, "\n%s=", bridge_known[i].key);

                assert_has(text, line);
                assert_int_equal(count_of(text, line), 1);
                assert_true(strstr(text, line) < scripts);
        }
        for (size_t i = 0; i < ELEMENTS(scripts_known); i++) {
                const char *line = sandbox_format(*state, "\n%s=", scripts_known[i].key);

                assert_has(scripts, line);
                assert_true(strstr(scripts, line) < types);
        }
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                assert_has(text, sandbox_format(*state, "\n[%s]\n", hook_type_to_string(type)));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_these_tests_know_every_setting),
                sandboxed(test_without_files_the_defaults_hold),
                sandboxed(test_an_empty_file_is_fine),
                sandboxed(test_comments_and_empty_lines_are_passed_over),
                sandboxed(test_each_setting_sets_its_own_value_alone),
                sandboxed(test_each_setting_of_the_scripts_holds_for_all_types),
                sandboxed(test_each_setting_of_a_type_holds_for_that_type_alone),
                sandboxed(test_values_beyond_the_bounds_are_complained_of),
                sandboxed(test_a_wrong_line_leaves_what_an_earlier_one_said),
                sandboxed(test_the_last_line_wins),
                sandboxed(test_white_space_around_the_parts_is_dropped),
                sandboxed(test_the_last_line_needs_no_end),
                sandboxed(test_an_empty_value_brings_the_default_back),
                sandboxed(test_types_inherit_from_scripts_wherever_that_stands),
                sandboxed(test_wrong_lines_are_told_with_file_and_number),
                sandboxed(test_each_wrong_line_is_told),
                sandboxed(test_directories_are_a_list_that_grows),
                sandboxed(test_an_empty_value_empties_the_list),
                sandboxed(test_a_relative_directory_is_left_out),
                sandboxed(test_drop_ins_come_after_the_file_by_name),
                sandboxed(test_drop_ins_need_no_file),
                sandboxed(test_only_conf_files_are_drop_ins),
                sandboxed(test_a_section_ends_with_its_file),
                sandboxed(test_a_drop_in_that_cannot_be_read_does_not_hide_others),
                sandboxed(test_a_required_file_must_be_there),
                sandboxed(test_a_file_that_cannot_be_read_is_told),
                sandboxed(test_long_lines_are_read_whole),
                sandboxed(test_the_example_says_the_defaults),
                sandboxed(test_the_example_has_every_setting),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
