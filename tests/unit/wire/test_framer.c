/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "wire/framer.h"

#define KEEP 8

static bool rule(uint8_t type, uint32_t body_len, struct framer_interest *interest)
{
	interest->keep = type == 'D' ? 0 : KEEP;
	interest->tail = type == 'Q';
	return type == 'Q' || type == 'D' || type == 'E' || (!type && body_len < 100);
}

static enum framer_event next(struct framer *framer, const char *data, size_t len, struct frame *frame)
{
	const uint8_t *at = (const uint8_t *)data;

	return framer_next(framer, &at, &len, frame);
}

/* A new framer that has read the head of a message with a body of 100 bytes, and four of these. */
static void begin(struct framer *framer, uint8_t type, struct frame *frame)
{
	char data[] = "?\0\0\0\x68"
		      "abcd";

	data[0] = type;
	framer_init(framer, rule);
	assert_int_equal(next(framer, data, 9, frame), FRAMER_MORE);
}

static void a_message_that_lies_whole_is_handed_out_in_place(void **state)
{
	static const char data[] = "Q\0\0\0\x0ahello\0";
	struct framer framer;
	struct frame frame;

	(void)state;
	framer_init(&framer, rule);
	assert_int_equal(next(&framer, data, 11, &frame), FRAMER_MESSAGE);
	assert_ptr_equal(frame.body, data + 5);
	assert_int_equal(frame.have, 6);
	assert_null(framer.buffer);
	assert_true(framer_between(&framer));
}

static void a_body_that_comes_whole_after_its_header_is_handed_out_in_place(void **state)
{
	static const char data[] = "E\0\0\0\x09hello";
	struct framer framer;
	struct frame frame;

	(void)state;
	framer_init(&framer, rule);
	assert_int_equal(next(&framer, data, 5, &frame), FRAMER_MORE);
	assert_int_equal(next(&framer, data + 5, 5, &frame), FRAMER_MESSAGE);
	assert_ptr_equal(frame.body, data + 5);
	assert_int_equal(frame.have, 5);
	assert_null(framer.buffer);
	assert_true(framer_between(&framer));
}

static void a_torn_message_is_gathered(void **state)
{
	static const char data[] = "E\0\0\0\x09hello";
	struct framer framer;
	struct frame frame;

	(void)state;
	framer_init(&framer, rule);
	for (int i = 0; i < 9; i++)
		assert_int_equal(next(&framer, data + i, 1, &frame), FRAMER_MORE);
	assert_int_equal(next(&framer, data + 9, 1, &frame), FRAMER_MESSAGE);
	assert_int_equal(frame.have, 5);
	assert_memory_equal(frame.body, "hello", 5);
	assert_int_equal(next(&framer, "", 0, &frame), FRAMER_MORE);
	assert_null(framer.buffer); /* given back */
}

static void rows_larger_than_any_buffer_are_skipped_without_one(void **state)
{
	static char row[65536];
	struct framer framer;
	struct frame frame;

	(void)state;
	framer_init(&framer, rule);
	assert_int_equal(next(&framer, "D\x10\0\0\x04", 5, &frame), FRAMER_MORE);
	for (int i = 0; i < 4095; i++)
		assert_int_equal(next(&framer, row, sizeof(row), &frame), FRAMER_MORE);
	assert_null(framer.buffer);
	assert_int_equal(next(&framer, row, sizeof(row), &frame), FRAMER_MESSAGE);
	assert_int_equal(frame.len, 0x10000000);
}

static void a_long_message_gives_its_head_its_tail_and_its_end(void **state)
{
	struct framer framer;
	struct frame frame;

	(void)state;
	framer_init(&framer, rule);
	assert_int_equal(next(&framer,
			      "Q\0\0\0\x18"
			      "0123456789",
			      15, &frame),
			 FRAMER_HEAD);
	assert_int_equal(frame.have, KEEP);
	assert_int_equal(next(&framer, "89", 2, &frame), FRAMER_TAIL);
	assert_memory_equal(frame.body, "89", 2);
	assert_int_equal(next(&framer, "abcdefghij", 10, &frame), FRAMER_TAIL);
	assert_int_equal(next(&framer, "", 0, &frame), FRAMER_MESSAGE);
	assert_int_equal(frame.len, 20);
	assert_int_equal(frame.have, KEEP);
	assert_false(frame.holed);
	framer_reset(&framer);
}

static void a_gap_inside_a_skipped_body_loses_nothing(void **state)
{
	struct framer framer;
	struct frame frame;

	(void)state;
	begin(&framer, 'D', &frame);
	assert_true(framer_gap(&framer, 96));
	assert_int_equal(next(&framer, "", 0, &frame), FRAMER_MESSAGE);
	assert_false(frame.holed);
}

static void a_gap_inside_a_wanted_body_leaves_a_hole_and_the_framing(void **state)
{
	struct framer framer;
	struct frame frame;

	(void)state;
	begin(&framer, 'E', &frame);
	assert_true(framer_gap(&framer, 90));
	assert_int_equal(next(&framer, "123456", 6, &frame), FRAMER_MESSAGE);
	assert_true(frame.holed);
	assert_int_equal(frame.have, 4);
	framer_reset(&framer);
}

static void a_gap_past_the_end_of_a_message_or_in_its_header_loses_the_framing(void **state)
{
	struct framer framer;
	struct frame frame;

	(void)state;
	begin(&framer, 'D', &frame);
	assert_false(framer_gap(&framer, 97));
	framer_reset(&framer);
	next(&framer, "D\0", 2, &frame);
	assert_false(framer_gap(&framer, 1));
	framer_reset(&framer);
	assert_false(framer_gap(&framer, 1));
}

static void what_no_message_begins_with_is_invalid(void **state)
{
	struct framer framer;
	struct frame frame;

	(void)state;
	framer_init(&framer, rule);
	assert_int_equal(next(&framer, "HTTP/1.1", 8, &frame), FRAMER_INVALID);
	framer_reset(&framer);
	assert_int_equal(next(&framer, "Q\0\0\0\3", 5, &frame),
			 FRAMER_INVALID); /* a length below its own size */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_message_that_lies_whole_is_handed_out_in_place),
	    cmocka_unit_test(a_body_that_comes_whole_after_its_header_is_handed_out_in_place),
	    cmocka_unit_test(a_torn_message_is_gathered),
	    cmocka_unit_test(rows_larger_than_any_buffer_are_skipped_without_one),
	    cmocka_unit_test(a_long_message_gives_its_head_its_tail_and_its_end),
	    cmocka_unit_test(a_gap_inside_a_skipped_body_loses_nothing),
	    cmocka_unit_test(a_gap_inside_a_wanted_body_leaves_a_hole_and_the_framing),
	    cmocka_unit_test(a_gap_past_the_end_of_a_message_or_in_its_header_loses_the_framing),
	    cmocka_unit_test(what_no_message_begins_with_is_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
