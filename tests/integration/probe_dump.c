// SPDX-License-Identifier: MIT
/*
 * probe_dump - prints the records of the probe as lines of text, for test_capture.py.
 *
 * Usage: probe_dump check [MODE]
 *        probe_dump try MODE
 *        probe_dump [attach=MODE] [comm=NAME] [exe=PATH] [pid=PID] [cgroup=DIRECTORY] [ring=BYTES]
 * [piece=BYTES] [ADDRESS]/BITS:PORT|unix:PATH ...
 *
 * `try` attaches that way for a moment, for Unix-domain sockets as well, or prints "not usable: ...".
 * An IPv4 address as ::ffff:a.b.c.d. Prints `ready` when attached. Commands on standard input, each answered
 * by a last line `.`: `drain`; `hold` (no periodic drain until the next command); `scan`; `totals`; `drop`
 * (all privileges); `filter` followed by arguments as above; `quit`.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/probe.h"
#include "watch/exe.h"

struct dump {
	struct probe_options options;
	struct filter filter;
};

static void print_data(const struct event_data *data)
{
	printf(" pos=%u len=%u captured=%u missed=%u data=", data->pos, data->len, data->captured,
	       data->missed);
	for (uint32_t i = 0; i < data->captured; i++)
		printf("%02x", data->data[i]);
}

static void print_open(const struct event_open *open)
{
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, open->local, local, sizeof(local));
	inet_ntop(AF_INET6, open->remote, remote, sizeof(remote));
	printf(" local=[%s]:%u remote=[%s]:%u netns=%u state=%u target=%u", local, open->local_port, remote,
	       open->remote_port, open->netns, open->state, open->target);
}

static void print_record(void *ctx, const struct event *event)
{
	static const char *const kinds[] = {"?", "open", "state", "data", "eof", "end"};
	const struct event_state *state = (const void *)event;

	(void)ctx;
	printf("%s sock=%llu time=%llu send_pos=%u recv_pos=%u direction=%s loss=%u flags=%u tgid=%u",
	       kinds[event->kind <= EVENT_END ? event->kind : 0], (unsigned long long)event->sock,
	       (unsigned long long)event->time, event->send_pos, event->recv_pos,
	       event->direction == DIRECTION_SEND ? "send" : "recv", event->loss, event->flags, event->tgid);
	if (event->kind == EVENT_DATA)
		print_data((const void *)event);
	else if (event->kind == EVENT_OPEN)
		print_open((const void *)event);
	else
		printf(" error=%d old=%u new=%u acked=%llu", state->error, state->old_state, state->new_state,
		       (unsigned long long)state->bytes_acked);
	putchar('\n');
}

static bool parse_target(struct filter_target *target, const char *text)
{
	char address[64];
	unsigned bits, port;

	if (!strncmp(text, "unix:", 5)) {
		target->family = 2;
		snprintf(target->path, sizeof(target->path), "%s", text + 5);
		return true;
	}
	if (sscanf(text, "[%63[^]]]/%u:%u", address, &bits, &port) != 3 ||
	    inet_pton(AF_INET6, address, target->addr) != 1)
		return false;
	target->family = 1;
	target->prefix_len = bits;
	target->port = port;
	return true;
}

static bool parse_exe(struct filter *filter, const char *path)
{
	struct exe exe;

	if (exe_open(path, &exe))
		return false;
	filter->select |= FILTER_BY_EXE;
	filter->exe_dev = exe.s_dev;
	filter->exe_ino = exe.ino;
	exe_close(&exe);
	return true;
}

static bool parse_pid(struct filter *filter, const char *text)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st))
		return false;
	filter->select |= FILTER_BY_PID;
	filter->pid = strtoul(text, NULL, 10);
	filter->pidns = st.st_ino;
	return true;
}

/* The id of a cgroup is the inode number of its directory. */
static bool parse_cgroup(struct filter *filter, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	filter->select |= FILTER_BY_CGROUP;
	filter->cgroup_id = st.st_ino;
	return true;
}

