/* SPDX-License-Identifier: MIT */
#include "ask/table.h"

#include <assert.h>
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MAX 8
#define GAP         2  /* between two columns, and before the first */
#define NARROWEST   20 /* of the last column, on however small a terminal */

struct table {
	struct libscols_table *scols;
	size_t columns;
	size_t widest[COLUMNS_MAX];
};

/* SIZE_MAX when what is written does not go to a terminal. */
static size_t terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return SIZE_MAX;
	return size.ws_col;
}

/* Of the last column: the widest text, or what the terminal leaves for it. */
static size_t last_width(const struct table *table)
{
	size_t width = terminal_width(), others = GAP, widest = table->widest[table->columns - 1];

	for (size_t i = 0; i + 1 < table->columns; i++)
		others += table->widest[i] + GAP;
	width = width > others + NARROWEST ? width - others : NARROWEST;
	return widest < width ? widest : width;
}

static size_t wanted_width(const struct libscols_column *column, const char *text, void *ctx)
{
	size_t width = last_width(ctx);

	(void)column;
	return strlen(text) < width ? strlen(text) : width;
}

/* Where a line is too narrow for that it ends between two words. Returns what comes after, NULL at the end.
 */
static char *next_line(const struct libscols_column *column, char *text, void *ctx)
{
	size_t width = scols_column_get_width(column);
	char *end;

	(void)ctx;
	if (!text || strlen(text) <= width)
		return NULL;
	end = memrchr(text, ' ', width + 1);
	if (!end)
		end = strchr(text, ' ');
	if (!end)
		return NULL;
	*end = '\0';
	return end + 1;
}

static void note_width(struct table *table, const char *const *texts)
{
	for (size_t i = 0; i < table->columns; i++)
		if (strlen(texts[i]) > table->widest[i])
			table->widest[i] = strlen(texts[i]);
}

static int add_columns(struct table *table, const char *const *names)
{
	note_width(table, names);
	for (size_t i = 0; i < table->columns; i++)
		if (!scols_table_new_column(table->scols, names[i], 0,
					    i + 1 == table->columns ? SCOLS_FL_WRAP : 0))
			return -ENOMEM;
	scols_column_set_wrapfunc(scols_table_get_column(table->scols, table->columns - 1), wanted_width,
				  next_line, table);
	/* What is no control character goes through as it is, in whatever locale. */
	scols_table_enable_noencoding(table->scols, 1);
	return scols_table_set_column_separator(table->scols, "  ") ? -ENOMEM : 0;
}

int table_new(struct table **out, const char *const *names, size_t columns)
{
	struct table *table = calloc(1, sizeof(*table));
	int err;

	if (!table)
		return -ENOMEM;
	assert(columns > 0 && columns <= COLUMNS_MAX);
	setlocale(LC_CTYPE, "C.UTF-8"); /* by which it knows how wide a character is */
	table->columns = columns;
	table->scols = scols_new_table();
	if (table->scols)
		scols_table_set_termforce(table->scols, SCOLS_TERMFORCE_NEVER); /* widths are ours */
	err = table->scols ? add_columns(table, names) : -ENOMEM;
	if (err)
		table_free(&table);
	*out = table;
	return err;
}

void table_free(struct table **table)
{
	if (!*table)
		return;
	scols_unref_table((*table)->scols);
	free(*table);
	*table = NULL;
}

int table_row(struct table *table, const char *const *texts)
{
	struct libscols_line *line = scols_table_new_line(table->scols, NULL);

	if (!line)
		return -ENOMEM;
	note_width(table, texts);
	for (size_t i = 0; i < table->columns; i++)
		if (scols_line_set_data(line, i, texts[i]))
			return -ENOMEM;
	return 0;
}

int table_write(struct table *table, const char *indent, struct buffer *out)
{
	char *text = NULL;

	/* libsmartcols 2.41 takes no account of wanted_width where nothing forces it to. */
	scols_column_set_whint(scols_table_get_column(table->scols, table->columns - 1), last_width(table));
	if (scols_print_table_to_string(table->scols, &text) || !text)
		return -ENOMEM;
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n"), shown = len;

		while (shown && line[shown - 1] == ' ')
			shown--;
		buffer_string(out, shown ? indent : "");
		buffer_append(out, line, shown);
		buffer_string(out, "\n");
		line += len + (line[len] == '\n');
	}
	free(text);
	return out->failed ? -ENOMEM : 0;
}
