/* SPDX-License-Identifier: MIT */
#include "serve/json_fields.h"

#include <string.h>

#include "serve/json.h"

void json_next(struct buffer *out)
{
	if (out->len && !strchr("{[:", out->data[out->len - 1]))
		buffer_append(out, ",", 1);
}

void json_key(struct buffer *out, const char *key)
{
	json_next(out);
	buffer_append(out, "\"", 1);
	buffer_string(out, key);
	buffer_append(out, "\":", 2);
}

void json_field_string(struct buffer *out, const char *key, const char *value)
{
	json_key(out, key);
	json_string(out, value);
}

void json_field_number(struct buffer *out, const char *key, double value)
{
	json_key(out, key);
	json_number(out, value);
}

void json_field_bool(struct buffer *out, const char *key, bool value)
{
	json_key(out, key);
	buffer_string(out, value ? "true" : "false");
}
