/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * syscall - where in user memory the bytes of the current call are, from the registers with which the program
 * entered the kernel. x86-64; another architecture needs its own syscall_registers() and numbers.
 */
#ifndef MO_SYSCALL_BPF_H
#define MO_SYSCALL_BPF_H

#include "maps.bpf.h"

/* <asm/unistd_64.h> */
#define NR_READ     0
#define NR_WRITE    1
#define NR_READV    19
#define NR_WRITEV   20
#define NR_SENDTO   44
#define NR_RECVFROM 45
#define NR_SENDMSG  46
#define NR_RECVMSG  47
#define NR_RECVMMSG 299
#define NR_SENDMMSG 307
#define NR_PREADV2  327
#define NR_PWRITEV2 328

#define TS_COMPAT    0x2        /* <asm/thread_info.h>: a 32-bit call, whose numbers differ */
#define PF_IO_WORKER 0x00000010 /* <linux/sched.h>: io_uring's own thread */
#define ENOSYS       38

struct user_iovec {
	__u64 base;
	__u64 len;
};

/* Either one buffer (room != 0) or a vector still to be walked. */
struct user_memory {
	__u64 base;
	__u64 room; /* bytes left at base */
	__u64 vector;
	__u64 vector_left; /* struct user_iovec */
	bool vector_in_kernel;
};

/*
 * The registers of the call that is under way, or NULL. While it is, ax holds -ENOSYS (asm entry code);
 * io_uring also completes receives on the way back to user space, when the registers show some other,
 * finished call.
 */
static __always_inline struct pt_regs *syscall_registers(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	if ((task->flags & PF_IO_WORKER) || (task->thread_info.status & TS_COMPAT))
		return NULL;
	return regs->ax == (unsigned long)-ENOSYS ? regs : NULL;
}

static __always_inline enum event_loss memory_of_message(struct user_memory *out, __u64 msghdr)
{
	struct user_iovec vector; /* msg_iov and msg_iovlen lie together, after msg_name and msg_namelen */

	if (bpf_probe_read_user(&vector, sizeof(vector), (void *)(msghdr + 16)))
		return LOSS_UNREADABLE;
	out->vector = vector.base;
	out->vector_left = vector.len;
	return LOSS_NONE;
}

/* task: the current one. ret: what the call moved, so that much is readable at its buffer. */
static __always_inline enum event_loss syscall_memory(struct user_memory *out, struct task_struct *task,
						      int direction, __u32 ret)
{
	struct pt_regs *regs = syscall_registers(task);
	bool send = direction == DIRECTION_SEND;
	__u64 nr, address;

	if (!regs)
		return LOSS_FOREIGN_SYSCALL;
	nr = regs->orig_ax;
	address = regs->si;
	if (send ? nr == NR_SENDTO || nr == NR_WRITE : nr == NR_RECVFROM || nr == NR_READ) {
		out->base = address;
		out->room = ret;
		return LOSS_NONE;
	}
	if (send ? nr == NR_WRITEV || nr == NR_PWRITEV2 : nr == NR_READV || nr == NR_PREADV2) {
		out->vector = address;
		out->vector_left = regs->dx;
		return LOSS_NONE;
	}
	if (nr == (send ? NR_SENDMMSG : NR_RECVMMSG)) {
		/* The registers do not tell which message this is. */
		if ((__u32)regs->dx != 1)
			return LOSS_MULTI_MESSAGE;
		return memory_of_message(out, address);
	}
	if (nr == (send ? NR_SENDMSG : NR_RECVMSG))
		return memory_of_message(out, address);
	return LOSS_FOREIGN_SYSCALL;
}

#endif
