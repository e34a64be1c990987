/* SPDX-License-Identifier: MIT */
#include "watch/proxy.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "watch/cgroup.h"
#include "watch/exe.h"

#define ANCESTORS_MAX 64 /* how far up proxy_find looks for the configured pid */

struct proxy {
	const struct config_proxy *config;
	struct proxy_identity identity;
	struct exe exe, before; /* behind identity.exe_* */
	uint64_t pid_since;     /* when the process `pid` began, ticks since boot; 0 = not seen yet */
	bool exe_missing, cgroup_missing; /* and said so */
	char cgroup[PATH_MAX];            /* as /proc/PID/cgroup shows it, "" while missing */
};

/* ---- one process ---- */

static bool read_line(pid_t pid, const char *file, char *out, int size)
{
	char path[64];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(out, size, f) != NULL;
	fclose(f);
	if (ok)
		out[strcspn(out, "\n")] = '\0';
	return ok;
}

static bool has_comm(pid_t pid, const char *comm)
{
	char line[64];

	return read_line(pid, "comm", line, sizeof(line)) && strcmp(line, comm) == 0;
}

static bool runs_exe(pid_t pid, const struct exe *exe)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return exe->ino && stat(path, &st) == 0 && st.st_dev == exe->st_dev && st.st_ino == exe->ino;
}

/* proc(5): "pid (comm) state ppid ..."; comm may hold anything, also ')'. */
static pid_t parent_of(pid_t pid)
{
	char line[512], *close;
	int parent;

	if (!read_line(pid, "stat", line, sizeof(line)))
		return 0;
	close = strrchr(line, ')');
	return close && sscanf(close + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

/* Ticks since boot, by which it is told from a later one of the same number. 0, and *gone when there is none.
 */
static uint64_t began_at(pid_t pid, bool *gone)
{
	char line[512], *close;
	unsigned long long ticks;

	errno = 0;
	if (!read_line(pid, "stat", line, sizeof(line))) {
		*gone = errno == ENOENT || errno == ESRCH;
		return 0;
	}
	*gone = false;
	close = strrchr(line, ')');
	return close && sscanf(close + 1,
			       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
			       "%*d %llu",
			       &ticks) == 1
		   ? ticks
		   : 0;
}

static bool descends_from(pid_t pid, pid_t ancestor)
{
	for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
		if (pid == ancestor)
			return true;
		pid = parent_of(pid);
	}
	return false;
}

static bool matches(const struct proxy *proxy, pid_t pid)
{
	const struct proxy_identity *id = &proxy->identity;

	return (!id->by_comm || has_comm(pid, id->comm)) &&
	       (!id->by_exe || runs_exe(pid, &proxy->exe) || runs_exe(pid, &proxy->before)) &&
	       (!id->by_pid || descends_from(pid, id->pid)) &&
	       (!id->by_cgroup || cgroup_has_process(proxy->cgroup, pid));
}

/* ---- all processes ---- */

size_t proxy_find(const struct proxy *proxy, pid_t *pids, size_t max)
{
	struct dirent *entry;
	size_t found = 0;
	DIR *proc = opendir("/proc");

	if (!proc)
		return 0;
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || !matches(proxy, atoi(entry->d_name)))
			continue;
		if (pids && found < max)
			pids[found] = atoi(entry->d_name);
		found++;
	}
	closedir(proc);
	return found;
}

/* ---- looking up ---- */

static void say_missing(bool *said, bool missing, const char *what, const char *path, const char *remedy)
{
	if (missing && !*said)
		log_warning("proxy.%s: %s: %s; %s", what, path, strerror(errno), remedy);
	else if (!missing && *said)
		log_info("proxy.%s: %s is there now", what, path);
	*said = missing;
}

static void take_exe(struct proxy *proxy, const struct exe *now)
{
	exe_close(&proxy->before);
	proxy->before = proxy->exe;
	proxy->exe = *now;
	proxy->identity.exe_dev = proxy->exe.s_dev;
	proxy->identity.exe_ino = proxy->exe.ino;
	proxy->identity.exe_before_dev = proxy->before.s_dev;
	proxy->identity.exe_before_ino = proxy->before.ino;
}

