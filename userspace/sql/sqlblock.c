/* SPDX-License-Identifier: MIT */
#include "sql/sqlblock.h"

#include "sql/sqlwords.h"

static void take_name(struct sqlwords *words, struct sqlblock *out)
{
	if (words->token.kind != SQLLEX_WORD && words->token.kind != SQLLEX_QUOTED_IDENTIFIER)
		return;
	out->name_len = sqllex_name(&words->token, out->name, SQLBLOCK_NAME_MAX);
	sqlwords_advance(words);
}

static enum sqlblock_kind read_rollback(struct sqlwords *words, struct sqlblock *out)
{
	if (sqlwords_take(words, "prepared"))
		return SQLBLOCK_NONE;
	if (!sqlwords_take_to(words))
		return SQLBLOCK_ROLLBACK;
	take_name(words, out);
	return SQLBLOCK_ROLLBACK_TO;
}

static enum sqlblock_kind read_statement(struct sqlwords *words, struct sqlblock *out)
{
	if (sqlwords_take(words, "savepoint")) {
		take_name(words, out);
		return SQLBLOCK_SAVEPOINT;
	}
	if (sqlwords_take(words, "release")) {
		sqlwords_take(words, "savepoint");
		take_name(words, out);
		return SQLBLOCK_RELEASE;
	}
	if (sqlwords_take(words, "rollback") || sqlwords_take(words, "abort"))
		return read_rollback(words, out);
	if (sqlwords_take(words, "declare")) {
		take_name(words, out);
		return SQLBLOCK_DECLARE;
	}
	if (sqlwords_take(words, "close")) {
		if (!sqlwords_take(words, "all"))
			take_name(words, out);
		return SQLBLOCK_CLOSE;
	}
	if (sqlwords_take(words, "commit") || sqlwords_take(words, "end"))
		return sqlwords_take(words, "prepared") ? SQLBLOCK_NONE : SQLBLOCK_COMMIT;
	return SQLBLOCK_NONE;
}

void sqlblock_read(const char *text, size_t len, struct sqlblock *out)
{
	struct sqlwords words = sqlwords_of(text, len);

	*out = (struct sqlblock){.kind = SQLBLOCK_NONE};
	do {
		struct sqlblock one = {.kind = SQLBLOCK_NONE};

		one.kind = read_statement(&words, &one);
		if (one.kind != SQLBLOCK_NONE && out->kind != SQLBLOCK_NONE)
			one = (struct sqlblock){.kind = SQLBLOCK_SEVERAL};
		if (one.kind != SQLBLOCK_NONE)
			*out = one;
	} while (out->kind != SQLBLOCK_SEVERAL && sqlwords_next(&words));
}
