/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "verdict.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "journal-ids.h"
#include "log.h"
#include "text.h"

void verdict_clear(Verdict *verdict) {
        bytes_unref(verdict->output);
        bytes_unref(verdict->errors);
        free(verdict->reason);
        *verdict = (Verdict){};
}

void verdict_refuse(Verdict *verdict, const char *format, ...) {
        va_list arguments;

        verdict_clear(verdict);
        verdict->outcome = RUN_REFUSED;
        va_start(arguments, format);
        verdict->reason = text_vformat(format, arguments);
        va_end(arguments);
}

static bool write_all(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno != EINTR)
                        return false;
                if (n > 0) {
                        data += n;
                        size -= (size_t) n;
                }
        }
        return true;
}

static bool write_bytes(int fd, const Bytes *bytes) {
        return !bytes || write_all(fd, bytes->data, bytes->size);
}

static int die_of(int signal) {
        const struct sigaction action = { .sa_handler = SIG_DFL };
        sigset_t set;

        (void) prctl(PR_SET_DUMPABLE, 0); /* the core would be ours, and not the script's */
        (void) sigaction(signal, &action, NULL);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, signal);
        (void) sigprocmask(SIG_UNBLOCK, &set, NULL);
        (void) kill(getpid(), signal);
        return 128 + signal; /* as a shell tells of it */
}

/* What an operation's failure means; one that is not known here is taken seriously. */
static HookEffect effect_of(HookType type, const char *operation) {
        const HookOperation *row = hook_operation_find(type, operation);

        return row ? row->on_failure : HOOK_EFFECT_ABORT;
}

/*
 * The trouble is not a script's. Where a failure only keeps something from happening it is the safe
 * answer; where it kills a guest that runs well it is not.
 */
static int give_reason(const Verdict *verdict, HookType type, const char *object,
                       const char *operation) {
        const char *reason = verdict->reason ? verdict->reason : "the machine is short of memory";
        HookEffect effect = effect_of(type, operation);
        const LogField fields[] = {
                { JOURNAL_FIELD_TYPE, hook_type_to_string(type) },
                { JOURNAL_FIELD_OBJECT, object },
                { JOURNAL_FIELD_OPERATION, operation },
                { JOURNAL_FIELD_REASON, reason },
                {},
        };

        if (effect == HOOK_EFFECT_KILL) {
                log_entry(LOG_CRIT, JOURNAL_ID_NO_VERDICT, fields,
                          "%s %s %s: no script has decided, and the guest is let live: %s",
                          hook_type_to_string(type), object, operation, reason);
                return EXIT_SUCCESS;
        }
        log_entry(LOG_ERR, JOURNAL_ID_NO_VERDICT, fields,
                  "%s %s %s: no script has decided, and libvirt is told of a failure: %s",
                  hook_type_to_string(type), object, operation, reason);
        (void) write_all(STDERR_FILENO, "virt-hooks: ", strlen("virt-hooks: "));
        (void) write_all(STDERR_FILENO, reason, strlen(reason));
        return EXIT_FAILURE;
}

int verdict_give_back(const Verdict *verdict, HookType type, const char *object,
                      const char *operation) {
        switch (verdict->outcome) {
        case RUN_SUCCESS:
        case RUN_NO_SCRIPT:
                /* Half a document must not pass for a filter's success. */
                return write_bytes(STDOUT_FILENO, verdict->output) ? EXIT_SUCCESS : EXIT_FAILURE;
        case RUN_FAILED:
                (void) write_bytes(STDERR_FILENO, verdict->errors);
                return verdict->status;
        case RUN_KILLED:
                (void) write_bytes(STDERR_FILENO, verdict->errors);
                return die_of(verdict->status);
        default:
                return give_reason(verdict, type, object, operation);
        }
}
