/* SPDX-License-Identifier: MIT */
#include "ask/answer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ask/fetch.h"

static char error_text[512];
static long status;

const char *answer_error(void)
{
	return error_text;
}

long answer_status(void)
{
	return status;
}

static json_t *parse(const char *url, const char *path, const struct fetch_reply *reply)
{
	json_t *parsed = reply->body.data ? json_loads(reply->body.data, 0, NULL) : NULL;

	if (json_is_object(parsed) && reply->status == 200)
		return parsed;
	if (*answer_text(parsed, "error"))
		snprintf(error_text, sizeof(error_text), "%s", answer_text(parsed, "error"));
	else
		snprintf(error_text, sizeof(error_text),
			 "%s%s answers with status %ld, but not as this version of mirror-observer does", url,
			 path, reply->status);
	json_decref(parsed);
	return NULL;
}

json_t *answer_get(const char *url, const char *path, const char *cluster)
{
	struct fetch_reply reply;
	json_t *answer;

	status = 0;
	if (fetch(&reply, FETCH_GET, url, path, cluster)) {
		snprintf(error_text, sizeof(error_text), "%s", fetch_error());
		return NULL;
	}
	status = reply.status;
	answer = parse(url, path, &reply);
	buffer_free(&reply.body);
	return answer;
}

const char *answer_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

double answer_number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *answer_figure(const json_t *object, const char *key)
{
	return answer_text(json_object_get(object, key), "text");
}

const json_t *answer_find(const json_t *object, const char *key, const char *name)
{
	const json_t *array = json_object_get(object, key), *item;
	size_t i;

	json_array_foreach(array, i, item) if (strcmp(answer_text(item, "name"), name) == 0) return item;
	return NULL;
}

void answer_plain(struct buffer *out, const char *text, size_t columns)
{
	size_t shown = 0;

	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		if ((*at & 0xc0) != 0x80 && shown++ == columns) {
			buffer_string(out, "...");
			return;
		}
		/* C1 controls are two bytes: 0xc2, then 0x80 to 0x9f. */
		if (*at < 0x20 || *at == 0x7f)
			buffer_string(out, "?");
		else if (*at == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
			buffer_string(out, "?"), at++;
		else
			buffer_append(out, at, 1);
	}
}
