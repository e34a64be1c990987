// SPDX-License-Identifier: MIT
/* What a service mesh does on one host: what one socket sends is put straight into its peer's queue. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* By the port of a socket, and in the lower half its peer's. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} sockets SEC(".maps");

SEC("sk_msg")
int redirect(struct sk_msg_md *message)
{
	__u64 peer = (__u64)bpf_ntohl(message->remote_port) << 32 | message->local_port;

	bpf_msg_redirect_hash(message, &sockets, &peer, BPF_F_INGRESS);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
