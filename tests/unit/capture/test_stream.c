/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/stream.h"

/* What came out, as text: ">abc" sent, "<abc" received, "|" after the last bytes of a call, ">[5 ring]" a
 * gap. */
struct output {
	struct stream *stream;
	char text[1024];
	const void *last_data;
	unsigned int displaced;
};

static void on_bytes(void *ctx, enum event_direction direction, const uint8_t *data, size_t len,
		     uint64_t time_ns, bool last)
{
	struct output *output = ctx;
	size_t at = strlen(output->text);

	assert_true(time_ns > 0);
	output->last_data = data;
	snprintf(output->text + at, sizeof(output->text) - at, "%c%.*s%s ", "><"[direction], (int)len,
		 (const char *)data, last ? "|" : "");
}

static void on_gap(void *ctx, enum event_direction direction, uint64_t len, uint64_t time_ns,
		   enum event_loss why)
{
	struct output *output = ctx;
	size_t at = strlen(output->text);

	(void)time_ns;
	snprintf(output->text + at, sizeof(output->text) - at, "%c[%llu %d] ", "><"[direction],
		 (unsigned long long)len, why);
}

static void on_displaced(void *ctx)
{
	struct output *output = ctx;

	output->displaced++;
}

static void open_with(struct output *output, uint32_t hold_max)
{
	const struct stream_options options = {hold_max, STREAM_GAP_AFTER};
	const struct stream_sink sink = {output, on_bytes, on_gap, on_displaced};

	memset(output, 0, sizeof(*output));
	assert_int_equal(stream_new(&output->stream, &options, &sink), 0);
}

struct given {
	uint32_t pos;
	const char *data;
	uint32_t send_pos, missed, missed_other;
	uint8_t flags, loss;
	uint32_t lost;
	uint64_t time;
};

static const void *give(struct output *output, enum event_direction direction, struct given given)
{
	static _Alignas(8) char room[sizeof(struct event_data) + 256];
	struct event_data *record = (struct event_data *)room;
	size_t len = given.data ? strlen(given.data) : 0;

	memset(room, 0, sizeof(room));
	record->h.time = given.time ? given.time : 1;
	record->h.direction = direction;
	record->h.flags = given.flags;
	record->h.loss = given.loss;
	record->h.send_pos = given.send_pos;
	record->pos = given.pos;
	record->captured = len;
	record->len = len + given.lost;
	record->missed = given.missed;
	record->missed_other = given.missed_other;
	if (len)
		memcpy(record->data, given.data, len);
	stream_data(output->stream, record);
	return record->data;
}

static void shut(struct output *output)
{
	stream_free(&output->stream);
}

static void bytes_in_order_go_through_without_a_copy(void **state)
{
	struct output o;
	const void *data;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, 100, 500);
	data = give(&o, DIRECTION_SEND, (struct given){.pos = 100, .data = "abc", .flags = EVENT_F_LAST});
	assert_ptr_equal(o.last_data, data);
	give(&o, DIRECTION_RECV, (struct given){.pos = 500, .data = "xyz", .send_pos = 103});
	give(&o, DIRECTION_RECV,
	     (struct given){.pos = 503, .data = "!", .send_pos = 103, .flags = EVENT_F_LAST});
	assert_string_equal(o.text, ">abc| <xyz <!| ");
	assert_false(stream_waits(o.stream));
	shut(&o);
}

static void positions_wrap_around(void **state)
{
	struct output o;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, UINT32_MAX - 1, 0);
	give(&o, DIRECTION_SEND, (struct given){.pos = UINT32_MAX - 1, .data = "abcd"});
	give(&o, DIRECTION_SEND, (struct given){.pos = 5, .data = "hij"});
	give(&o, DIRECTION_SEND, (struct given){.pos = 2, .data = "efg"});
	assert_string_equal(o.text, ">abcd >efg >hij ");
	shut(&o);
}

static void what_was_delivered_already_is_trimmed(void **state)
{
	struct output o;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, 0, 0);
	give(&o, DIRECTION_SEND, (struct given){.pos = 0, .data = "abcd"});
	give(&o, DIRECTION_SEND, (struct given){.pos = 0, .data = "abcd"});
	give(&o, DIRECTION_SEND, (struct given){.pos = 2, .data = "cdef"});
	assert_string_equal(o.text, ">abcd >ef ");
	shut(&o);
}

