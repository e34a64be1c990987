/* SPDX-License-Identifier: MIT */
/*
 * sqlblock - what a text does to what lives inside a transaction block: savepoints and cursors, by their
 * names.
 *
 * Reads the lexical structure (sqllex.h). Names are as PostgreSQL takes them: without quotes, else in lower
 * case, cut at 63 bytes. Pure.
 */
#ifndef MO_SQLBLOCK_H
#define MO_SQLBLOCK_H

#include <stdbool.h>
#include <stddef.h>

#define SQLBLOCK_NAME_MAX 63 /* bytes: NAMEDATALEN - 1 */

enum sqlblock_kind {
	SQLBLOCK_NONE,    /* nothing of this */
	SQLBLOCK_SEVERAL, /* more than one of the following */
	SQLBLOCK_UNKNOWN, /* the text is not there to be read */
	SQLBLOCK_SAVEPOINT,
	SQLBLOCK_RELEASE,
	SQLBLOCK_ROLLBACK_TO,
	SQLBLOCK_ROLLBACK, /* the whole of it */
	SQLBLOCK_COMMIT,
	SQLBLOCK_DECLARE,
	SQLBLOCK_CLOSE, /* without a name: all */
};

struct sqlblock {
	enum sqlblock_kind kind;
	char name[SQLBLOCK_NAME_MAX + 1];
	size_t name_len; /* 0: without a name */
};

/* Worth its while only where sqlsetting_concerns(): of other texts it is SQLBLOCK_NONE. */
void sqlblock_read(const char *text, size_t len, struct sqlblock *out);

#endif
