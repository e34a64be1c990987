/* SPDX-License-Identifier: MIT */
#include "tls/decrypt_internal.h"

static size_t overhead(const struct decrypt *decrypt)
{
	return RECORD_HEADER + suite_overhead(decrypt->suite);
}

/* ------------------------------------------------------------------------------------------- losing it */

static void begin_search(struct side *side, uint64_t lost_bytes)
{
	side->lost = true;
	side->told = false;
	side->lost_bytes = lost_bytes;
	side->scanned = 0;
	side->try_next = 0;
	side->skip = 0;
}

/* A gap inside one record costs this one only, and the place of the next is known. */
static bool lose_record(struct decrypt *decrypt, struct side *side, const struct record *record, size_t there,
			const struct mark *mark)
{
	if (!record->total || record->total < there || mark->gap > record->total - there)
		return false;
	side->skip = record->total - there - mark->gap;
	side->sequence++;
	input_take(&side->in, there);
	if (record->total > overhead(decrypt))
		decrypt->sink.gap(decrypt->sink.ctx, decrypt_direction(decrypt, side),
				  record->total - overhead(decrypt), mark->time_ns);
	return true;
}

void decrypt_lose(struct decrypt *decrypt, struct side *side, const struct mark *mark)
{
	size_t there = mark->end > side->in.position ? mark->end - side->in.position : 0;
	struct record record;

	if (!side->key.opener) {
		decrypt_give_up(decrypt, DECRYPT_GAP);
		return;
	}
	if (side->lost) {
		side->lost_bytes += there + mark->gap;
		side->scanned = 0;
		side->try_next = 0;
		input_take(&side->in, there);
		return;
	}
	if (side->skip) { /* of a record that is lost already */
		size_t here = side->skip < mark->gap ? side->skip : mark->gap;

		side->skip -= here;
		if (mark->gap > here)
			begin_search(side, mark->gap - here);
		return;
	}
	if (there >= RECORD_HEADER && record_parse(input_at(&side->in), there, &record) == RECORD_MORE &&
	    lose_record(decrypt, side, &record, there, mark))
		return;
	input_take(&side->in, there);
	begin_search(side, there + mark->gap);
}

void decrypt_stray(struct decrypt *decrypt, struct side *side)
{
	if (!side->key.opener) {
		decrypt_give_up(decrypt, DECRYPT_CIPHER);
		return;
	}
	begin_search(side, 0);
	side->scanned = 1; /* not here */
}

/* ------------------------------------------------------------------------------------------ finding it */

/* Held bytes of the side before its next gap. */
static size_t searchable(const struct decrypt *decrypt, const struct side *side, bool *ends)
{
	enum decrypt_direction direction = decrypt_direction(decrypt, side);

	for (size_t i = decrypt->first; i < decrypt->count; i++) {
		const struct mark *mark = &decrypt->marks[i];

		if (mark->direction == direction && mark->gap) {
			*ends = true;
			return mark->end > side->in.position ? mark->end - side->in.position : 0;
		}
	}
	*ends = false;
	return input_len(&side->in);
}

static enum record_progress parse_at(const struct decrypt *decrypt, const struct side *side, size_t offset,
				     size_t there, struct record *record)
{
	enum record_progress progress = record_parse(input_at(&side->in) + offset, there - offset, record);

	if (progress == RECORD_INVALID || !record->total)
		return progress;
	if (record->header[2] != 3 || record->len <= suite_overhead(decrypt->suite) ||
	    (decrypt->suite->version == TLS_1_3 && record->type != RECORD_APPLICATION))
		return RECORD_INVALID;
	return progress;
}

/* What comes after it must look like a record as well, as far as it is there. */
static bool is_likely(const struct decrypt *decrypt, const struct side *side, size_t offset, size_t there,
		      const struct record *record)
{
	struct record next;

	return parse_at(decrypt, side, offset + record->total, there, &next) != RECORD_INVALID;
}

static void found(struct decrypt *decrypt, struct side *side, size_t offset, uint64_t sequence,
		  uint64_t time_ns)
{
	uint64_t cipher = side->lost_bytes + offset;
	uint64_t around = (sequence - side->sequence) * overhead(decrypt);

	side->lost = false;
	side->sequence = sequence;
	input_take(&side->in, offset);
	if (!side->told && cipher > around)
		decrypt->sink.gap(decrypt->sink.ctx, decrypt_direction(decrypt, side), cipher - around,
				  time_ns);
}

/* STEP_WAIT: the budget is used up; to be gone on with. */
static enum step try_sequences(struct decrypt *decrypt, struct side *side, size_t offset,
			       const struct record *record, const struct mark *mark)
{
	uint64_t most = side->sequence + (side->lost_bytes + offset) / (overhead(decrypt) + 1) + 1;
	uint64_t sequence = side->try_next ? side->try_next : side->sequence;
	uint8_t type;
	size_t len;

	for (; sequence <= most; sequence++) {
		if (!decrypt_spend(decrypt, record->len)) {
			side->try_next = sequence;
			return STEP_WAIT;
		}
		if (record_unseal(decrypt->suite, &side->key, sequence, record, decrypt->room->plain, &len,
				  &type)) {
			found(decrypt, side, offset, sequence, mark->time_ns);
			break;
		}
	}
	side->try_next = 0;
	return STEP_ON;
}

/* Nothing begins before `offset`: that is lost as well. */
static void discard(struct side *side, size_t offset)
{
	side->lost_bytes += offset;
	side->scanned = 0;
	input_take(&side->in, offset);
}

enum step decrypt_search(struct decrypt *decrypt, struct side *side, const struct mark *mark)
{
	bool ends;
	size_t there = searchable(decrypt, side, &ends), offset = side->scanned;
	struct record record;

	for (; offset + RECORD_HEADER <= there; offset++) {
		enum record_progress progress = parse_at(decrypt, side, offset, there, &record);

		if (progress == RECORD_INVALID || (progress == RECORD_MORE && ends))
			continue;
		if (progress == RECORD_MORE) /* the rest of it is still to come */
			break;
		if (!is_likely(decrypt, side, offset, there, &record))
			continue;
		side->scanned = offset;
		if (try_sequences(decrypt, side, offset, &record, mark) == STEP_WAIT)
			return STEP_WAIT;
		if (!side->lost)
			return STEP_ON;
	}
	discard(side, offset < there ? offset : there);
	return ends || side->told ? STEP_ON : STEP_WAIT;
}
