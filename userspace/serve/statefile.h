/* SPDX-License-Identifier: MIT */
/*
 * statefile - one file in the directory `state` that outlives the daemon: opened before privileges are given
 * up, read at start, written in place at the end (nothing can be renamed any more by then).
 *
 * A header says version, layout of the content, its length and checksum (XXH3). Anything that does not agree,
 * by a kill in the middle of writing, another version, another program's file, is told apart from a file that
 * was never written.
 */
#ifndef MO_STATEFILE_H
#define MO_STATEFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define STATEFILE_MAX (64u << 20) /* bytes of content */

struct statefile;

/* Creates the file with mode 0600 where there is none; a symbolic link is refused. 0 or -errno,
 * statefile_error() is one sentence then. */
int statefile_open(struct statefile **out, const char *directory, const char *name);
void statefile_close(struct statefile **file);
const char *statefile_error(void);

/* Appends the content. 0; -ENOENT when nothing was ever written; -EPROTO for another version or layout;
 * -EBADMSG for a broken file; -errno. */
int statefile_read(struct statefile *file, uint64_t layout, struct buffer *out);
/* 0 or -errno. After an error the file is broken, which a reader sees. */
int statefile_write(struct statefile *file, uint64_t layout, const struct buffer *content);

#endif
