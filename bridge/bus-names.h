/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What we are called on the bus, and our errors. dbus-interfaces/org.virt.Hooks.xml says which
 * method answers with which.
 */

#define BRIDGE_NAME      "org.virt.Hooks"
#define BRIDGE_PATH      "/org/virt/Hooks"
#define BRIDGE_INTERFACE "org.virt.Hooks"

#define ERROR_SCRIPT_FAILED     "org.virt.Hooks.Error.ScriptFailed"
#define ERROR_SCRIPT_REFUSED    "org.virt.Hooks.Error.ScriptRefused"
#define ERROR_TIMED_OUT         "org.virt.Hooks.Error.TimedOut"
#define ERROR_CANCELLED         "org.virt.Hooks.Error.Cancelled"
#define ERROR_INVALID_OUTPUT    "org.virt.Hooks.Error.InvalidOutput"
#define ERROR_INVALID_DOCUMENT  "org.virt.Hooks.Error.InvalidDocument"
#define ERROR_UNKNOWN_OPERATION "org.virt.Hooks.Error.UnknownOperation"
#define ERROR_WOULD_DEADLOCK    "org.virt.Hooks.Error.WouldDeadlock"
#define ERROR_LIMIT_EXCEEDED    "org.virt.Hooks.Error.LimitExceeded"
#define ERROR_SHUTTING_DOWN     "org.virt.Hooks.Error.ShuttingDown"
#define ERROR_NO_SUCH_RUN       "org.virt.Hooks.Error.NoSuchRun"
