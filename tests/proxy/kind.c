/* SPDX-License-Identifier: MIT */
#include "kind.h"

#include <string.h>
#include <strings.h>

#include "message.h"

static const char *const words[] = {"BEGIN", "START",     "COMMIT",    "END", "ROLLBACK",
				    "ABORT", "SAVEPOINT", "RELEASE",   "SET", "RESET",
				    "SHOW",  "DISCARD",   "DEALLOCATE"};

void kinds_free(struct kinds *kinds)
{
	names_free(&kinds->names);
}

static bool is_control(const char *text, size_t len)
{
	size_t blank = 0, word = 0;

	while (blank < len && strchr(" \t\r\n", text[blank]) && text[blank])
		blank++;
	text += blank;
	while (word < len - blank && ((text[word] | 32) >= 'a' && (text[word] | 32) <= 'z'))
		word++;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (word == strlen(words[i]) && !strncasecmp(text, words[i], word))
			return true;
	return false;
}

static void on_parse(struct kinds *kinds, const char *name, const char *text, size_t len)
{
	bool control = is_control(text, len);

	if (*name)
		names_set(&kinds->names, name, control);
	else
		kinds->unnamed = control;
}

bool kinds_message(struct kinds *kinds, const uint8_t *message, size_t len)
{
	const char *name;
	size_t at;

	if (len <= MESSAGE_HEADER)
		return false;
	if (*message == 'Q')
		return is_control((const char *)message + MESSAGE_HEADER, len - MESSAGE_HEADER);
	if (*message == 'E')
		return kinds->bound;
	if (!message_statement_name(message, len, &name, &at))
		return false;
	at += strlen(name) + 1;
	if (*message == 'P')
		on_parse(kinds, name, (const char *)message + at, len - at);
	else if (*message == 'B')
		kinds->bound = *name ? names_get(&kinds->names, name) > 0 : kinds->unnamed;
	else if (*message == 'C' && *name)
		names_remove(&kinds->names, name);
	return false;
}
