/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "attachment-check.h"

#include <stdio.h>
#include <sys/stat.h>

#include "forwarder.h"
#include "hooks-lock.h"
#include "scripts.h"
#include "text.h"

static int check_half_done(Attachment *attachment, Findings *findings) {
        if (!attachment_is_half_done(attachment))
                return 0;
        if (access(HOOKS_LOCK_PATH, R_OK | W_OK) == 0) {
                int r = attachment_lock(attachment);

                /* Hooks need not wait for what is looked at next. */
                attachment_unlock(attachment, r >= 0);
                return r;
        }
        findings_add(findings, &(Subject){ HOOKS_LOCK_PATH, HOOKS_LOCK_PATH, HOOK_TYPE_INVALID },
                     "half-attached", strdup("run 'virt-hooks check' as root, which takes it back"),
                     "an attach or detach did not come to its end");
        return 0;
}

static void check_profile(const Attachment *attachment, Findings *findings, const char *link,
                          HookType type) {
        _cleanup_free_ char *profile = attachment_find_profile(attachment);

        if (profile)
                findings_add(
                        findings, &(Subject){ link, link, type }, "apparmor",
                        text_format("build virt-hooks with --prefix=/usr, or disable %s", profile),
                        "libvirt's AppArmor profile does not let it run the forwarder, so no "
                        "hook of %s succeeds",
                        hook_type_to_string(type));
}

/* An executable file behind CANDIDATE. */
static bool find_script(const Candidate *candidate, struct stat *ret) {
        return stat(candidate->path, ret) == 0 && S_ISREG(ret->st_mode) && (ret->st_mode & 0111);
}

/* What libvirt runs by itself, beside the forwarder, and the service as well. */
static void check_twice(const Candidate *candidate, const CandidateList *own, Findings *findings,
                        HookType type) {
        _cleanup_free_ char *word = text_shell_word(candidate->path);
        struct stat st, st_own;

        for (size_t i = 0; i < own->n; i++)
                if (find_script(candidate, &st) && find_script(&own->candidates[i], &st_own) &&
                    st.st_dev == st_own.st_dev && st.st_ino == st_own.st_ino)
                        findings_add(findings, &(Subject){ candidate->path, word, type }, "twice",
                                     text_format("rm %s", word ? word : ""),
                                     "it is the same file as %s: libvirt runs it, and the service "
                                     "runs it, too",
                                     own->candidates[i].path);
}

static int check_type(const Attachment *attachment, Findings *findings, HookType type) {
        CandidateList libvirts = {}, own = {};
        int r;

        r = candidate_list_fill(&libvirts, attachment->libvirt, type);
        if (r >= 0 && attachment->own)
                r = candidate_list_fill(&own, attachment->own, type);
        if (libvirts.n > 0)
                check_profile(attachment, findings, libvirts.candidates[0].path, type);
        for (size_t i = 1; i < libvirts.n; i++) /* the first is the forwarder */
                check_twice(&libvirts.candidates[i], &own, findings, type);
        candidate_list_clear(&libvirts);
        candidate_list_clear(&own);
        return r == -ENOMEM ? r : 0; /* a folder that cannot be read is a finding of its own */
}

static void check_forwarder(const Attachment *attachment, Findings *findings) {
        if (attachment_forwarder_is_lost(attachment))
                findings_add(findings,
                             &(Subject){ FORWARDER_PATH, FORWARDER_PATH, HOOK_TYPE_INVALID },
                             "overwritten", strdup("install virt-hooks again"),
                             "it is no longer virt-hooks-forward, and no hook that is attached "
                             "runs: somebody has written to one of the links in %s, which are "
                             "for no scripts; those are in %s",
                             attachment->libvirt, attachment->own ? attachment->own : "no place");
}

/* What attaches the type again whose scripts are in our folder, where PATH is no link. */
static char *attach_command(const Attachment *attachment, const char *name, const char *path) {
        _cleanup_free_ char *own = text_format("%s/%s", attachment->own, name);
        _cleanup_free_ char *own_word = own ? text_shell_word(own) : NULL;
        struct stat st;

        if (!own_word)
                return NULL;
        return lstat(path, &st) < 0 || lstat(own, &st) < 0
                       ? text_format("virt-hooks attach %s", name)
                       : text_format("rm the one that is out of date, %s or %s, then: virt-hooks "
                                     "attach %s",
                                     path, own_word, name);
}

/* Some types are attached, or were when nobody had removed their links: but not this one. */
static int check_detached(const Attachment *attachment, Findings *findings, HookType type) {
        const char *name = hook_type_to_string(type);
        _cleanup_free_ char *path = text_format("%s/%s", attachment->libvirt, name);
        CandidateList own = {};
        struct stat st;
        bool found = false;
        int r;

        if (!path)
                return -ENOMEM;
        r = candidate_list_fill(&own, attachment->own, type);
        for (size_t i = 0; i < own.n && !found; i++)
                found = find_script(&own.candidates[i], &st);
        if (found)
                findings_add(findings, &(Subject){ path, path, type }, "not-attached",
                             attach_command(attachment, name, path),
                             "it is no link to the forwarder, so libvirt does not run the scripts "
                             "of %s in %s",
                             name, attachment->own);
        candidate_list_clear(&own);
        return r == -ENOMEM ? r : 0;
}

/* The command that moves what is attached, and nothing else, to where the settings have it now. */
static char *move_command(const Attachment *attachment) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        (void) fputs("virt-hooks detach", stream);
        if (attachment_settings_folder(attachment)) {
                (void) fputs(" && virt-hooks attach", stream);
                for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                        if (attachment_has(attachment, type, NULL))
                                (void) fprintf(stream, " %s", hook_type_to_string(type));
        }
        return fclose(stream) == 0 ? TAKE_PTR(text) : NULL;
}

/* What was attached stays where it was when the settings change. */
static void check_settings(const Attachment *attachment, Findings *findings) {
        const Subject subject = { attachment->own, "", HOOK_TYPE_INVALID };
        bool named = false;

        if (!attachment_has_other_settings(attachment))
                return;
        for (char **d = attachment->settings->hooks_directories; d && *d; d++)
                named |= streq(*d, attachment->own);
        findings_add(findings, &subject, "other-settings", move_command(attachment),
                     "it has the scripts of libvirt's hooks that are attached, and the settings "
                     "name %s: %s",
                     named ? "another folder before it" : "it no more",
                     named ? "scripts there run in their place" : "none of them runs");
}

int attachment_check(Attachment *attachment, Findings *findings) {
        int r;

        r = check_half_done(attachment, findings);
        check_forwarder(attachment, findings);
        check_settings(attachment, findings);
        for (HookType type = 0; type < HOOK_TYPE_MAX && r >= 0; type++)
                if (attachment_has(attachment, type, NULL))
                        r = check_type(attachment, findings, type);
                else if (attachment->own && attachment_has_state(attachment))
                        r = check_detached(attachment, findings, type);
        return r;
}
