/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "match/pending.h"

#define KEYS    3000
#define ENTRIES 6000

static uint64_t key_of(unsigned i)
{
	return (uint64_t)i * 0x123456789abcdefull + 1;
}

/* All entries of a key, oldest first, are `expected` in number and in order of time. */
static void check_key(const struct pending *pending, unsigned key, unsigned expected)
{
	uint32_t oldest = pending_find(pending, key_of(key)), index = oldest;
	unsigned seen = 0;

	if (!oldest) {
		assert_int_equal(expected, 0);
		return;
	}
	do {
		uint32_t next = pending_at(pending, index)->same.younger;

		assert_int_equal(pending_at(pending, index)->key, key_of(key));
		assert_int_equal(pending_at(pending, next)->same.older, index);
		if (next != oldest)
			assert_true(pending_at(pending, next)->time >= pending_at(pending, index)->time);
		seen++;
		index = next;
	} while (index != oldest);
	assert_int_equal(seen, expected);
}

static void whatever_is_added_and_removed_the_index_finds_what_is_there(void **ctx)
{
	static unsigned count[KEYS], key[ENTRIES + 1];
	static uint32_t alive[ENTRIES];
	struct pending pending;
	unsigned n = 0;

	(void)ctx;
	assert_int_equal(pending_init(&pending, ENTRIES), 0);
	srandom(7);
	for (unsigned step = 0; step < 200000; step++) {
		if (n < ENTRIES && (n == 0 || random() % 100 < 52)) {
			uint32_t index = pending_take(&pending);

			assert_true(index > 0 && index <= ENTRIES);
			key[index] = (unsigned)random() % KEYS;
			pending_at(&pending, index)->time = step;
			pending_add(&pending, index, key_of(key[index]));
			count[key[index]]++;
			alive[n++] = index;
		} else {
			unsigned victim = (unsigned)random() % n;
			uint32_t index = alive[victim];

			pending_remove(&pending, index);
			pending_give(&pending, index);
			count[key[index]]--;
			alive[victim] = alive[--n];
		}
		if (step % 1000 == 0)
			for (unsigned k = 0; k < KEYS; k++)
				check_key(&pending, k, count[k]);
	}
	pending_done(&pending);
}

static void at_the_bound_there_is_no_room(void **ctx)
{
	struct pending pending;
	uint32_t first;

	(void)ctx;
	assert_int_equal(pending_init(&pending, 3), 0);
	first = pending_take(&pending);
	assert_true(pending_take(&pending) && pending_take(&pending));
	assert_int_equal(pending_take(&pending), 0);
	pending_give(&pending, first);
	assert_int_equal(pending_take(&pending), first);
	pending_done(&pending);
}

static void the_list_by_age_puts_a_late_comer_where_its_time_belongs(void **ctx)
{
	const uint64_t times[] = {10, 30, 20, 5}, sorted[] = {5, 10, 20, 30};
	struct age_list list = {0};
	struct pending pending;
	uint32_t index;

	(void)ctx;
	assert_int_equal(pending_init(&pending, 10), 0);
	for (unsigned i = 0; i < 4; i++) {
		index = pending_take(&pending);
		pending_at(&pending, index)->time = times[i];
		pending_age_add(&pending, &list, index);
	}
	index = list.oldest;
	for (unsigned i = 0; i < 4; i++, index = pending_at(&pending, index)->age_next)
		assert_int_equal(pending_at(&pending, index)->time, sorted[i]);
	assert_int_equal(index, 0);
	while (list.oldest)
		pending_age_remove(&pending, &list, list.oldest);
	assert_int_equal(list.count, 0);
	assert_int_equal(list.youngest, 0);
	pending_done(&pending);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whatever_is_added_and_removed_the_index_finds_what_is_there),
	    cmocka_unit_test(at_the_bound_there_is_no_room),
	    cmocka_unit_test(the_list_by_age_puts_a_late_comer_where_its_time_belongs),
	};

	return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
