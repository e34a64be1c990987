/* SPDX-License-Identifier: MIT */
/* What takes no part in the matching is compared as a class: which side's executions fail how often. */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "sql/sqllex.h"
#include "sql/sqlshape.h"
#include "verdict/twins_internal.h"
#include "wire/failure.h"

#define NOT_SEEN     "<text not seen>"
#define NOT_EXECUTED "<prepared, not executed>"

/* Of SET and its like the setting's name belongs to the class, though it is not shown. */
static uint64_t control_hash(const struct session_query *query, const char *tag)
{
	struct sqllex lexer = {.at = query->text, .end = query->text + query->text_len};
	uint64_t hash = XXH3_64bits(tag, strlen(tag));
	struct sqllex_token token;
	char word[32];

	if (strcmp(tag, "SET") != 0 && strcmp(tag, "RESET") != 0 && strcmp(tag, "SHOW") != 0)
		return hash;
	for (int i = 0; i < 3 && sqllex_next_solid(&lexer, &token) && token.kind == SQLLEX_WORD; i++)
		hash = XXH3_64bits_withSeed(word, sqllex_upper(&token, word, sizeof(word)), hash);
	return hash;
}

static struct class_record *unpaired_class(struct twins *twins, enum match_side side, uint64_t hash,
					   const char *text, uint64_t now_ns)
{
	/* Beyond the 32 bits of the others. */
	struct class_record *class = twins_enter_class(twins, hash | 1ull << 63, text, side, now_ns);

	if (class) {
		class->unpaired = true;
		class->fingerprint = hash;
		class->ignored = twins_is_ignored(twins, hash);
	}
	return class;
}

/* Its text may be there, though not its parameters. */
static struct class_record *unkeyed_class(struct twins *twins, enum match_side side,
					  const struct session_query *query)
{
	const struct fingerprint *fingerprint = NULL;

	if (query->text_len)
		fingerprint =
		    fingerprint_of(twins->fingerprints, query->text, query->text_len, query->text_cut);
	if (fingerprint)
		return unpaired_class(twins, side, fingerprint->id, fingerprint->text, query->sent_ns);
	return unpaired_class(twins, side, XXH3_64bits(NOT_SEEN, strlen(NOT_SEEN)), NOT_SEEN, query->sent_ns);
}

void twins_unpaired_sent(struct twins *twins, struct twins_connection *connection,
			 const struct session_query *query)
{
	unsigned place = query->serial % TWINS_UNPAIRED;
	enum match_side side = connection->match.side;
	struct class_record *class;
	char tag[32];

	if (query->ignored)
		return;
	if (query->control)
		class = unpaired_class(twins, side,
				       control_hash(query, sqlshape_tag(query->text, query->text_len, tag)),
				       tag, query->sent_ns);
	else
		class = unkeyed_class(twins, side, query);
	connection->unpaired[place].serial = query->serial;
	connection->unpaired[place].class = class ? class->id : 0;
}

/* A failure that the primary has had too, with the same SQLSTATE, as often: the statement's own. */
static bool is_excused(const struct class_record *class, const char *sqlstate)
{
	return class->excused < class->failed[MATCH_PRIMARY] && strncmp(sqlstate, "57P", 3) != 0 &&
	       strcmp(class->failed_sqlstate[MATCH_PRIMARY], sqlstate) == 0;
}

static void note_failure(struct twins *twins, struct twins_connection *connection, struct class_record *class,
			 const char *sqlstate)
{
	enum match_side side = connection->match.side;

	class->failed[side]++;
	snprintf(class->failed_sqlstate[side], sizeof(class->failed_sqlstate[side]), "%s", sqlstate);
	if (side != MATCH_MIRROR || connection->erred || !*sqlstate || !is_excused(class, sqlstate))
		return;
	class->excused++;
	(*stats_cell(&twins->stats->excused_failures, failure_of(sqlstate, "ERROR", false)))++;
}

void twins_unpaired_answered(struct twins *twins, struct twins_connection *connection,
			     const struct session_query *query)
{
	unsigned place = query->serial % TWINS_UNPAIRED;
	struct class_record *class = NULL;

	if (connection->unpaired[place].serial == query->serial)
		class = top_find(twins->top, connection->unpaired[place].class);
	if (!class || query->skipped || query->outcome == OUTCOME_UNKNOWN)
		return;
	class->compared += connection->match.side == MATCH_MIRROR;
	if (query->outcome == OUTCOME_FAILURE)
		note_failure(twins, connection, class, query->sqlstate);
}

void twins_homeless(struct twins *twins, struct twins_connection *connection, const char *sqlstate,
		    uint64_t now_ns)
{
	struct class_record *class =
	    unpaired_class(twins, connection->match.side, XXH3_64bits(NOT_EXECUTED, strlen(NOT_EXECUTED)),
			   NOT_EXECUTED, now_ns);

	if (!class)
		return;
	class->compared += connection->match.side == MATCH_MIRROR;
	note_failure(twins, connection, class, sqlstate);
	connection->erred = true;
}
