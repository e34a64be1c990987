/* SPDX-License-Identifier: MIT */
/*
 * mirror - replays requests as PgDog does: one task for each client with a bounded FIFO, which outlives the
 * client, on pooled connections. Owns tasks, pool and the commands' state.
 */
#ifndef TESTPROXY_MIRROR_H
#define TESTPROXY_MIRROR_H

#include <stdbool.h>

struct backend;
struct mirror;
struct proxy;
struct request;
struct task;

int mirror_new(struct mirror **out, struct proxy *proxy);
void mirror_free(struct mirror **mirror);

int mirror_task_new(struct task **out, struct mirror *mirror);
/* The client is gone; the task ends by itself when its queue is empty. */
void mirror_task_release(struct task **task);
/* Takes the request, whose statements are in the truth's depth; drops it when the queue is full. */
void mirror_enqueue(struct task *task, struct request *request);

void mirror_pause(struct mirror *mirror, bool on);
bool mirror_paused(const struct mirror *mirror);
/* 1 = as fast as it is. Multiplies the time each request takes, `service` included. */
void mirror_slow(struct mirror *mirror, double factor);
/* Drops the next n requests (pgcat: cycles) as a full queue would. */
void mirror_drop(struct mirror *mirror, unsigned n);
/* True when one of those is to be dropped; counts down. */
bool mirror_take_drop(struct mirror *mirror);
/* The next n times that a task finds two or more requests it takes the second one first. */
void mirror_reorder(struct mirror *mirror, unsigned n);

#endif
