/* SPDX-License-Identifier: MIT */
#include "rights/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef __has_feature /* clang's way to tell */
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define CALL(name) SCMP_SYS(name)

/* Whatever their arguments. Calls that this architecture lacks have negative numbers, which libseccomp leaves
 * out. */
static const int allowed[] = {
    /* the loop, and what becomes ready in it */
    CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_pwait2), CALL(epoll_ctl), CALL(epoll_create1), CALL(poll),
    CALL(ppoll), CALL(timerfd_create), CALL(timerfd_settime), CALL(timerfd_gettime), CALL(read), CALL(readv),
    CALL(write), CALL(writev), CALL(close), CALL(fcntl), CALL(fcntl64), CALL(dup),
    /* HTTP clients, name servers, systemd; socket() is below */
    CALL(accept), CALL(accept4), CALL(connect), CALL(recvfrom), CALL(recvmsg), CALL(recv), CALL(send),
    CALL(sendto), CALL(sendmsg), CALL(shutdown), CALL(getsockopt), CALL(setsockopt), CALL(getsockname),
    CALL(getpeername),
    /* reading files; opening them is below */
    CALL(pread64), CALL(lseek), CALL(_llseek), CALL(fstat), CALL(fstat64), CALL(stat), CALL(stat64),
    CALL(lstat), CALL(lstat64), CALL(newfstatat), CALL(fstatat64), CALL(statx), CALL(statfs), CALL(statfs64),
    CALL(fstatfs), CALL(fstatfs64), CALL(access), CALL(faccessat), CALL(faccessat2), CALL(readlink),
    CALL(readlinkat), CALL(getdents64), CALL(getcwd), CALL(name_to_handle_at),
    /* memory; mmap and mprotect are below */
    CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise),
    /* time, identity, signals, the end */
    CALL(clock_gettime), CALL(clock_gettime64), CALL(clock_getres), CALL(clock_nanosleep), CALL(gettimeofday),
    CALL(time), CALL(getpid), CALL(gettid), CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid),
    CALL(uname), CALL(sysinfo), CALL(getrusage), CALL(getrlimit), CALL(ugetrlimit), CALL(sched_getaffinity),
    CALL(sched_yield), CALL(getrandom), CALL(futex), CALL(rt_sigaction), CALL(rt_sigprocmask),
    CALL(rt_sigreturn), CALL(sigreturn), CALL(restart_syscall), CALL(exit), CALL(exit_group),
    CALL(wait4), /* for the end of our own parser */
};

/* Nothing of ours calls these, no library does in our place, and each is a way out. */
static const int deadly[] = {
    CALL(execve),
    CALL(execveat),
    CALL(fork),
    CALL(vfork),
    CALL(ptrace),
    CALL(mount),
    CALL(umount2),
    CALL(move_mount),
    CALL(pivot_root),
    CALL(chroot),
    CALL(init_module),
    CALL(finit_module),
    CALL(delete_module),
    CALL(kexec_load),
    CALL(kexec_file_load),
    CALL(setns),
    CALL(unshare),
    CALL(keyctl),
    CALL(add_key),
    CALL(request_key),
    CALL(userfaultfd),
    CALL(process_vm_readv),
    CALL(process_vm_writev),
    CALL(pidfd_getfd),
    CALL(open_by_handle_at),
};

/* Of bpf(): look-ups and updates of open maps, a new walk over the files, attaching what is loaded already,
 * and what the kernel says about our own objects. */
static const int bpf_commands[] = {
    BPF_MAP_LOOKUP_ELEM,    BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY,
    BPF_OBJ_GET_INFO_BY_FD, BPF_ITER_CREATE,     BPF_LINK_CREATE,
};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
static const unsigned long ioctls[] = {FIONBIO, FIONREAD, TCGETS};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int add_list(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = calls[i] < 0 ? 0 : seccomp_rule_add(filter, action, calls[i], 0);
	return err;
}

static int add_one(scmp_filter_ctx filter, int call, struct scmp_arg_cmp argument)
{
	return call < 0 ? 0 : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &argument);
}

/* To read only, and without making anything. openat2 hides its flags behind a pointer: not allowed. */
static int add_opening(scmp_filter_ctx filter)
{
	const scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);
	int err = add_one(filter, CALL(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));

	return err ? err : add_one(filter, CALL(open), SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
}

static int add_memory(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	const int calls[] = {CALL(mmap), CALL(mmap2), CALL(mprotect)};
	int err = 0;

	for (size_t i = 0; i < COUNT(calls) && !err; i++)
		err = add_one(filter, calls[i], no_code);
	return err;
}

/* The low bits of the type: SOCK_CLOEXEC and SOCK_NONBLOCK are above them (<linux/net.h>). */
static int add_sockets(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; i < COUNT(families); i++)
		for (size_t j = 0; j < COUNT(types) && !err; j++)
			err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(socket), 2,
					       SCMP_A0(SCMP_CMP_EQ, families[i], 0),
					       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, types[j]));
	return err;
}

static int add_some(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; i < COUNT(bpf_commands) && !err; i++)
		err = add_one(filter, CALL(bpf), SCMP_A0(SCMP_CMP_EQ, bpf_commands[i], 0));
	for (size_t i = 0; i < COUNT(ioctls) && !err; i++)
		err = add_one(filter, CALL(ioctl), SCMP_A1(SCMP_CMP_EQ, ioctls[i], 0));
	/* getrlimit() of glibc; and abort(), to ourselves. */
	if (!err)
		err = add_one(filter, CALL(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0, 0));
	return err ? err : add_one(filter, CALL(tgkill), SCMP_A0(SCMP_CMP_EQ, getpid(), 0));
}

static int fill(scmp_filter_ctx filter)
{
	int err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	/* A tree instead of a list, and no slow-down of every load for a process that runs no foreign code;
	 * both only make it faster, so an older library may refuse. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	if (!err)
		err = add_list(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
	if (!err)
		err = add_list(filter, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
	if (!err)
		err = add_opening(filter);
	if (!err)
		err = add_memory(filter);
	if (!err)
		err = add_sockets(filter);
	return err ? err : add_some(filter);
}

/* read, recv (to look without taking), write, the end of a signal handler and the own end; all memory was
 * taken before. malloc() that wants more hears that there is none. */
static int fill_worker(scmp_filter_ctx filter)
{
	static const int worker_allowed[] = {CALL(read),  CALL(recvfrom),     CALL(recv),
					     CALL(write), CALL(rt_sigreturn), CALL(sigreturn),
					     CALL(exit),  CALL(exit_group),   CALL(restart_syscall)};
	static const int memory[] = {CALL(brk), CALL(mmap), CALL(mmap2), CALL(munmap), CALL(madvise)};
	int err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (!err)
		err = add_list(filter, SCMP_ACT_ALLOW, worker_allowed, COUNT(worker_allowed));
	return err ? err : add_list(filter, SCMP_ACT_ERRNO(ENOMEM), memory, COUNT(memory));
}

static int load(uint32_t otherwise, int (*fill_it)(scmp_filter_ctx filter))
{
	scmp_filter_ctx filter;
	int err;

	if (SANITIZED)
		return -EOPNOTSUPP;
	filter = seccomp_init(otherwise);
	err = filter ? fill_it(filter) : -ENOMEM;
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err == -EINVAL || err == -ENOSYS ? -EOPNOTSUPP : err;
}

int syscalls_restrict_worker(void)
{
	return load(SCMP_ACT_KILL_PROCESS, fill_worker);
}

int syscalls_restrict(void)
{
	return load(SCMP_ACT_ERRNO(EPERM), fill);
}
