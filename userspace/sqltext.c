/* SPDX-License-Identifier: MIT */
#include "sqltext.h"

#include <string.h>
#include <strings.h>

#define WORD_MAX 16

struct lexer {
	const char *at, *end;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static bool at_text(const struct lexer *lexer, const char *text, size_t len)
{
	return (size_t)(lexer->end - lexer->at) >= len && !memcmp(lexer->at, text, len);
}

static void skip_line(struct lexer *lexer)
{
	while (lexer->at < lexer->end && *lexer->at != '\n')
		lexer->at++;
}

/* Block comments nest in PostgreSQL. */
static void skip_comment(struct lexer *lexer)
{
	unsigned depth = 0;

	do {
		if (at_text(lexer, "/*", 2)) {
			depth++;
			lexer->at += 2;
		} else if (at_text(lexer, "*/", 2)) {
			depth--;
			lexer->at += 2;
		} else {
			lexer->at++;
		}
	} while (depth && lexer->at < lexer->end);
}

static bool skip_blank(struct lexer *lexer)
{
	const char *start = lexer->at;

	while (lexer->at < lexer->end) {
		if (is_space(*lexer->at))
			lexer->at++;
		else if (at_text(lexer, "--", 2))
			skip_line(lexer);
		else if (at_text(lexer, "/*", 2))
			skip_comment(lexer);
		else
			break;
	}
	return lexer->at != start;
}

/* Doubled quotes are two strings side by side to us; escapes only count in E'' strings. */
static void skip_quoted(struct lexer *lexer, char quote, bool escapes)
{
	for (lexer->at++; lexer->at < lexer->end && *lexer->at != quote; lexer->at++)
		if (escapes && *lexer->at == '\\' && lexer->at + 1 < lexer->end)
			lexer->at++;
	if (lexer->at < lexer->end)
		lexer->at++;
}

static void skip_dollar(struct lexer *lexer)
{
	const char *tag = lexer->at++;
	size_t len;

	while (lexer->at < lexer->end && is_word(*lexer->at))
		lexer->at++;
	if (lexer->at == lexer->end || *lexer->at != '$' ||
	    (lexer->at > tag + 1 && tag[1] >= '0' && tag[1] <= '9'))
		return; /* $1, or something that is not ours to judge */
	len = ++lexer->at - tag;
	while (lexer->at < lexer->end && !at_text(lexer, tag, len))
		lexer->at++;
	lexer->at += lexer->at < lexer->end ? len : 0;
}

/* Upper-cased; false where no word stands here. */
static bool take_word(struct lexer *lexer, char word[WORD_MAX])
{
	size_t len = 0;

	skip_blank(lexer);
	for (; lexer->at < lexer->end && is_word(*lexer->at); lexer->at++)
		if (len < WORD_MAX - 1)
			word[len++] = *lexer->at >= 'a' && *lexer->at <= 'z' ? *lexer->at - 32 : *lexer->at;
	word[len] = 0;
	return len;
}

/* Moves behind the next semicolon that ends a statement. */
static void skip_statement(struct lexer *lexer)
{
	while (lexer->at < lexer->end) {
		const char *start = lexer->at;
		char c = *start;

		if (skip_blank(lexer))
			continue;
		if (is_word(c)) {
			while (lexer->at < lexer->end && (is_word(*lexer->at) || *lexer->at == '$'))
				lexer->at++;
			if (lexer->at == start + 1 && (c == 'e' || c == 'E') && lexer->at < lexer->end &&
			    *lexer->at == '\'')
				skip_quoted(lexer, '\'', true);
		} else if (c == '\'' || c == '"') {
			skip_quoted(lexer, c, false);
		} else if (c == '$') {
			skip_dollar(lexer);
		} else {
			lexer->at++;
			if (c == ';')
				return;
		}
	}
}

/* Something other than blanks and semicolons to come? */
static bool more(struct lexer *lexer)
{
	while (skip_blank(lexer) || (lexer->at < lexer->end && *lexer->at == ';'))
		if (lexer->at < lexer->end && *lexer->at == ';')
			lexer->at++;
	return lexer->at < lexer->end;
}

/* What a command does, by its first word and, where that is not enough, the second. */
struct command {
	const char *first, *second; /* second NULL = any */
	bool control;
	enum sqltext_block block;
	const char *tag;
};

static const struct command commands[] = {
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
    {"SELECT", NULL, false, SQLTEXT_BLOCK_KEPT, "SELECT"},
    {"VALUES", NULL, false, SQLTEXT_BLOCK_KEPT, "SELECT"},
    {"INSERT", NULL, false, SQLTEXT_BLOCK_KEPT, "INSERT"},
    {"UPDATE", NULL, false, SQLTEXT_BLOCK_KEPT, "UPDATE"},
    {"DELETE", NULL, false, SQLTEXT_BLOCK_KEPT, "DELETE"},
    {"COPY", NULL, false, SQLTEXT_BLOCK_KEPT, "COPY"},
};

static const struct command *find_command(struct lexer *lexer)
{
	struct lexer ahead = *lexer;
	char first[WORD_MAX], second[WORD_MAX];

	take_word(&ahead, first);
	take_word(&ahead, second);
	if (!strcmp(second, "WORK") ||
	    (!strcmp(second, "TRANSACTION") && strcmp(first, "START") && strcmp(first, "PREPARE")))
		take_word(&ahead, second);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].first, first) &&
		    (!commands[i].second || !strcmp(commands[i].second, second)))
			return &commands[i];
	return NULL;
}

