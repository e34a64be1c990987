/* SPDX-License-Identifier: MIT */
#include "ask/screen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ask/answer.h"
#include "base/quantity.h"

#define NAME_WIDTH   24 /* before a plot */
#define FIGURE_WIDTH 12
#define CHECKS_SHOWN 4

struct page {
	struct screen *screen;
	struct screen_line *lines;
	int used;
};

/* A new line; NULL when the screen is full. */
static struct buffer *next_line(struct page *page, enum accent accent)
{
	struct screen_line *line;

	if (page->used >= page->screen->height)
		return NULL;
	line = &page->lines[page->used++];
	line->accent = accent;
	return &line->text;
}

static void add(struct page *page, enum accent accent, const char *text)
{
	struct buffer *line = next_line(page, accent);

	if (line)
		answer_plain(line, text, page->screen->width > 4 ? page->screen->width - 3 : 1);
}

/* ---------------------------------------------------------------------------------------------------- plots
 */

static double item(const json_t *values, size_t i)
{
	const json_t *value = json_array_get(values, i);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* The greatest of those that share a column: a peak must not vanish. */
static double column_of(const json_t *values, size_t column, size_t columns)
{
	size_t count = json_array_size(values), per = (count + columns - 1) / columns;
	size_t end = count - (columns - 1 - column < count / per ? (columns - 1 - column) * per : count);
	double most = NAN;

	for (size_t i = end > per ? end - per : 0; i < end; i++)
		if (!isnan(item(values, i)) && !(item(values, i) <= most))
			most = item(values, i);
	return most;
}

void screen_blocks(struct buffer *out, const json_t *values, size_t columns, double *top)
{
	static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
					     "\u2585", "\u2586", "\u2587", "\u2588"};

	*top = 0;
	for (size_t i = 0; i < json_array_size(values); i++)
		*top = fmax(*top, item(values, i)); /* fmax passes NaN over */
	for (size_t c = 0; json_array_size(values) && c < columns; c++) {
		double value = column_of(values, c, columns);

		if (isnan(value))
			buffer_string(out, " ");
		else
			buffer_string(out, blocks[*top > 0 ? (int)fmin(7, value / *top * 7.999) : 0]);
	}
}

static double newest(const json_t *values)
{
	for (size_t i = json_array_size(values); i-- > 0;)
		if (!isnan(item(values, i)))
			return item(values, i);
	return NAN;
}

static void add_plot(struct page *page, const char *name, const char *title)
{
	const json_t *series = answer_find(page->screen->series, "series", name);
	const json_t *values = json_object_get(series, "values");
	int columns = page->screen->width - NAME_WIDTH - 2 * FIGURE_WIDTH - 8;
	char now[QUANTITY_MAX], most[QUANTITY_MAX];
	struct buffer *line;
	double top;

	if (!series || columns < 10)
		return;
	line = next_line(page, ACCENT_NONE);
	if (!line)
		return;
	buffer_printf(line, "%-*s %*s ", NAME_WIDTH, title, FIGURE_WIDTH,
		      quantity(now, newest(values),
			       strcmp(answer_text(series, "unit"), "statements") == 0
				   ? ""
				   : answer_text(series, "unit")));
	screen_blocks(line, values, columns, &top);
	buffer_printf(line, " \u2264 %s",
		      quantity(most, top,
			       strcmp(answer_text(series, "unit"), "statements") == 0
				   ? ""
				   : answer_text(series, "unit")));
}

static void add_plots(struct page *page)
{
	static const char *const shown[][2] = {
	    {"success", "requests succeeded"},
	    {"query_failures", "failed: query execution"},
	    {"connection_failures", "failed: connection"},
	    {"timeout_failures", "failed: timeout"},
	    {"primary_statements", "statements, primary"},
	    {"mirror_statements", "statements, mirror"},
	    {"queue_depth", "queue depth"},
	    {"lag_p99", "lag p99"},
	    {"primary_p99", "statement p99, primary"},
	    {"mirror_p99", "statement p99, mirror"},
	};

	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		add_plot(page, shown[i][0], shown[i][1]);
}

/* --------------------------------------------------------------------------------------------------- verdict
 */

