/* SPDX-License-Identifier: MIT */
#include "sql/sqllex.h"

#include <stdint.h>
#include <string.h>

/* What a byte can be. A table, since every byte of every statement is asked for it. */
enum { SPACE = 1, DIGIT = 2, WORD_START = 4, WORD = 8 };

static const uint8_t kinds[256] = {
    [' '] = SPACE,
    ['\t' ... '\r'] = SPACE,
    ['0' ... '9'] = DIGIT | WORD,
    ['a' ... 'z'] = WORD_START | WORD,
    ['A' ... 'Z'] = WORD_START | WORD,
    ['_'] = WORD_START | WORD,
    [0x80 ... 0xff] = WORD_START | WORD,
    ['$'] = WORD,
};

static bool is(uint8_t kind, char c)
{
	return kinds[(uint8_t)c] & kind;
}

static bool at_pair(const struct sqllex *lexer, char first, char second)
{
	return lexer->end - lexer->at > 1 && lexer->at[0] == first && lexer->at[1] == second;
}

static bool at_quote(const struct sqllex *lexer, char quote)
{
	return lexer->at < lexer->end && *lexer->at == quote;
}

static bool at_comment(const struct sqllex *lexer)
{
	return at_pair(lexer, '-', '-') || at_pair(lexer, '/', '*');
}

/* The functions that skip return false where the text ends too soon, or its meaning depends on a setting. */

static bool endless(struct sqllex *lexer)
{
	lexer->endless = true;
	return false;
}

static bool skip_comment(struct sqllex *lexer)
{
	int depth = 0;

	if (*lexer->at == '-') {
		while (lexer->at < lexer->end && *lexer->at != '\n' && *lexer->at != '\r')
			lexer->at++;
		return true;
	}
	do {
		if (at_pair(lexer, '/', '*'))
			depth++, lexer->at += 2;
		else if (at_pair(lexer, '*', '/'))
			depth--, lexer->at += 2;
		else if (lexer->at < lexer->end)
			lexer->at++;
		else
			return endless(lexer);
	} while (depth);
	return true;
}

static bool skip_space(struct sqllex *lexer)
{
	bool certain = true;

	while (lexer->at < lexer->end) {
		if (is(SPACE, *lexer->at))
			lexer->at++;
		else if (at_comment(lexer))
			certain &= skip_comment(lexer);
		else
			break;
	}
	return certain;
}

/* The run of backslashes from here on; what a quote behind it means depends on a setting where it is odd. */
static size_t backslashes(const struct sqllex *lexer)
{
	size_t count = 0;

	while (lexer->at + count < lexer->end && lexer->at[count] == '\\')
		count++;
	return count;
}

/* From the opening quote. escapes: E'...', where a backslash always escapes; elsewhere an odd one before a
 * quote is ambiguous, and read as the default of standard_conforming_strings has it. */
static bool skip_quoted(struct sqllex *lexer, bool escapes)
{
	char quote = *lexer->at++;
	bool certain = true;

	while (lexer->at < lexer->end) {
		size_t run = quote == '\'' ? backslashes(lexer) : 0;

		lexer->at += run;
		if (run % 2 && at_quote(lexer, quote) && escapes)
			lexer->at++;
		else if (run % 2 && at_quote(lexer, quote))
			certain = false;
		if (run)
			continue;
		if (*lexer->at++ == quote && !at_quote(lexer, quote))
			return certain;
		if (lexer->at[-1] == quote)
			lexer->at++;
	}
	return endless(lexer);
}

/* The length of $tag$, 0 where none begins here. */
static size_t dollar_tag(const struct sqllex *lexer)
{
	const char *at = lexer->at + 1;

	if (at < lexer->end && is(DIGIT, *at))
		return 0;
	while (at < lexer->end && is(WORD, *at) && *at != '$')
		at++;
	return at < lexer->end && *at == '$' ? at + 1 - lexer->at : 0;
}

static bool skip_dollar_quoted(struct sqllex *lexer, size_t tag)
{
	const char *body = lexer->at + tag;
	const char *close = memmem(body, lexer->end - body, lexer->at, tag);

	lexer->at = close ? close + tag : lexer->end;
	return close || endless(lexer);
}

/* Also 1e5, 0x1F, 1_000: letters that touch a number belong to it, which errs on the side of hiding. */
static void skip_number(struct sqllex *lexer)
{
	for (lexer->at++; lexer->at < lexer->end; lexer->at++) {
		bool exponent = lexer->at[-1] == 'e' || lexer->at[-1] == 'E';

		if (!is(WORD, *lexer->at) && *lexer->at != '.' &&
		    !(exponent && (*lexer->at == '+' || *lexer->at == '-')))
			return;
	}
}

static void skip_word(struct sqllex *lexer)
{
	const char *at = lexer->at, *end = lexer->end;

	while (at < end && is(WORD, *at))
		at++;
	lexer->at = at;
}

