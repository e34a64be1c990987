// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The attach points in TLS libraries, at the entries of functions that are called a few times in a handshake
 * and never for a record. Other processes share the libraries' files: each program first asks whether it runs
 * in the proxy.
 *
 * The programs may sleep, so that memory which is not resident is read as well (Linux 6.0).
 */
#include "filter.bpf.h"

#include "secret.h"

#define PARAMETERS_MAX 16
#define SEEDS_MAX      3
#define LABEL_MAX      16

/* What a thread has said of its derivation so far: OpenSSL 1.1.1 tells it by several calls. */
#define THREADS_MAX 4096

/* What <bpf/bpf_tracing.h> has from libbpf 1.2 on. */
#define SIXTH(ctx) ((ctx)->r9)

struct derivation {
	__u64 secret; /* address in the process */
	__u32 len;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, THREADS_MAX);
	__type(key, __u64);
	__type(value, struct derivation);
} derivations SEC(".maps");

struct secret_slot slots[SECRET_SLOTS];
__u64 slots_taken; /* ever */

static __always_inline bool in_proxy(void)
{
	return filter_process(filter_current(), bpf_get_current_task_btf());
}

static __always_inline bool user_memory(void *to, __u32 len, __u64 from)
{
	return bpf_copy_from_user(to, len, (const void *)from) == 0;
}

static __always_inline void put(const struct secret_event *event)
{
	__u64 number = __sync_fetch_and_add(&slots_taken, 1);
	struct secret_slot *slot = &slots[number & (SECRET_SLOTS - 1)];

	*(volatile __u64 *)&slot->number = 0;
	slot->event = *event;
	barrier();
	*(volatile __u64 *)&slot->number = number + 1;
}

/* What comes before the secret is in event already. */
static __always_inline int hand_over(struct secret_event *event, __u64 secret, __u64 len)
{
	if (len == 32 ? !user_memory(event->secret, 32, secret)
		      : len != SECRET_MAX || !user_memory(event->secret, SECRET_MAX, secret))
		return 0;
	event->len = len;
	event->time = bpf_ktime_get_ns();
	event->tgid = bpf_get_current_pid_tgid() >> 32;
	put(event);
	return 0;
}

static __always_inline bool is_text(__u64 address, __u64 len, const char *wanted, __u32 wanted_len)
{
	char text[LABEL_MAX] = {};

	if (len != wanted_len || !user_memory(text, wanted_len, address))
		return false;
	for (__u32 i = 0; i < wanted_len; i++)
		if (text[i] != wanted[i])
			return false;
	return true;
}

#define IS_TEXT(address, len, literal) is_text(address, len, literal, sizeof(literal) - 1)

/* -------------------------------------------------------------------------------------------- new programs
 */

/* A process that has just become the proxy: its libraries are about to be mapped. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (filter_process(filter_current(), task))
		bpf_ringbuf_output(&ring, &tgid, sizeof(tgid), 0);
	return 0;
}

/* ------------------------------------------------------------------------------------------ OpenSSL 3 */

/* OSSL_PARAM of <openssl/core.h>. */
struct parameter {
	__u64 name;
	__u64 type;
	__u64 data;
	__u64 size;
	__u64 returned;
};

struct piece {
	__u64 data, size;
};

struct kdf {
	struct piece key, label, secret;
	struct piece seeds[SEEDS_MAX];
	__u32 seed_count;
};

/* Names as numbers: up to eight bytes with their NUL, the first in the lowest bits. */
#define NAME_KEY    0x0079656bull       /* "key" */
#define NAME_SEED   0x0064656573ull     /* "seed" */
#define NAME_LABEL  0x006c6562616cull   /* "label" */
#define NAME_SECRET 0x00746572636573ull /* "secret" */

static __always_inline void note_parameter(struct kdf *kdf, const struct parameter *parameter)
{
	struct piece piece = {.data = parameter->data, .size = parameter->size};
	__u64 name = 0;

	if (!user_memory(&name, sizeof(name), parameter->name) && !user_memory(&name, 4, parameter->name))
		return;
	if ((name & 0xffffffffull) == NAME_KEY)
		kdf->key = piece;
	else if ((name & 0xffffffffffffull) == NAME_LABEL)
		kdf->label = piece;
	else if ((name & 0xffffffffffffffull) == NAME_SECRET)
		kdf->secret = piece;
	else if ((name & 0xffffffffffull) == NAME_SEED && kdf->seed_count < SEEDS_MAX)
		kdf->seeds[kdf->seed_count++ & 3] = piece;
}

struct parameter_walk {
	struct kdf kdf;
	__u64 at;
};

static long next_parameter(__u32 i, struct parameter_walk *walk)
{
	struct parameter parameter;

	if (!user_memory(&parameter, sizeof(parameter), walk->at) || !parameter.name)
		return 1;
	note_parameter(&walk->kdf, &parameter);
	walk->at += sizeof(parameter);
	return 0;
}

/* The keys of a direction are derived with the label "key" from its traffic secret. */
static __always_inline int traffic_of_kdf(const struct kdf *kdf)
{
	struct secret_event event = {.library = SECRET_OPENSSL_3, .flags = SECRET_TRAFFIC};

	if (!IS_TEXT(kdf->label.data, kdf->label.size, "key"))
		return 0;
	return hand_over(&event, kdf->key.data, kdf->key.size);
}