static bool parse(struct dump *dump, const char *word)
{
	struct filter *filter = &dump->filter;

	if (!strncmp(word, "comm=", 5)) {
		filter->select |= FILTER_BY_COMM;
		snprintf(filter->comm, sizeof(filter->comm), "%s", word + 5);
		return true;
	}
	if (!strncmp(word, "attach=", 7))
		return (int)(dump->options.attach = attach_parse(word + 7)) >= 0;
	if (!strncmp(word, "exe=", 4))
		return parse_exe(filter, word + 4);
	if (!strncmp(word, "pid=", 4))
		return parse_pid(filter, word + 4);
	if (!strncmp(word, "cgroup=", 7))
		return parse_cgroup(filter, word + 7);
	if (sscanf(word, "ring=%u", &dump->options.ring_bytes) == 1 ||
	    sscanf(word, "piece=%u", &dump->options.max_piece_bytes) == 1)
		return true;
	return filter->targets_used < FILTER_MAX_TARGETS &&
	       parse_target(&filter->targets[filter->targets_used++], word);
}

static void print_totals(const struct probe *probe)
{
	struct probe_totals totals;

	probe_totals(probe, &totals);
	printf("totals events=%llu bytes=%llu lost_control=%llu", (unsigned long long)totals.events,
	       (unsigned long long)totals.bytes, (unsigned long long)totals.lost_control);
	for (int i = LOSS_NONE + 1; i < LOSS_REASONS; i++)
		printf(" lost%d=%llu", i, (unsigned long long)totals.lost_bytes[i]);
	putchar('\n');
}

static void replace_filter(struct probe *probe, struct dump *dump, char *words)
{
	memset(&dump->filter, 0, sizeof(dump->filter));
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		if (!parse(dump, word))
			printf("error cannot parse %s\n", word);
	probe_set_filter(probe, &dump->filter);
}

/* Every command is answered by a last line `.`; false to quit. */
static bool command(struct probe *probe, struct dump *dump, char *line, bool *held)
{
	line[strcspn(line, "\n")] = '\0';
	*held = !strcmp(line, "hold");
	if (!strcmp(line, "quit"))
		return false;
	if (!strcmp(line, "scan") && probe_scan(probe))
		printf("error %s\n", probe_error());
	if (!strcmp(line, "drop") && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
		puts("error cannot drop privileges");
	if (!strncmp(line, "filter ", 7))
		replace_filter(probe, dump, line + 7);
	while (!*held && probe_drain(probe, print_record, NULL, 0) > 0)
		;
	if (!strcmp(line, "totals"))
		print_totals(probe);
	puts(".");
	fflush(stdout);
	return true;
}

static void serve(struct probe *probe, struct dump *dump)
{
	struct pollfd polled[] = {{.fd = 0, .events = POLLIN}, {.fd = probe_fd(probe), .events = POLLIN}};
	bool held = false;
	char line[4096];

	setvbuf(stdin, NULL, _IONBF, 0);
	puts("ready");
	fflush(stdout);
	for (;;) {
		poll(polled, held ? 1 : 2, held ? -1 : 20);
		if (polled[0].revents &&
		    (!fgets(line, sizeof(line), stdin) || !command(probe, dump, line, &held)))
			return;
		if (!held)
			probe_drain(probe, print_record, NULL, 0);
	}
}

static void print_line(void *ctx, const char *line)
{
	(void)ctx;
	puts(line);
}

static int try_mode(const char *name)
{
	const struct probe_options options = {.ring_bytes = 1u << 20,
					      .max_piece_bytes = EVENT_MAX_PIECE,
					      .unix_sockets = true,
					      .attach = attach_parse(name)};
	struct probe *probe = NULL;
	int err = probe_open(&probe, &options);

	if (!err)
		err = probe_attach(probe);
	if (err)
		printf("not usable: %s\n", probe_error());
	probe_free(&probe);
	return err ? 4 : 0;
}

int main(int argc, char **argv)
{
	static struct dump dump = {.options = {.ring_bytes = 16u << 20, .max_piece_bytes = EVENT_MAX_PIECE}};
	struct probe *probe = NULL;

	if (argc >= 2 && !strcmp(argv[1], "check"))
		return probe_check_host(argc > 2 ? attach_parse(argv[2]) : ATTACH_AUTO, false, print_line,
					NULL)
			   ? 4
			   : 0;
	if (argc == 3 && !strcmp(argv[1], "try"))
		return try_mode(argv[2]);
	for (int i = 1; i < argc; i++)
		if (!parse(&dump, argv[i]))
			return 2;
	dump.options.unix_sockets = dump.filter.targets[0].family == 2;
	if (!probe_open(&probe, &dump.options)) {
		probe_set_filter(probe, &dump.filter);
		if (!probe_attach(probe)) {
			serve(probe, &dump);
			probe_free(&probe);
			return 0;
		}
	}
	fprintf(stderr, "%s\n", probe_error());
	probe_free(&probe);
	return 4;
}
