/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static const struct scalar_case scalar_cases[] = {
	{ "a word", "gpu", "\"gpu\"" },
	{ "y", "y", "true" },
	{ "Y", "Y", "true" },
	{ "yes", "yes", "true" },
	{ "Yes", "Yes", "true" },
	{ "YES", "YES", "true" },
	{ "on", "on", "true" },
	{ "On", "On", "true" },
	{ "ON", "ON", "true" },
	{ "true", "true", "true" },
	{ "True", "True", "true" },
	{ "TRUE", "TRUE", "true" },
	{ "n", "n", "false" },
	{ "N", "N", "false" },
	{ "no", "no", "false" },
	{ "No", "No", "false" },
	{ "NO", "NO", "false" },
	{ "off", "off", "false" },
	{ "Off", "Off", "false" },
	{ "OFF", "OFF", "false" },
	{ "false", "false", "false" },
	{ "False", "False", "false" },
	{ "FALSE", "FALSE", "false" },
	{ "a spelling that is in no list is text", "yEs", "\"yEs\"" },
	{ "nothing is null", "", "null" },
	{ "a tilde is null", "~", "null" },
	{ "null", "null", "null" },
	{ "Null", "Null", "null" },
	{ "NULL", "NULL", "null" },
	{ "nil is text", "nil", "\"nil\"" },
	{ "an integer", "42", "42" },
	{ "zero", "0", "0" },
	{ "a sign", "-42", "-42" },
	{ "a plus sign", "+42", "42" },
	{ "underscores", "1_000_000", "1000000" },
	{ "an underscore in front is text", "_1", "\"_1\"" },
	{ "hexadecimal", "0x10DE", "4318" },
	{ "capital X", "0X10de", "4318" },
	{ "negative hexadecimal", "-0x10", "-16" },
	{ "hexadecimal with underscores", "0x10_DE", "4318" },
	{ "hexadecimal without digits is text", "0x", "\"0x\"" },
	{ "hexadecimal with a wrong digit is text", "0x10G", "\"0x10G\"" },
	{ "binary", "0b101", "5" },
	{ "capital B", "0B101", "5" },
	{ "negative binary", "-0b101", "-5" },
	{ "binary with a wrong digit is text", "0b102", "\"0b102\"" },
	{ "octal", "0o17", "15" },
	{ "octal by its zero", "017", "15" },
	{ "no octal digit makes a float", "08", "8.0" },
	{ "a hexadecimal id without prefix is text", "20b0", "\"20b0\"" },
	{ "an id that is all digits is a number", "2330", "2330" },
	{ "an id that reads as a float", "1e78", "1e78" },
	{ "a float", "1.5", "1.5" },
	{ "a float without whole", ".5", "0.5" },
	{ "a float without fraction", "1.", "1.0" },
	{ "a float with an exponent", "1e3", "1000.0" },
	{ "a float with a signed exponent", "1.5E-3", "0.0015" },
	{ "a negative float", "-1.5", "-1.5" },
	{ "a float with underscores", "1_0.5", "10.5" },
	{ "a point first leaves underscores", "._5", "\"._5\"" },
	{ "a float beyond a double is text", "1e400", "\"1e400\"" },
	{ "a float near zero", "1e-400", "0.0" },
	{ "an exponent without digits is text", "1e", "\"1e\"" },
	{ "a sign alone is text", "+", "\"+\"" },
	{ "a point alone is text", ".", "\".\"" },
	{ "two points are text", "1.2.3", "\"1.2.3\"" },
	{ "an address is text", "10.0.0.1", "\"10.0.0.1\"" },
	{ "a PCI id is text", "10de:20b0", "\"10de:20b0\"" },
	{ "base 60 is text", "1:30", "\"1:30\"" },
	{ "a date is text", "2024-01-01", "\"2024-01-01\"" },
	{ "a time is text", "2024-01-01T00:00:00Z", "\"2024-01-01T00:00:00Z\"" },
	{ "a quantity is text", "64Gi", "\"64Gi\"" },
	{ "the largest integer", "9223372036854775807", "9223372036854775807" },
	{ "the least integer", "-9223372036854775808", "-9223372036854775808" },
	{ "quoted digits are text", "\"42\"", "\"42\"" },
	{ "single quotes as well", "'yes'", "\"yes\"" },
	{ "quoted nothing is text", "''", "\"\"" },
	{ "a tag makes text of digits", "!!str 42", "\"42\"" },
	{ "a tag makes text of nothing", "!!str", "\"\"" },
	{ "a tag makes a number of text", "!!int \"42\"", "42" },
	{ "a tag makes a float of an integer", "!!float 42", "42.0" },
	{ "a tag makes a bool of text", "!!bool 'yes'", "true" },
	{ "a tag makes null of text", "!!null ''", "null" },
	{ "an unknown tag makes text", "!mine 42", "\"42\"" },
	{ "a timestamp tag makes text", "!!timestamp 2024-01-01", "\"2024-01-01\"" },
	{ "a lone tag makes text", "! 42", "\"42\"" },
};

static void test_doc__scalars_resolve_as_kubectl_resolves_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(scalar_cases); i++) {
		char input[128], expect[128];

		snprintf(input, sizeof(input), "a: %s\n", scalar_cases[i].text);
		snprintf(expect, sizeof(expect), "{\"a\":%s}", scalar_cases[i].expect);
		check_lines(scalar_cases[i].what, input, expect);
	}
}

static const struct scalar_case key_cases[] = {
	{ "a word", "gpu", "gpu" },
	{ "an integer", "0x10", "16" },
	{ "a negative integer", "-5", "-5" },
	{ "a bool", "yes", "true" },
	{ "a float", "1.50", "1.5" },
	{ "a whole float", "3.0", "3" },
	{ "a large float", "1e78", NULL },
	{ "a float with an exponent in single precision", "1e20", "1e+20" },
	{ "a million", "1000000.0", "1e+06" },
	{ "less than a million", "123456.0", "123456" },
	{ "a small float", "0.00001", "1e-05" },
	{ "a float that single precision cannot hold", "0.1", "0.1" },
	{ "quoted digits", "\"0x10\"", "0x10" },
	{ "a quoted merge key is none", "\"<<\"", "<<" },
	{ "a tagged key", "!!str 0x10", "0x10" },
	{ "an anchored key", "&k gpu", "gpu" },
};

static void test_doc__keys_become_text_as_kubectl_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(key_cases); i++) {
		char input[128], expect[128];

		if (!key_cases[i].expect)
			continue;
		snprintf(input, sizeof(input), "%s: v\n", key_cases[i].text);
		snprintf(expect, sizeof(expect), "{\"%s\":\"v\"}", key_cases[i].expect);
		check_lines(key_cases[i].what, input, expect);
	}
	check_lines("a float beyond single precision", "1e78: v\n",
		    "input:1:1: the key '1e78' is a number beyond range, put it in quotes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doc__scalars_resolve_as_kubectl_resolves_them),
		cmocka_unit_test(test_doc__keys_become_text_as_kubectl_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