static void a_receive_waits_for_the_sends_before_it(void **state)
{
	struct output o;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, 0, 0);
	give(&o, DIRECTION_RECV, (struct given){.pos = 0, .data = "answer", .send_pos = 3});
	assert_string_equal(o.text, "");
	give(&o, DIRECTION_SEND, (struct given){.pos = 0, .data = "ask"});
	assert_string_equal(o.text, ">ask <answer ");
	assert_false(stream_waits(o.stream));
	shut(&o);
}

static void a_gap_that_the_ring_accounts_for_is_declared_at_once(void **state)
{
	struct output o;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, 0, 0);
	give(&o, DIRECTION_SEND, (struct given){.pos = 0, .data = "ab"});
	give(&o, DIRECTION_SEND, (struct given){.pos = 12, .data = "cd", .missed = 10});
	give(&o, DIRECTION_SEND, (struct given){.pos = 14, .data = "ef", .missed = 10});
	assert_string_equal(o.text, ">ab >[10 1] >cd >ef ");
	shut(&o);
}

static void a_record_that_was_not_captured_is_a_gap_with_its_reason(void **state)
{
	struct output o;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, 0, 0);
	give(&o, DIRECTION_SEND, (struct given){.pos = 0, .lost = 7, .loss = LOSS_UNREADABLE});
	give(&o, DIRECTION_SEND, (struct given){.pos = 7, .data = "ab"});
	assert_string_equal(o.text, ">[7 2] >ab ");
	shut(&o);
}

static void an_unexplained_gap_is_declared_after_a_while(void **state)
{
	struct output o;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, 0, 0);
	give(&o, DIRECTION_RECV, (struct given){.pos = 5, .data = "late", .time = 1000});
	stream_tick(o.stream, 1000 + STREAM_GAP_AFTER - 1);
	assert_string_equal(o.text, "");
	stream_tick(o.stream, 1000 + STREAM_GAP_AFTER);
	assert_string_equal(o.text, "<[5 0] <late ");
	shut(&o);
}

static void what_is_held_back_is_bounded_and_what_goes_early_is_counted(void **state)
{
	struct output o;
	unsigned int delivered = 0;

	(void)state;
	open_with(&o, 300); /* four records with their heads */
	stream_base(o.stream, 0, 0);
	for (uint32_t i = 0; i < 100; i++) {
		give(&o, DIRECTION_SEND, (struct given){.pos = 10 + 4 * i, .data = "ab"});
		delivered += strstr(o.text, ">ab") != NULL;
		o.text[0] = 0;
	}
	assert_int_equal(delivered, 96);
	assert_int_equal(o.displaced, 96);
	shut(&o);
}

static void the_fin_is_no_gap(void **state)
{
	struct output o;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, 0, 0);
	give(&o, DIRECTION_RECV, (struct given){.pos = 0, .data = "ab"});
	give(&o, DIRECTION_RECV, (struct given){.pos = 3, .data = "end", .flags = EVENT_F_FIN});
	assert_string_equal(o.text, "<ab <end ");
	shut(&o);
}

static void without_a_base_the_first_record_decides_less_what_was_lost(void **state)
{
	struct output o;

	(void)state;
	open_with(&o, 4096);
	give(&o, DIRECTION_SEND, (struct given){.pos = 1000, .data = "abc"});
	give(&o, DIRECTION_RECV, (struct given){.pos = 77, .data = "xyz", .send_pos = 1003, .missed = 7});
	assert_string_equal(o.text, ">abc <[7 1] <xyz ");
	shut(&o);
}

static void the_end_delivers_all_that_was_held_back(void **state)
{
	struct output o;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, 0, 0);
	give(&o, DIRECTION_RECV, (struct given){.pos = 0, .data = "xyz", .send_pos = 4});
	give(&o, DIRECTION_SEND, (struct given){.pos = 2, .data = "cd"});
	stream_flush(o.stream, 5);
	assert_string_equal(o.text, ">[2 0] >cd <xyz ");
	assert_false(stream_waits(o.stream));
	shut(&o);
}

