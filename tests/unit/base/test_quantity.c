/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/quantity.h"

#define TABLE "tests/unit/base/quantities.txt"

static void every_line_of_the_table_holds(void **state)
{
	FILE *table = fopen(TABLE, "r");
	char line[128], text[QUANTITY_MAX], *unit, *wanted;
	int lines = 0;

	(void)state;
	assert_non_null(table);
	while (fgets(line, sizeof(line), table)) {
		if (*line == '#')
			continue;
		unit = strchr(line, '|');
		wanted = strrchr(line, '|');
		assert_ptr_not_equal(unit, wanted);
		*unit++ = *wanted++ = 0;
		wanted[strcspn(wanted, "\n")] = 0;
		assert_string_equal(quantity(text, strtod(line, NULL), unit), wanted);
		lines++;
	}
	fclose(table);
	assert_true(lines > 40);
}

/* Over all magnitudes, and with a unit of any length. */
static void no_number_becomes_scientific_or_too_long(void **state)
{
	static const char *const units[] = {"",  "s",          "%",
					    "B", "statements", "a unit of a length nobody would choose"};
	char text[QUANTITY_MAX];

	(void)state;
	for (size_t u = 0; u < sizeof(units) / sizeof(*units); u++)
		for (double size = 1e-12; size < 1e25; size *= 3.7)
			for (int sign = -1; sign <= 1; sign += 2) {
				memset(text, 'e', sizeof(text));
				quantity(text, sign * size, units[u]);
				assert_non_null(memchr(text, 0, sizeof(text)));
				for (const char *at = text; *at; at++)
					assert_false(*at == 'e' && at > text && at[-1] >= '0' &&
						     at[-1] <= '9');
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_line_of_the_table_holds),
	    cmocka_unit_test(no_number_becomes_scientific_or_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
