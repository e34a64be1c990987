/* SPDX-License-Identifier: MIT */
#include "mirror.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "loop.h"
#include "message.h"
#include "pool.h"
#include "proxy.h"
#include "request.h"
#include "statement.h"

#define FACTOR_MAX 1000.0

struct task {
	struct task *next, *previous;
	struct mirror *mirror;
	struct request *first, *last; /* waiting */
	unsigned queued;
	struct request *current; /* taken from the queue */
	struct cycle *cycle;     /* of current: under way, or NULL when all are done */
	unsigned sent;           /* statements of cycle that were sent */
	struct tally unsent;     /* statements of current that are still in depth */
	struct borrower borrower;
	struct slot *slot;
	struct timer rest; /* until the next request may start */
	uint64_t started;
	bool preparing; /* the answer to a Parse+Sync is due, the cycle is not yet written */
	bool tidying;   /* that to the ROLLBACK of what the replay left open */
	bool orphan, ended;
};

struct mirror {
	struct proxy *proxy;
	struct pool *pool;
	struct task *tasks;
	bool paused;
	double factor;
	unsigned drop, reorder;
};

static void end_task(struct task *task)
{
	struct mirror *mirror = task->mirror;

	*(task->previous ? &task->previous->next : &mirror->tasks) = task->next;
	if (task->next)
		task->next->previous = task->previous;
	task->ended = true;
	mirror->proxy->truth.tasks--;
	loop_free_later(mirror->proxy->loop, task);
}

static struct request *take(struct task *task)
{
	struct request **at = &task->first;

	if (task->mirror->reorder && task->queued > 1) {
		task->mirror->reorder--;
		task->mirror->proxy->truth.reordered++;
		at = &task->first->next;
	}
	struct request *request = *at;
	*at = request->next;
	if (task->last == request)
		task->last = at == &task->first ? NULL : task->first;
	task->queued--;
	task->mirror->proxy->truth.queued_requests--;
	return request;
}

/* Starts the next request unless something is in the way. */
static void proceed(struct task *task)
{
	if (task->ended || task->current || task->rest.armed)
		return;
	if (!task->first) {
		if (task->orphan)
			end_task(task);
		return;
	}
	if (task->mirror->paused)
		return;
	task->current = take(task);
	task->cycle = task->current->first;
	task->sent = 0;
	task->unsent = task->current->statements;
	pool_borrow(task->mirror->pool, &task->borrower);
}

static void on_rested(void *ctx)
{
	proceed(ctx);
}

/* What the request costs beyond its real time: an exponential service time, and `factor` on both. */
static uint64_t extra_ns(struct task *task)
{
	struct mirror *mirror = task->mirror;
	double took = (double)(loop_now() - task->started);
	double service = (double)mirror->proxy->options.service_ns;

	service *= -log(1 - erand48(mirror->proxy->random));
	return (uint64_t)(service * mirror->factor + took * (mirror->factor - 1));
}

static void finish(struct task *task, bool failed)
{
	struct truth *truth = &task->mirror->proxy->truth;
	uint64_t extra = failed ? 0 : extra_ns(task);

	tally_add_all(&truth->depth, task->unsent, -1);
	truth->abandoned += (uint64_t)task->unsent.all;
	truth->failed_requests += failed;
	truth->replayed_requests += !failed;
	request_free(&task->current);
	task->slot = NULL;
	if (extra)
		loop_timer_start(task->mirror->proxy->loop, &task->rest, extra);
	else if (failed) /* not from within the pool: a mirror that refuses must not recurse */
		loop_timer_start(task->mirror->proxy->loop, &task->rest, 1);
}

/* A statement that a message of the cycle needs and the connection lacks, or -ENOENT. */
static int missing_statement(const struct cycle *cycle, const struct backend *backend)
{
	size_t at = 0;
	struct framer framer = {0};

	while (at < cycle->bytes.len) {
		long len = framer_feed(&framer, buffer_at(&cycle->bytes, at), cycle->bytes.len - at);
		const char *name;
		size_t offset;
		if (len <= 0)
			break;
		const uint8_t *message = buffer_at(&cycle->bytes, at);
		if (*message != 'C' && message_statement_name(message, (size_t)len, &name, &offset)) {
			int number = statement_parse_name(name);
			if (number >= 0 && backend_lacks(backend, (unsigned)number))
				return number;
		}
		at += (size_t)len;
	}
	return -ENOENT;
}

/* Parse and Close of a named statement stay away: sessions keep what was prepared on them. */
static bool wanted(const uint8_t *message, size_t len)
{
	const char *name;
	size_t offset;

	if (*message != 'P' && *message != 'C')
		return true;
	return !message_statement_name(message, len, &name, &offset) || statement_parse_name(name) < 0;
}

/* Writes the cycle; returns the number of answers that are due, 0 when nothing was left to send. */
static unsigned write_cycle(const struct cycle *cycle, struct backend *backend)
{
	struct buffer out = {0};
	struct framer framer = {0};
	unsigned answers = 0;
	bool substance = false;

	for (size_t at = 0; at < cycle->bytes.len;) {
		const uint8_t *message = buffer_at(&cycle->bytes, at);
		long len = framer_feed(&framer, message, cycle->bytes.len - at);
		if (len <= 0)
			break;
		at += (size_t)len;
		if (!wanted(message, (size_t)len))
			continue;
		answers += *message == 'Q' || *message == 'F' || *message == 'S';
		substance |= *message != 'S' && *message != 'H';
		buffer_append(&out, message, (size_t)len);
		if (*message != 'Q' && *message != 'F' && *message != 'E')
			continue;
		backend_write(backend, out.data + out.start, out.len);
		backend_mark(backend);
		buffer_consume(&out, out.len);
	}
	if (substance)
		backend_write(backend, out.data + out.start, out.len);
	buffer_free(&out);
	return substance ? answers : 0;
}