/* TCP has moved nothing: every record of a direction has the position of its beginning. */
static void what_is_redirected_follows_in_the_order_of_its_records(void **state)
{
	const uint8_t flags = EVENT_F_REDIRECTED | EVENT_F_LAST;
	struct output o;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, 100, 500);
	give(&o, DIRECTION_SEND,
	     (struct given){.pos = 100 - 3, .data = "abc", .flags = flags, .send_pos = 100});
	give(&o, DIRECTION_RECV,
	     (struct given){.pos = 500 - 4, .data = "vxyz", .flags = flags, .send_pos = 100});
	give(&o, DIRECTION_SEND,
	     (struct given){.pos = 100 - 2, .data = "de", .flags = flags, .send_pos = 100});
	give(&o, DIRECTION_RECV,
	     (struct given){.pos = 500 - 1, .data = "!", .flags = flags, .send_pos = 100});
	assert_string_equal(o.text, ">abc| <vxyz| >de| <!| ");
	assert_false(stream_waits(o.stream));
	shut(&o);
}

static void what_the_ring_lost_of_the_redirected_is_a_gap_before_what_follows(void **state)
{
	const uint8_t flags = EVENT_F_REDIRECTED;
	struct event_state end = {.h.time = 9, .h.send_pos = 100, .h.recv_pos = 500, .missed = {5, 20}};
	struct output o;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, 100, 500);
	give(&o, DIRECTION_SEND, (struct given){.pos = 97, .data = "abc", .flags = flags, .send_pos = 100});
	give(&o, DIRECTION_RECV,
	     (struct given){
		 .pos = 499, .data = "x", .flags = flags, .send_pos = 100, .missed = 7, .missed_other = 5});
	give(&o, DIRECTION_RECV,
	     (struct given){
		 .pos = 498, .data = "yz", .flags = flags, .send_pos = 100, .missed = 7, .missed_other = 5});
	assert_string_equal(o.text, ">abc >[5 1] <[7 1] <x <yz ");
	stream_state(o.stream, &end);
	stream_flush(o.stream, 10);
	assert_string_equal(o.text, ">abc >[5 1] <[7 1] <x <yz <[13 1] ");
	shut(&o);
}

/* Verdicts may let some pass to TCP: its positions go on from where they stood. */
static void what_goes_by_tcp_after_all_is_where_tcp_says(void **state)
{
	struct output o;

	(void)state;
	open_with(&o, 4096);
	stream_base(o.stream, 100, 500);
	give(&o, DIRECTION_SEND, (struct given){.pos = 100, .data = "abc", .flags = EVENT_F_REDIRECTED});
	give(&o, DIRECTION_SEND, (struct given){.pos = 105, .data = "fg", .flags = EVENT_F_REDIRECTED});
	assert_string_equal(o.text, ">abc ");
	give(&o, DIRECTION_SEND, (struct given){.pos = 103, .data = "de", .flags = EVENT_F_REDIRECTED});
	assert_string_equal(o.text, ">abc >de >fg ");
	shut(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_in_order_go_through_without_a_copy),
	    cmocka_unit_test(positions_wrap_around),
	    cmocka_unit_test(what_was_delivered_already_is_trimmed),
	    cmocka_unit_test(a_receive_waits_for_the_sends_before_it),
	    cmocka_unit_test(a_gap_that_the_ring_accounts_for_is_declared_at_once),
	    cmocka_unit_test(a_record_that_was_not_captured_is_a_gap_with_its_reason),
	    cmocka_unit_test(an_unexplained_gap_is_declared_after_a_while),
	    cmocka_unit_test(what_is_held_back_is_bounded_and_what_goes_early_is_counted),
	    cmocka_unit_test(the_fin_is_no_gap),
	    cmocka_unit_test(without_a_base_the_first_record_decides_less_what_was_lost),
	    cmocka_unit_test(the_end_delivers_all_that_was_held_back),
	    cmocka_unit_test(what_is_redirected_follows_in_the_order_of_its_records),
	    cmocka_unit_test(what_the_ring_lost_of_the_redirected_is_a_gap_before_what_follows),
	    cmocka_unit_test(what_goes_by_tcp_after_all_is_where_tcp_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
