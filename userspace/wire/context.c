/* SPDX-License-Identifier: MIT */
#include "wire/context.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "sql/sqlsetting.h"

struct setting {
	uint64_t name;
	uint64_t session, local; /* values; 0 = none of its own */
};

struct context_list {
	struct setting *at;
	uint32_t count, room;
};

struct context_state {
	struct context_list settings;
	/* As they were before the changes of this transaction. name 0: a savepoint, `session` its name. */
	struct context_list undo;
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	const uint64_t both[2] = {a, b};

	return XXH3_64bits(both, sizeof(both));
}

static uint64_t value_of(const struct setting *setting)
{
	return setting->local ? setting->local : setting->session;
}

/* --------------------------------------------------------------------------------------------- life */

void context_init(struct context *context, bool fresh)
{
	*context = (struct context){.unseen = !fresh};
}

void context_done(struct context *context)
{
	if (!context->state)
		return;
	free(context->state->settings.at);
	free(context->state->undo.at);
	free(context->state);
	context->state = NULL;
}

void context_gap(struct context *context)
{
	context->unseen = true;
}

/* --------------------------------------------------------------------------------------------- settings */

static bool append(struct context_list *list, struct setting setting, uint32_t most)
{
	uint32_t room = list->room ? 2 * list->room : 4;
	struct setting *larger;

	if (list->count == most)
		return false;
	if (list->count == list->room) {
		larger = realloc(list->at, room * sizeof(*larger));
		if (!larger)
			return false;
		list->at = larger;
		list->room = room;
	}
	list->at[list->count++] = setting;
	return true;
}

static struct setting *find(struct context_list *list, uint64_t name)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (list->at[i].name == name)
			return &list->at[i];
	return NULL;
}

/* Puts the setting as given; without a value it goes. False where there is no room. */
static bool put(struct context_list *list, struct setting value)
{
	struct setting *setting = find(list, value.name);

	if (!setting)
		return value_of(&value) ? append(list, value, CONTEXT_SETTINGS) : true;
	if (value_of(&value))
		*setting = value;
	else
		*setting = list->at[--list->count];
	return true;
}

static bool remember(struct context *context, struct setting before)
{
	return !context->in_block || append(&context->state->undo, before, CONTEXT_UNDO);
}

static void change(struct context *context, uint64_t name, uint64_t value, bool local)
{
	struct context_list *settings = &context->state->settings;
	struct setting *was = find(settings, name);
	struct setting before = was ? *was : (struct setting){.name = name}, after = before;

	if (local && !context->in_block)
		return; /* without a transaction it has no effect */
	if (local)
		after.local = value ? value : 1;
	else
		after = (struct setting){name, value, 0};
	if (!remember(context, before) || !put(settings, after))
		context->lost = true;
}

/* What stands behind the name now depends on all that was done to it. local: when it is new; what outlives
 * the transaction goes on doing so. */
static void move(struct context *context, uint64_t name, uint64_t by, bool local)
{
	struct setting *was = find(&context->state->settings, name);

	if (was)
		local = !was->session;
	change(context, name, mix(was ? value_of(was) : 0, by) | 1, local && context->in_block);
}

/* --------------------------------------------------------------------------------------------- transactions
 */

static void undo_one(struct context *context)
{
	struct context_list *undo = &context->state->undo;
	struct setting before = undo->at[--undo->count];

	if (before.name && !put(&context->state->settings, before))
		context->lost = true;
}

static void roll_back(struct context *context)
{
	while (context->state && context->state->undo.count)
		undo_one(context);
	context->in_block = false;
}

/* The place behind the last one of that name; 0 = there is none. */
static uint32_t savepoint(const struct context_list *undo, uint64_t name)
{
	uint32_t at = undo->count;

	while (at && (undo->at[at - 1].name || undo->at[at - 1].session != name))
		at--;
	return at;
}

/* The savepoint itself stays. */
static void roll_back_to(struct context *context, uint64_t name)
{
	struct context_list *undo = &context->state->undo;
	uint32_t at = savepoint(undo, name);

	while (at && undo->count > at)
		undo_one(context);
}

/* It and those behind it are gone; what was changed since belongs to what is around it. */
static void release(struct context *context, uint64_t name)
{
	struct context_list *undo = &context->state->undo;
	uint32_t at = savepoint(undo, name), kept = at ? at - 1 : 0;

	for (uint32_t i = kept; at && i < undo->count; i++)
		if (undo->at[i].name)
			undo->at[kept++] = undo->at[i];
	if (at)
		undo->count = kept;
}

static void commit(struct context *context)
{
	struct context_list *list = context->state ? &context->state->settings : NULL;

	context->in_block = false;
	for (uint32_t i = 0; list && i < list->count;) {
		list->at[i].local = 0;
		if (list->at[i].session)
			i++;
		else
			list->at[i] = list->at[--list->count];
	}
	if (list)
		context->state->undo.count = 0;
}

/* --------------------------------------------------------------------------------------------- statements */

struct sent {
	struct context *context;
	uint64_t key;
	bool failed;
};

