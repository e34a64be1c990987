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

int filter_build(struct filter *out, const struct proxy_identity *proxy, const struct classify *table)
{
	const struct address_range *range;

	memset(out, 0, sizeof(*out));
	fill_proxy(out, proxy);
	for (size_t i = 0; (range = classify_range(table, i)); i++) {
		if (is_covered(table, i))
			continue;
		if (out->targets_used == FILTER_MAX_TARGETS)
			return -E2BIG;
		fill_target(&out->targets[out->targets_used++], range);
	}
	return 0;
}