/* The seeds are the label, the server's random, the client's. */
static __always_inline int master_of_kdf(const struct kdf *kdf)
{
	struct secret_event event = {.library = SECRET_OPENSSL_3, .flags = SECRET_MASTER | SECRET_RANDOMS};

	if (!IS_TEXT(kdf->seeds[0].data, kdf->seeds[0].size, "key expansion") ||
	    kdf->seeds[1].size != SECRET_RANDOM || kdf->seeds[2].size != SECRET_RANDOM ||
	    !user_memory(event.randoms[1], SECRET_RANDOM, kdf->seeds[1].data) ||
	    !user_memory(event.randoms[0], SECRET_RANDOM, kdf->seeds[2].data))
		return 0;
	return hand_over(&event, kdf->secret.data, kdf->secret.size);
}

SEC("uprobe.s")
int openssl_3_derive(struct pt_regs *ctx)
{
	struct parameter_walk walk = {.at = PT_REGS_PARM4(ctx)};

	if (!in_proxy())
		return 0;
	bpf_loop(PARAMETERS_MAX, next_parameter, &walk, 0);
	if (walk.kdf.key.data && walk.kdf.label.data)
		return traffic_of_kdf(&walk.kdf);
	if (walk.kdf.secret.data && walk.kdf.seed_count == SEEDS_MAX)
		return master_of_kdf(&walk.kdf);
	return 0;
}

/* -------------------------------------------------------------------------------------- OpenSSL 1.1.1 */

/* EVP_PKEY_CTRL_* of <openssl/kdf.h>. */
#define CTRL_TLS_SECRET 0x1001
#define CTRL_TLS_SEED   0x1002
#define CTRL_HKDF_KEY   0x1005
#define CTRL_HKDF_INFO  0x1006

#define INFO_LABEL 3 /* HkdfLabel: length, then the label with its own length */

/* EVP_PKEY_CTX_ctrl(ctx, keytype, optype, cmd, p1, p2): the secret by one call, what it is for by a later. */
SEC("uprobe.s")
int openssl_1_ctrl(struct pt_regs *ctx)
{
	struct secret_event event = {.library = SECRET_OPENSSL_1};
	__u64 thread = bpf_get_current_pid_tgid(), data = SIXTH(ctx);
	__u32 command = PT_REGS_PARM4(ctx), len = PT_REGS_PARM5(ctx);
	struct derivation *found, derivation = {.secret = data, .len = len};

	if (command != CTRL_TLS_SECRET && command != CTRL_TLS_SEED && command != CTRL_HKDF_KEY &&
	    command != CTRL_HKDF_INFO)
		return 0;
	if (!in_proxy())
		return 0;
	if (command == CTRL_TLS_SECRET || command == CTRL_HKDF_KEY)
		return 0 * bpf_map_update_elem(&derivations, &thread, &derivation, BPF_ANY);
	found = bpf_map_lookup_elem(&derivations, &thread);
	if (!found)
		return 0;
	derivation = *found;
	if (command == CTRL_HKDF_INFO && len > INFO_LABEL + 9 && IS_TEXT(data + INFO_LABEL, 9, "tls13 key"))
		event.flags = SECRET_TRAFFIC;
	else if (command == CTRL_TLS_SEED && IS_TEXT(data, len, "key expansion"))
		event.flags = SECRET_MASTER;
	return event.flags ? hand_over(&event, derivation.secret, derivation.len) : 0;
}

/* ------------------------------------------------------------------------------------- aws-lc and ring */

/* HKDF_expand(out, out_len, digest, prk, prk_len, info, info_len). */
SEC("uprobe.s")
int aws_lc_expand(struct pt_regs *ctx)
{
	struct secret_event event = {.library = SECRET_AWS_LC, .flags = SECRET_TRAFFIC};

	if (!in_proxy() || !IS_TEXT(SIXTH(ctx) + INFO_LABEL, 9, "tls13 key"))
		return 0;
	return hand_over(&event, PT_REGS_PARM4(ctx), PT_REGS_PARM5(ctx));
}

/* CRYPTO_tls1_prf(digest, out, out_len, secret, secret_len, label, ...). */
SEC("uprobe.s")
int aws_lc_prf(struct pt_regs *ctx)
{
	struct secret_event event = {.library = SECRET_AWS_LC, .flags = SECRET_MASTER};

	if (!in_proxy() || !IS_TEXT(SIXTH(ctx), 13, "key expansion"))
		return 0;
	return hand_over(&event, PT_REGS_PARM4(ctx), PT_REGS_PARM5(ctx));
}

/* ring::hmac::Key::new(algorithm, key) and try_new: the result's address comes first. There is no label: what
 * has the right length is handed over. */
SEC("uprobe.s")
int ring_hmac_key(struct pt_regs *ctx)
{
	struct secret_event event = {.library = SECRET_RING, .flags = SECRET_TRAFFIC};
	__u64 len = PT_REGS_PARM4(ctx);

	if ((len != 32 && len != SECRET_MAX) || !in_proxy())
		return 0;
	if (len == SECRET_MAX)
		event.flags |= SECRET_MASTER;
	return hand_over(&event, PT_REGS_PARM3(ctx), len);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
