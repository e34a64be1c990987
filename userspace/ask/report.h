/* SPDX-License-Identifier: MIT */
/*
 * report - what /readiness and /statements say, as tables for people. The only file that knows jansson.
 *
 * Pure: JSON in, text out. What a server sent is not trusted: control characters are not passed on to a
 * terminal, and anything that is not of the expected form is -EPROTO.
 */
#ifndef MO_REPORT_H
#define MO_REPORT_H

#include "base/buffer.h"
#include "verdict/readiness.h"

/* The one that decides: not_ready before insufficient_data before ready. */
enum verdict report_worse_of(enum verdict a, enum verdict b);

/* Appends a table for each cluster, what is in the way on top. *worst: not_ready before insufficient_data
 * before ready; insufficient_data when there is no cluster. 0, -EPROTO or -ENOMEM. */
int report_readiness(struct buffer *out, const char *json, enum verdict *worst);

/* Appends the statements for which there is a reason, at most limit for each cluster; nothing when none has
 * one. */
int report_statements(struct buffer *out, const char *json, size_t limit);

#endif
