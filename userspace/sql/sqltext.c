/* SPDX-License-Identifier: MIT */
#include "sql/sqltext.h"

#include <string.h>

#include "sql/sqllex.h"
#include "sql/sqlsetting.h"

#define WORD_MAX 16

/* Upper-cased; "" and nothing taken where no word stands here. */
static bool take_word(struct sqllex *lexer, char word[WORD_MAX])
{
	struct sqllex ahead = *lexer;
	struct sqllex_token token;

	word[0] = 0;
	if (!sqllex_next_solid(&ahead, &token) || token.kind != SQLLEX_WORD)
		return false;
	sqllex_upper(&token, word, WORD_MAX);
	*lexer = ahead;
	return true;
}

static bool is_semicolon(const struct sqllex_token *token)
{
	return token->kind == SQLLEX_OTHER && *token->start == ';';
}

/* Moves behind the next semicolon that ends a statement. */
static void skip_statement(struct sqllex *lexer)
{
	struct sqllex_token token;

	while (sqllex_next(lexer, &token) && !is_semicolon(&token))
		;
}

/* Moves to the next statement; false where none is left. */
static bool more(struct sqllex *lexer)
{
	struct sqllex_token token;

	do
		sqllex_next_solid(lexer, &token);
	while (is_semicolon(&token));
	lexer->at = token.start;
	return token.kind != SQLLEX_END;
}

/* What a command does, by its first word and, where that is not enough, the second. */
struct command {
	const char *first, *second; /* second NULL = any */
	bool control;
	enum sqltext_block block;
	const char *tag;
};

/* Looked through for every statement: the most frequent come first. */
static const struct command commands[] = {
    {"SELECT", NULL, false, SQLTEXT_BLOCK_KEPT, "SELECT"},
    {"VALUES", NULL, false, SQLTEXT_BLOCK_KEPT, "SELECT"},
    {"INSERT", NULL, false, SQLTEXT_BLOCK_KEPT, "INSERT"},
    {"UPDATE", NULL, false, SQLTEXT_BLOCK_KEPT, "UPDATE"},
    {"DELETE", NULL, false, SQLTEXT_BLOCK_KEPT, "DELETE"},
    {"COPY", NULL, false, SQLTEXT_BLOCK_KEPT, "COPY"},
    {"BEGIN", NULL, true, SQLTEXT_BLOCK_OPENED, "BEGIN"},
    {"START", "TRANSACTION", true, SQLTEXT_BLOCK_OPENED, "START TRANSACTION"},
    {"COMMIT", "PREPARED", true, SQLTEXT_BLOCK_KEPT, NULL},
    {"ROLLBACK", "PREPARED", true, SQLTEXT_BLOCK_KEPT, NULL},
    {"ROLLBACK", "TO", true, SQLTEXT_BLOCK_KEPT, NULL},
    {"PREPARE", "TRANSACTION", true, SQLTEXT_BLOCK_ENDED, NULL},
    {"COMMIT", NULL, true, SQLTEXT_BLOCK_ENDED, NULL}, /* of a failed block: tag ROLLBACK */
    {"END", NULL, true, SQLTEXT_BLOCK_ENDED, NULL},
    {"ROLLBACK", NULL, true, SQLTEXT_BLOCK_ENDED, "ROLLBACK"},
    {"ABORT", NULL, true, SQLTEXT_BLOCK_ENDED, "ROLLBACK"},
    {"SAVEPOINT", NULL, true, SQLTEXT_BLOCK_KEPT, "SAVEPOINT"},
    {"RELEASE", NULL, true, SQLTEXT_BLOCK_KEPT, "RELEASE"},
    {"SET", NULL, true, SQLTEXT_BLOCK_KEPT, NULL},
    {"RESET", NULL, true, SQLTEXT_BLOCK_KEPT, "RESET"},
    {"SHOW", NULL, true, SQLTEXT_BLOCK_KEPT, "SHOW"},
    {"DISCARD", NULL, true, SQLTEXT_BLOCK_KEPT, NULL},
    {"DEALLOCATE", NULL, true, SQLTEXT_BLOCK_KEPT, NULL},
};

/* Nearly always they differ in the first letters: not worth a call of strcmp. */
static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* COMMIT WORK AND CHAIN, ROLLBACK TRANSACTION TO: these words say nothing. */
static void take_second(struct sqllex *lexer, const char *first, char second[WORD_MAX])
{
	take_word(lexer, second);
	if (same(second, "WORK") ||
	    (same(second, "TRANSACTION") && !same(first, "START") && !same(first, "PREPARE")))
		take_word(lexer, second);
}

