/* SPDX-License-Identifier: MIT */
#include "serve/sentence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/quantity.h"

#define STATEMENT_SHOWN 80 /* bytes of a statement's text */

/* ---------------------------------------------------------------------------------------------- progress */

const char *sentence_progress(char out[SENTENCE_PROGRESS_MAX], const struct readiness_check *check,
			      double *share)
{
	double have = check->have, need = check->need;
	char had[QUANTITY_MAX], wanted[QUANTITY_MAX];
	const char *unit = "";

	*out = 0;
	*share = 1;
	if (check->verdict != VERDICT_INSUFFICIENT_DATA)
		return out;
	if (isnan(need) && check->at_least &&
	    strcmp(check->unit, "%") != 0) { /* the value itself is to grow */
		have = check->value;
		need = check->threshold;
		unit = check->unit;
	}
	if (isnan(have) || isnan(need) || need <= 0 || have >= need)
		return out;
	*share = have / need;
	snprintf(out, SENTENCE_PROGRESS_MAX, "%s of %s", quantity(had, have, strcmp(unit, "s") ? "" : unit),
		 quantity(wanted, need, unit));
	return out;
}

/* ---------------------------------------------------------------------------------------------- sentence */

static const struct readiness_check *first_of(const struct readiness *readiness, enum verdict verdict)
{
	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		if (readiness->checks[i].verdict == verdict)
			return &readiness->checks[i];
	return NULL;
}

/* The failing check whose reason says that statements tell more; NULL when none does. */
static const struct readiness_check *about_statements(const struct readiness *readiness)
{
	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		if (readiness->checks[i].verdict == VERDICT_NOT_READY &&
		    strstr(readiness->checks[i].reason, "/statements"))
			return &readiness->checks[i];
	return NULL;
}

static const struct readiness_check *furthest(const struct readiness *readiness)
{
	const struct readiness_check *found = NULL;
	char text[SENTENCE_PROGRESS_MAX];
	double least = 1, share;

	for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
		if (*sentence_progress(text, &readiness->checks[i], &share) && share < least) {
			least = share;
			found = &readiness->checks[i];
		}
	return found;
}

/* A check's reason up to its colon is what it looks at. */
static void write_subject(struct buffer *out, const struct readiness_check *check)
{
	buffer_append(out, check->reason, strcspn(check->reason, ":"));
}

static void write_shortened(struct buffer *out, const char *text)
{
	size_t len = strlen(text);

	if (len <= STATEMENT_SHOWN) {
		buffer_string(out, text);
		return;
	}
	len = STATEMENT_SHOWN;
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	buffer_append(out, text, len);
	buffer_string(out, "\u2026");
}

static bool write_statement(struct buffer *out, const struct top *top)
{
	const struct class_record *worst[1];
	char reason[CLASS_REASON_MAX];

	if (!top || !top_worst(top, worst, 1) || worst[0]->ignored || !*class_reason(worst[0], reason))
		return false;
	write_shortened(out, worst[0]->text);
	buffer_printf(out, " %s", reason);
	return true;
}

/* Without the advice that follows a semicolon, and without its full stop. */
static void write_reason(struct buffer *out, const char *reason)
{
	size_t len = strcspn(reason, ";");

	buffer_append(out, reason, len && reason[len - 1] == '.' ? len - 1 : len);
}

static void write_not_ready(struct buffer *out, const struct readiness *readiness, const struct top *top)
{
	const struct readiness_check *check = about_statements(readiness);

	buffer_string(out, "Not ready: ");
	if (!check || !write_statement(out, top))
		write_reason(out, first_of(readiness, VERDICT_NOT_READY)->reason);
}

static void write_open(struct buffer *out, const struct readiness *readiness)
{
	const struct readiness_check *check = furthest(readiness);
	char text[SENTENCE_PROGRESS_MAX];
	double share;

	buffer_string(out, "Not enough seen yet: ");
	if (check) {
		write_subject(out, check);
		buffer_printf(out, ": %s", sentence_progress(text, check, &share));
		return;
	}
	check = first_of(readiness, VERDICT_INSUFFICIENT_DATA);
	if (check)
		write_reason(out, check->reason);
}

void sentence_write(struct buffer *out, const struct readiness *readiness, const struct top *top,
		    const char *diagnosis)
{
	if (readiness->verdict == VERDICT_NOT_READY)
		write_not_ready(out, readiness, top);
	else if (diagnosis)
		buffer_printf(out, "Not enough seen yet: %s", diagnosis);
	else if (readiness->verdict == VERDICT_INSUFFICIENT_DATA)
		write_open(out, readiness);
	else
		buffer_printf(out, "Ready: all %d checks pass", READINESS_CHECK_COUNT);
}
