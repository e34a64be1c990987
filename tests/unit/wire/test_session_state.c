/* SPDX-License-Identifier: MIT */
/* The table of states: what each turn must do to what is known of a connection, from wherever it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "wire/session_state.h"

#define FOR_EACH_STATE(s) for (enum session_state s = 0; s < SESSION_STATES; s++)
#define FOR_EACH_TURN(t)  for (enum session_turn t = 0; t < SESSION_TURNS; t++)

/* The state after a turn, which must be possible. */
static enum session_state after(enum session_state state, enum session_turn turn)
{
	enum session_state next = session_state_after(state, turn);

	assert_true(next < SESSION_STATES);
	return next;
}

static void every_state_ends_and_what_is_not_decoded_only_ends(void **state)
{
	(void)state;
	FOR_EACH_STATE(s)
	{
		assert_int_equal(after(s, TURN_ENDED), SESSION_ENDED);
		if (session_state_decodes(s))
			continue;
		FOR_EACH_TURN(t)
		if (t != TURN_ENDED)
			assert_int_equal(session_state_after(s, t), SESSION_STATES);
	}
}

static void a_loss_takes_the_framing_of_its_direction_and_leaves_the_other(void **state)
{
	(void)state;
	FOR_EACH_STATE(s)
	{
		if (!session_state_decodes(s))
			continue;
		assert_false(session_state_front_framed(after(s, TURN_FRONT_LOST)));
		assert_int_equal(session_state_back_framed(after(s, TURN_FRONT_LOST)),
				 session_state_back_framed(s));
		assert_false(session_state_back_framed(after(s, TURN_BACK_LOST)));
		assert_int_equal(session_state_front_framed(after(s, TURN_BACK_LOST)),
				 session_state_front_framed(s));
		assert_false(session_state_pairs(after(s, TURN_FRONT_LOST)));
		assert_false(session_state_pairs(after(s, TURN_BACK_LOST)));
	}
}

static void framing_is_regained_where_it_is_lost_only_and_pairing_not_with_it(void **state)
{
	(void)state;
	FOR_EACH_STATE(s)
	{
		bool front_lost = session_state_decodes(s) && !session_state_front_framed(s);
		bool back_lost = session_state_decodes(s) && !session_state_back_framed(s);

		assert_int_equal(session_state_after(s, TURN_FRONT_FRAMED) < SESSION_STATES, front_lost);
		assert_int_equal(session_state_after(s, TURN_BACK_FRAMED) < SESSION_STATES, back_lost);
		if (front_lost)
			assert_true(session_state_front_framed(after(s, TURN_FRONT_FRAMED)) &&
				    !session_state_pairs(after(s, TURN_FRONT_FRAMED)));
		if (back_lost)
			assert_true(session_state_back_framed(after(s, TURN_BACK_FRAMED)) &&
				    !session_state_pairs(after(s, TURN_BACK_FRAMED)));
	}
}

static void pairing_becomes_certain_by_proof_or_by_a_start_up_alone(void **state)
{
	(void)state;
	FOR_EACH_STATE(s)
	FOR_EACH_TURN(t)
	{
		enum session_state next = session_state_after(s, t);

		if (next == SESSION_STATES || !session_state_certain(next) || session_state_certain(s))
			continue;
		assert_true(t == TURN_PROVEN || t == TURN_RESTARTED);
		assert_true(t != TURN_PROVEN || s == SESSION_PROVISIONAL);
	}
}

static void each_state_is_reached_and_has_a_name_of_its_own(void **state)
{
	(void)state;
	FOR_EACH_STATE(s)
	{
		bool reached = s == SESSION_STARTUP || s == SESSION_BLIND; /* where sessions begin */

		FOR_EACH_STATE(from)
		{
			FOR_EACH_TURN(t)
			reached |= from != s && session_state_after(from, t) == s;
			assert_true(from == s ||
				    strcmp(session_state_name(from), session_state_name(s)) != 0);
		}
		assert_true(reached);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_state_ends_and_what_is_not_decoded_only_ends),
	    cmocka_unit_test(a_loss_takes_the_framing_of_its_direction_and_leaves_the_other),
	    cmocka_unit_test(framing_is_regained_where_it_is_lost_only_and_pairing_not_with_it),
	    cmocka_unit_test(pairing_becomes_certain_by_proof_or_by_a_start_up_alone),
	    cmocka_unit_test(each_state_is_reached_and_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
