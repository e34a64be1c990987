/* SPDX-License-Identifier: MIT */
#include "secrets/hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "secrets.skel.h" /* after bpf/event.h and bpf/secret.h, of whose types it is made */

#define EXECS_BYTES 4096 /* one page: that something is new is all that counts */

/* Of union bpf_attr what Debian 12's header does not know yet (include/uapi/linux/bpf.h of Linux 6.6). A link
 * of this kind needs no privilege; the older way, by a perf event, needs CAP_SYS_ADMIN. */
#define TRACE_UPROBE_MULTI 48

struct link_create_multi {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, pad;
};

struct hooks {
	struct secrets_bpf *skeleton;
	struct ring_buffer *execs; /* in the process that watches them */
	uint64_t read;             /* slots so far */
};

static struct bpf_program *program_of(const struct hooks *hooks, enum hook hook)
{
	switch (hook) {
	case HOOK_OPENSSL_3_DERIVE:
		return hooks->skeleton->progs.openssl_3_derive;
	case HOOK_OPENSSL_1_CTRL:
		return hooks->skeleton->progs.openssl_1_ctrl;
	case HOOK_AWS_LC_EXPAND:
		return hooks->skeleton->progs.aws_lc_expand;
	case HOOK_AWS_LC_PRF:
		return hooks->skeleton->progs.aws_lc_prf;
	default:
		return hooks->skeleton->progs.ring_hmac_key;
	}
}

static int load(struct hooks *hooks)
{
	hooks->skeleton = secrets_bpf__open();
	if (!hooks->skeleton)
		return -errno;
	bpf_map__set_autocreate(hooks->skeleton->maps.tracked_sockets, false);
	bpf_map__set_max_entries(hooks->skeleton->maps.ring, EXECS_BYTES);
	for (int i = 0; i < HOOKS; i++)
		bpf_program__set_expected_attach_type(program_of(hooks, i), TRACE_UPROBE_MULTI);
	return secrets_bpf__load(hooks->skeleton);
}

int hooks_open(struct hooks **out)
{
	struct hooks *hooks = calloc(1, sizeof(*hooks));
	int err;

	if (!hooks)
		return -ENOMEM;
	err = load(hooks);
	if (err)
		hooks_free(&hooks);
	else
		*out = hooks;
	return err;
}

void hooks_free(struct hooks **hooks)
{
	if (!*hooks)
		return;
	ring_buffer__free((*hooks)->execs);
	secrets_bpf__destroy((*hooks)->skeleton);
	free(*hooks);
	*hooks = NULL;
}

void hooks_set_filter(struct hooks *hooks, const struct filter *filter)
{
	uint32_t next = !hooks->skeleton->bss->active_filter;

	hooks->skeleton->bss->filters[next] = *filter;
	__atomic_store_n(&hooks->skeleton->bss->active_filter, next, __ATOMIC_RELEASE);
}

/* One of these is set. */
struct hooks_link {
	int fd;
	struct bpf_link *perf;
};

static int link_multi(const struct bpf_program *program, const char *path, const uint64_t *offset)
{
	struct link_create_multi attr = {.prog_fd = bpf_program__fd(program),
					 .attach_type = TRACE_UPROBE_MULTI,
					 .path = (uintptr_t)path,
					 .offsets = (uintptr_t)offset,
					 .count = 1};
	int fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

int hooks_attach(struct hooks *hooks, enum hook hook, const char *path, uint64_t offset,
		 struct hooks_link **out)
{
	struct bpf_program *program = program_of(hooks, hook);
	struct hooks_link *link = calloc(1, sizeof(*link));

	if (!link)
		return -ENOMEM;
	link->fd = link_multi(program, path, &offset);
	if (link->fd == -EINVAL) /* before Linux 6.6 */
		link->perf = bpf_program__attach_uprobe(program, false, -1, path, offset);
	if (link->fd < 0 && !link->perf) {
		int err = link->fd == -EINVAL ? -errno : link->fd;

		free(link);
		return err;
	}
	*out = link;
	return 0;
}

void hooks_detach(struct hooks_link **link)
{
	if (!*link)
		return;
	if ((*link)->perf)
		bpf_link__destroy((*link)->perf);
	else
		close((*link)->fd);
	free(*link);
	*link = NULL;
}

/* Copies a slot and overwrites it; false: it is being written, or was overtaken. */
static bool take(struct secret_slot *slot, uint64_t number, struct secret_event *out)
{
	if (__atomic_load_n(&slot->number, __ATOMIC_ACQUIRE) != number)
		return false;
	*out = slot->event;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&slot->number, __ATOMIC_RELAXED) != number)
		return false;
	explicit_bzero(&slot->event, sizeof(slot->event));
	return true;
}

void hooks_drain(struct hooks *hooks, hooks_handler *handler, void *ctx)
{
	struct secrets_bpf__bss *shared = hooks->skeleton->bss;
	uint64_t taken = __atomic_load_n(&shared->slots_taken, __ATOMIC_ACQUIRE);
	struct secret_event event;

	if (taken - hooks->read > SECRET_SLOTS)
		hooks->read = taken - SECRET_SLOTS;
	for (; hooks->read < taken; hooks->read++) {
		struct secret_slot *slot = &shared->slots[hooks->read % SECRET_SLOTS];

		if (take(slot, hooks->read + 1, &event))
			handler(ctx, &event);
		else if (__atomic_load_n(&slot->number, __ATOMIC_ACQUIRE) <= hooks->read)
			break; /* it will be there in a moment */
	}
	explicit_bzero(&event, sizeof(event));
}

static int ignore_record(void *ctx, void *data, size_t size)
{
	(void)ctx, (void)data, (void)size;
	return 0;
}

int hooks_watch_execs(struct hooks *hooks)
{
	hooks->skeleton->links.on_exec = bpf_program__attach(hooks->skeleton->progs.on_exec);
	if (!hooks->skeleton->links.on_exec)
		return -errno;
	hooks->execs = ring_buffer__new(bpf_map__fd(hooks->skeleton->maps.ring), ignore_record, NULL, NULL);
	return hooks->execs ? 0 : -errno;
}

int hooks_execs_fd(const struct hooks *hooks)
{
	return hooks->execs ? ring_buffer__epoll_fd(hooks->execs) : -1;
}

void hooks_execs_seen(struct hooks *hooks)
{
	ring_buffer__consume(hooks->execs);
}

size_t hooks_programs(const struct hooks *hooks, struct hooks_program out[HOOKS_PROGRAMS])
{
	struct bpf_program *program;
	size_t n = 0;

	bpf_object__for_each_program(program, hooks->skeleton->obj)
	{
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);

		if (n < HOOKS_PROGRAMS && !bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len))
			out[n++] = (struct hooks_program){bpf_program__name(program), info.run_cnt,
							  info.run_time_ns, info.recursion_misses};
	}
	return n;
}

void hooks_forget_secrets(struct hooks *hooks)
{
	munmap(hooks->skeleton->bss, sizeof(*hooks->skeleton->bss));
	hooks->skeleton->bss = NULL;
}

void hooks_descriptors(const struct hooks *hooks, void (*keep)(void *ctx, int fd), void *ctx)
{
	for (int i = 0; i < HOOKS; i++)
		keep(ctx, bpf_program__fd(program_of(hooks, i)));
	keep(ctx, bpf_program__fd(hooks->skeleton->progs.on_exec));
	keep(ctx, bpf_map__fd(hooks->skeleton->maps.ring));
}
