// SPDX-License-Identifier: MIT
#include "capture/programs.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kprobe.skel.h"
#include "observer.skel.h"

/* Of tcp_recvmsg, which lost one in Linux 5.19 and another by 6.18: bpf/maps.bpf.h. */
#define RECEIVE_ARGUMENTS_FEWEST 4
#define RECEIVE_ARGUMENTS_MOST   6

static const char *const needed_by_all[] = {"on_state",      "on_destroy",   "scan_files",
					    "count_clients", "survey_files", NULL};

/* Besides those. */
static const char *const needed[ATTACH_MODES][5] = {
    [ATTACH_TRACEPOINT] = {"on_send", "on_receive"},
    [ATTACH_FEXIT] = {"after_send", "after_receive"},
    [ATTACH_KPROBE] = {"enter_send", "exit_send", "enter_receive", "exit_receive"},
};

static const char *const needed_by_unix[ATTACH_MODES][UNIX_PROGRAMS_MAX + 1] = {
    [ATTACH_TRACEPOINT] = {"on_failed_connect"},
    [ATTACH_FEXIT] = {"on_failed_connect", "after_unix_send", "after_unix_receive", "before_unix_release"},
    [ATTACH_KPROBE] = {"on_failed_connect", "enter_unix_send", "exit_unix_send", "enter_unix_receive",
		       "exit_unix_receive", "enter_unix_release"},
};

/* ------------------------------------------------------------------------------ what the kernel says of
 * itself */

static bool has_tracepoint(const struct btf *btf, const char *name)
{
	char type[64];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

/* The number of a function's arguments, or -1 when there is no such function. */
static int arguments_of(const struct btf *btf, const char *function)
{
	int id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, id) : NULL;
	const struct btf_type *prototype = type ? btf__type_by_id(btf, type->type) : NULL;

	return prototype && btf_is_func_proto(prototype) ? btf_vlen(prototype) : -1;
}

static const char *missing_in(const struct btf *btf, enum attach_mode mode)
{
	int receive = arguments_of(btf, "tcp_recvmsg");

	if (!has_tracepoint(btf, "inet_sock_set_state"))
		return "no tracepoint inet_sock_set_state: Linux 5.2 or later is needed";
	if (!has_tracepoint(btf, "tcp_destroy_sock"))
		return "no tracepoint tcp_destroy_sock";
	if (mode == ATTACH_TRACEPOINT) {
		if (!has_tracepoint(btf, "sock_send_length"))
			return "no tracepoint sock_send_length: Linux 6.3 or later has it";
		return has_tracepoint(btf, "sock_recv_length") ? NULL : "no tracepoint sock_recv_length";
	}
	if (arguments_of(btf, "tcp_sendmsg") < 0)
		return "no function tcp_sendmsg in the type information";
	if (receive < 0)
		return "no function tcp_recvmsg in the type information";
	if (receive < RECEIVE_ARGUMENTS_FEWEST || receive > RECEIVE_ARGUMENTS_MOST)
		return "a function tcp_recvmsg with other arguments than any known kernel's";
	return NULL;
}

static const char *missing_for_unix(const struct btf *btf, enum attach_mode mode)
{
	if (!has_tracepoint(btf, "sys_exit"))
		return "no tracepoint sys_exit, which failed connects to Unix-domain sockets need";
	if (mode != ATTACH_TRACEPOINT &&
	    (arguments_of(btf, "unix_stream_sendmsg") < 0 || arguments_of(btf, "unix_stream_recvmsg") < 0 ||
	     arguments_of(btf, "unix_release") < 0))
		return "no functions of Unix-domain sockets in its type information";
	return NULL;
}

const char *programs_missing(enum attach_mode mode, bool unix_sockets)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const char *missing = btf ? missing_in(btf, mode) : "no type information";

	if (!missing && unix_sockets)
		missing = missing_for_unix(btf, mode);
	btf__free(btf);
	return missing;
}

/* Tracepoints show what moves through any socket; the functions of the other modes are TCP's own. */
static bool follows_mptcp(enum attach_mode mode)
{
	struct btf *btf = mode == ATTACH_TRACEPOINT ? btf__load_vmlinux_btf() : NULL;
	bool known = btf && btf__find_by_name_kind(btf, "mptcp_sock", BTF_KIND_STRUCT) > 0;

	btf__free(btf);
	return known;
}

static int receive_arguments(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int count = btf ? arguments_of(btf, "tcp_recvmsg") : -1;

	btf__free(btf);
	return count;
}

/* ---------------------------------------------------------------------------------------------- the two
 * objects */