static enum accent accent_of(const json_t *object)
{
	const char *verdict = answer_text(object, "verdict");

	return strcmp(verdict, "ready") == 0       ? ACCENT_OK
	       : strcmp(verdict, "not_ready") == 0 ? ACCENT_BAD
						   : ACCENT_OPEN;
}

static void add_head(struct page *page)
{
	const json_t *cluster = page->screen->cluster;
	struct buffer text = {0};

	buffer_printf(&text, "mirror-observer top   %s (one of %zu)   last %s   %s",
		      answer_text(cluster, "name"),
		      json_array_size(json_object_get(page->screen->status, "clusters")), page->screen->range,
		      page->screen->source);
	add(page, ACCENT_HEAD, text.data);
	buffer_free(&text);
	if (cluster)
		add(page, accent_of(cluster), answer_text(cluster, "sentence"));
}

static void add_figures(struct page *page)
{
	const json_t *cluster = page->screen->cluster, *requests = json_object_get(cluster, "requests");
	const json_t *failures = json_object_get(cluster, "failures");
	char a[QUANTITY_MAX], b[QUANTITY_MAX], c[QUANTITY_MAX], d[QUANTITY_MAX], e[QUANTITY_MAX];
	struct buffer text = {0};

	if (!cluster)
		return;
	buffer_printf(
	    &text, "success %s   failed %s (connection %s, timeout %s, query %s)   unknown %s   queue %s",
	    answer_figure(cluster, "success_rate"), quantity(a, answer_number(requests, "failure"), ""),
	    quantity(b, answer_number(failures, "connection"), ""),
	    quantity(c, answer_number(failures, "timeout"), ""),
	    quantity(d, answer_number(failures, "query_execution"), ""),
	    quantity(e, answer_number(requests, "unknown"), ""), answer_figure(cluster, "queue_depth"));
	add(page, ACCENT_NONE, text.data);
	buffer_free(&text);
}

static void add_check(struct page *page, const json_t *check)
{
	const json_t *progress = json_object_get(check, "progress");
	struct buffer text = {0};

	if (json_is_object(progress))
		buffer_printf(&text, "  %s: %s", answer_text(check, "name"), answer_text(progress, "text"));
	else
		buffer_printf(&text, "  %s: %s", answer_text(check, "name"), answer_text(check, "reason"));
	add(page, accent_of(check), text.data);
	buffer_free(&text);
}

static void add_checks(struct page *page)
{
	static const char *const order[] = {"not_ready", "insufficient_data"};
	const json_t *checks = json_object_get(page->screen->cluster, "check_list"), *check;
	size_t i, shown = 0;

	for (size_t pass = 0; pass < 2; pass++)
		json_array_foreach(checks, i,
				   check) if (strcmp(answer_text(check, "verdict"), order[pass]) == 0 &&
					      shown++ < CHECKS_SHOWN) add_check(page, check);
}

/* ------------------------------------------------------------------------------------------------ statements
 */

static double sort_value(const json_t *statement, enum screen_sort sort)
{
	const json_t *mirror = json_object_get(statement, "mirror");

	switch (sort) {
	case SORT_CALLS:
		return answer_number(mirror, "calls");
	case SORT_ERRORS:
		return answer_number(mirror, "errors");
	case SORT_MEAN:
		return answer_number(mirror, "mean");
	case SORT_RATIO:
		return answer_number(statement, "ratio");
	case SORT_DIFFERENCES:
		return answer_number(statement, "differences");
	default:
		return NAN;
	}
}

const char *screen_sort_name(enum screen_sort sort)
{
	static const char *const names[SORT_COUNT] = {"harm",      "calls", "errors",
						      "mean time", "ratio", "differences"};

	return names[sort];
}

struct ranked {
	const json_t *statement;
	double value;
	size_t place; /* in the server's order, by harm */
};

static int compare(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	if (isnan(a->value) != isnan(b->value))
		return isnan(a->value) - isnan(b->value);
	if (!isnan(a->value) && a->value != b->value)
		return a->value < b->value ? 1 : -1;
	return a->place < b->place ? -1 : 1;
}