static const struct command *find_command(struct sqllex lexer)
{
	char first[WORD_MAX], second[WORD_MAX];
	bool taken = false;

	take_word(&lexer, first);
	for (const struct command *c = commands; c < commands + sizeof(commands) / sizeof(*c); c++) {
		if (!same(c->first, first))
			continue;
		if (c->second && !taken)
			take_second(&lexer, first, second);
		taken |= c->second != NULL;
		if (!c->second || same(c->second, second))
			return c;
	}
	return NULL;
}

/* COMMIT AND CHAIN opens the next block at once. */
static bool is_chained(struct sqllex lexer)
{
	char word[WORD_MAX];

	while (take_word(&lexer, word))
		if (same(word, "AND"))
			return take_word(&lexer, word) && same(word, "CHAIN");
	return false;
}

/* DISCARD ALL, DEALLOCATE [PREPARE] ALL. */
static bool is_all(struct sqllex lexer)
{
	char word[WORD_MAX];

	take_word(&lexer, word);
	take_word(&lexer, word);
	if (same(word, "PREPARE"))
		take_word(&lexer, word);
	return same(word, "ALL");
}

static void scan_command(const struct sqllex *lexer, const struct command *command, struct sqltext *out)
{
	if (command->block != SQLTEXT_BLOCK_KEPT)
		out->block = is_chained(*lexer) ? SQLTEXT_BLOCK_KEPT : command->block;
	if (same(command->first, "DISCARD") || same(command->first, "DEALLOCATE"))
		out->forgets |= is_all(*lexer);
}

/* Whether another statement may follow. In the ordinary case none can, and nothing is read on for it: there
 * is no semicolon, or behind the first of them there are only blanks and more of them. */
static bool may_go_on(const struct sqllex *lexer)
{
	const char *at = memchr(lexer->at, ';', lexer->end - lexer->at);

	while (at && at < lexer->end && (*at == ';' || *at == ' ' || *at == '\n'))
		at++;
	return at && at < lexer->end;
}

void sqltext_scan(const char *text, size_t len, struct sqltext *out)
{
	struct sqllex lexer = {.at = text, .end = text + len};
	bool first = true;

	*out = (struct sqltext){.block = SQLTEXT_BLOCK_KEPT, .sets = sqlsetting_concerns(text, len)};
	while (more(&lexer)) {
		const struct command *command = find_command(lexer);

		out->control = command && command->control && (first || out->control);
		if (command && first)
			out->tag = command->tag;
		if (command)
			scan_command(&lexer, command, out);
		first = false;
		if (!may_go_on(&lexer))
			break;
		skip_statement(&lexer);
	}
}

enum sqltext_sort sqltext_sort(const char *text, size_t len)
{
	static const char *const rows[] = {"SELECT", "INSERT", "UPDATE", "DELETE",
					   "MERGE",  "WITH",   "VALUES", "TABLE"};
	static const char *const definitions[] = {"CREATE", "ALTER", "DROP"};
	struct sqllex lexer = {.at = text, .end = text + len};
	struct sqllex_token token;
	char word[WORD_MAX];

	while (sqllex_next_solid(&lexer, &token) && token.kind == SQLLEX_OTHER && *token.start == '(')
		;
	if (token.kind != SQLLEX_WORD)
		return SQLTEXT_OTHER;
	sqllex_upper(&token, word, WORD_MAX);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (same(word, rows[i]))
			return SQLTEXT_ROWS;
	for (size_t i = 0; i < sizeof(definitions) / sizeof(*definitions); i++)
		if (same(word, definitions[i]))
			return SQLTEXT_DEFINITION;
	return SQLTEXT_OTHER;
}

bool sqltext_control_tag(const char *tag)
{
	switch (*tag) {
	case 'B':
		return same(tag, "BEGIN");
	case 'C':
		return same(tag, "COMMIT") || same(tag, "COMMIT PREPARED");
	case 'D':
		return same(tag, "DISCARD ALL") || same(tag, "DISCARD PLANS") ||
		       same(tag, "DISCARD SEQUENCES") || same(tag, "DISCARD TEMP") ||
		       same(tag, "DEALLOCATE") || same(tag, "DEALLOCATE ALL");
	case 'P':
		return same(tag, "PREPARE TRANSACTION");
	case 'R':
		return same(tag, "ROLLBACK") || same(tag, "ROLLBACK PREPARED") || same(tag, "RELEASE") ||
		       same(tag, "RESET");
	case 'S':
		return same(tag, "START TRANSACTION") || same(tag, "SAVEPOINT") || same(tag, "SET") ||
		       same(tag, "SET CONSTRAINTS") || same(tag, "SHOW");
	}
	return false;
}
