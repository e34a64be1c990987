/* SPDX-License-Identifier: MIT */
#include "stats/pinned.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "stats.skel.h"
#include "stats/bpffs.h"
#include "stats/layout.h"

/* One map: the file descriptor only while opening, the memory until pinned_free. */
struct pinned_map {
	int fd;
	void *memory;
	size_t bytes;
	uint32_t entries;
};

struct pinned {
	const char *pin;
	int lock; /* file descriptor that holds the lock, or -1 */
	struct pinned_map stats, observer;
	char *error;
	size_t error_len;
};

__attribute__((format(printf, 3, 4))) static int fail(struct pinned *p, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->error, p->error_len, format, args);
	va_end(args);
	return rc;
}

static int pin_path(char *path, size_t len, const char *pin, const char *name)
{
	return snprintf(path, len, "%s/%s", pin, name) < (int)len ? 0 : -ENAMETOOLONG;
}

static int map_info(int fd, struct bpf_map_info *info)
{
	uint32_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len) < 0 ? -errno : 0;
}

static void map_close(struct pinned_map *map)
{
	if (map->memory)
		munmap(map->memory, map->bytes);
	if (map->fd >= 0)
		close(map->fd);
	*map = (struct pinned_map){.fd = -1};
}

static int map_memory(struct pinned_map *map)
{
	struct bpf_map_info info;
	int rc = map_info(map->fd, &info);

	if (rc < 0)
		return rc;
	map->entries = info.max_entries;
	/* Elements of an array map are 8-byte aligned (kernel/bpf/arraymap.c); ours are multiples of 8. */
	map->bytes = (size_t)info.max_entries * info.value_size;
	map->memory = mmap(NULL, map->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);
	if (map->memory != MAP_FAILED)
		return 0;
	map->memory = NULL;
	return -errno;
}

static struct pinned_map map_open_pin(const char *pin, const char *name)
{
	struct pinned_map map = {.fd = -1};
	char path[PATH_MAX];

	if (pin_path(path, sizeof(path), pin, name) == 0)
		map.fd = bpf_obj_get(path);
	return map;
}

/* Beside the old pin first, then over it, so that there is no moment without one. */
static int map_pin(struct pinned *p, const struct pinned_map *map, const char *name)
{
	char path[PATH_MAX], fresh[PATH_MAX];

	if (pin_path(path, sizeof(path), p->pin, name) < 0 || strlen(path) + 5 > sizeof(fresh))
		return fail(p, -ENAMETOOLONG, "pin: %s is too long", p->pin);
	stpcpy(stpcpy(fresh, path), "_new");
	unlink(fresh);
	if (bpf_obj_pin(map->fd, fresh) < 0 || rename(fresh, path) < 0)
		return fail(p, -errno, "cannot pin the statistics as %s: %s", path, strerror(errno));
	return 0;
}

/* --------------------------------------------------------------------------------------- continuing a pin */

/* Whether two BTF types, each of its own BTF, are the same to a reader of the memory: kinds, sizes, offsets
 * and member names. Integers, arrays, structs and their typedefs; any other kind differs. */

#define DEPTH_MAX 16 /* ours nest four deep; a foreign pin may hold anything */

static bool same_at(const struct btf *a, uint32_t id_a, const struct btf *b, uint32_t id_b, int depth);

static bool same_name(const struct btf *a, uint32_t off_a, const struct btf *b, uint32_t off_b)
{
	const char *name_a = btf__name_by_offset(a, off_a);
	const char *name_b = btf__name_by_offset(b, off_b);

	return name_a && name_b && strcmp(name_a, name_b) == 0;
}

static bool same_members(const struct btf *a, const struct btf_type *ta, const struct btf *b,
			 const struct btf_type *tb, int depth)
{
	if (ta->size != tb->size || btf_vlen(ta) != btf_vlen(tb))
		return false;
	for (uint32_t i = 0; i < btf_vlen(ta); i++) {
		const struct btf_member *ma = btf_members(ta) + i, *mb = btf_members(tb) + i;

		if (ma->offset != mb->offset || !same_name(a, ma->name_off, b, mb->name_off) ||
		    !same_at(a, ma->type, b, mb->type, depth + 1))
			return false;
	}
	return true;
}

static bool same_at(const struct btf *a, uint32_t id_a, const struct btf *b, uint32_t id_b, int depth)
{
	int base_a = btf__resolve_type(a, id_a), base_b = btf__resolve_type(b, id_b);
	const struct btf_type *ta, *tb;

	if (base_a < 0 || base_b < 0 || depth > DEPTH_MAX)
		return false;
	ta = btf__type_by_id(a, base_a);
	tb = btf__type_by_id(b, base_b);
	if (btf_kind(ta) != btf_kind(tb))
		return false;
	if (btf_is_int(ta))
		return ta->size == tb->size && btf_int_encoding(ta) == btf_int_encoding(tb);
	if (btf_is_array(ta))
		return btf_array(ta)->nelems == btf_array(tb)->nelems &&
		       same_at(a, btf_array(ta)->type, b, btf_array(tb)->type, depth + 1);
	return btf_is_struct(ta) && same_members(a, ta, b, tb, depth);
}