/* The skeletons are types of their own with members of the same names. */
#define DEFINE_OBJECT(name)                                                         \
	static void destroy_##name(struct programs *programs)                       \
	{                                                                           \
		name##_bpf__destroy(programs->owner);                               \
	}                                                                           \
                                                                                    \
	static int open_##name(struct programs *out)                                \
	{                                                                           \
		struct name##_bpf *skeleton = name##_bpf__open();                   \
                                                                                    \
		if (!skeleton)                                                      \
			return -errno;                                              \
		out->owner = skeleton;                                              \
		out->destroy = destroy_##name;                                      \
		out->skeleton = skeleton->skeleton;                                 \
		out->ring = skeleton->maps.ring;                                    \
		out->scan = &skeleton->links.scan_files;                            \
		out->max_piece_bytes = &skeleton->rodata->max_piece_bytes;          \
		out->ring_data_bytes = &skeleton->rodata->ring_data_bytes;          \
		out->ring_wake_step = &skeleton->rodata->ring_wake_step;            \
		out->ring_look_ns = &skeleton->rodata->ring_look_ns;                \
		skeleton->rodata->receive_arguments = receive_arguments();          \
		skeleton->rodata->sees_sockets = out->mode == ATTACH_TRACEPOINT;    \
		skeleton->rodata->follows_mptcp = follows_mptcp(out->mode);         \
		out->filters = skeleton->bss->filters;                              \
		out->scanned = &skeleton->bss->scanned;                             \
		out->clients = &skeleton->links.count_clients;                      \
		out->survey = &skeleton->links.survey_files;                        \
		out->survey_all = &skeleton->bss->survey_all;                       \
		out->lost_ends = (uint64_t *)skeleton->bss->lost_ends;              \
		out->lost_ends_count = (uint64_t *)&skeleton->bss->lost_ends_count; \
		out->client_walk = &skeleton->bss->client_walk;                     \
		out->clients_found = &skeleton->bss->clients_found;                 \
		out->listening_ports = (uint64_t *)skeleton->bss->listening_ports;  \
		out->listening_bytes = sizeof(skeleton->bss->listening_ports[0]);   \
		out->active_filter = &skeleton->bss->active_filter;                 \
		out->lost_ring_full = (uint64_t *)&skeleton->bss->lost_ring_full;   \
		out->lost_control = (uint64_t *)&skeleton->bss->lost_control;       \
		return 0;                                                           \
	}

DEFINE_OBJECT(observer)
DEFINE_OBJECT(kprobe)

static bool is_listed(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (!strcmp(*list, name))
			return true;
	return false;
}

/* Only what the mode needs is loaded: a kernel that refuses the others need not see them. */
static void choose(struct programs *programs)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, *programs->skeleton->obj)
	{
		const char *name = bpf_program__name(program);
		bool of_unix = is_listed(needed_by_unix[programs->mode], name);
		bool wanted = is_listed(needed_by_all, name) || is_listed(needed[programs->mode], name) ||
			      (programs->has_unix && of_unix);

		bpf_program__set_autoload(program, wanted);
		bpf_program__set_autoattach(program, !of_unix);
	}
}

int programs_open(struct programs *out, enum attach_mode mode, bool unix_sockets)
{
	int err;

	memset(out, 0, sizeof(*out));
	out->mode = mode;
	out->has_unix = unix_sockets;
	err = mode == ATTACH_KPROBE ? open_kprobe(out) : open_observer(out);
	if (!err)
		choose(out);
	return err;
}

int programs_load(struct programs *programs)
{
	return bpf_object__load_skeleton(programs->skeleton);
}

int programs_attach(struct programs *programs)
{
	return bpf_object__attach_skeleton(programs->skeleton);
}

static int attach_one(struct bpf_link **link, struct bpf_program *program)
{
	if (*link)
		return 0;
	*link = bpf_program__attach(program);
	return *link ? 0 : -errno;
}

int programs_attach_unix(struct programs *programs)
{
	const char *const *names = needed_by_unix[programs->mode];
	int err = 0;

	for (int i = 0; names[i] && !err; i++)
		err = attach_one(&programs->unix_links[i],
				 bpf_object__find_program_by_name(*programs->skeleton->obj, names[i]));
	return err;
}

static void detach_unix(struct programs *programs)
{
	for (int i = 0; i < UNIX_PROGRAMS_MAX; i++) {
		bpf_link__destroy(programs->unix_links[i]);
		programs->unix_links[i] = NULL;
	}
}

void programs_detach(struct programs *programs)
{
	detach_unix(programs);
	bpf_object__detach_skeleton(programs->skeleton);
}

void programs_close(struct programs *programs)
{
	detach_unix(programs);
	if (programs->destroy)
		programs->destroy(programs);
	memset(programs, 0, sizeof(*programs));
}
