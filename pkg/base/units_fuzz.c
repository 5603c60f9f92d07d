/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* What is written reads back as the same; what is refused leaves its output alone. */
static void check_quantity(const char *text)
{
	struct np_err err = NP_ERR_INIT;
	char buf[32];
	uint64_t bytes = 42, again = 0;

	if (np_quantity_parse(text, &bytes, &err) < 0) {
		require(bytes == 42 && err.code == NP_E_SPEC && *err.text);
		return;
	}
	require(err.code == NP_OK);
	snprintf(buf, sizeof(buf), "%" PRIu64, bytes);
	require(!np_quantity_parse(buf, &again, &err) && again == bytes);
}

static void check_duration(const char *text)
{
	struct np_err err = NP_ERR_INIT;
	char buf[32];
	uint64_t ms = 42, again = 0;

	if (np_duration_parse(text, &ms, &err) < 0) {
		require(ms == 42 && err.code == NP_E_SPEC && *err.text);
		return;
	}
	require(err.code == NP_OK);
	/* The last millisecond that 63 bits of nanoseconds hold is not whole. */
	if (ms > INT64_MAX / 1000000)
		return;
	snprintf(buf, sizeof(buf), "%" PRIu64 "ms", ms);
	require(!np_duration_parse(buf, &again, &err) && again == ms);
}

static void check_number(const char *text)
{
	struct np_err err = NP_ERR_INIT;
	uint64_t n = 42;

	if (np_u64_parse(text, 5, 5000, &n, &err) < 0)
		require(n == 42 && err.code == NP_E_SPEC);
	else
		require(n >= 5 && n <= 5000 && n == strtoull(text, NULL, 10));
}

/* What is refused leaves its output alone; "" selects what has no labels. */
static void check_selector(const char *text)
{
	struct np_err err = NP_ERR_INIT;
	struct np_selector *s = NULL;

	if (np_selector_parse(text, &s, &err) < 0) {
		require(!s && err.code == NP_E_USAGE && *err.text);
		return;
	}
	require(*text || np_selector_matches(s, NULL));
	np_selector_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	if (!text)
		return 0;
	check_quantity(text);
	check_duration(text);
	check_number(text);
	check_selector(text);
	free(text);
	return 0;
}
