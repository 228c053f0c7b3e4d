/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What an administrator can set: virt-hooks.conf and its drop-ins. virt-hooks.conf(5) describes
 * each setting.
 */

#include "document.h"
#include "hook.h"
#include "paths.h"

/* Where the settings are unless somebody names another file. */
#define SETTINGS_FILE SYSCONFDIR "/virt-hooks/virt-hooks.conf"

/* Limits of the scripts of one type. Microseconds; UINT64_MAX is never. */
typedef struct ScriptLimits {
        uint64_t timeout;      /* a run is ended after this */
        uint64_t warn_after;   /* a run is logged after this */
        uint64_t kill_after;   /* between TERM and KILL when scripts are ended */
        uint64_t output_grace; /* after a filter's end, for its output's end of file */
        uint64_t error_grace;  /* after a failed script's end, for its stderr's end of file */
} ScriptLimits;

enum {
        RESCAN_ALWAYS, /* scripts are looked for at each call */
        RESCAN_DAEMON, /* libvirt's own rule: which types have any, when a daemon comes, goes or
                          reloads */
};

enum {
        OWNERSHIP_STRICT,  /* a script that others may change is refused */
        OWNERSHIP_LIBVIRT, /* libvirt's own rule: there is no check */
};

/* A line that is wrong, or a file that cannot be read. */
typedef struct SettingsFault {
        char *file;
        unsigned line; /* 0 for the whole file */
        char *text;    /* what is wrong, and what was done about it */
} SettingsFault;

typedef struct Settings {
        char **hooks_directories; /* absolute paths; the first that has a type serves it */
        uint64_t rescan;          /* RESCAN_... */
        uint64_t ownership;       /* OWNERSHIP_... */
        uint64_t max_running;     /* runs side by side */
        uint64_t max_waiting;     /* calls that wait, in all */
        uint64_t max_waiting_per_caller;
        uint64_t max_unauthorized; /* calls that polkit has not let in yet, in all */
        uint64_t max_unauthorized_per_user;
        DocumentLimits document;
        uint64_t max_output;   /* bytes of a filter's output */
        uint64_t max_stderr;   /* bytes kept of a script's stderr */
        uint64_t history_runs; /* finished runs that are remembered */
        uint64_t history_size; /* and the bytes of what is kept of them */
        uint64_t stop_timeout; /* microseconds that running hooks have after SIGTERM */
        ScriptLimits scripts[HOOK_TYPE_MAX];
        SettingsFault *faults; /* in the order of the files and lines */
        size_t n_faults;
} Settings;

/*
 * Reads FILE and the *.conf files in FILE.d, in strcmp order. A line that is wrong becomes a fault,
 * and the default, or what an earlier line said, holds. A missing FILE or folder is not an error
 * unless REQUIRED, when a missing FILE is. Returns 0; or, logged, the negative errno of a shortage,
 * which says nothing about what the files have, or that of a required FILE that cannot be read.
 */
int settings_load(Settings **ret, const char *file, bool required);

/* Logs them with file and line number. */
void settings_log_faults(const Settings *settings);

Settings *settings_free(Settings *settings); /* takes NULL, returns NULL */

DEFINE_CLEANUP(Settings, settings_free);
