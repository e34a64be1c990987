/* SPDX-License-Identifier: MIT */
/* The vectors of RFC 8448, 3 (Simple 1-RTT Handshake): keys of secrets, and a record that they open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tls/record.h"
#include "tls/schedule.h"

static const struct suite *aes_128;

static size_t from_hex(const char *text, uint8_t *out)
{
	size_t len = 0;
	unsigned byte;

	for (; sscanf(text + 2 * len, "%2x", &byte) == 1; len++)
		out[len] = byte;
	return len;
}

static void assert_keys(const char *secret_hex, const char *key_hex, const char *iv_hex)
{
	uint8_t secret[32], key[16], iv[12];
	struct schedule_keys keys;

	assert_int_equal(from_hex(secret_hex, secret), 32);
	from_hex(key_hex, key);
	from_hex(iv_hex, iv);
	assert_true(schedule_traffic(aes_128, secret, &keys));
	assert_memory_equal(keys.key, key, sizeof(key));
	assert_memory_equal(keys.iv, iv, sizeof(iv));
}

static void keys_of_the_traffic_secrets_are_those_of_the_rfc(void **state)
{
	(void)state;
	assert_keys("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
		    "3fce516009c21727d0f2e4e86ee403bc", "5d313eb2671276ee13000b30");
	assert_keys("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
		    "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9");
	assert_keys("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
		    "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984");
}

static void the_rfcs_record_of_application_data_opens(void **state)
{
	uint8_t bytes[128], secret[32], out[128], type;
	struct record_key key = {0};
	struct schedule_keys keys;
	struct record record;
	size_t len;

	(void)state;
	from_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", secret);
	len = from_hex(
	    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20"
	    "441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4",
	    bytes);
	assert_int_equal(record_parse(bytes, len, &record), RECORD_WHOLE);
	assert_true(schedule_traffic(aes_128, secret, &keys));
	memcpy(key.iv, keys.iv, sizeof(key.iv));
	assert_int_equal(crypto_opener_new(&key.opener, aes_128->aead, keys.key), 0);
	assert_false(record_unseal(aes_128, &key, 1, &record, out, &len, &type));
	assert_true(record_unseal(aes_128, &key, 0, &record, out, &len, &type));
	assert_int_equal(type, RECORD_APPLICATION);
	assert_int_equal(len, 50);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(out[i], i);
	record_key_wipe(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_of_the_traffic_secrets_are_those_of_the_rfc),
	    cmocka_unit_test(the_rfcs_record_of_application_data_opens),
	};

	aes_128 = suite_find(TLS_1_3, 0x1301);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
