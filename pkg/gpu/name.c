/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Words that every card of a vendor may carry; "shared" is what a device plugin adds. */
static const char *const dropped_words[] = {
	"amd", "center",   "corporation", "data",   "datacenter", "generation",
	"gpu", "instinct", "intel",       "nvidia", "tesla",      "shared",
};

static const char *const board_words[] = {
	"active",  "fhhl", "hbm2", "hbm2e", "hbm3", "hbm3e", "nvl",  "oam",
	"passive", "pcie", "sxm",  "sxm2",  "sxm3", "sxm4",  "sxm5", "sxm6",
};

static bool is_among(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

bool gpu_name_is_board_word(const char *word)
{
	return is_among(word, board_words, COUNT(board_words));
}

static bool is_gap(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f || strchr("-_/(),", c);
}

static size_t copy_lower(const char *text, size_t size, char *out)
{
	for (size_t i = 0; i < size; i++)
		out[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
	out[size] = '\0';
	return size + 1;
}

/* Reads "<number><unit>" with a unit for GB; 0 for any other text. */
static unsigned read_memory(const char *word)
{
	static const char *const units[] = { "g", "gb", "gib" };
	size_t digits = strspn(word, "0123456789");
	unsigned value = 0;

	if (digits == 0 || digits > 5 || !is_among(word + digits, units, COUNT(units)))
		return 0;
	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (unsigned)(word[i] - '0');
	return value;
}

/* Tells whether `word` is the unit of the number before it ("40 GB"). */
static bool is_unit_of(const char *before, const char *word)
{
	return before[strspn(before, "0123456789")] == '\0' &&
	       (strcmp(word, "gb") == 0 || strcmp(word, "gib") == 0);
}

/*
 * Splits the name into words, each with its NUL, in `words`; a word "mig" ends what names the card.
 */
static bool split(const char *text, size_t size, struct gpu_name *name)
{
	size_t used = 0;

	for (size_t at = 0; at < size;) {
		size_t end = at;

		while (end < size && !is_gap(text[end]))
			end++;
		if (end > at) {
			char *word = name->words + used;

			copy_lower(text + at, end - at, word);
			if (name->n > 0 && strcmp(word, "mig") == 0)
				return true;
			if (name->n > 0 && is_unit_of(name->word[name->n - 1], word)) {
				/*
				 * The number's NUL is right before the unit: closing the gap joins
				 * them.
				 */
				memmove(word - 1, word, end - at + 1);
				used += end - at;
			} else if (!is_among(word, dropped_words, COUNT(dropped_words))) {
				if (name->n == GPU_NAME_WORDS_MAX)
					return false;
				name->word[name->n++] = word;
				used += end - at + 1;
			}
		}
		at = end + 1;
	}
	return name->n > 0;
}

static void append(char out[static GPU_NAME_MAX * 2], const char *word, unsigned memory_gb)
{
	size_t at = strlen(out);

	/* 40G, 40GB and 40GiB are one word. */
	if (memory_gb > 0) {
		size_t digits = strspn(word, "0123456789");

		memcpy(out + at, word, digits);
		memcpy(out + at + digits, "gb", sizeof("gb"));
		return;
	}
	memcpy(out + at, word, strlen(word) + 1);
}

bool gpu_name_parse_n(const char *text, size_t size, struct gpu_name *ret)
{
	*ret = (struct gpu_name){ 0 };
	if (size > GPU_NAME_MAX || !split(text, size, ret))
		return false;
	for (size_t i = 0; i < ret->n; i++) {
		unsigned memory_gb = read_memory(ret->word[i]);

		append(ret->key, ret->word[i], memory_gb);
		if (memory_gb > 0)
			ret->memory_gb = memory_gb;
		else if (!gpu_name_is_board_word(ret->word[i]))
			append(ret->family, ret->word[i], 0);
	}
	return true;
}

bool gpu_name_parse(const char *text, struct gpu_name *ret)
{
	return gpu_name_parse_n(text, strnlen(text, GPU_NAME_MAX + 1), ret);
}
