/* SPDX-License-Identifier: MIT */
#include "ask/terminal.h"

#include <curses.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask/answer.h"
#include "ask/locate.h"
#include "ask/pinview.h"
#include "ask/screen.h"
#include "base/clock.h"
#include "config/config.h"

#define REFRESH_MS  1000
#define KEY_WAIT_MS 100
#define STATEMENTS  "/api/v1/statements?limit=1024"
#define LINES_MAX   500
#define ESCAPE      27
#define SEARCH_MAX  64

struct view {
	const struct options *options;
	char url[LOCATE_URL_MAX];
	struct pinview *pin;
	json_t *status, *cluster, *series, *statements;
	struct screen screen;
	char search[SEARCH_MAX];
	size_t shown; /* which cluster */
	int range;
	bool once_answered;
};

static const char *const ranges[] = {"5m", "1h", "24h"};

/* ----------------------------------------------------------------------------------------------------- data
 */

static void forget(struct view *v)
{
	json_decref(v->status);
	json_decref(v->cluster);
	json_decref(v->series);
	json_decref(v->statements);
	v->status = v->cluster = v->series = v->statements = NULL;
}

/* The pin is the configuration's, or the default one. */
static void open_pin(struct view *v)
{
	struct config *config = NULL;
	char *error = NULL;

	if (v->pin)
		return;
	if (!v->options->url && !config_load(&config, v->options->config_path, &error))
		pinview_open(&v->pin, config->pin);
	config_free(&config);
	free(error);
}

/* The cluster that is shown: by --cluster at first, then by the arrow keys. */
static const char *chosen(struct view *v)
{
	const json_t *clusters = json_object_get(v->status, "clusters");
	size_t count = json_array_size(clusters);

	if (count && v->shown >= count)
		v->shown = count - 1;
	return answer_text(json_array_get(clusters, v->shown), "name");
}

static void choose(struct view *v, const char *name)
{
	const json_t *clusters = json_object_get(v->status, "clusters"), *one;
	size_t i;

	json_array_foreach(clusters, i, one) if (strcmp(answer_text(one, "name"), name) == 0) v->shown = i;
}

static void ask_daemon(struct view *v)
{
	char path[64];
	const char *name;

	v->status = answer_get(v->url, "/api/v1/status", NULL);
	if (!v->status)
		return;
	if (v->options->cluster && !v->once_answered)
		choose(v, v->options->cluster);
	v->once_answered = true;
	name = chosen(v);
	if (!*name)
		return;
	snprintf(path, sizeof(path), "/api/v1/series?range=%s", ranges[v->range]);
	v->cluster = answer_get(v->url, "/api/v1/cluster", name);
	v->series = answer_get(v->url, path, name);
	v->statements = answer_get(v->url, STATEMENTS, name);
}

static void ask_pin(struct view *v)
{
	open_pin(v);
	if (!v->pin)
		return;
	v->status = pinview_status(v->pin);
	chosen(v);
	v->cluster = json_incref(json_array_get(json_object_get(v->status, "clusters"), v->shown));
}

static void refresh_data(struct view *v)
{
	forget(v);
	ask_daemon(v);
	v->screen.source = v->url;
	if (!v->status) {
		ask_pin(v);
		v->screen.source = v->status ? "pinned map; no daemon answers" : answer_error();
	}
	v->screen.status = v->status;
	v->screen.cluster = v->cluster;
	v->screen.series = v->series;
	v->screen.statements = v->statements;
}

/* -------------------------------------------------------------------------------------------------- painting
 */

static void set_colours(void)
{
	if (!has_colors())
		return;
	start_color();
	use_default_colors();
	init_pair(ACCENT_OK, COLOR_GREEN, -1);
	init_pair(ACCENT_BAD, COLOR_RED, -1);
	init_pair(ACCENT_OPEN, COLOR_YELLOW, -1);
}

static int attributes(enum accent accent)
{
	switch (accent) {
	case ACCENT_OK:
	case ACCENT_BAD:
	case ACCENT_OPEN:
		return COLOR_PAIR(accent) | A_BOLD;
	case ACCENT_SOFT:
		return A_DIM;
	case ACCENT_HEAD:
		return A_BOLD;
	case ACCENT_SELECTED:
		return A_REVERSE;
	default:
		return A_NORMAL;
	}
}

