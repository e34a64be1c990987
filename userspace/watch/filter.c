/* SPDX-License-Identifier: MIT */
#include "watch/filter.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(((struct filter_target *)0)->path) == sizeof(((struct address_range *)0)->path),
	       "sun_path");

static void fill_proxy(struct filter *out, const struct proxy_identity *proxy)
{
	out->select = (proxy->by_comm ? FILTER_BY_COMM : 0) | (proxy->by_exe ? FILTER_BY_EXE : 0) |
		      (proxy->by_pid ? FILTER_BY_PID : 0) | (proxy->by_cgroup ? FILTER_BY_CGROUP : 0);
	memcpy(out->comm, proxy->comm, sizeof(out->comm));
	out->exe_dev = proxy->exe_dev;
	out->exe_ino = proxy->exe_ino;
	out->exe_before_dev = proxy->exe_before_dev;
	out->exe_before_ino = proxy->exe_before_ino;
	out->pid = proxy->pid;
	out->pidns = proxy->pidns;
	out->cgroup_id = proxy->cgroup_id;
}

static bool covers(const struct address_range *wide, const struct address_range *narrow)
{
	return address_range_overlaps(wide, narrow) && wide->prefix_len <= narrow->prefix_len;
}

/* True when another range makes the i-th one needless; of equal ones the first stays. */
static bool is_covered(const struct classify *table, size_t i)
{
	const struct address_range *mine = classify_range(table, i), *other;

	for (size_t j = 0; (other = classify_range(table, j)); j++)
		if (j != i && covers(other, mine) && (j < i || !covers(mine, other)))
			return true;
	return false;
}

static void fill_target(struct filter_target *out, const struct address_range *range)
{
	out->family = range->family;
	if (range->family == ADDRESS_UNIX) {
		memcpy(out->path, range->path, sizeof(out->path));
		return;
	}
	memcpy(out->addr, range->base.ip, sizeof(out->addr));
	out->port = range->base.port;
	out->prefix_len = range->prefix_len;
}

/* ------------------------------------------------------------------------- Unix-domain targets */

static uint32_t unix_count(const struct filter *filter)
{
	uint32_t count = 0;

	while (count < FILTER_MAX_TARGETS && filter->targets[count].family == ADDRESS_UNIX)
		count++;
	return count;
}

/* The index of a path, or of an empty target for "". */
static uint32_t find_path(const struct filter *filter, uint32_t count, const char *path)
{
	uint32_t i = 0;

	while (i < count && strcmp(filter->targets[i].path, path) != 0)
		i++;
	return i;
}

/* Their indices stay, those whose path is gone become empty. */
static void keep_paths(struct filter *out, const struct filter *before, const struct classify *table)
{
	const struct address_range *range;
	uint32_t count = unix_count(before);

	if (!classify_range(table, 0) || classify_range(table, 0)->family != ADDRESS_UNIX)
		return;
	for (uint32_t i = 0; i < count; i++)
		out->targets[i].family = ADDRESS_UNIX;
	for (size_t i = 0; (range = classify_range(table, i)) && range->family == ADDRESS_UNIX; i++) {
		uint32_t at = find_path(before, count, range->path);

		if (at < count)
			fill_target(&out->targets[at], range);
	}
	out->targets_used = count;
}

/* Where a target that was not there before goes. */
static struct filter_target *place_for(struct filter *out, const struct address_range *range)
{
	uint32_t count = unix_count(out);

	if (range->family == ADDRESS_UNIX && find_path(out, count, range->path) < count)
		return NULL; /* it has kept its own */
	if (range->family == ADDRESS_UNIX && count >= FILTER_UNIX_KEPT && find_path(out, count, "") < count)
		return &out->targets[find_path(out, count, "")];
	return &out->targets[out->targets_used++];
}

int filter_build(struct filter *out, const struct proxy_identity *proxy, const struct classify *table)
{
	const struct filter before = *out;
	const struct address_range *range;
	struct filter_target *target;

	memset(out, 0, sizeof(*out));
	fill_proxy(out, proxy);
	keep_paths(out, &before, table);
	for (size_t i = 0; (range = classify_range(table, i)); i++) {
		if (is_covered(table, i))
			continue;
		if (out->targets_used == FILTER_MAX_TARGETS)
			return -E2BIG;
		target = place_for(out, range);
		if (target)
			fill_target(target, range);
	}
	return 0;
}

const char *filter_path(const struct filter *filter, uint32_t target)
{
	if (target >= FILTER_MAX_TARGETS || filter->targets[target].family != ADDRESS_UNIX)
		return NULL;
	return *filter->targets[target].path ? filter->targets[target].path : NULL;
}