static void replay(struct task *task)
{
	struct backend *backend = pool_backend(task->slot);

	while (task->cycle) {
		int missing = missing_statement(task->cycle, backend);
		if (missing >= 0) {
			task->preparing = true;
			backend_prepare(backend, (unsigned)missing);
			return;
		}
		unsigned answers = write_cycle(task->cycle, backend);
		task->sent = 0;
		if (answers) {
			backend_expect(backend, answers, task->cycle->extended, task->cycle->copied);
			backend_flush(backend);
			return;
		}
		task->cycle = task->cycle->next;
	}
	struct slot *slot = task->slot;
	finish(task, false);
	pool_return(task->mirror->pool, slot);
	proceed(task);
}

static void on_lent(void *ctx, struct slot *slot)
{
	struct task *task = ctx;

	task->slot = slot;
	task->started = loop_now();
	backend_begin(pool_backend(slot));
	replay(task);
}

static void on_sent(void *ctx, uint64_t now_ns)
{
	struct task *task = ctx;
	struct truth *truth = &task->mirror->proxy->truth;

	truth->mirror++;
	if (!task->cycle)
		return;
	uint64_t primary_ns = cycle_time(task->cycle, task->sent);
	bool control = cycle_control(task->cycle, task->sent++);
	if (!primary_ns)
		return;
	tally_add(&task->unsent, control, -1);
	tally_add(&truth->depth, control, -1);
	if (!control)
		truth_lag(truth, primary_ns, now_ns);
}

static void on_done(void *ctx, uint8_t status)
{
	struct task *task = ctx;
	bool tidied = task->tidying;

	if (task->cycle && !task->preparing)
		task->cycle = task->cycle->next;
	task->preparing = task->tidying = false;
	if (!task->cycle && status != 'I' && !tidied) {
		task->tidying = true;
		backend_query(pool_backend(task->slot), "ROLLBACK");
		return;
	}
	replay(task);
}

static void on_failed(void *ctx)
{
	struct task *task = ctx;

	task->preparing = task->tidying = false;
	finish(task, true);
}

static const struct pool_ops pool_ops = {
    .lent = on_lent, .sent = on_sent, .done = on_done, .failed = on_failed};

int mirror_new(struct mirror **out, struct proxy *proxy)
{
	struct mirror *mirror = calloc(1, sizeof(*mirror));

	if (!mirror)
		return -ENOMEM;
	mirror->proxy = proxy;
	mirror->factor = 1;
	int err = pool_new(&mirror->pool, proxy, &pool_ops);
	if (err) {
		free(mirror);
		return err;
	}
	*out = mirror;
	return 0;
}

static void free_requests(struct task *task)
{
	request_free(&task->current);
	while (task->first) {
		struct request *next = task->first->next;
		request_free(&task->first);
		task->first = next;
	}
}

void mirror_free(struct mirror **mirror)
{
	if (!*mirror)
		return;
	for (struct task *task = (*mirror)->tasks, *next; task; task = next) {
		next = task->next;
		loop_timer_stop((*mirror)->proxy->loop, &task->rest);
		free_requests(task);
		end_task(task);
	}
	pool_free(&(*mirror)->pool);
	free(*mirror);
	*mirror = NULL;
}

int mirror_task_new(struct task **out, struct mirror *mirror)
{
	struct task *task = calloc(1, sizeof(*task));

	if (!task)
		return -ENOMEM;
	task->mirror = mirror;
	task->borrower.ctx = task;
	task->rest = (struct timer){.fn = on_rested, .ctx = task};
	task->next = mirror->tasks;
	if (task->next)
		task->next->previous = task;
	mirror->tasks = task;
	mirror->proxy->truth.tasks++;
	*out = task;
	return 0;
}

void mirror_task_release(struct task **taskp)
{
	struct task *task = *taskp;

	*taskp = NULL;
	if (!task)
		return;
	task->orphan = true;
	proceed(task);
}

void mirror_enqueue(struct task *task, struct request *request)
{
	struct proxy *proxy = task->mirror->proxy;

	if (request->lost || task->queued >= proxy->options.queue || mirror_take_drop(task->mirror)) {
		proxy->truth.dropped += (uint64_t)request->statements.all;
		proxy->truth.dropped_requests++;
		tally_add_all(&proxy->truth.depth, request->statements, -1);
		request_free(&request);
		return;
	}
	request->next = NULL;
	*(task->last ? &task->last->next : &task->first) = request;
	task->last = request;
	task->queued++;
	proxy->truth.queued_requests++;
	proxy->truth.enqueued += (uint64_t)request->statements.all;
	proxy->truth.enqueued_requests++;
	proceed(task);
}

void mirror_pause(struct mirror *mirror, bool on)
{
	mirror->paused = on;
	for (struct task *task = mirror->tasks, *next; task && !on; task = next) {
		next = task->next;
		proceed(task);
	}
}

bool mirror_paused(const struct mirror *mirror)
{
	return mirror->paused;
}

void mirror_slow(struct mirror *mirror, double factor)
{
	mirror->factor = factor < 1 ? 1 : factor > FACTOR_MAX ? FACTOR_MAX : factor;
}

void mirror_drop(struct mirror *mirror, unsigned n)
{
	mirror->drop = n;
}

bool mirror_take_drop(struct mirror *mirror)
{
	if (!mirror->drop)
		return false;
	mirror->drop--;
	return true;
}

void mirror_reorder(struct mirror *mirror, unsigned n)
{
	mirror->reorder = n;
}
