// SPDX-License-Identifier: MIT
#include "capture/refusal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/log.h"

static char error_text[REFUSAL_TEXT] = "no error";
static char libbpf_text[256]; /* the last line that libbpf warned with */

const char *refusal_text(void)
{
	return error_text;
}

void refusal_set(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error_text, sizeof(error_text), format, args);
	va_end(args);
}

static int keep_libbpf_line(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[sizeof(libbpf_text)];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("%s", line);
	/* The first one is the cause, what follows are its consequences. Kernels since 5.11 need no memlock
	 * limit. */
	if (level == LIBBPF_WARN && !libbpf_text[0] && !strstr(line, "RLIMIT_MEMLOCK"))
		memcpy(libbpf_text, line, sizeof(line));
	return 0;
}

void refusal_listen(void)
{
	libbpf_set_print(keep_libbpf_line);
}

void refusal_forget(void)
{
	libbpf_text[0] = '\0';
}

const char *refusal_kernel(void)
{
	static struct utsname host;

	uname(&host);
	return host.release;
}

bool refusal_has_types(void)
{
	return !access("/sys/kernel/btf/vmlinux", R_OK);
}

int refusal_check_types(void)
{
	if (refusal_has_types())
		return 0;
	refusal_set(
	    "the kernel %s has no type information (/sys/kernel/btf/vmlinux): use a kernel built with "
	    "CONFIG_DEBUG_INFO_BTF=y, as all distributions' kernels since about 2020 are",
	    refusal_kernel());
	return -ENOENT;
}

/* In this mode the helpers that read memory are refused, with no word about why. */
static bool locked_down(void)
{
	char modes[128] = "";
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");

	if (!file)
		return false;
	if (!fgets(modes, sizeof(modes), file))
		modes[0] = '\0';
	fclose(file);
	return strstr(modes, "[confidentiality]");
}

/* A map needs CAP_BPF too. */
bool refusal_can_load(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, NULL, 0, 0, getpagesize(), NULL);

	if (fd < 0)
		return false;
	close(fd);
	return !locked_down();
}

bool refusal_is_permission(int err)
{
	return err == -EPERM || err == -EACCES;
}

/* Debian's kernels leave kernel.perf_event_paranoid, by which kprobes are attached, to CAP_SYS_ADMIN at 3. */
static bool perf_is_restricted(void)
{
	FILE *file = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	int level = 0;

	if (!file)
		return false;
	if (fscanf(file, "%d", &level) != 1)
		level = 0;
	fclose(file);
	return level > 2;
}

int refusal_explain(int err, const char *doing)
{
	if (locked_down())
		refusal_set(
		    "the kernel's lockdown mode is `confidentiality`, which forbids BPF programs to read "
		    "memory: boot with lockdown=integrity");
	else if (err == -EPERM && refusal_can_load())
		refusal_set("the kernel refused while %s: it forbids programs of this kind", doing);
	else if (err == -EPERM)
		refusal_set(
		    "no permission while %s: run as root, or with the capabilities CAP_BPF and CAP_PERFMON",
		    doing);
	else if (err == -EACCES && strstr(libbpf_text, "perf event") && perf_is_restricted())
		refusal_set("kprobes may not be attached: run with CAP_SYS_ADMIN, or set "
			    "kernel.perf_event_paranoid to "
			    "2");
	else
		refusal_set("the kernel refused while %s: %s%s%s", doing, strerror(-err),
			    libbpf_text[0] ? ": " : "", libbpf_text);
	return err;
}
