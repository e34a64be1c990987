/* SPDX-License-Identifier: MIT */
/*
 * table - rows and columns for a person. The only file that knows libsmartcols: columns as wide as what is in
 * them; where standard output is a terminal, what is in the last one is broken between words to fit.
 */
#ifndef MO_TABLE_H
#define MO_TABLE_H

#include <stddef.h>

#include "base/buffer.h"

struct table;

/* names: of the columns, at most 8, shown on top. 0 or -ENOMEM. */
int table_new(struct table **out, const char *const *names, size_t columns);
void table_free(struct table **table);
/* One text for each column, copied; UTF-8 without control characters. 0 or -ENOMEM. */
int table_row(struct table *table, const char *const *texts);
/* Each line behind `indent`. 0 or -ENOMEM. */
int table_write(struct table *table, const char *indent, struct buffer *out);

#endif
