/* SPDX-License-Identifier: MIT */
/*
 * privileges - what the observer may do: enough to attach, then nothing. The only file that knows libcap-ng.
 *
 * CAP_BPF and CAP_PERFMON are enough to attach, CAP_SETUID and CAP_SETGID to change to another account. Once
 * everything is open, privileges_drop gives up all of them for good. What remains needs none: the maps are
 * mapped memory, the walk over open files (BPF_ITER_CREATE) starts from a link that is open, programs that a
 * reload attaches (BPF_LINK_CREATE) are loaded, files are those that everybody may read.
 */
#ifndef MO_PRIVILEGES_H
#define MO_PRIVILEGES_H

#include <stdbool.h>

/*
 * Whether a start could succeed: with attach the capabilities for that (those permitted are made effective),
 * and those for changing to the account `user` unless it is NULL or what we run as. bpf()
 * itself is tried. 0 or -EPERM, -ENOSYS, -ENOENT (no such account): privileges_error() names what is missing
 * and how it is given.
 */
int privileges_check(bool attach, const char *user);

/*
 * Changes to user with its groups (NULL: stays), gives up all capabilities, sets no_new_privs, then restricts
 * files (landlock.h; config's directory stays readable) and system calls (syscalls.h). A kernel that lacks
 * one of the last two gets a warning. 0 or -errno: then the process must not go on.
 */
int privileges_drop(const char *user, const char *config_path);

/* The same for a process beside the daemon that opens nothing: no file can be, and system calls are left to
 * it. 0 or -errno. */
int privileges_confine(const char *user);

/*
 * For a process that goes on looking into the proxy's and attaching to its files: keeps, of the capabilities
 * that are there, those for that (CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH,
 * CAP_CHECKPOINT_RESTORE) and sets no_new_privs. 0 or -EPERM.
 */
int privileges_keep_for_helper(void);

/* One sentence about the last error of this module; never NULL. */
const char *privileges_error(void);

#endif
