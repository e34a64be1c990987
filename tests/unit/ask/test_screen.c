/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ask/screen.h"
#include "ask/sketch.h"

#define HEIGHT 40

static char *blocks(const char *json, size_t columns, double *top)
{
	static char text[256];
	json_t *values = json_loads(json, 0, NULL);
	struct buffer out = {0};

	screen_blocks(&out, values, columns, top);
	snprintf(text, sizeof(text), "%s", out.data ? out.data : "");
	buffer_free(&out);
	json_decref(values);
	return text;
}

static void blocks_are_as_high_as_their_values_and_a_gap_stays_one(void **state)
{
	double top;

	(void)state;
	assert_string_equal(blocks("[0, 4, 8, null, 2]", 5, &top), "\u2581\u2584\u2588 \u2582");
	assert_true(top == 8);
	assert_string_equal(blocks("[0, 0]", 2, &top), "\u2581\u2581");
	assert_string_equal(blocks("[]", 5, &top), "");
	assert_string_equal(blocks("[\"x\", {}, 3]", 3, &top),
			    "  \u2588"); /* what is no number is not known */
}

static void a_peak_is_seen_however_narrow_the_plot(void **state)
{
	double top;

	(void)state;
	assert_string_equal(blocks("[0,0,0,0,0,100,0,0,0,0,0,0]", 3, &top), "\u2581\u2588\u2581");
}

static json_t *statements(void)
{
	return json_loads(
	    "{\"statements\":["
	    "{\"text\":\"SELECT "
	    "a\",\"reason\":\"\",\"ratio\":1,\"differences\":0,\"primary\":{\"mean\":0.001},"
	    "\"mirror\":{\"calls\":5,\"errors\":0,\"mean\":0.001}},"
	    "{\"text\":\"SELECT "
	    "b\\u001b[2J\",\"reason\":\"slow\",\"ratio\":3,\"differences\":0,\"primary\":{\"mean\":"
	    "0.001},\"mirror\":{\"calls\":50,\"errors\":2,\"mean\":0.003}},"
	    "{\"text\":\"UPDATE "
	    "c\",\"reason\":\"\",\"ratio\":null,\"differences\":1,\"primary\":{},\"mirror\":{}}]}",
	    0, NULL);
}

/* The texts of the lines that hold it, joined; static. */
static const char *drawn(struct screen *screen, const char *part)
{
	static char text[8192];
	struct screen_line lines[HEIGHT];

	*text = 0;
	screen->height = HEIGHT;
	screen->width = 120;
	screen_draw(screen, lines);
	for (int i = 0; i < HEIGHT; i++)
		if (lines[i].text.data && strstr(lines[i].text.data, part))
			strncat(strncat(text, lines[i].text.data, 200), "\n", 2);
	screen_free(lines, HEIGHT);
	return text;
}

static void statements_are_sorted_searched_and_marked(void **state)
{
	json_t *answer = statements();
	struct screen screen = {
	    .statements = answer, .source = "x", .search = "", .range = "5m", .sort = SORT_CALLS};
	const char *text = drawn(&screen, " ms ");

	(void)state;
	assert_true(strstr(text, "SELECT b") < strstr(text, "SELECT a"));
	screen.sort = SORT_HARM;
	text = drawn(&screen, " ms ");
	assert_true(strstr(text, "SELECT a") < strstr(text, "SELECT b"));
	screen.search = "update";
	screen.selected = 7; /* more than are left */
	assert_string_equal(drawn(&screen, "SELECT"), "");
	assert_non_null(strstr(drawn(&screen, "UPDATE"), "UPDATE c"));
	assert_int_equal(screen.selected, 0);
	json_decref(answer);
}

static void what_a_server_sent_cannot_drive_the_terminal(void **state)
{
	json_t *answer = statements();
	struct screen screen = {.statements = answer, .source = "\033]0;x", .search = "", .range = "5m"};

	(void)state;
	assert_string_equal(drawn(&screen, "\033"), "");
	assert_non_null(strstr(drawn(&screen, "SELECT b"), "SELECT b?[2J"));
	json_decref(answer);
}

static void without_any_answer_the_reason_is_shown(void **state)
{
	struct screen screen = {.source = "nobody answers", .search = "", .range = "5m"};

	(void)state;
	assert_non_null(strstr(drawn(&screen, "nobody"), "nobody answers"));
}

/* Any size that a window can have. */
static void no_size_is_too_small(void **state)
{
	json_t *answer = statements();
	struct screen screen = {.statements = answer, .source = "x", .search = "", .range = "5m"};
	struct screen_line lines[HEIGHT];

	(void)state;
	for (screen.height = 1; screen.height < 12; screen.height++)
		for (screen.width = 1; screen.width < 90; screen.width += 7) {
			screen_draw(&screen, lines);
			screen_free(lines, screen.height);
		}
	json_decref(answer);
}

static void a_sketch_has_a_path_for_each_figure_and_gaps(void **state)
{
	json_t *series = json_loads(
	    "{\"step\":60,\"end\":1700000000,\"marks\":[{\"at\":1699999900,\"kind\":\"reload\"}],\"series\":["
	    "{\"plot\":\"lag\",\"unit\":\"s\",\"title\":\"<b>\",\"values\":[1,null,2,3]},"
	    "{\"plot\":\"lag\",\"unit\":\"s\",\"title\":\"two\",\"values\":[1,1,1,1]},"
	    "{\"plot\":\"other\",\"unit\":\"s\",\"title\":\"x\",\"values\":[1,1,1,1]}]}",
	    0, NULL);
	struct buffer out = {0};
	int lines = 0;

	(void)state;
	sketch_write(&out, series, "lag", "Lag");
	for (const char *at = out.data; (at = strstr(at, "class=\"line")); at++)
		lines++;
	assert_int_equal(lines, 2);
	assert_non_null(strstr(out.data, "&lt;b&gt;"));
	assert_null(strstr(out.data, "nan"));
	assert_non_null(strstr(out.data, "class=\"mark\""));
	buffer_reset(&out);
	sketch_write(&out, series, "nothing", "Nothing");
	assert_int_equal(out.len, 0);
	buffer_free(&out);
	json_decref(series);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blocks_are_as_high_as_their_values_and_a_gap_stays_one),
	    cmocka_unit_test(a_peak_is_seen_however_narrow_the_plot),
	    cmocka_unit_test(statements_are_sorted_searched_and_marked),
	    cmocka_unit_test(what_a_server_sent_cannot_drive_the_terminal),
	    cmocka_unit_test(without_any_answer_the_reason_is_shown),
	    cmocka_unit_test(no_size_is_too_small),
	    cmocka_unit_test(a_sketch_has_a_path_for_each_figure_and_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