static bool same_type(const struct btf *a, uint32_t id_a, const struct btf *b, uint32_t id_b)
{
	return same_at(a, id_a, b, id_b, 0);
}

/* The kernel hands out BTF to CAP_SYS_ADMIN only; for others layout_fields(), kept in the map, has to do. */
static bool same_value_type(const struct bpf_map_info *a, const struct bpf_map_info *b)
{
	struct btf *btf_a = a->btf_id ? btf__load_from_kernel_by_id(a->btf_id) : NULL;
	bool unreadable = a->btf_id && !btf_a && errno == EPERM;
	struct btf *btf_b = b->btf_id ? btf__load_from_kernel_by_id(b->btf_id) : NULL;
	bool same = unreadable ||
		    (btf_a && btf_b && same_type(btf_a, a->btf_value_type_id, btf_b, b->btf_value_type_id));

	btf__free(btf_a);
	btf__free(btf_b);
	return same;
}

static bool same_layout(const struct pinned_map *old, const struct pinned_map *fresh)
{
	struct bpf_map_info a, b;

	return map_info(old->fd, &a) == 0 && map_info(fresh->fd, &b) == 0 && a.type == b.type &&
	       a.key_size == b.key_size && a.value_size == b.value_size && a.map_flags == b.map_flags &&
	       same_value_type(&a, &b);
}

/* True when the counters behind the old pins mean what ours mean; maps their memory. */
static bool can_continue(struct pinned_map *old_stats, struct pinned_map *old_observer, struct pinned *p)
{
	const struct stats_observer *observer;

	if (old_stats->fd < 0 || old_observer->fd < 0)
		return false;
	if (!same_layout(old_stats, &p->stats) || !same_layout(old_observer, &p->observer))
		return false;
	if (map_memory(old_stats) < 0 || map_memory(old_observer) < 0)
		return false;
	observer = old_observer->memory;
	return observer->layout == STATS_LAYOUT_VERSION && observer->fields == layout_fields();
}

static bool is_configured(const struct stats_options *options, const char *name)
{
	for (size_t i = 0; i < options->name_count; i++)
		if (strcmp(options->names[i], name) == 0)
			return true;
	return false;
}

/* Configured clusters first: when max_clusters shrank, the others are those that may go. */
static void carry_over(struct pinned *p, const struct pinned_map *old, const struct stats_options *options)
{
	const struct stats_cluster *from = old->memory;
	struct stats_cluster *to = p->stats.memory;
	uint32_t used = 0, lost = 0;

	for (int configured = 1; configured >= 0; configured--)
		for (uint32_t i = 0; i < old->entries; i++) {
			if (!*from[i].name || is_configured(options, from[i].name) != configured)
				continue;
			if (used < p->stats.entries)
				to[used++] = from[i];
			else
				lost++;
		}
	log_info("max_clusters changed from %u to %u: carried %u clusters over in %s/stats%s", old->entries,
		 p->stats.entries, used, p->pin, lost ? ", forgot those that found no room" : "");
}

static void log_continued(const struct pinned *p)
{
	const struct stats_cluster *c = p->stats.memory;
	uint32_t used = 0;

	for (uint32_t i = 0; i < p->stats.entries; i++)
		used += *c[i].name != 0;
	log_info("continuing the counters of %u cluster%s pinned in %s (--fresh starts at zero)", used,
		 used == 1 ? "" : "s", p->pin);
}

static int replace(struct pinned *p, bool existed, bool fresh)
{
	int rc = map_pin(p, &p->stats, "stats");

	if (rc == 0)
		rc = map_pin(p, &p->observer, "observer");
	if (rc < 0)
		return rc;
	if (existed && fresh)
		log_info("counters pinned in %s start at zero (--fresh)", p->pin);
	else if (existed)
		log_warning("the counters pinned in %s are of another version of mirror-observer and were "
			    "replaced: they start at zero",
			    p->pin);
	else
		log_info("pinned the counters in %s", p->pin);
	return 0;
}

/* From two new, mapped, empty maps to the ones to use. */
static int adopt(struct pinned *p, const struct stats_options *options)
{
	struct pinned_map stats = map_open_pin(p->pin, "stats");
	struct pinned_map observer = map_open_pin(p->pin, "observer");
	bool existed = stats.fd >= 0 || observer.fd >= 0;
	struct pinned_map swap;
	int rc = 0;

	if (options->fresh || !can_continue(&stats, &observer, p)) {
		rc = replace(p, existed, options->fresh);
	} else {
		swap = p->observer, p->observer = observer, observer = swap;
		if (stats.entries == p->stats.entries) {
			swap = p->stats, p->stats = stats, stats = swap;
		} else {
			carry_over(p, &stats, options);
			rc = map_pin(p, &p->stats, "stats");
		}
		if (rc == 0)
			log_continued(p);
	}
	map_close(&stats);
	map_close(&observer);
	return rc;
}

