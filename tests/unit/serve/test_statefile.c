/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "serve/statefile.h"

#define LAYOUT 77

static char directory[] = "/tmp/test_statefile.XXXXXX";
static char path[64];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/history", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void write_content(const char *text)
{
	struct buffer content = {0};
	struct statefile *file;

	buffer_string(&content, text);
	assert_int_equal(statefile_open(&file, directory, "history"), 0);
	assert_int_equal(statefile_write(file, LAYOUT, &content), 0);
	statefile_close(&file);
	buffer_free(&content);
}

static int read_content(uint64_t layout, char *text, size_t size)
{
	struct buffer content = {0};
	struct statefile *file;
	int err;

	assert_int_equal(statefile_open(&file, directory, "history"), 0);
	err = statefile_read(file, layout, &content);
	snprintf(text, size, "%.*s", (int)content.len, content.data ? content.data : "");
	statefile_close(&file);
	buffer_free(&content);
	return err;
}

static void what_was_written_is_read_again(void **state)
{
	char text[64];

	(void)state;
	unlink(path);
	assert_int_equal(read_content(LAYOUT, text, sizeof(text)), -ENOENT);
	write_content("a long content that is then shortened");
	write_content("short");
	assert_int_equal(read_content(LAYOUT, text, sizeof(text)), 0);
	assert_string_equal(text, "short");
	write_content("");
	assert_int_equal(read_content(LAYOUT, text, sizeof(text)), 0);
}

static void another_layout_is_told_apart_from_a_broken_file(void **state)
{
	char text[64];

	(void)state;
	write_content("content");
	assert_int_equal(read_content(LAYOUT + 1, text, sizeof(text)), -EPROTO);
}

/* Every single byte, and every length. */
static void no_damage_goes_unnoticed(void **state)
{
	char text[64], byte;
	struct stat st;
	int fd;

	(void)state;
	unlink(path);
	write_content("content");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = open(path, O_RDWR);
	for (off_t at = 0; at < st.st_size; at++) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		assert_int_equal(read_content(LAYOUT, text, sizeof(text)), -EBADMSG);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_int_equal(read_content(LAYOUT, text, sizeof(text)), 0);
	for (off_t len = st.st_size - 1; len > 0; len--) {
		assert_int_equal(ftruncate(fd, len), 0);
		assert_int_equal(read_content(LAYOUT, text, sizeof(text)), -EBADMSG);
	}
	close(fd);
}

static void what_is_no_file_of_ours_is_refused(void **state)
{
	struct statefile *file = NULL;

	(void)state;
	unlink(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(statefile_open(&file, directory, "history"), -ELOOP);
	assert_non_null(strstr(statefile_error(), "symbolic link"));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(statefile_open(&file, directory, "history") < 0);
	unlink(path);
	assert_int_equal(statefile_open(&file, "/nowhere", "history"), -ENOENT);
	assert_null(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_written_is_read_again),
	    cmocka_unit_test(another_layout_is_told_apart_from_a_broken_file),
	    cmocka_unit_test(no_damage_goes_unnoticed),
	    cmocka_unit_test(what_is_no_file_of_ours_is_refused),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
