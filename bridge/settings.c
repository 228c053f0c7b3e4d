/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Settings in the manner of systemd's files. The common INI libraries do not tell line numbers or
 * cut long lines, so the few lines of parsing are here.
 */

#include "settings.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "journal-ids.h"
#include "log.h"
#include "quantity.h"
#include "text.h"

#define MIB (UINT64_C(1024) * 1024)
#define UNSET                                                                                      \
        (UINT64_MAX - 1) /* a type's limit that its own section does not give: [Scripts] holds */

/* Where a line stands, for complaints. */
typedef struct Place {
        const char *file;
        unsigned line;
} Place;

typedef struct Setting {
        const char *key;
        size_t offset; /* of a uint64_t in Settings, or in ScriptLimits */
        int (*parse)(const char *value, uint64_t *ret);
        uint64_t min, max;
        const char *form;
} Setting;

static const Settings default_settings = {
        .rescan = RESCAN_ALWAYS,
        .ownership = OWNERSHIP_STRICT,
        .max_running = 1024,
        .max_waiting = 4096,
        .max_waiting_per_caller = 256,
        .max_unauthorized = 128,
        .max_unauthorized_per_user = 16,
        .document = { .size = 4 * MIB, .depth = 128 },
        .max_output = 4 * MIB,
        .max_stderr = 64 * 1024,
        .history_runs = 1000,
        .history_size = 16 * MIB,
        .stop_timeout = 80 * USEC_PER_SEC,
};

static const ScriptLimits default_limits = {
        .timeout = UINT64_MAX,
        .warn_after = 30 * USEC_PER_SEC,
        .kill_after = 5 * USEC_PER_SEC,
        .output_grace = 2 * USEC_PER_SEC,
        .error_grace = 200 * USEC_PER_MSEC,
};

static const char *const default_directories[] = {
        SYSCONFDIR "/virt-hooks/hooks",
        SYSCONFDIR "/libvirt/hooks",
};

