/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"

/* Allocations of libcurl until one fails. */
static size_t allocations_left = SIZE_MAX;

static bool is_out_of_memory(void)
{
	return allocations_left != SIZE_MAX && allocations_left-- == 0;
}

static void *curl_malloc(size_t size)
{
	return is_out_of_memory() ? NULL : malloc(size);
}

static void *curl_realloc(void *p, size_t size)
{
	return is_out_of_memory() ? NULL : realloc(p, size);
}

static char *curl_strdup(const char *text)
{
	return is_out_of_memory() ? NULL : strdup(text);
}

static void *curl_calloc(size_t n, size_t size)
{
	return is_out_of_memory() ? NULL : calloc(n, size);
}

static int load_config(const char *server, struct np_err *err)
{
	const struct np_kube_options o = { .server = server };
	struct np_kube_config *c = NULL;
	int r = np_kube_config_load(&o, &c, err);

	np_kube_config_free(c);
	return r;
}

static int open_client(const char *server, struct np_err *err)
{
	const struct np_kube_options o = { .server = server };
	struct np_kube_config *c = NULL;
	struct np_kube *k = NULL;
	size_t left = allocations_left;
	int r;

	allocations_left = SIZE_MAX;
	assert_int_equal(np_kube_config_load(&o, &c, err), 0);
	allocations_left = left;
	r = np_kube_new_take(c, &k, err);
	np_kube_free(k);
	return r;
}

/* Without memory nothing can be said of the address: the cause is reported, not "not a valid address". */
static void test_kube__address_without_memory_is_not_called_invalid(void **state)
{
	static const struct {
		int (*run)(const char *server, struct np_err *err);
		size_t failures_min;
	} rows[] = { { load_config, 4 }, { open_client, 6 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = 0;

		for (;; n++) {
			struct np_err err = NP_ERR_INIT;
			int r;

			allocations_left = n;
			r = rows[i].run("https://supervisor.example:6443/prefix", &err);
			if (allocations_left != SIZE_MAX) {
				assert_int_equal(r, 0);
				break;
			}
			if (r < 0)
				assert_int_equal(err.code, NP_E_NOMEM);
		}
		allocations_left = SIZE_MAX;
		assert_true(n >= rows[i].failures_min);
	}
}

static void test_kube__invalid_address_is_reported_without_password(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(load_config("https://u:hunter22@", &err), -NP_E_USAGE);
	assert_null(strstr(err.text, "hunter22"));
	assert_non_null(strstr(err.text, "is not a valid address"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kube__address_without_memory_is_not_called_invalid),
		cmocka_unit_test(test_kube__invalid_address_is_reported_without_password),
	};

	curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, free, curl_realloc, curl_strdup,
			     curl_calloc);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