static void reset_all(struct context *context)
{
	struct context_list *list = &context->state->settings;
	uint64_t role = sqlsetting_name("role", 4), user = sqlsetting_name("session_authorization", 21);

	for (uint32_t i = list->count; i-- > 0;) {
		uint64_t name = list->at[i].name;

		if (name != role && name != user && name != sqlsetting_temporary)
			change(context, name, 0, false);
	}
}

/* Nothing of before is left, whether it was seen or not. */
static void discard_all(struct context *context)
{
	context->state->settings.count = context->state->undo.count = 0;
	context->in_block = context->unseen = context->lost = false;
}

/* One that needs the table of what is set. */
static void on_change(struct sent *sent, const struct sqlsetting *effect)
{
	struct context *context = sent->context;

	switch (effect->kind) {
	case SQLSETTING_SAVEPOINT:
		if (!remember(context, (struct setting){0, effect->name, 0}))
			context->lost = true;
		break;
	case SQLSETTING_RELEASE:
		release(context, effect->name);
		break;
	case SQLSETTING_ROLLBACK_TO:
		roll_back_to(context, effect->name);
		break;
	case SQLSETTING_SET:
	case SQLSETTING_SET_LOCAL:
		change(context, effect->name, effect->value, effect->kind == SQLSETTING_SET_LOCAL);
		break;
	case SQLSETTING_MOVE:
	case SQLSETTING_MOVE_LOCAL:
		move(context, effect->name, sent->key, effect->kind == SQLSETTING_MOVE_LOCAL);
		break;
	case SQLSETTING_RESET_ALL:
		reset_all(context);
		break;
	case SQLSETTING_DISCARD_ALL:
		discard_all(context);
		break;
	default:
		break;
	}
}

static bool ready(struct context *context)
{
	if (!context->state)
		context->state = calloc(1, sizeof(*context->state));
	context->lost |= !context->state;
	return context->state;
}

static void on_effect(void *ctx, const struct sqlsetting *effect)
{
	struct sent *sent = ctx;

	if (effect->kind == SQLSETTING_BEGIN)
		sent->context->in_block = true;
	else if (effect->kind == SQLSETTING_ROLLBACK || (effect->kind == SQLSETTING_COMMIT && sent->failed))
		roll_back(sent->context);
	else if (effect->kind == SQLSETTING_COMMIT)
		commit(sent->context);
	else if (ready(sent->context))
		on_change(sent, effect);
}

void context_sent(struct context *context, const char *text, size_t len, uint64_t key, bool concerns,
		  bool writes, bool failed)
{
	struct sent sent = {context, key, failed};

	if (concerns)
		sqlsetting_read(text, len, key, on_effect, &sent);
	else if (writes && context->state && find(&context->state->settings, sqlsetting_temporary))
		move(context, sqlsetting_temporary, key, false); /* it may have written to them */
}

/* --------------------------------------------------------------------------------------------- the start */

static bool is_name(const char *name, size_t len, const char *want)
{
	return len == strlen(want) && memcmp(name, want, len) == 0;
}

/* Of what the server reports: what decides answers. Who is logged in is known from the start-up packet. */
static bool matters(const char *name, size_t len)
{
	static const char *const reported[] = {"TimeZone",
					       "DateStyle",
					       "IntervalStyle",
					       "client_encoding",
					       "search_path",
					       "standard_conforming_strings",
					       "default_transaction_read_only"};

	for (size_t i = 0; i < sizeof(reported) / sizeof(*reported); i++)
		if (is_name(name, len, reported[i]))
			return true;
	return false;
}

/* Two strings; false where they are not whole. */
static bool next_pair(const char **at, const char *end, size_t *name_len, const char **value,
		      size_t *value_len)
{
	const char *nul = *at < end ? memchr(*at, 0, end - *at) : NULL; /* what is empty may be NULL */

	if (!nul || nul == *at)
		return false;
	*name_len = nul - *at;
	*value = nul + 1;
	nul = memchr(*value, 0, end - *value);
	if (!nul)
		return false;
	*value_len = nul - *value;
	return true;
}

void context_startup(struct context *context, const char *parameters, size_t len)
{
	const char *at = parameters, *end = parameters + len, *value;
	size_t name_len, value_len;

	while (next_pair(&at, end, &name_len, &value, &value_len)) {
		uint64_t name = sqlsetting_name(at, name_len);

		if (name && !is_name(at, name_len, "database") && !is_name(at, name_len, "replication"))
			context->base += mix(name, XXH3_64bits(value, value_len));
		at = value + value_len + 1;
	}
}

void context_reported(struct context *context, const char *body, size_t len, bool starting)
{
	const char *at = body, *value;
	size_t name_len, value_len;
	uint64_t name;

	if (!starting || !next_pair(&at, body + len, &name_len, &value, &value_len) || !matters(at, name_len))
		return;
	name = sqlsetting_name(at, name_len);
	context->base += mix(mix(name, 1), XXH3_64bits(value, value_len));
}

void context_digest(const struct context *context, struct context_digest *out)
{
	const struct context_list *list = context->state ? &context->state->settings : NULL;

	*out = (struct context_digest){.start = context->base, .unseen = context->unseen || context->lost};
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct setting *setting = &list->at[i];

		out->settings += mix(setting->name, value_of(setting));
		out->names |= 1ull << (setting->name & 63);
	}
}