static bool refresh_exe(struct proxy *proxy)
{
	struct exe now;
	int err = exe_open(proxy->config->exe, &now);

	errno = -err;
	say_missing(&proxy->exe_missing, err != 0, "exe", proxy->config->exe,
		    "no process can match until it is there");
	if (err)
		return false; /* a file that went may still run */
	if (exe_equal(&now, &proxy->exe)) {
		exe_close(&now);
		return false;
	}
	if (proxy->exe.ino)
		log_info("proxy.exe: %s was replaced; processes of the old file stay observed",
			 proxy->config->exe);
	take_exe(proxy, &now);
	return true;
}

static bool refresh_cgroup(struct proxy *proxy)
{
	uint64_t id = 0;
	int err = cgroup_look_up(proxy->config->cgroup, proxy->cgroup, sizeof(proxy->cgroup), &id);
	bool changed = id != proxy->identity.cgroup_id;

	errno = -err;
	say_missing(&proxy->cgroup_missing, err != 0, "cgroup", proxy->config->cgroup,
		    err == -ENODEV ? "no cgroup2 file system is mounted"
				   : "no process can match until it is there");
	proxy->identity.cgroup_id = id;
	return changed;
}

/* Numbers are given out again: what has this one after the process has ended is not the proxy. */
static bool refresh_pid(struct proxy *proxy)
{
	bool gone;
	uint64_t since;

	if (proxy->identity.pid == PROXY_NO_PID)
		return false;
	since = began_at(proxy->config->pid, &gone);
	if (!proxy->pid_since)
		proxy->pid_since = since;
	if (!proxy->pid_since || since == proxy->pid_since || (!since && !gone))
		return false;
	log_warning(
	    "proxy.pid: process %u has ended: no process matches until the configuration names another",
	    proxy->config->pid);
	proxy->identity.pid = PROXY_NO_PID;
	return true;
}

bool proxy_refresh(struct proxy *proxy)
{
	bool changed = false;

	if (proxy->identity.by_pid)
		changed |= refresh_pid(proxy);
	if (proxy->identity.by_exe)
		changed |= refresh_exe(proxy);
	if (proxy->identity.by_cgroup)
		changed |= refresh_cgroup(proxy);
	return changed;
}

int proxy_new(struct proxy **out, const struct config_proxy *config)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	struct stat st;

	if (!proxy)
		return -ENOMEM;
	proxy->config = config;
	proxy->identity = (struct proxy_identity){.by_comm = config->comm,
						  .by_exe = config->exe,
						  .by_pid = config->pid,
						  .by_cgroup = config->cgroup,
						  .pid = config->pid};
	if (config->comm)
		snprintf(proxy->identity.comm, sizeof(proxy->identity.comm), "%s", config->comm);
	if (stat("/proc/self/ns/pid", &st) == 0)
		proxy->identity.pidns = st.st_ino;
	proxy_refresh(proxy);
	*out = proxy;
	return 0;
}

static void inherit_pid(struct proxy *proxy, const struct proxy *old)
{
	if (!old->pid_since || proxy->config->pid != old->config->pid)
		return;
	proxy->pid_since = old->pid_since;
	proxy->identity.pid = old->identity.pid;
	refresh_pid(proxy);
}

void proxy_inherit(struct proxy *proxy, struct proxy *old)
{
	inherit_pid(proxy, old);
	if (!proxy->config->exe || !old->config->exe || strcmp(proxy->config->exe, old->config->exe) != 0)
		return;
	exe_close(&proxy->exe);
	take_exe(proxy, &old->before);
	take_exe(proxy, &old->exe);
	old->exe = old->before = (struct exe){0};
	refresh_exe(proxy);
}

void proxy_free(struct proxy **proxy)
{
	if (!*proxy)
		return;
	exe_close(&(*proxy)->exe);
	exe_close(&(*proxy)->before);
	free(*proxy);
	*proxy = NULL;
}

const struct proxy_identity *proxy_identity(const struct proxy *proxy)
{
	return &proxy->identity;
}

const char *proxy_describe(const struct proxy *proxy, char *text, size_t size)
{
	const struct config_proxy *c = proxy->config;
	char pid[16];
	const char *const parts[][2] = {
	    {"comm", c->comm}, {"exe", c->exe}, {"pid", c->pid ? pid : NULL}, {"cgroup", c->cgroup}};
	size_t used = 0;

	snprintf(pid, sizeof(pid), "%u", c->pid);
	text[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && used < size; i++)
		if (parts[i][1])
			used += snprintf(text + used, size - used, "%s%s %s", used ? " and " : "",
					 parts[i][0], parts[i][1]);
	return text;
}
