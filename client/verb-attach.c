/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virt-hooks attach, and its inverse, detach: libvirt's hooks run through the service, or libvirt
 * runs them itself again.
 */

#include <stdio.h>

#include "attach-task.h"
#include "complain.h"
#include "message-json.h"
#include "terminal.h"
#include "type-argument.h"
#include "verbs.h"

enum {
        OPTION_DRY_RUN = VERB_OPTION,
        OPTION_ROOT,
};

static const struct option attach_options[] = {
        { "dry-run", no_argument, NULL, OPTION_DRY_RUN },
        { "root", required_argument, NULL, OPTION_ROOT },
        {},
};

static bool dry_run;
static const char *root; /* NULL for the machine itself */

static int parse(int option, const char *argument) {
        if (option == OPTION_DRY_RUN)
                dry_run = true;
        else if (*argument != '/') {
                complain("--root=%s is no absolute path", argument);
                return -EINVAL;
        } else
                root = argument;
        return 0;
}

static int read_types(AttachTask *task, int n, char **names) {
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                task->wanted[type] = n == 0;
        for (int i = 0; i < n; i++) {
                HookType type = type_argument_read(names[i]);

                if (type == HOOK_TYPE_INVALID)
                        return -EINVAL;
                task->wanted[type] = true;
        }
        return 0;
}

static bool is_any_attached(const AttachTask *task) {
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                if (task->wanted[type] && attachment_has(task->attachment, type, NULL))
                        return true;
        return false;
}

/* "link A to B" and so on: what was done, or would be. The parts of a move count once. */
static void print_step(const AttachStep *step) {
        _cleanup_free_ char *line = NULL, *escaped = NULL;
        int r;

        switch (step->kind) {
        case ATTACH_LINK:
                if (streq(step->a, ATTACHMENT_FOLDER_PATH)) /* for us alone, as the lock */
                        return;
                r = step->backwards ? asprintf(&line, "remove the link %s", step->a)
                                    : asprintf(&line, "link %s to %s", step->a, step->b);
                break;
        case ATTACH_TEXT:
                r = asprintf(&line, "let the link %s lead to %s", step->a, step->c);
                break;
        case ATTACH_STAND:
                r = step->backwards ? asprintf(&line, "move %s to %s, in place of the link",
                                               step->b, step->a)
                                    : asprintf(&line, "move %s to %s, and link it to %s", step->a,
                                               step->b, step->c);
                break;
        case ATTACH_MOVE:
                r = asprintf(&line, "move %s to %s", step->a, step->b);
                break;
        default:
                return;
        }
        escaped = r < 0 ? NULL : terminal_escape(line, strlen(line), false);
        (void) printf("  %s\n", escaped ? escaped : "");
}

/* The scripts of TYPE that detach has not put back. */
static void print_left(const AttachTask *task, HookType type) {
        for (char **path = task->left[type]; path && *path; path++) {
                _cleanup_free_ char *escaped = terminal_escape(*path, strlen(*path), false);

                (void) printf("%s: is not attached, and libvirt does not run %s, which stays "
                              "there\n",
                              hook_type_to_string(type), escaped ? escaped : "");
        }
}

static void print_task(const AttachTask *task) {
        const char *done = task->detach ? "detached" : "attached";

        for (HookType type = 0; type < HOOK_TYPE_MAX; type++) {
                print_left(task, type);
                if (task->wanted[type] && task->changed[type])
                        (void) printf("%s: %s%s\n", hook_type_to_string(type),
                                      dry_run ? "would be " : "", done);
                else if (task->wanted[type] && !task->detach)
                        (void) printf("%s: is attached already\n", hook_type_to_string(type));
        }
        for (size_t i = 0; i < task->plan.n; i++)
                print_step(&task->plan.steps[i]);
}

/* libvirt looks only at its start and reload for types that have hooks. */
static bool needs_reload(const AttachTask *task, HookType type) {
        return !task->detach && task->changed[type] && !task->had_script[type];
}

static void print_reload(const AttachTask *task) {
        const char *separator = "libvirtd must be reloaded for";

        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                if (needs_reload(task, type)) {
                        (void) printf("%s %s", separator, hook_type_to_string(type));
                        separator = ",";
                }
        if (*separator == ',')
                (void) printf(", which had no script: 'systemctl reload libvirtd', or SIGHUP\n");
}

static void print_opened(const AttachTask *task) {
        const Attachment *attachment = task->attachment;

        if (!task->detach && task->moved && attachment_is_more_open(attachment))
                (void) printf("not everybody may look into %s%s, but into %s%s: 'chmod 700 %s%s' "
                              "closes it\n",
                              attachment->root, attachment->libvirt, attachment->root,
                              attachment->own, attachment->root, attachment->own);
}

