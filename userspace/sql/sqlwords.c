/* SPDX-License-Identifier: MIT */
#include "sql/sqlwords.h"

#include <string.h>
#include <strings.h>

struct sqlwords sqlwords_of(const char *text, size_t len)
{
	struct sqlwords words = {.lexer = {.at = text, .end = text + len}};

	sqlwords_advance(&words);
	return words;
}

void sqlwords_advance(struct sqlwords *words)
{
	sqllex_next_solid(&words->lexer, &words->token);
}

bool sqlwords_is_sign(const struct sqlwords *words, char sign)
{
	return words->token.kind == SQLLEX_OTHER && *words->token.start == sign;
}

bool sqlwords_at_end(const struct sqlwords *words)
{
	return words->token.kind == SQLLEX_END || sqlwords_is_sign(words, ';');
}

bool sqlwords_is(const struct sqlwords *words, const char *word)
{
	size_t len = words->token.end - words->token.start;

	return words->token.kind == SQLLEX_WORD && len == strlen(word) &&
	       strncasecmp(words->token.start, word, len) == 0;
}

bool sqlwords_take(struct sqlwords *words, const char *word)
{
	if (!sqlwords_is(words, word))
		return false;
	sqlwords_advance(words);
	return true;
}

void sqlwords_skip(struct sqlwords *words)
{
	while (!sqlwords_at_end(words))
		sqlwords_advance(words);
}

bool sqlwords_next(struct sqlwords *words)
{
	sqlwords_skip(words);
	while (sqlwords_is_sign(words, ';'))
		sqlwords_advance(words);
	return words->token.kind != SQLLEX_END;
}

bool sqlwords_take_to(struct sqlwords *words)
{
	if (!sqlwords_take(words, "work"))
		sqlwords_take(words, "transaction");
	if (!sqlwords_take(words, "to"))
		return false;
	sqlwords_take(words, "savepoint");
	return true;
}
