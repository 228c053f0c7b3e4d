/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service that is measured, and what /proc says of it.
 */

#include "service.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "bus-names.h"
#include "fatal.h"
#include "hooks.h"
#include "place.h"
#include "samples.h"
#include "spawn.h"

/* A descriptor for the standard error, and the variable by which systemd says that it is the
 * journal's. */
static int open_log(unsigned number, bool journal, char variable[static 64]) {
        _cleanup_free_ char *path = place_path("service-%u.log", number);
        struct stat st;
        int fds[2];

        if (!journal)
                return (int) must_sys(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644), path);
        must_sys(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "socketpair");
        must_sys(fstat(fds[1], &st), "socketpair");
        (void) snprintf(variable, 64, "JOURNAL_STREAM=%llu:%llu", (unsigned long long) st.st_dev,
                        (unsigned long long) st.st_ino);
        return fds[1];
}

#define ENTER "echo $$ >\"$0\"/cgroup.procs && exec \"$@\""

static int on_owner(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        bool *owned = userdata;

        *owned = true;
        return 0;
}

static char *write_settings(unsigned number, const char *settings) {
        _cleanup_free_ char *path = place_path("service-%u.conf", number), *text = NULL;
        char *option;

        if (asprintf(&text, "[Bridge]\n%s", settings) < 0 ||
            asprintf(&option, "--config=%s", path) < 0)
                fatal("memory is short");
        place_write(TAKE_PTR(path), text, 0644);
        return option;
}

static void wait_owned(sd_bus *watcher, const bool *owned) {
        uint64_t until = now_nsec() + 10 * 1000 * USEC_PER_SEC;

        while (!*owned) {
                if (must(sd_bus_process(watcher, NULL), "the private bus") > 0)
                        continue;
                if (now_nsec() > until)
                        fatal("the service does not start");
                must(sd_bus_wait(watcher, 100 * USEC_PER_MSEC), "the private bus");
        }
}

Service *service_new(const MessageBus *bus, const char *settings, bool journal,
                     const char *cgroup) {
        static unsigned number;
        _cleanup_free_ char *address = NULL, *config = NULL, *hooks = NULL,
                            *program = place_program("bridge/virt-hooksd");
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *watcher = message_bus_connect(bus);
        Service *service = must_have(calloc(1, sizeof(Service)));
        char variable[64] = "JOURNAL_STREAM=";
        _cleanup_close_ int log = open_log(++number, journal, variable);
        bool owned = false;
        uint64_t start;

        must(sd_bus_add_match(watcher, NULL,
                              "type='signal',sender='org.freedesktop.DBus',"
                              "member='NameOwnerChanged',arg0='" BRIDGE_NAME "'",
                              on_owner, &owned),
             "a match");
        config = write_settings(number, settings);
        if (asprintf(&address, "--address=%s", bus->address) < 0 ||
            asprintf(&hooks, "--hooks-directory=%s", hooks_directory()) < 0)
                fatal("memory is short");
        start = now_nsec();
        /* The first arguments are a shell's, and left out where nobody has to enter anything. */
        service->pid =
                spawn_program((char *[]){ (char *) "sh", (char *) "-c", (char *) ENTER,
                                          (char *) cgroup, program, address, config, hooks, NULL } +
                                      (cgroup ? 0 : 4),
                              (char *[]){ variable, NULL }, log, -EBADF);
        wait_owned(watcher, &owned);
        service->start_nsec = now_nsec() - start;
        return service;
}

Service *service_free(Service *service) {
        if (!service)
                return NULL;
        spawn_end_program(service->pid);
        free(service);
        return NULL;
}

/* The value of the line NAME of /proc/PID/FILE, in MiB. */
static double read_size(pid_t pid, const char *file, const char *name) {
        char path[64], line[256];
        unsigned long size = 0;
        FILE *stream;

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, file);
        stream = fopen(path, "re");
        if (!stream)
                fatal("%s: %m", path);
        while (fgets(line, sizeof(line), stream))
                if (strncmp(line, name, strlen(name)) == 0)
                        size = strtoul(line + strlen(name), NULL, 10);
        (void) fclose(stream);
        if (size == 0)
                fatal("%s does not say %s", path, name);
        return (double) size / 1024;
}

Memory service_memory(const Service *service) {
        return (Memory){
                .resident = read_size(service->pid, "smaps_rollup", "Rss:"),
                .proportional = read_size(service->pid, "smaps_rollup", "Pss:"),
        };
}

double service_peak(const Service *service) {
        return read_size(service->pid, "status", "VmHWM:");
}

unsigned service_descriptors(const Service *service) {
        char path[64];
        unsigned n = 0;
        DIR *directory;

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) service->pid);
        directory = opendir(path);
        if (!directory)
                fatal("%s: %m", path);
        for (const struct dirent *entry; (entry = readdir(directory));)
                n += entry->d_name[0] != '.';
        (void) closedir(directory);
        return n;
}
