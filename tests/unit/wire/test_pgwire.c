/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "wire/pgwire.h"

#define BODY(text) (const uint8_t *)(text), sizeof(text) - 1

static void a_start_up_packet_names_user_and_database(void **state)
{
	struct pgwire_startup startup;

	(void)state;
	assert_int_equal(pgwire_startup(BODY("\0\3\0\0user\0joe\0database\0app\0\0"), &startup), 0);
	assert_int_equal(startup.first, PGWIRE_FIRST_STARTUP);
	assert_string_equal(startup.user, "joe");
	assert_string_equal(startup.database, "app");
	assert_false(startup.replication);
}

static void the_database_is_the_user_where_none_is_given(void **state)
{
	struct pgwire_startup startup;

	(void)state;
	assert_int_equal(pgwire_startup(BODY("\0\3\0\2user\0joe\0\0"), &startup), 0);
	assert_string_equal(startup.database, "joe");
	assert_int_equal(pgwire_startup(BODY("\0\3\0\0user\0joe\0database\0\0\0"), &startup), 0);
	assert_string_equal(startup.database, "joe");
}

static void replication_is_read_as_the_server_reads_booleans(void **state)
{
	struct pgwire_startup startup;

	(void)state;
	assert_int_equal(pgwire_startup(BODY("\0\3\0\0user\0r\0replication\0database\0\0"), &startup), 0);
	assert_true(startup.replication);
	assert_int_equal(pgwire_startup(BODY("\0\3\0\0user\0r\0replication\0on\0\0"), &startup), 0);
	assert_true(startup.replication);
	assert_int_equal(pgwire_startup(BODY("\0\3\0\0user\0r\0replication\0OFF\0\0"), &startup), 0);
	assert_false(startup.replication);
}

static void special_first_packets_are_told_apart_and_other_protocols_refused(void **state)
{
	struct pgwire_startup startup;

	(void)state;
	assert_int_equal(pgwire_startup(BODY("\x04\xd2\x16\x2f"), &startup), 0);
	assert_int_equal(startup.first, PGWIRE_FIRST_SSL);
	assert_int_equal(pgwire_startup(BODY("\x04\xd2\x16\x30"), &startup), 0);
	assert_int_equal(startup.first, PGWIRE_FIRST_GSSENC);
	assert_int_equal(pgwire_startup(BODY("\x04\xd2\x16\x2e\0\0\0\1\0\0\0\2"), &startup), 0);
	assert_int_equal(startup.first, PGWIRE_FIRST_CANCEL);
	assert_int_equal(pgwire_startup(BODY("\0\2\0\0joe"), &startup), -EBADMSG);
	assert_int_equal(pgwire_startup(BODY("\0\3\0\0user"), &startup), -EBADMSG);
}

static void an_error_gives_its_untranslated_severity_and_sqlstate(void **state)
{
	struct pgwire_error error;

	(void)state;
	assert_int_equal(pgwire_error(BODY("SFEHLER\0VERROR\0C42P01\0Mweg\0\0"), &error), 0);
	assert_string_equal(error.severity, "ERROR");
	assert_string_equal(error.sqlstate, "42P01");
	assert_int_equal(pgwire_error(BODY("SFATAL\0C57P01\0\0"), &error), 0); /* before 9.6 */
	assert_string_equal(error.severity, "FATAL");
	assert_int_equal(pgwire_error(BODY("Mno more\0\0"), &error), -EBADMSG);
}

static void a_tag_is_parted_from_its_counts(void **state)
{
	struct pgwire_tag tag;

	(void)state;
	assert_int_equal(pgwire_tag(BODY("INSERT 0 5\0"), &tag), 0);
	assert_string_equal(tag.tag, "INSERT");
	assert_int_equal(tag.rows, 5);
	assert_int_equal(pgwire_tag(BODY("SELECT 12\0"), &tag), 0);
	assert_string_equal(tag.tag, "SELECT");
	assert_int_equal(tag.rows, 12);
	assert_int_equal(pgwire_tag(BODY("CREATE TABLE\0"), &tag), 0);
	assert_string_equal(tag.tag, "CREATE TABLE");
	assert_false(tag.has_rows);
	assert_int_equal(pgwire_tag(BODY("SELECT 1"), &tag), -EBADMSG);
}

static void messages_of_impossible_type_or_length_are_refused(void **state)
{
	(void)state;
	assert_true(pgwire_backend_valid('Z', 1));
	assert_false(pgwire_backend_valid('Z', 2));
	assert_false(pgwire_backend_valid('?', 1));
	assert_false(pgwire_backend_valid('D', 0x3fffffff));
	assert_true(pgwire_backend_valid('K', 8));
	assert_true(pgwire_backend_valid('K', 260)); /* protocol 3.2 */
	assert_false(pgwire_backend_valid('K', 4));
	assert_true(pgwire_frontend_valid('S', 0));
	assert_false(pgwire_frontend_valid('S', 1));
	assert_false(pgwire_frontend_valid('Z', 1));
	assert_false(pgwire_frontend_valid('E', 20000));
}

/* formats {1}, values "ab" and NULL, result formats {0} */
static const uint8_t params[] = {0, 1, 0, 1, 0, 2, 0, 0, 0, 2, 'a', 'b', 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0};

static void parameters_end_before_the_result_formats_however_they_are_cut(void **state)
{
	(void)state;
	for (size_t cut = 0; cut <= sizeof(params); cut++) {
		struct pgwire_params walk = {0};
		size_t taken = pgwire_params_feed(&walk, params, cut);

		taken += pgwire_params_feed(&walk, params + cut, sizeof(params) - cut);
		assert_true(walk.done);
		assert_true(walk.any);
		assert_int_equal(taken, 16);
	}
}

static void a_bind_gives_portal_statement_and_where_its_parameters_begin(void **state)
{
	struct pgwire_string portal, statement;
	size_t at;

	(void)state;
	assert_int_equal(pgwire_bind(BODY("p\0stmt\0\0\0\0\0\0\0"), &portal, &statement, &at), 0);
	assert_int_equal(portal.len, 1);
	assert_memory_equal(statement.text, "stmt", 4);
	assert_int_equal(at, 7);
	assert_int_equal(pgwire_bind(BODY("p\0stmt"), &portal, &statement, &at), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_start_up_packet_names_user_and_database),
	    cmocka_unit_test(the_database_is_the_user_where_none_is_given),
	    cmocka_unit_test(replication_is_read_as_the_server_reads_booleans),
	    cmocka_unit_test(special_first_packets_are_told_apart_and_other_protocols_refused),
	    cmocka_unit_test(an_error_gives_its_untranslated_severity_and_sqlstate),
	    cmocka_unit_test(a_tag_is_parted_from_its_counts),
	    cmocka_unit_test(messages_of_impossible_type_or_length_are_refused),
	    cmocka_unit_test(parameters_end_before_the_result_formats_however_they_are_cut),
	    cmocka_unit_test(a_bind_gives_portal_statement_and_where_its_parameters_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
