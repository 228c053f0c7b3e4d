/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What stands where libvirt looks for its hooks: the scripts themselves, or links to the forwarder
 * while the scripts are in the service's folder. From the one to the other and back again it goes
 * as a whole or not at all.
 */

#include <sys/types.h>

#include "attach-step.h"
#include "hook.h"
#include "settings.h"

/* While anything is attached: a symbolic link to the folder that has the scripts. */
#define ATTACHMENT_FOLDER_PATH SYSCONFDIR "/virt-hooks/attach.folder"

typedef struct Attachment {
        Settings *settings; /* the root's; their faults are not logged */
        char *root;         /* in front of all paths; "" where it is the real one */
        char *libvirt;  /* the folder that libvirt looks into, as seen from inside of the root */
        char *own;      /* the folder in which the scripts are when attached; NULL: none */
        bool remembers; /* something is attached, and OWN is the folder that attach used then */
        bool strict;    /* the service refuses scripts that others may change */
        int lock_fd;    /* held; -EBADF while it is not */
        bool had_state; /* before it was */
} Attachment;

/* ROOT is NULL for the machine itself. Returns 0 or -ENOMEM. */
int attachment_new(Attachment **ret, const char *root);
Attachment *attachment_free(Attachment *attachment); /* takes NULL, returns NULL */

/*
 * Whether libvirt's hook of TYPE is a link to the forwarder, wherever that may be and whether or
 * not it is there. With RET_TEXT its text (free() it), NULL where it is none or memory is short.
 */
bool attachment_has(const Attachment *attachment, HookType type, char **ret_text);

/* Whether anybody has attached something and not detached all, or is at it. */
bool attachment_has_state(const Attachment *attachment);

/*
 * The settings' folder for the scripts, as attach would use it now: the first that is not libvirt's
 * own. NULL where there is none.
 */
const char *attachment_settings_folder(const Attachment *attachment);

/* Whether something is attached, and the settings have another folder for the scripts by now. */
bool attachment_has_other_settings(const Attachment *attachment);

/* Whether an attach or detach did not come to its end. Who may not lock takes one that is under way
 * for such. */
bool attachment_is_half_done(const Attachment *attachment);

/*
 * The AppArmor profile of a daemon of libvirt's that does not let it run the forwarder. Ownership:
 * the caller frees it. NULL where there is none.
 */
char *attachment_find_profile(const Attachment *attachment);

/* Whether something else is where the forwarder was: who writes to one of libvirt's hooks that is a
 * link writes there. */
bool attachment_forwarder_is_lost(const Attachment *attachment);

/*
 * Why libvirt could not run the forwarder: it is not there, or an AppArmor profile of libvirt's
 * does not allow it. Ownership: the caller frees it. NULL where all is well.
 */
char *attachment_find_hindrance(const Attachment *attachment);

/*
 * Whether libvirt is installed: its own folder, which has that of the hooks, is there and has the
 * mode *RET_MODE. Returns 0; -ENOMEM; or another negative errno, which has been told of.
 */
int attachment_find_libvirt(const Attachment *attachment, mode_t *ret_mode);

/*
 * Makes both folders where they are missing, for the eyes of those who may look into libvirt's; but
 * that one only if libvirt is installed. Returns 0, or a negative errno, which has been told of.
 */
int attachment_make_folders(const Attachment *attachment);

/* Whether scripts that others cannot see in libvirt's folder can be seen in the other one. */
bool attachment_is_more_open(const Attachment *attachment);

/*
 * Keeps hooks and other attaches out until attachment_unlock(), and takes back what was left half
 * done, which is told. Returns 0, or a negative errno, which has been told of.
 */
int attachment_lock(Attachment *attachment);

/*
 * Lets them in again, if they were kept out: nobody else may be waited for meanwhile. Unless it is
 * DONE what the lock was for, there is as much state afterwards as there was before.
 */
void attachment_unlock(Attachment *attachment, bool done);

/*
 * Carries PLAN out, or nothing of it: VERIFY says whether all is as it should be (0), or has told
 * of what is not. Needs the lock. Returns 0, or a negative errno, which has been told of.
 */
int attachment_carry_out(Attachment *attachment, const AttachPlan *plan,
                         int (*verify)(const void *userdata), const void *userdata);

DEFINE_CLEANUP(Attachment, attachment_free);
