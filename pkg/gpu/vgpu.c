/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/gpu.h"

/*
 * <prefix>_<board>-[<slices>-]<fb><class>[<suffix>], read from its end since a board code may hold
 * a '-' itself. vCenter's name is the driver's type name in lower case with '_' for blanks, and
 * vendors write some boards with a blank, a '-' or nothing between their words (RTX6000-Ada): gaps
 * are left out where boards are compared.
 */

#define PROFILE_MAX 64

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Returns how long the text is without the digits at its end. */
static size_t without_digits(const char *text, size_t size)
{
	while (size > 0 && is_digit(text[size - 1]))
		size--;
	return size;
}

/* Returns how long the text is without "-<digits>" at its end; `size` where it does not end so. */
static size_t without_number(const char *text, size_t size)
{
	size_t rest = without_digits(text, size);

	if (rest == size || rest == 0 || text[rest - 1] != '-')
		return size;
	return rest - 1;
}

/* Returns the length of "<prefix>_<board>"; 0 where the text is not a profile's name. */
static size_t board_size(const char *text, size_t size)
{
	size_t rest = size, board = 0;

	if (rest > 2 && text[rest - 2] == 'm' && text[rest - 1] == 'e')
		rest -= 2;
	else if (rest > 1 && is_digit(text[rest - 1]))
		rest--;
	if (rest == 0 || !strchr("abcq", text[rest - 1]))
		return 0;
	board = without_number(text, rest - 1);
	if (board == rest - 1)
		return 0;
	return without_number(text, board);
}

static const char *skip_prefix(const char *text, size_t *size)
{
	static const char *const prefixes[] = { "grid_", "nvidia_" };

	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(prefixes[i]);

		if (*size > n && strncmp(text, prefixes[i], n) == 0) {
			*size -= n;
			return text + n;
		}
	}
	return NULL;
}

static bool is_gap(char c)
{
	return c == '-' || c == '_';
}

/* Tells whether two board codes are equal, ignoring gaps. */
static bool same_board(const char *a, size_t a_size, const char *b, size_t b_size)
{
	size_t i = 0, k = 0;

	for (;;) {
		while (i < a_size && is_gap(a[i]))
			i++;
		while (k < b_size && is_gap(b[k]))
			k++;
		if (i == a_size || k == b_size)
			return i == a_size && k == b_size;
		if (a[i++] != b[k++])
			return false;
	}
}

static bool has_board(const struct np_gpu *gpu, const char *board, size_t size)
{
	const char *code = gpu->vgpu;

	while (*code) {
		size_t n = strcspn(code, " "), rest = n;
		const char *bare = skip_prefix(code, &rest);

		if (bare && same_board(bare, rest, board, size))
			return true;
		code += n + (code[n] == ' ');
	}
	return false;
}

const struct np_gpu *np_gpu_find_vgpu(const struct np_catalogue *cat, const char *profile)
{
	char text[PROFILE_MAX];
	size_t size = strnlen(profile, sizeof(text));
	const char *board = NULL;

	if (size == sizeof(text))
		return NULL;
	for (size_t i = 0; i < size; i++)
		text[i] = profile[i] == ' ' ? '_' : lower(profile[i]);
	size = board_size(text, size);
	board = skip_prefix(text, &size);
	if (!board)
		return NULL;
	for (size_t i = 0; i < cat->n; i++)
		if (has_board(cat->rows[i], board, size))
			return cat->rows[i];
	return NULL;
}
