/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/sqlblock.h"
#include "sql/sqlsetting.h"

static const struct {
	const char *text;
	enum sqlblock_kind kind;
	const char *name;
} texts[] = {
    {"", SQLBLOCK_NONE, ""},
    {";;", SQLBLOCK_NONE, ""},
    {"SELECT 1", SQLBLOCK_NONE, ""},
    {"savepoint Point_1", SQLBLOCK_SAVEPOINT, "point_1"},
    {"/* a */ SAVEPOINT \"Two \"\"words\"\"\" ;", SQLBLOCK_SAVEPOINT, "Two \"words\""},
    {"RELEASE a", SQLBLOCK_RELEASE, "a"},
    {"release savepoint a;", SQLBLOCK_RELEASE, "a"},
    {"ROLLBACK", SQLBLOCK_ROLLBACK, ""},
    {"ABORT TRANSACTION", SQLBLOCK_ROLLBACK, ""},
    {"ROLLBACK WORK AND CHAIN", SQLBLOCK_ROLLBACK, ""},
    {"ROLLBACK TO a", SQLBLOCK_ROLLBACK_TO, "a"},
    {"ROLLBACK TRANSACTION TO SAVEPOINT a", SQLBLOCK_ROLLBACK_TO, "a"},
    {"ROLLBACK PREPARED 'x'", SQLBLOCK_NONE, ""},
    {"COMMIT PREPARED 'x'", SQLBLOCK_NONE, ""},
    {"END", SQLBLOCK_COMMIT, ""},
    {"DECLARE c BINARY CURSOR FOR SELECT ';'", SQLBLOCK_DECLARE, "c"},
    {"CLOSE C", SQLBLOCK_CLOSE, "c"},
    {"CLOSE ALL", SQLBLOCK_CLOSE, ""},
    {"BEGIN; SAVEPOINT a", SQLBLOCK_SAVEPOINT, "a"},
    {"SAVEPOINT a; INSERT INTO t VALUES (1);  ", SQLBLOCK_SAVEPOINT, "a"},
    {"SAVEPOINT a; SAVEPOINT b", SQLBLOCK_SEVERAL, ""},
    {"COMMIT; ROLLBACK TO a", SQLBLOCK_SEVERAL, ""},
    {"SAVEPOINT", SQLBLOCK_SAVEPOINT, ""},
    {"; savepoint a", SQLBLOCK_SAVEPOINT, "a"},
    {"SELECT 1;ROLLBACK", SQLBLOCK_ROLLBACK, ""},
};

static void the_one_that_a_text_holds_is_told_with_its_name(void **state)
{
	struct sqlblock block;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		sqlblock_read(texts[i].text, strlen(texts[i].text), &block);
		if (block.kind != texts[i].kind || block.name_len != strlen(texts[i].name) ||
		    memcmp(block.name, texts[i].name, block.name_len) != 0)
			fail_msg("%s: %d \"%.*s\"", texts[i].text, block.kind, (int)block.name_len,
				 block.name);
	}
}

/* Who asks sqlsetting_concerns() first misses nothing. */
static void what_concerns_no_setting_holds_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (texts[i].kind != SQLBLOCK_NONE &&
		    !sqlsetting_concerns(texts[i].text, strlen(texts[i].text)))
			fail_msg("%s", texts[i].text);
}

/* PostgreSQL cuts names: what differs behind that is the same. */
static void a_long_name_is_cut_as_the_server_cuts_it(void **state)
{
	char text[200] = "SAVEPOINT ";
	struct sqlblock block;

	(void)state;
	memset(text + 10, 'x', 100);
	sqlblock_read(text, strlen(text), &block);
	assert_int_equal(block.kind, SQLBLOCK_SAVEPOINT);
	assert_int_equal(block.name_len, SQLBLOCK_NAME_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_one_that_a_text_holds_is_told_with_its_name),
	    cmocka_unit_test(what_concerns_no_setting_holds_none),
	    cmocka_unit_test(a_long_name_is_cut_as_the_server_cuts_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
