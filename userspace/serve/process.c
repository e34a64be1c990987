/* SPDX-License-Identifier: MIT */
#include "serve/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/files.h"

static bool read_line(const char *path, char *buf, int len)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(buf, len, f);

	if (f)
		fclose(f);
	return ok;
}

static void write_cpu(struct exposition *x)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return;
	exposition_family(x, "process_cpu_seconds", EXPOSITION_COUNTER, "User and system CPU time");
	exposition_decimal(x, NO_LABELS,
			   (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
			       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec,
			   6);
}

/* proc_pid_stat(5): starttime is field 22, in clock ticks since boot; comm may hold spaces and brackets. */
static void write_start_time(struct exposition *x)
{
	unsigned long long ticks, boot = 0;
	char line[1024], *after_comm;
	FILE *f;

	if (!read_line("/proc/self/stat", line, sizeof(line)) || !(after_comm = strrchr(line, ')')) ||
	    sscanf(after_comm + 1,
		   " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
		   &ticks) != 1)
		return;
	f = fopen("/proc/stat", "re");
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "btime %llu", &boot) != 1)
		;
	if (f)
		fclose(f);
	if (!boot)
		return;
	exposition_family(x, "process_start_time_seconds", EXPOSITION_GAUGE,
			  "Unix time at which the process started");
	exposition_decimal(x, NO_LABELS, boot * 100 + ticks * 100 / sysconf(_SC_CLK_TCK), 2);
}

static void write_memory(struct exposition *x)
{
	unsigned long long total, resident;
	uint64_t page = sysconf(_SC_PAGESIZE);
	char line[256];

	if (!read_line("/proc/self/statm", line, sizeof(line)) ||
	    sscanf(line, "%llu %llu", &total, &resident) != 2)
		return;
	exposition_family(x, "process_virtual_memory_bytes", EXPOSITION_GAUGE, "Virtual memory");
	exposition_integer(x, NO_LABELS, total * page);
	exposition_family(x, "process_resident_memory_bytes", EXPOSITION_GAUGE, "Resident memory");
	exposition_integer(x, NO_LABELS, resident * page);
}

static void write_fds(struct exposition *x)
{
	int count = files_open();
	struct rlimit limit;

	if (count >= 0) {
		exposition_family(x, "process_open_fds", EXPOSITION_GAUGE, "Open file descriptors");
		exposition_integer(x, NO_LABELS, count);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	exposition_family(x, "process_max_fds", EXPOSITION_GAUGE, "File descriptors that may be open");
	exposition_integer(x, NO_LABELS, limit.rlim_cur);
}

void process_write(struct exposition *x)
{
	write_cpu(x);
	write_start_time(x);
	write_memory(x);
	write_fds(x);
}
