/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Made by scripts/gen-vmlinux from the BTF of a running kernel; do not edit. Only the fields that we read:
 * CO-RE finds their offsets when the programs are loaded. */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct thread_info {
	unsigned int status;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[];
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct net {
	struct ns_common ns;
};

struct kernfs_node {
	long long unsigned int id;
};

struct cgroup_subsys_state {
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct super_block {
	unsigned int s_dev;
};

struct inode {
	long unsigned int i_ino;
	struct super_block *i_sb;
};

struct file {
	struct inode *f_inode;
};

struct mm_struct {
	struct file *exe_file;
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int flags;
	struct mm_struct *mm;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	char comm[16];
	struct css_set *cgroups;
};

struct in6_addr {
	union {
		unsigned char u6_addr8[16];
		short unsigned int u6_addr16[8];
		unsigned int u6_addr32[4];
	} in6_u;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	unsigned int skc_daddr;
	unsigned int skc_rcv_saddr;
	short unsigned int skc_dport;
	short unsigned int skc_num;
	short unsigned int skc_family;
	unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	long unsigned int skc_flags;
};

struct bpf_local_storage;

struct sock {
	struct sock_common __sk_common;
	int sk_err;
	short unsigned int sk_protocol;
	unsigned char sk_shutdown;
	struct bpf_local_storage *sk_bpf_storage;
	void *sk_user_data;
};

struct tcp_sock {
	long long unsigned int bytes_acked;
	unsigned int copied_seq;
	unsigned int rcv_nxt;
	unsigned int write_seq;
	_Bool is_mptcp;
};

struct inet_connection_sock {
	void *icsk_ulp_data;
};

struct mptcp_subflow_context {
	struct sock *conn;
};

struct socket {
	struct sock *sk;
};

struct sockaddr_un {
	short unsigned int sun_family;
	char sun_path[108];
};

struct unix_address {
	int len;
	struct sockaddr_un name[];
};

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
};

struct iov_iter {
	unsigned char iter_type;
	long unsigned int iov_offset;
	void *ubuf;
};

struct msghdr {
	struct iov_iter msg_iter;
};

struct pt_regs {
	long unsigned int di;
	long unsigned int si;
	long unsigned int dx;
	long unsigned int cx;
	long unsigned int r8;
	long unsigned int r9;
	long unsigned int ax;
	long unsigned int orig_ax;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	long long unsigned int session_id;
	long long unsigned int seq_num;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	unsigned int fd;
	struct file *file;
};

#pragma clang attribute pop

#endif