static void paint(struct view *v)
{
	static struct screen_line lines[LINES_MAX];

	getmaxyx(stdscr, v->screen.height, v->screen.width);
	if (v->screen.height > LINES_MAX)
		v->screen.height = LINES_MAX;
	v->screen.search = v->search;
	v->screen.range = ranges[v->range];
	screen_draw(&v->screen, lines);
	erase();
	for (int i = 0; i < v->screen.height; i++) {
		if (!lines[i].text.len)
			continue;
		attrset(attributes(lines[i].accent));
		mvaddnstr(i, 0, lines[i].text.data, -1);
	}
	attrset(A_NORMAL);
	screen_free(lines, v->screen.height);
	refresh();
}

/* ------------------------------------------------------------------------------------------------------ keys
 */

static void type(struct view *v, int key)
{
	size_t len = strlen(v->search);

	if (key == '\n' || key == KEY_ENTER || key == ESCAPE) {
		v->screen.typing = false;
		if (key == ESCAPE)
			*v->search = 0;
	} else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && len) {
		v->search[len - 1] = 0;
	} else if (key >= ' ' && key < 127 && len + 1 < SEARCH_MAX) {
		v->search[len] = (char)key;
		v->search[len + 1] = 0;
	}
}

static void move_to(struct view *v, int by)
{
	long place = (long)v->screen.selected + by;

	v->screen.selected = place < 0 ? 0 : (size_t)place;
}

/* True when other data is to be shown. */
static bool turn(struct view *v, int by)
{
	if (by < 0 && !v->shown)
		return false;
	v->shown += by;
	v->screen.selected = v->screen.first = 0;
	return true;
}

/* False: the end. *again: other data is to be shown. */
static bool handle(struct view *v, int key, bool *again)
{
	switch (key) {
	case 'q':
		return false;
	case '/':
		v->screen.typing = true;
		break;
	case 's':
		v->screen.sort = (v->screen.sort + 1) % SORT_COUNT;
		break;
	case 't':
		v->range = (v->range + 1) % 3;
		*again = true;
		break;
	case KEY_UP:
		move_to(v, -1);
		break;
	case KEY_DOWN:
		move_to(v, 1);
		break;
	case KEY_PPAGE:
		move_to(v, -10);
		break;
	case KEY_NPAGE:
		move_to(v, 10);
		break;
	case KEY_LEFT:
		*again = turn(v, -1);
		break;
	case KEY_RIGHT:
		*again = turn(v, 1);
		break;
	default:
		break;
	}
	return true;
}

static void run(struct view *v)
{
	uint64_t due = 0;
	bool again = false;
	int key;

	do {
		if (clock_ms() >= due || again) {
			refresh_data(v);
			due = clock_ms() + REFRESH_MS;
			again = false;
		}
		paint(v);
		key = getch();
		if (key != ERR && v->screen.typing) {
			type(v, key);
			key = ERR;
		}
	} while (key == ERR || handle(v, key, &again));
}

int terminal_run(const struct options *options)
{
	struct view v = {.options = options};

	if (locate(options, v.url))
		return EXIT_USAGE;
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
		fprintf(stderr, "top needs a terminal; try mirror-observer status\n");
		return EXIT_USAGE;
	}
	setlocale(LC_ALL, "");
	if (strcmp(setlocale(LC_CTYPE, NULL), "C") == 0)
		setlocale(LC_CTYPE, "C.UTF-8"); /* the blocks are no ASCII */
	if (!newterm(NULL, stdout, stdin)) {
		fprintf(stderr, "top: the terminal %s is not known; set TERM\n",
			getenv("TERM") ? getenv("TERM") : "");
		return EXIT_USAGE;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	timeout(KEY_WAIT_MS);
	set_colours();
	run(&v);
	endwin();
	forget(&v);
	pinview_close(&v.pin);
	return EXIT_OK;
}
