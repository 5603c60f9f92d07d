/* SPDX-License-Identifier: Apache-2.0 */
#include "folder_testbed.h"

static void test_kube__secrets_are_redacted(void **state)
{
	static const struct {
		const char *name, *text;
		size_t size;
		const char *want;
	} rows[] = {
		{ "no secret", "plain words", 64, "plain words" },
		{ "alone", "tok-abcdef", 64, "[redacted]" },
		{ "twice, in the midst", "a tok-abcdef b tok-abcdef.", 64,
		  "a [redacted] b [redacted]." },
		{ "the longer of two", "tok-abcdef-long!", 64, "[redacted]!" },
		{ "side by side", "hunter2tok-abcdef", 64, "[redacted][redacted]" },
		{ "too short to be one", "abc", 64, "abc" },
		{ "a line of a key", "key is MIIEowIBAAKC here", 64, "key is [redacted] here" },
		{ "the armour of a key is none", "-----BEGIN KEY-----", 64, "-----BEGIN KEY-----" },
		{ "at the cut", "0123456789 tok-abcdef", 16, "0123456789 ..." },
		{ "cut without a secret", "0123456789", 8, "0123..." },
		{ "just fits", "0123456", 8, "0123456" },
	};
	const char *key = "-----BEGIN KEY-----\nMIIEowIBAAKC\nxy\n-----END KEY-----\n";
	struct kube_secrets s = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(kube_secrets_add(&s, "tok-abcdef", 10, &err), 0);
	assert_int_equal(kube_secrets_add(&s, "tok-abcdef", 10, &err), 0);
	assert_int_equal(kube_secrets_add(&s, "tok-abcdef-long", 15, &err), 0);
	assert_int_equal(kube_secrets_add(&s, "hunter2", 7, &err), 0);
	assert_int_equal(kube_secrets_add(&s, "abc", 3, &err), 0);
	assert_int_equal(kube_secrets_add_lines(&s, key, strlen(key), &err), 0);
	assert_int_equal(s.n, 4);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char buf[64];

		kube_redact(&s, rows[i].text, buf, rows[i].size);
		if (strcmp(buf, rows[i].want) != 0)
			fail_msg("%s: '%s'", rows[i].name, buf);
	}
	kube_secrets_done(&s);
}

static void test_kube__old_tokens_are_forgotten(void **state)
{
	struct kube_secrets s = { 0 };
	struct np_err err = NP_ERR_INIT;
	char text[64];

	(void)state;
	assert_int_equal(kube_secrets_add(&s, "password-1", 10, &err), 0);
	assert_int_equal(kube_secrets_add(&s, "password-2", 10, &err), 0);
	s.rotates = true;
	s.n_fixed = 2;
	for (unsigned i = 0; i < 2 * KUBE_SECRETS_ROTATED_MAX; i++) {
		snprintf(text, sizeof(text), "token-%06u", i);
		assert_int_equal(kube_secrets_add(&s, text, strlen(text), &err), 0);
	}
	assert_int_equal(s.n, 2 + KUBE_SECRETS_ROTATED_MAX);
	assert_string_equal(s.texts[1], "password-2");
	assert_string_equal(s.texts[s.n - 1], text);
	kube_redact(&s, "password-1 token-000511 token-000000", text, sizeof(text));
	assert_string_equal(text, "[redacted] [redacted] token-000000");
	kube_secrets_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kube__secrets_are_redacted),
		cmocka_unit_test(test_kube__old_tokens_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