/* ------------------------------------------------------------------------------------------------ opening */

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

/* Two new maps with BTF; the skeleton only serves to create them. */
static int create_maps(struct pinned *p, uint32_t max_clusters)
{
	libbpf_print_fn_t old_print = libbpf_set_print(quiet);
	struct stats_bpf *skeleton = stats_bpf__open();
	struct stats_observer *observer;
	int rc = skeleton ? 0 : -errno;

	if (rc == 0)
		rc = bpf_map__set_max_entries(skeleton->maps.stats, max_clusters);
	if (rc == 0)
		rc = stats_bpf__load(skeleton);
	if (rc == 0) {
		p->stats.fd = dup(bpf_map__fd(skeleton->maps.stats));
		p->observer.fd = dup(bpf_map__fd(skeleton->maps.observer));
		rc = map_memory(&p->stats);
	}
	if (rc == 0)
		rc = map_memory(&p->observer);
	stats_bpf__destroy(skeleton);
	libbpf_set_print(old_print);
	if (rc == 0) {
		observer = p->observer.memory;
		observer->layout = STATS_LAYOUT_VERSION;
		observer->fields = layout_fields();
		return 0;
	}
	return fail(p, rc, "cannot create the BPF maps of the statistics: %s%s", strerror(-rc),
		    rc == -EPERM ? "; run as root or with CAP_BPF and CAP_PERFMON" : "");
}

/* In the pid namespace of the other daemon, so it may be unknown to ours. */
static uint32_t pid_in_map(const char *pin)
{
	struct pinned_map map = map_open_pin(pin, "observer");
	struct stats_observer *value = NULL;
	struct bpf_map_info info;
	uint32_t key = 0, pid = 0;

	if (map.fd >= 0 && map_info(map.fd, &info) == 0 && info.value_size >= 8 &&
	    info.type == BPF_MAP_TYPE_ARRAY && (value = calloc(1, info.value_size)) != NULL &&
	    bpf_map_lookup_elem(map.fd, &key, value) == 0)
		pid = value->pid; /* behind `layout` in every version */
	free(value);
	map_close(&map);
	return pid;
}

static int lock_failed(struct pinned *p, int rc)
{
	uint32_t pid;

	switch (rc) {
	case -EBUSY:
		pid = bpffs_holder(p->pin);
		if (pid)
			return fail(p, rc,
				    "another mirror-observer, pid %u, writes the statistics in %s: "
				    "stop it or give this one a `pin` of its own",
				    pid, p->pin);
		return fail(p, rc,
			    "another mirror-observer, pid %u in its own pid namespace, writes the "
			    "statistics in %s: stop it or give this one a `pin` of its own",
			    pid_in_map(p->pin), p->pin);
	case -EINVAL:
		return fail(p, rc, "pin: %s is not on a bpffs; choose a directory below /sys/fs/bpf", p->pin);
	case -EPERM:
		return fail(p, rc,
			    "cannot use %s: %s; the last part of the name may hold no dot, and only root can "
			    "mount a missing bpffs (mount -t bpf bpf /sys/fs/bpf)",
			    p->pin, strerror(-rc));
	case -EACCES:
		return fail(p, rc,
			    "cannot use %s: %s; the directory must belong to the account that the observer "
			    "starts as, and those above it must let it through (mirror-observer(8))",
			    p->pin, strerror(-rc));
	case -ENODEV:
		return fail(p, rc, "cannot use %s: this kernel has no bpffs", p->pin);
	default:
		return fail(p, rc, "cannot use %s for the statistics: %s", p->pin, strerror(-rc));
	}
}

int pinned_open(struct pinned **out, const struct stats_options *options, char *error, size_t error_len)
{
	struct pinned *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return -ENOMEM;
	*p = (struct pinned){.pin = options->pin, .error = error, .error_len = error_len};
	p->stats.fd = p->observer.fd = -1;
	p->lock = bpffs_lock(options->pin);
	rc = p->lock < 0 ? lock_failed(p, p->lock) : create_maps(p, options->max_clusters);
	if (rc == 0)
		rc = adopt(p, options);
	if (rc < 0) {
		pinned_free(&p);
		return rc;
	}
	*out = p;
	return 0;
}

void pinned_free(struct pinned **pinned)
{
	struct pinned *p = *pinned;

	if (!p)
		return;
	map_close(&p->stats);
	map_close(&p->observer);
	if (p->lock >= 0)
		close(p->lock);
	free(p);
	*pinned = NULL;
}

struct stats_cluster *pinned_clusters(struct pinned *pinned)
{
	return pinned->stats.memory;
}

struct stats_observer *pinned_observer(struct pinned *pinned)
{
	return pinned->observer.memory;
}