/* COMMIT AND CHAIN opens the next block at once. */
static bool is_chained(struct lexer lexer)
{
	char word[WORD_MAX];

	while (take_word(&lexer, word))
		if (!strcmp(word, "AND"))
			return take_word(&lexer, word) && !strcmp(word, "CHAIN");
	return false;
}

static bool is_all(struct lexer lexer)
{
	char word[WORD_MAX];

	take_word(&lexer, word);
	if (strcmp(word, "DISCARD") && strcmp(word, "DEALLOCATE"))
		return false;
	take_word(&lexer, word);
	if (!strcmp(word, "PREPARE"))
		take_word(&lexer, word);
	return !strcmp(word, "ALL");
}

void sqltext_scan(const char *text, size_t len, struct sqltext *out)
{
	struct lexer lexer = {text, text + len};
	bool first = true;

	*out = (struct sqltext){.block = SQLTEXT_BLOCK_KEPT};
	while (more(&lexer)) {
		const struct command *command = find_command(&lexer);

		out->control = command && command->control && (first || out->control);
		if (command && first)
			out->tag = command->tag;
		if (command && command->block != SQLTEXT_BLOCK_KEPT)
			out->block = is_chained(lexer) ? SQLTEXT_BLOCK_KEPT : command->block;
		out->forgets |= is_all(lexer);
		first = false;
		if (!memchr(lexer.at, ';', lexer.end - lexer.at))
			break; /* the ordinary case: one statement, no need to read on */
		skip_statement(&lexer);
	}
}

bool sqltext_control_tag(const char *tag)
{
	static const char *const control[] = {
	    "BEGIN",
	    "START TRANSACTION",
	    "COMMIT",
	    "ROLLBACK",
	    "SAVEPOINT",
	    "RELEASE",
	    "SET",
	    "RESET",
	    "SHOW",
	    "SET CONSTRAINTS",
	    "DISCARD ALL",
	    "DISCARD PLANS",
	    "DISCARD SEQUENCES",
	    "DISCARD TEMP",
	    "DEALLOCATE",
	    "DEALLOCATE ALL",
	    "PREPARE TRANSACTION",
	    "COMMIT PREPARED",
	    "ROLLBACK PREPARED",
	};

	for (size_t i = 0; i < sizeof(control) / sizeof(control[0]); i++)
		if (!strcmp(tag, control[i]))
			return true;
	return false;
}