/* E'', B'', X'', N'' and U&'': the prefix touches the quote. Returns its length, 0 for none. */
static size_t string_prefix(const struct sqllex *lexer)
{
	size_t left = lexer->end - lexer->at;

	if (left >= 2 && lexer->at[1] == '\'' && strchr("eEbBxXnN", lexer->at[0]))
		return 1;
	if (left >= 3 && lexer->at[1] == '&' && (lexer->at[0] == 'u' || lexer->at[0] == 'U') &&
	    (lexer->at[2] == '\'' || lexer->at[2] == '"'))
		return 2;
	return 0;
}

static bool take_quoted(struct sqllex *lexer, struct sqllex_token *token, size_t prefix)
{
	bool escapes = lexer->escapes || (prefix == 1 && (*lexer->at == 'e' || *lexer->at == 'E'));

	lexer->at += prefix;
	token->kind = *lexer->at == '"' ? SQLLEX_QUOTED_IDENTIFIER : SQLLEX_LITERAL;
	return skip_quoted(lexer, escapes);
}

static bool take_dollar(struct sqllex *lexer, struct sqllex_token *token)
{
	size_t tag = dollar_tag(lexer);

	if (tag) {
		token->kind = SQLLEX_LITERAL;
		return skip_dollar_quoted(lexer, tag);
	}
	lexer->at++;
	token->kind = lexer->at < lexer->end && is(DIGIT, *lexer->at) ? SQLLEX_PARAMETER : SQLLEX_OTHER;
	while (lexer->at < lexer->end && is(DIGIT, *lexer->at))
		lexer->at++;
	return true;
}

static bool take_text(struct sqllex *lexer, struct sqllex_token *token)
{
	size_t prefix = string_prefix(lexer);

	if (prefix)
		return take_quoted(lexer, token, prefix);
	token->kind = SQLLEX_WORD;
	skip_word(lexer);
	return true;
}

/* Returns false where the token is uncertain. */
static bool take(struct sqllex *lexer, struct sqllex_token *token)
{
	char c = *lexer->at;

	if (is(WORD_START, c))
		return take_text(lexer, token);
	if (is(SPACE, c) || at_comment(lexer)) {
		token->kind = SQLLEX_SPACE;
		return skip_space(lexer);
	}
	if (c == '\'' || c == '"')
		return take_quoted(lexer, token, 0);
	if (c == '$')
		return take_dollar(lexer, token);
	if (is(DIGIT, c) || (c == '.' && lexer->end - lexer->at > 1 && is(DIGIT, lexer->at[1]))) {
		token->kind = SQLLEX_LITERAL;
		skip_number(lexer);
		return true;
	}
	token->kind = SQLLEX_OTHER;
	lexer->at++;
	return true;
}

bool sqllex_next(struct sqllex *lexer, struct sqllex_token *token)
{
	token->kind = SQLLEX_END;
	token->start = lexer->at;
	token->uncertain = lexer->at < lexer->end && !take(lexer, token);
	token->end = lexer->at;
	return token->kind != SQLLEX_END;
}

bool sqllex_next_solid(struct sqllex *lexer, struct sqllex_token *token)
{
	bool more;

	do
		more = sqllex_next(lexer, token);
	while (token->kind == SQLLEX_SPACE);
	return more;
}

/* Reads the whole text; true where no token is uncertain. */
static bool read_all(struct sqllex *lexer)
{
	struct sqllex_token token;
	bool certain = true;

	while (sqllex_next(lexer, &token))
		certain &= !token.uncertain;
	return certain;
}

bool sqllex_is_certain(const char *text, size_t len)
{
	struct sqllex standard = {.at = text, .end = text + len};
	struct sqllex escaping = {.at = text, .end = text + len, .escapes = true};

	return read_all(&standard) || (!standard.endless && !read_all(&escaping));
}

size_t sqllex_upper(const struct sqllex_token *token, char *out, size_t size)
{
	size_t len = token->end - token->start;

	if (len > size - 1)
		len = size - 1;
	for (size_t i = 0; i < len; i++) {
		char c = token->start[i];

		out[i] = c >= 'a' && c <= 'z' ? c & ~0x20 : c;
	}
	out[len] = '\0';
	return len;
}

size_t sqllex_name(const struct sqllex_token *token, char *out, size_t size)
{
	const char *at = token->start, *end = token->end;
	bool fold = token->kind == SQLLEX_WORD;
	char quote = 0;
	size_t n = 0;

	if (!fold && end - at >= 2 && (*at == '"' || *at == '\'')) {
		quote = *at++;
		end--;
	}
	for (; at < end && n < size; at++) {
		at += quote && *at == quote && at + 1 < end; /* inside it is written twice */
		out[n++] = fold && *at >= 'A' && *at <= 'Z' ? *at + 32 : *at;
	}
	return n;
}
