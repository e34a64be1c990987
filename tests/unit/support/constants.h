/* SPDX-License-Identifier: MIT */
/* constants - how many constants libpg_query's scanner sees in a text: a reader of SQL that is not ours. */
#ifndef MO_TEST_CONSTANTS_H
#define MO_TEST_CONSTANTS_H

/* -1 where the scanner does not take the text. */
int constants_in(const char *text);

#endif
