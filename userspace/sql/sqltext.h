/* SPDX-License-Identifier: MIT */
/*
 * sqltext - what the first words of SQL statements tell without a parser: transaction control, session
 * settings, and whether a transaction block opens or ends.
 *
 * Reads the lexical structure (sqllex.h), so that a semicolon inside of comments, literals and quoted
 * identifiers splits nothing; what cannot be read for certain is read as by default settings. Pure.
 */
#ifndef MO_SQLTEXT_H
#define MO_SQLTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sqltext_block { SQLTEXT_BLOCK_KEPT, SQLTEXT_BLOCK_OPENED, SQLTEXT_BLOCK_ENDED };

struct sqltext {
	bool control; /* every statement is transaction control or SET, RESET, SHOW, DISCARD, DEALLOCATE */
	bool sets;    /* sqlsetting_concerns(): what later statements answer may change */
	bool forgets; /* DISCARD ALL or DEALLOCATE ALL: prepared statements are gone */
	enum sqltext_block block; /* what the text as a whole does to the transaction block, if it succeeds */
	const char
	    *tag; /* of the first statement: "SELECT", "INSERT", ...; NULL where the text does not tell */
};

void sqltext_scan(const char *text, size_t len, struct sqltext *out);
/* Of the first statement: does it read or write rows (SELECT, INSERT, ...), or define objects (CREATE, ALTER,
 * ...)? Others are neither. */
enum sqltext_sort { SQLTEXT_OTHER, SQLTEXT_ROWS, SQLTEXT_DEFINITION };
enum sqltext_sort sqltext_sort(const char *text, size_t len);
/* The same decision for the tag of a CommandComplete. */
bool sqltext_control_tag(const char *tag);

#endif
