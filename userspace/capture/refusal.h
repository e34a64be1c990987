/* SPDX-License-Identifier: MIT */
/*
 * refusal - why the kernel does not take our programs, in one sentence that names what is missing and what
 * helps. For probe.c, which hands it on as probe_error().
 *
 * One text for the process, as libbpf's own messages are. No function keeps what it is given.
 */
#ifndef MO_REFUSAL_H
#define MO_REFUSAL_H

#include <stdbool.h>

#define REFUSAL_TEXT 512 /* bytes of it, with the NUL */

/* The last sentence; valid until the next. */
const char *refusal_text(void);
void __attribute__((format(printf, 1, 2))) refusal_set(const char *format, ...);

/* From now on libbpf's messages are kept for refusal_explain() and logged at level debug. */
void refusal_listen(void);
/* What libbpf said before has nothing to do with what comes. */
void refusal_forget(void);
/* Says why err (-errno) came while "attaching the BPF programs" or the like; returns err. */
int refusal_explain(int err, const char *doing);

/* utsname.release of this kernel. */
const char *refusal_kernel(void);
/* Whether the kernel has type information; the second says so and returns -ENOENT when it has none. */
bool refusal_has_types(void);
int refusal_check_types(void);
/* -EPERM or -EACCES. */
bool refusal_is_permission(int err);
/* After that: false when every program is refused, true when it is those of one mode. */
bool refusal_can_load(void);

#endif