static int parse_choice(const char *value, const char *const words[2], uint64_t *ret) {
        for (uint64_t i = 0; i < 2; i++)
                if (streq(value, words[i])) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

static int parse_rescan(const char *value, uint64_t *ret) {
        static const char *const words[] = {
                [RESCAN_ALWAYS] = "always", [RESCAN_DAEMON] = "daemon"
        };

        return parse_choice(value, words, ret);
}

static int parse_ownership(const char *value, uint64_t *ret) {
        static const char *const words[] = {
                [OWNERSHIP_STRICT] = "strict", [OWNERSHIP_LIBVIRT] = "libvirt"
        };

        return parse_choice(value, words, ret);
}

#define NUMBER(name, min, max) offsetof(Settings, name), quantity_parse_number, min, max
#define SIZE(name, min, max)   offsetof(Settings, name), quantity_parse_size, min, max
#define TIME(type, name, min)  offsetof(type, name), quantity_parse_time, min, UINT64_MAX

/* What goes into a message must fit into one: the system bus takes 32 MiB, and drops who sends
 * more. */
/* clang-format off */
static const Setting bridge_settings[] = {
        { "Rescan",              offsetof(Settings, rescan), parse_rescan, 0, 1,        "always or daemon" },
        { "Ownership",           offsetof(Settings, ownership), parse_ownership, 0, 1,  "strict or libvirt" },
        { "MaxRunning",          NUMBER(max_running, 1, 100000),                        "a number from 1 to 100000" },
        { "MaxWaiting",          NUMBER(max_waiting, 0, 1000000),                       "a number up to 1000000" },
        { "MaxWaitingPerCaller", NUMBER(max_waiting_per_caller, 0, 1000000),            "a number up to 1000000" },
        { "MaxUnauthorized",     NUMBER(max_unauthorized, 0, 1000000),                  "a number up to 1000000" },
        { "MaxUnauthorizedPerUser", NUMBER(max_unauthorized_per_user, 0, 1000000),      "a number up to 1000000" },
        { "MaxDocument",         SIZE(document.size, 1024, 16 * MIB),                   "a size from 1K to 16M" },
        { "MaxDepth",            NUMBER(document.depth, 4, 2048),                       "a number from 4 to 2048" },
        { "MaxOutput",           SIZE(max_output, 1024, 16 * MIB),                      "a size from 1K to 16M" },
        { "MaxStderr",           SIZE(max_stderr, 1024, MIB),                           "a size from 1K to 1M" },
        { "HistoryRuns",         NUMBER(history_runs, 0, 1000000),                      "a number up to 1000000" },
        { "HistorySize",         SIZE(history_size, 0, 1024 * MIB),                     "a size up to 1G" },
        { "StopTimeout",         TIME(Settings, stop_timeout, 0),                       "a time such as 80s, or infinity" },
};

static const Setting script_settings[] = {
        { "Timeout",             TIME(ScriptLimits, timeout, 1),                        "a time such as 5min, or infinity" },
        { "WarnAfter",           TIME(ScriptLimits, warn_after, 1),                     "a time such as 30s, or infinity" },
        { "KillAfter",           TIME(ScriptLimits, kill_after, 0),                     "a time such as 5s, or infinity" },
        { "OutputGrace",         TIME(ScriptLimits, output_grace, 0),                   "a time such as 2s, or infinity" },
        { "ErrorGrace",          TIME(ScriptLimits, error_grace, 0),                    "a time such as 200ms, or infinity" },
};
/* clang-format on */

static uint64_t *field_at(void *base, size_t offset) {
        return (uint64_t *) ((char *) base + offset);
}

static uint64_t value_at(const void *base, size_t offset) {
        return *(const uint64_t *) ((const char *) base + offset);
}

/* The settings as the files are read, one section after another. */
typedef struct Reader {
        Settings *settings;
        ScriptLimits scripts; /* [Scripts] */

        const Setting *table; /* the open section's settings; NULL where there is no such section */
        size_t table_size;
        void *target;         /* what they set */
        const void *fallback; /* what an empty value brings back */
        bool in_section, is_bridge;
        bool failed; /* memory was short */
} Reader;

static const ScriptLimits unset_limits = { UNSET, UNSET, UNSET, UNSET, UNSET };

/* LINE is 0 where it is about the whole file. Short memory is told of by settings_load(). */
_printf_(4, 5)
static void add_fault(Reader *reader, const char *file, unsigned line, const char *format, ...) {
        Settings *settings = reader->settings;
        SettingsFault *grown =
                reallocarray(settings->faults, settings->n_faults + 1, sizeof(SettingsFault));
        SettingsFault fault = { .file = strdup(file), .line = line };
        va_list arguments;

        va_start(arguments, format);
        fault.text = text_vformat(format, arguments);
        va_end(arguments);
        if (grown)
                settings->faults = grown;
        if (grown && fault.file && fault.text) {
                grown[settings->n_faults++] = fault;
                return;
        }
        free(fault.file);
        free(fault.text);
        reader->failed = true;
}

static void open_section(Reader *reader, const Place *place, const char *name) {
        HookType type = hook_type_from_string(name);

        reader->in_section = true;
        reader->is_bridge = streq(name, "Bridge");
        if (reader->is_bridge) {
                reader->table = bridge_settings;
                reader->table_size = ELEMENTS(bridge_settings);
                reader->target = reader->settings;
                reader->fallback = &default_settings;
                return;
        }

        reader->table = script_settings;
        reader->table_size = ELEMENTS(script_settings);
        if (streq(name, "Scripts")) {
                reader->target = &reader->scripts;
                reader->fallback = &default_limits;
        } else if (type != HOOK_TYPE_INVALID) {
                reader->target = &reader->settings->scripts[type];
                reader->fallback = &unset_limits;
        } else {
                _cleanup_free_ char *names = hook_type_names();

                reader->table = NULL;
                add_fault(reader, place->file, place->line,
                          "there is no section [%s], ignoring it: there are [Bridge], [Scripts], "
                          "and one each for %s",
                          name, names ? names : "the types");
        }
}

/* A list: each line adds to it, an empty value empties it. */
static int add_directories(Reader *reader, const Place *place, char *value) {
        char ***directories = &reader->settings->hooks_directories, *state = NULL;
        int r;

        if (!*value)
                *directories = strv_free(*directories);
        for (char *path = strtok_r(value, " \t", &state); path;
             path = strtok_r(NULL, " \t", &state)) {
                if (*path != '/') {
                        add_fault(reader, place->file, place->line,
                                  "HooksDirectories= has '%s', ignoring it: it takes absolute "
                                  "paths",
                                  path);
                        continue;
                }
                r = strv_add(directories, path);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int set_value(Reader *reader, const Place *place, const char *key, char *value) {
        const Setting *setting = NULL;
        uint64_t *field, n;

        if (reader->is_bridge && streq(key, "HooksDirectories"))
                return add_directories(reader, place, value);
        for (size_t i = 0; i < reader->table_size && !setting; i++)
                if (streq(reader->table[i].key, key))
                        setting = &reader->table[i];
        if (!setting) {
                add_fault(reader, place->file, place->line,
                          "there is no setting '%s' in this section, ignoring the line: see "
                          "virt-hooks.conf(5)",
                          key);
                return 0;
        }

        field = field_at(reader->target, setting->offset);
        if (!*value)
                *field = value_at(reader->fallback, setting->offset);
        else if (setting->parse(value, &n) < 0 || n < setting->min || n > setting->max)
                add_fault(reader, place->file, place->line,
                          "'%s' is no value for %s=, ignoring the line: it takes %s", value, key,
                          setting->form);
        else
                *field = n;
        return 0;
}

static char *strip(char *s) {
        size_t n;

        s += strspn(s, " \t");
        for (n = strlen(s); n > 0 && strchr(" \t\r\n", s[n - 1]);)
                n--;
        s[n] = '\0';
        return s;
}

static int read_line(Reader *reader, const Place *place, char *line) {
        char *equals, *end;

        line = strip(line);
        if (!*line || *line == '#' || *line == ';')
                return 0;

        if (*line == '[') {
                end = line + strlen(line) - 1;
                if (*end == ']') {
                        *end = '\0';
                        open_section(reader, place, line + 1);
                        return 0;
                }
        }
        equals = strchr(line, '=');
        if (!equals) {
                add_fault(reader, place->file, place->line,
                          "'%s' is neither a [Section] nor Key=value, ignoring the line", line);
                return 0;
        }
        *equals = '\0';
        if (!reader->in_section) {
                add_fault(reader, place->file, place->line,
                          "'%s=' stands before any section, ignoring the line: put it under "
                          "[Bridge], [Scripts] or a type's name",
                          strip(line));
                return 0;
        }
        if (!reader->table) /* the section's own line was complained of */
                return 0;
        return set_value(reader, place, strip(line), strip(equals + 1));
}

/* A pipe in a file's place must not make us wait for a writer. */
static int open_regular(const char *path, FILE **ret) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
        *ret = fdopen(fd, "r");
        if (!*ret)
                return -errno;
        (void) TAKE_FD(fd);
        return 0;
}

static int read_file(Reader *reader, const char *path) {
        Place place = { .file = path };
        _cleanup_free_ char *line = NULL;
        size_t allocated = 0;
        FILE *file;
        int r = 0;

        r = open_regular(path, &file);
        if (r < 0)
                return r;
        reader->in_section = false;
        /* After a failure errno is not 0. */
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
        while (r >= 0 && (errno = 0, getline(&line, &allocated, file)) >= 0) {
                place.line++;
                r = read_line(reader, &place, line);
        }
        if (r >= 0 &&
            !feof(file)) /* a line that does not fit into memory is no error of the file's */
                r = errno > 0 ? -errno : -EIO;
        (void) fclose(file);
        return r;
}

static int is_conf(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return *entry->d_name != '.' && n > 5 && streq(entry->d_name + n - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

/*
 * One file that cannot be read must not hide the others: it is a fault, and only a shortage ends
 * it.
 */
static int read_drop_ins(Reader *reader, const char *file) {
        _cleanup_free_ char *folder = NULL;
        struct dirent **entries = NULL;
        int n, r = 0;

        if (asprintf(&folder, "%s.d", file) < 0)
                return -ENOMEM;
        n = scandir(folder, &entries, is_conf, by_name);
        if (n < 0) {
                if (errno_is_shortage(-errno))
                        return -errno;
                if (errno != ENOENT)
                        add_fault(reader, folder, 0, "cannot be read, ignoring it: %m");
                return 0;
        }
        for (int i = 0; i < n; i++) {
                char *path = NULL;

                if (!errno_is_shortage(r)) {
                        r = asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0
                                    ? -ENOMEM
                                    : read_file(reader, path);
                        if (r < 0 && !errno_is_shortage(r))
                                add_fault(reader, path, 0, "cannot be read, ignoring it: %s",
                                          strerror(-r));
                        free(path);
                }
                free(entries[i]);
        }
        free(entries);
        return errno_is_shortage(r) ? r : 0;
}

/* Where a type has no limit of its own, [Scripts] holds, wherever in the files it stands. */
static void inherit_limits(Reader *reader) {
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                for (size_t i = 0; i < ELEMENTS(script_settings); i++) {
                        size_t offset = script_settings[i].offset;
                        uint64_t *own = field_at(&reader->settings->scripts[type], offset);

                        if (*own == UNSET)
                                *own = value_at(&reader->scripts, offset);
                }
}

static int default_hooks_directories(Settings *settings) {
        for (size_t i = 0; i < ELEMENTS(default_directories); i++)
                if (strv_add(&settings->hooks_directories, default_directories[i]) < 0)
                        return -ENOMEM;
        return 0;
}

static int read_settings(Settings **ret, const char *file, bool required) {
        _cleanup_(settings_free_pointer) Settings *settings = NULL;
        Reader reader;
        int r;

        settings = malloc(sizeof(Settings));
        if (!settings)
                return -ENOMEM;
        *settings = default_settings;
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                settings->scripts[type] = unset_limits;
        reader = (Reader){
                .settings = settings,
                .scripts = default_limits,
        };

        r = read_file(&reader, file);
        if (r < 0 && (required || errno_is_shortage(r)))
                return r;
        if (r < 0 && r != -ENOENT)
                add_fault(&reader, file, 0, "the settings cannot be read, ignoring them: %s",
                          strerror(-r));
        r = read_drop_ins(&reader, file);
        if (r < 0 || reader.failed)
                return r < 0 ? r : -ENOMEM;
        inherit_limits(&reader);
        if (!settings->hooks_directories) {
                r = default_hooks_directories(settings);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(settings);
        return 0;
}

int settings_load(Settings **ret, const char *file, bool required) {
        int r = read_settings(ret, file, required);

        if (r < 0)
                log_error("%s: the settings cannot be read: %s", file, strerror(-r));
        return r;
}

void settings_log_faults(const Settings *settings) {
        for (const SettingsFault *f = settings->faults; f < settings->faults + settings->n_faults;
             f++)
                if (f->line > 0)
                        log_entry(LOG_WARNING, JOURNAL_ID_WRONG_SETTING, NULL, "%s:%u: %s", f->file,
                                  f->line, f->text);
                else
                        log_error("%s: %s", f->file, f->text);
}

Settings *settings_free(Settings *settings) {
        if (!settings)
                return NULL;
        for (size_t i = 0; i < settings->n_faults; i++) {
                free(settings->faults[i].file);
                free(settings->faults[i].text);
        }
        free(settings->faults);
        strv_free(settings->hooks_directories);
        free(settings);
        return NULL;
}