static int print_json(const AttachTask *task) {
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++) {
                _cleanup_(json_put_pointer) json_object *object = NULL;
                int r;

                if (!task->wanted[type])
                        continue;
                object = json_object_new_object();
                if (!object)
                        return -ENOMEM;
                r = json_take(object, "type", json_object_new_string(hook_type_to_string(type)));
                if (r >= 0)
                        r = json_take(object, "attached", json_object_new_boolean(!task->detach));
                if (r >= 0)
                        r = json_take(object, "changed",
                                      json_object_new_boolean(task->changed[type]));
                if (r >= 0)
                        r = json_take(object, "reload",
                                      json_object_new_boolean(needs_reload(task, type)));
                if (r < 0)
                        return r;
                json_print_line(object);
        }
        return 0;
}

static int report(const AttachTask *task, bool json) {
        if (json)
                return print_json(task) < 0 ? trouble("out of memory") : EXIT_SUCCESS;
        print_task(task);
        print_reload(task);
        print_opened(task);
        return EXIT_SUCCESS;
}

/* Scripts of one folder are not mixed with those of another. */
static int refuse_other_settings(const Attachment *attachment) {
        const char *folder = attachment_settings_folder(attachment);

        complain("the scripts of what is attached are in %s, and the settings have %s for them "
                 "now: name the former first in HooksDirectories= of virt-hooks.conf(5), or run "
                 "'virt-hooks detach' before you attach anew",
                 attachment->own, folder ? folder : "no place");
        return -EINVAL;
}

/* Makes ready for changes. Returns 0, or a negative errno, which has been told of. */
static int prepare(Attachment *attachment, bool detach) {
        _cleanup_free_ char *hindrance = detach ? NULL : attachment_find_hindrance(attachment);
        mode_t mode;
        int r;

        if (hindrance) {
                complain("%s", hindrance);
                return -EINVAL;
        }
        if (!attachment->own) {
                complain("the settings name no other folder than libvirt's own, %s, so there is no "
                         "place for the scripts; see HooksDirectories= in virt-hooks.conf(5)",
                         attachment->libvirt);
                return -EINVAL;
        }
        if (dry_run && attachment_is_half_done(attachment)) {
                complain("an attach or detach did not come to its end, and is to be taken back "
                         "first: run 'virt-hooks check'");
                return -EBUSY;
        }
        r = dry_run ? attachment_find_libvirt(attachment, &mode)
                    : attachment_make_folders(attachment);
        if (r >= 0 && !dry_run)
                r = attachment_lock(attachment);
        if (r >= 0 && !detach && attachment_has_other_settings(attachment))
                r = refuse_other_settings(attachment);
        return r;
}

static int carry_out(Attachment *attachment, AttachTask *task, bool json) {
        int r;

        r = prepare(attachment, task->detach);
        if (r >= 0)
                r = attach_task_plan(task);
        if (r >= 0 && !dry_run && task->plan.n > 0)
                r = attachment_carry_out(attachment, &task->plan, attach_task_verify, task);
        attachment_unlock(attachment, r >= 0); /* who reads what we print may take its time */
        /* The only one that nobody has told of. */
        if (r == -ENOMEM)
                return trouble("out of memory");
        return r < 0 ? EXIT_TROUBLE : report(task, json);
}

static int run(const Options *options, bool detach, int n, char **names) {
        _cleanup_(attachment_free_pointer) Attachment *attachment = NULL;
        AttachTask task = { .detach = detach };
        int status;

        if (read_types(&task, n, names) < 0)
                return EXIT_USAGE;
        if (attachment_new(&attachment, root) < 0)
                return trouble("out of memory");
        settings_log_faults(attachment->settings);
        task.attachment = attachment;
        if (detach && !is_any_attached(&task) && !attachment_has_state(attachment))
                return report(&task, options->json);
        status = carry_out(attachment, &task, options->json);
        attach_task_clear(&task);
        return status;
}

static int attach(const Options *options, int n_arguments, char **arguments) {
        return run(options, false, n_arguments, arguments);
}

static int detach(const Options *options, int n_arguments, char **arguments) {
        return run(options, true, n_arguments, arguments);
}

#define HELP                                                                                       \
        "      --dry-run          Say what would be done, and change nothing\n"                    \
        "      --root=DIR         Take all paths below DIR\n"

const Verb verb_attach = {
        .name = "attach",
        .arguments = "[TYPE...]",
        .summary = "Let libvirt's hooks run through the service",
        .help = HELP,
        .max_arguments = HOOK_TYPE_MAX,
        .options = attach_options,
        .parse = parse,
        .local = true,
        .run = attach,
};

const Verb verb_detach = {
        .name = "detach",
        .arguments = "[TYPE...]",
        .summary = "Let libvirt run its hooks itself again",
        .help = HELP,
        .max_arguments = HOOK_TYPE_MAX,
        .options = attach_options,
        .parse = parse,
        .local = true,
        .run = detach,
};
