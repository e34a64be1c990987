/* SPDX-License-Identifier: MIT */
/*
 * syscalls - the system calls that the running observer may make. The only file that knows libseccomp.
 *
 * What is not on the list fails with EPERM, and the observer goes on: libraries try new calls and fall back.
 * What only somebody who took the process over would call ends it at once (SIGSYS): running a program,
 * looking into other processes, mounting, loading kernel code, system calls of another architecture.
 */
#ifndef MO_SYSCALLS_H
#define MO_SYSCALLS_H

/* From now on, for good. Needs no_new_privs. Returns 0, -EOPNOTSUPP when the kernel has no seccomp filters or
 * the program was built with a sanitizer, which needs calls of its own, or -errno. */
int syscalls_restrict(void);

/* For a process that has all its memory, reads questions and writes answers (parser.h): anything else ends
 * it, more memory is refused. Returns as above. */
int syscalls_restrict_worker(void);

#endif
