/* SPDX-License-Identifier: MIT */
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* One loop with a pipe and what its handlers saw. */
struct fixture {
	struct loop *loop;
	int pipes[2][2];
	struct loop_source *source[2], *timer, *guard;
	uint32_t what;
	int calls, stop_after;
};

static void give_up(void *ctx, uint32_t what)
{
	struct fixture *f = ctx;

	(void)what;
	loop_stop(f->loop, -1);
}

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.stop_after = 1};
	*state = &f;
	for (int i = 0; i < 2; i++)
		if (pipe2(f.pipes[i], O_NONBLOCK | O_CLOEXEC))
			return -1;
	return loop_new(&f.loop) ?: loop_add_timer(f.loop, 10 * 1000000, 0, give_up, &f, &f.guard);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_free(&f->loop);
	assert_null(f->loop);
	for (int i = 0; i < 4; i++)
		close(f->pipes[i / 2][i % 2]);
	return 0;
}

static void note(void *ctx, uint32_t what)
{
	struct fixture *f = ctx;

	f->what = what;
	if (++f->calls == f->stop_after)
		loop_stop(f->loop, 7);
}

static void a_readable_descriptor_calls_its_handler_and_stop_ends_the_run(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add_fd(f->loop, f->pipes[0][0], EPOLLIN, note, f, &f->source[0]), 0);
	assert_int_equal(write(f->pipes[0][1], "x", 1), 1);
	assert_int_equal(loop_run(f->loop), 7);
	assert_int_equal(f->what, EPOLLIN);
}

static void events_of_a_descriptor_can_be_changed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add_fd(f->loop, f->pipes[0][1], 0, note, f, &f->source[0]), 0);
	assert_int_equal(loop_change_fd(f->source[0], EPOLLOUT), 0);
	assert_int_equal(loop_run(f->loop), 7);
	assert_int_equal(f->what, EPOLLOUT);
}

static void a_descriptor_that_epoll_refuses_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add_fd(f->loop, -1, EPOLLIN, note, f, &f->source[0]), -EBADF);
	assert_null(f->source[0]);
}

static void remove_both(void *ctx, uint32_t what)
{
	struct fixture *f = ctx;

	(void)what;
	f->calls++;
	loop_remove(&f->source[0]);
	loop_remove(&f->source[1]);
	loop_set_timer(f->timer, 1000, 0);
}

static void a_source_removed_by_an_earlier_handler_of_the_batch_is_not_called(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add_timer(f->loop, 0, 0, give_up, f, &f->timer), 0);
	for (int i = 0; i < 2; i++) {
		loop_add_fd(f->loop, f->pipes[i][0], EPOLLIN, remove_both, f, &f->source[i]);
		assert_int_equal(write(f->pipes[i][1], "x", 1), 1);
	}
	assert_int_equal(loop_run(f->loop), -1);
	assert_int_equal(f->calls, 1);
	assert_null(f->source[0]);
	assert_null(f->source[1]);
}

static void a_timer_repeats_and_says_how_often_it_expired(void **state)
{
	struct fixture *f = *state;

	f->stop_after = 3;
	assert_int_equal(loop_add_timer(f->loop, 1000, 1000, note, f, &f->timer), 0);
	assert_int_equal(loop_run(f->loop), 7);
	assert_int_equal(f->calls, 3);
	assert_true(f->what >= 1);
}

static void a_timer_without_interval_fires_once_and_can_be_armed_anew(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add_timer(f->loop, 1000, 0, note, f, &f->timer), 0);
	assert_int_equal(loop_run(f->loop), 7);
	f->stop_after = 2;
	loop_set_timer(f->guard, 30000, 0);
	assert_int_equal(loop_run(f->loop), -1);
	assert_int_equal(f->calls, 1);
	loop_set_timer(f->guard, 10000000, 0);
	assert_int_equal(loop_set_timer(f->timer, 1000, 0), 0);
	assert_int_equal(loop_run(f->loop), 7);
}

static void disarm(void *ctx, uint32_t what)
{
	struct fixture *f = ctx;

	(void)what;
	f->calls++;
	loop_set_timer(f->source[0], 0, 0);
	loop_set_timer(f->source[1], 0, 0);
	loop_set_timer(f->guard, 20000, 0);
}

static void a_timer_disarmed_after_it_expired_does_not_call(void **state)
{
	struct fixture *f = *state;
	struct timespec pause = {.tv_nsec = 3000000};

	for (int i = 0; i < 2; i++)
		assert_int_equal(loop_add_timer(f->loop, 1000, 0, disarm, f, &f->source[i]), 0);
	nanosleep(&pause, NULL); /* both expire before the loop looks: one batch */
	assert_int_equal(loop_run(f->loop), -1);
	assert_int_equal(f->calls, 1);
}

static void signals_arrive_as_events_and_sigpipe_is_ignored(void **state)
{
	struct fixture *f = *state;
	int signals[] = {SIGHUP, SIGUSR1};

	assert_int_equal(loop_add_signals(f->loop, signals, 2, note, f), 0);
	close(f->pipes[0][0]);
	assert_int_equal(write(f->pipes[0][1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	raise(SIGHUP);
	assert_int_equal(loop_run(f->loop), 7);
	assert_int_equal(f->what, SIGHUP);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_readable_descriptor_calls_its_handler_and_stop_ends_the_run),
	    CASE(events_of_a_descriptor_can_be_changed),
	    CASE(a_descriptor_that_epoll_refuses_is_an_error),
	    CASE(a_source_removed_by_an_earlier_handler_of_the_batch_is_not_called),
	    CASE(a_timer_repeats_and_says_how_often_it_expired),
	    CASE(a_timer_without_interval_fires_once_and_can_be_armed_anew),
	    CASE(a_timer_disarmed_after_it_expired_does_not_call),
	    CASE(signals_arrive_as_events_and_sigpipe_is_ignored),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
