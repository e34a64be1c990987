/* SPDX-License-Identifier: MIT */
#include "base/address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct address_range parse(const char *text)
{
	struct address_range range;
	char host[256];
	const char *why;

	if (address_parse(text, &range, host, sizeof(host), &why))
		fail_msg("%s: %s", text, why);
	return range;
}

static struct address one(const char *text)
{
	return parse(text).base;
}

static void an_ipv4_address_is_held_as_a_mapped_ipv6_one(void **state)
{
	struct address_range v4 = parse("10.0.0.1:5432"), v6 = parse("[::ffff:10.0.0.1]:5432");

	(void)state;
	assert_int_equal(v4.family, ADDRESS_IP);
	assert_int_equal(v4.prefix_len, 128);
	assert_int_equal(v4.base.port, 5432);
	assert_true(address_equal(&v4.base, &v6.base));
}

static void a_cidr_block_contains_what_its_prefix_says_on_its_port_only(void **state)
{
	struct address_range block = parse("10.1.0.0/20:5432");
	struct address in = one("10.1.15.255:5432"), out = one("10.1.16.0:5432"), port = one("10.1.0.1:5433");

	(void)state;
	assert_int_equal(block.prefix_len, 96 + 20);
	assert_true(address_range_contains(&block, &in));
	assert_false(address_range_contains(&block, &out));
	assert_false(address_range_contains(&block, &port));
}

static void an_ipv6_block_stands_in_brackets_and_contains_its_addresses(void **state)
{
	struct address_range block = parse("[2001:db8::/64]:6432");
	struct address in = one("[2001:db8::1]:6432"), out = one("[2001:db8:0:1::1]:6432");

	(void)state;
	assert_int_equal(block.prefix_len, 64);
	assert_true(address_range_contains(&block, &in));
	assert_false(address_range_contains(&block, &out));
}

static void a_prefix_of_zero_contains_every_ipv4_address_and_no_ipv6_one(void **state)
{
	struct address_range all = parse("0.0.0.0/0:5432");
	struct address v4 = one("255.1.2.3:5432"), v6 = one("[2001:db8::1]:5432");

	(void)state;
	assert_true(address_range_contains(&all, &v4));
	assert_false(address_range_contains(&all, &v6));
}

static void ranges_overlap_when_one_holds_the_other(void **state)
{
	struct address_range wide = parse("10.0.0.0/8:5432"), narrow = parse("10.2.3.0/24:5432");
	struct address_range other = parse("11.0.0.0/8:5432"), port = parse("10.2.3.0/24:5433");

	(void)state;
	assert_true(address_range_overlaps(&wide, &narrow));
	assert_true(address_range_overlaps(&narrow, &wide));
	assert_false(address_range_overlaps(&narrow, &other));
	assert_false(address_range_overlaps(&narrow, &port));
}

static void unix_sockets_overlap_only_when_their_paths_are_equal(void **state)
{
	struct address_range a = parse("unix:/run/a/.s.PGSQL.5432"), b = parse("unix:/run/b/.s.PGSQL.5432");
	struct address_range none = {.family = ADDRESS_NONE}, ip = parse("10.0.0.1:5432");

	(void)state;
	assert_int_equal(a.family, ADDRESS_UNIX);
	assert_string_equal(a.path, "/run/a/.s.PGSQL.5432");
	assert_true(address_range_overlaps(&a, &a));
	assert_false(address_range_overlaps(&a, &b));
	assert_false(address_range_overlaps(&a, &ip));
	assert_false(address_range_overlaps(&none, &none));
	assert_false(address_range_contains(&a, &ip.base));
}

static void a_name_is_handed_back_with_its_port(void **state)
{
	static const char *const names[] = {"db", "db-1.example.com", "my_db.internal", "db.example.com."};
	struct address_range range;
	char host[256], text[300];
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		strcpy(text, names[i]);
		strcat(text, ":6543");
		assert_int_equal(address_parse(text, &range, host, sizeof(host), &why), -EDESTADDRREQ);
		assert_string_equal(host, names[i]);
		assert_int_equal(range.base.port, 6543);
	}
}

