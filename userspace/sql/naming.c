/* SPDX-License-Identifier: MIT */
#include "sql/naming.h"

#include <pg_query.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "sql/sqllex.h"
#include "sql/sqlshape.h"

#define NESTING_MAX 200 /* brackets; libpg_query's recursion is bounded by what we let through */

static bool shows_text(const char *tag)
{
	static const char *const shown[] = {"SELECT", "INSERT", "UPDATE", "DELETE",
					    "MERGE",  "WITH",   "VALUES", "TABLE"};

	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		if (strcmp(tag, shown[i]) == 0)
			return true;
	return false;
}

/* Every opening bracket counts, also those in literals: only the deep ones matter. A row of prefix operators
 * or CASEs nests without brackets; what libpg_query may recurse on is bounded by length alone there. */
static bool too_deep(const char *text)
{
	int depth = 0, deepest = 0;

	for (; *text; text++) {
		if (*text == '(' || *text == '[')
			depth++;
		else if ((*text == ')' || *text == ']') && depth > 0)
			depth--;
		if (depth > deepest)
			deepest = depth;
	}
	return deepest > NESTING_MAX;
}

/* Several commands in one text have no name but the first one's tag. */
static bool is_single(const char *text)
{
	struct sqllex lexer = {.at = text, .end = text + strlen(text)};
	struct sqllex_token token;

	while (sqllex_next(&lexer, &token))
		if (token.kind == SQLLEX_OTHER && *token.start == ';')
			return false;
	return true;
}

static void cut_at_character(char *text, size_t len)
{
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	text[len] = '\0';
}

/* The number behind the largest parameter of the text. */
static unsigned int free_parameter(const char *text)
{
	struct sqllex lexer = {.at = text, .end = text + strlen(text)};
	struct sqllex_token token;
	unsigned int largest = 0;

	while (sqllex_next(&lexer, &token)) {
		unsigned int number = 0;

		if (token.kind != SQLLEX_PARAMETER)
			continue;
		for (const char *at = token.start + 1; at < token.end && number < 1000000; at++)
			number = number * 10 + (unsigned int)(*at - '0');
		if (number > largest)
			largest = number;
	}
	return largest + 1;
}

static void hide_literals(const char *text, char out[NAMING_TEXT_MAX + 1])
{
	struct sqllex lexer = {.at = text, .end = text + strlen(text)};
	struct sqllex_token token;
	unsigned int next = free_parameter(text);
	size_t used = 0;

	while (sqllex_next(&lexer, &token)) {
		char parameter[16];
		size_t room = NAMING_TEXT_MAX - used, len = token.end - token.start;
		const char *from = token.start;

		if (token.kind == SQLLEX_LITERAL) {
			len = (size_t)snprintf(parameter, sizeof(parameter), "$%u", next++);
			from = parameter;
		}
		memcpy(out + used, from, len < room ? len : room);
		if (len > room) {
			memcpy(out + NAMING_TEXT_MAX, from + room, 1);
			cut_at_character(out, NAMING_TEXT_MAX);
			return;
		}
		used += len;
	}
	out[used] = '\0';
}

void naming_tag(const char *text, size_t len, struct naming *out)
{
	char tag[32];

	sqlshape_tag(text, len, tag);
	out->id = 0;
	snprintf(out->text, sizeof(out->text), "%s", *tag ? tag : "<unparsed>");
}

void naming_unparsed(const char *text, size_t len, struct naming *out)
{
	char tag[32];

	sqlshape_tag(text, len, tag);
	out->id = 0;
	snprintf(out->text, sizeof(out->text), *tag ? "%s <unparsed>" : "<unparsed>%s", tag);
}

/*
 * libpg_query takes tables whose names differ in digits for partitions of one. Of orders_2023 and orders_2024
 * one alone may be broken: the names that hold digits tell their classes apart.
 */
static uint64_t numbered_names(const char *stripped)
{
	struct sqllex lexer = {.at = stripped, .end = stripped + strlen(stripped)};
	struct sqllex_token token;
	uint64_t sum = 0;
	char name[64];

	while (sqllex_next_solid(&lexer, &token)) {
		size_t len = sqllex_upper(&token, name, sizeof(name));

		if ((token.kind == SQLLEX_WORD || token.kind == SQLLEX_QUOTED_IDENTIFIER) &&
		    strcspn(name, "0123456789") < len)
			sum += XXH3_64bits(name, len);
	}
	return sum;
}

void naming_of(const char *text, size_t len, struct naming *out)
{
	char stripped[NAMING_INPUT_MAX + 1], tag[32];
	PgQueryFingerprintResult result;

	naming_unparsed(text, len, out);
	if (len > NAMING_INPUT_MAX || sqlshape_strip(text, len, stripped, sizeof(stripped)) <= 0 ||
	    too_deep(stripped))
		return;
	result = pg_query_fingerprint(stripped);
	if (!result.error) {
		sqlshape_tag(text, len, tag);
		if (!shows_text(tag))
			naming_tag(text, len, out);
		else if (is_single(stripped))
			hide_literals(stripped, out->text);
		out->id = result.fingerprint ^ numbered_names(stripped);
	}
	pg_query_free_fingerprint_result(result);
}
