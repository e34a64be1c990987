/* SPDX-License-Identifier: MIT */
/*
 * sqlsetting - what a text does to the state of its session that decides what later statements answer:
 * settings (SET, RESET, set_config(), DISCARD), role, temporary objects, cursors, and the transactions and
 * savepoints that give them up again.
 *
 * Reads the lexical structure (sqllex.h). Names and values are hashes: the same for `SET search_path TO t1`,
 * `set search_path = 't1'` and `SET "search_path" TO "t1"`. Settings that change no answer (application_name,
 * time limits, logging) are passed over. Pure.
 */
#ifndef MO_SQLSETTING_H
#define MO_SQLSETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sqlsetting_kind {
	SQLSETTING_BEGIN,
	SQLSETTING_COMMIT,
	SQLSETTING_ROLLBACK,
	SQLSETTING_SAVEPOINT, /* name */
	SQLSETTING_RELEASE,
	SQLSETTING_ROLLBACK_TO,
	SQLSETTING_SET,        /* name, value; value 0: back to what it was at the start of the session */
	SQLSETTING_SET_LOCAL,  /* the same until the transaction ends */
	SQLSETTING_MOVE,       /* name: what stands behind it depends on all that was done to it, in order */
	SQLSETTING_MOVE_LOCAL, /* the same until the transaction ends; also of what is not known to outlive it
				*/
	SQLSETTING_RESET_ALL,  /* all settings but the role */
	SQLSETTING_DISCARD_ALL, /* everything */
};

struct sqlsetting {
	enum sqlsetting_kind kind;
	uint64_t name, value;
};

/* The name under which temporary objects go. */
extern const uint64_t sqlsetting_temporary;
/* The hash of a setting's name, as in struct sqlsetting; 0: of one that changes no answer. */
uint64_t sqlsetting_name(const char *name, size_t len);

/* Cheap: false when the text has nothing to tell. */
bool sqlsetting_concerns(const char *text, size_t len);
/* Calls each() for every effect, in order. text_key stands for values that are not in the text ($1). */
void sqlsetting_read(const char *text, size_t len, uint64_t text_key,
		     void (*each)(void *ctx, const struct sqlsetting *setting), void *ctx);

#endif