static void what_is_wrong_with_an_address_is_said(void **state)
{
	static const char *const bad[][2] = {
	    {"", "the port is missing"},
	    {"10.0.0.1", "the port is missing"},
	    {"[::1]", "the port is missing"},
	    {"[::1]5432", "the port is missing"},
	    {"[::1:5432", "the closing bracket is missing"},
	    {"2001:db8::1:5432", "an IPv6 address must stand in brackets"},
	    {"10.0.0.1:0", "the port must be a number from 1 to 65535"},
	    {"10.0.0.1:65536", "the port must be a number from 1 to 65535"},
	    {"10.0.0.1:99999999999", "the port must be a number from 1 to 65535"},
	    {"10.0.0.1:", "the port must be a number from 1 to 65535"},
	    {"10.0.0.1:5432x", "the port must be a number from 1 to 65535"},
	    {"10.0.0.1:+543", "the port must be a number from 1 to 65535"},
	    {"10.0.0.300:5432", "this is no valid IPv4 address"},
	    {"10.0.0:5432", "this is no valid IPv4 address"},
	    {"10.0.0.1/24:5432", "the address has bits set beyond its prefix length"},
	    {"10.0.0.0/33:5432", "the prefix length must be 0 to 32"},
	    {"10.0.0.0/:5432", "the prefix length must be 0 to 32"},
	    {"[2001:db8::/129]:5432", "the prefix length must be 0 to 128"},
	    {"[2001:db8::1/64]:5432", "the address has bits set beyond its prefix length"},
	    {"[fe80::1%eth0]:5432", "this is no valid IPv6 address"},
	    {"[db]:5432", "this is no valid IPv6 address"},
	    {":5432", "the host is missing"},
	    {"db/24:5432", "a prefix length needs a numeric address"},
	    {"db name:5432", "this is no valid host name"},
	    {"-db:5432", "this is no valid host name"},
	    {"a..b:5432", "this is no valid host name"},
	    {"unix:run/a", "the path of a Unix-domain socket must begin with /"},
	};
	struct address_range range;
	char host[256];
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(address_parse(bad[i][0], &range, host, sizeof(host), &why), -EINVAL);
		assert_string_equal(why, bad[i][1]);
	}
}

static void a_unix_path_that_no_socket_can_have_is_refused(void **state)
{
	char text[5 + 109] = "unix:/";
	struct address_range range;
	char host[256];
	const char *why;

	(void)state;
	memset(text + 6, 'a', 106);
	assert_int_equal(address_parse(text, &range, host, sizeof(host), &why), 0);
	text[5 + 107] = 'a';
	assert_int_equal(address_parse(text, &range, host, sizeof(host), &why), -EINVAL);
	assert_string_equal(why, "the path of a Unix-domain socket is longer than 107 bytes");
}

static void an_address_is_written_as_it_is_read(void **state)
{
	static const char *const texts[] = {"10.0.0.1:5432", "[2001:db8::1]:65535", "[::]:1"};
	char text[ADDRESS_TEXT_MAX];
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		address = one(texts[i]);
		assert_string_equal(address_format(&address, text), texts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_ipv4_address_is_held_as_a_mapped_ipv6_one),
	    cmocka_unit_test(a_cidr_block_contains_what_its_prefix_says_on_its_port_only),
	    cmocka_unit_test(an_ipv6_block_stands_in_brackets_and_contains_its_addresses),
	    cmocka_unit_test(a_prefix_of_zero_contains_every_ipv4_address_and_no_ipv6_one),
	    cmocka_unit_test(ranges_overlap_when_one_holds_the_other),
	    cmocka_unit_test(unix_sockets_overlap_only_when_their_paths_are_equal),
	    cmocka_unit_test(a_name_is_handed_back_with_its_port),
	    cmocka_unit_test(what_is_wrong_with_an_address_is_said),
	    cmocka_unit_test(a_unix_path_that_no_socket_can_have_is_refused),
	    cmocka_unit_test(an_address_is_written_as_it_is_read),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