/* Those that are found, in order; *count of them. The caller frees. */
static struct ranked *rank(const struct screen *screen, size_t *count)
{
	const json_t *statements = json_object_get(screen->statements, "statements"), *one;
	struct ranked *list = calloc(json_array_size(statements) + 1, sizeof(*list));
	size_t i;

	*count = 0;
	json_array_foreach(statements, i, one)
	{
		if (list && (!*screen->search || strcasestr(answer_text(one, "text"), screen->search)))
			list[(*count)++] = (struct ranked){one, sort_value(one, screen->sort), i};
	}
	if (list)
		qsort(list, *count, sizeof(*list), compare);
	return list;
}

static void write_statement(struct buffer *line, const json_t *one, int width)
{
	const json_t *primary = json_object_get(one, "primary"), *mirror = json_object_get(one, "mirror");
	char calls[QUANTITY_MAX], errors[QUANTITY_MAX], before[QUANTITY_MAX], now[QUANTITY_MAX],
	    ratio[QUANTITY_MAX], differences[QUANTITY_MAX];
	struct buffer text = {0};

	buffer_printf(line, "%9s %8s %10s %10s %9s %8s  ",
		      quantity(calls, answer_number(mirror, "calls"), ""),
		      quantity(errors, answer_number(mirror, "errors"), ""),
		      quantity(before, answer_number(primary, "mean"), "s"),
		      quantity(now, answer_number(mirror, "mean"), "s"),
		      quantity(ratio, answer_number(one, "ratio"), "x"),
		      quantity(differences, answer_number(one, "differences"), ""));
	if (*answer_text(one, "reason"))
		buffer_printf(&text, "[%s] ", answer_text(one, "reason"));
	buffer_string(&text, answer_text(one, "text"));
	answer_plain(line, text.data, width > 70 ? width - 66 : 4);
	buffer_free(&text);
}

static void keep_in_sight(struct screen *screen, size_t count, size_t rows)
{
	if (screen->selected >= count)
		screen->selected = count ? count - 1 : 0;
	if (screen->selected < screen->first)
		screen->first = screen->selected;
	if (rows && screen->selected >= screen->first + rows)
		screen->first = screen->selected - rows + 1;
}

static void add_statements(struct page *page)
{
	struct screen *screen = page->screen;
	int rows = screen->height - page->used - 2; /* heading and the last line */
	struct ranked *list;
	struct buffer *line = next_line(page, ACCENT_HEAD);
	size_t count;

	if (!line || rows < 1)
		return;
	buffer_printf(line, "%9s %8s %10s %10s %9s %8s  %s", "CALLS", "ERRORS", "MEAN prim", "MEAN mirr",
		      "RATIO", "DIFFER", "STATEMENT");
	list = rank(screen, &count);
	keep_in_sight(screen, count, rows);
	for (size_t i = screen->first; i < count && i < screen->first + (size_t)rows; i++) {
		const json_t *one = list[i].statement;

		line = next_line(page, i == screen->selected ? ACCENT_SELECTED
				       : *answer_text(one, "reason") &&
					       !json_is_true(json_object_get(one, "ignored"))
					   ? ACCENT_BAD
					   : ACCENT_NONE);
		if (line)
			write_statement(line, one, screen->width);
	}
	free(list);
}

static void set_last_line(struct page *page)
{
	struct screen *screen = page->screen;
	struct buffer text = {0};

	page->used = screen->height - 1;
	if (screen->typing)
		buffer_printf(&text, "search: %s_", screen->search);
	else
		buffer_printf(
		    &text,
		    "q quit  up/down statement  left/right cluster  / search%s%s  s sort: %s  t time: %s",
		    *screen->search ? ": " : "", screen->search, screen_sort_name(screen->sort),
		    screen->range);
	add(page, ACCENT_SOFT, text.data);
	buffer_free(&text);
}

void screen_draw(struct screen *screen, struct screen_line *lines)
{
	struct page page = {screen, lines, 0};

	memset(lines, 0, screen->height * sizeof(*lines));
	add_head(&page);
	add_figures(&page);
	add_checks(&page);
	add_plots(&page);
	add_statements(&page);
	set_last_line(&page);
}

void screen_free(struct screen_line *lines, int height)
{
	for (int i = 0; i < height; i++)
		buffer_free(&lines[i].text);
}
