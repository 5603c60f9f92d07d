/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/gpu.h"

/*
 * [<prefix>_]<board>-[<slices>-]<fb><class>[<suffix>], read from its end since a board code may hold
 * a '-' itself. vCenter's name is the driver's type name in lower case with '_' for blanks. Drivers
 * and vendors write some boards with a blank, a '-' or nothing between their words (RTX6000-Ada), so
 * boards are compared without gaps, and the prefix ("GRID", "NVIDIA", none) says nothing.
 */

#define PROFILE_MAX 64

/* A profile's parts, in lower case with '_' for blanks, all within `text`. */
struct profile {
	char text[PROFILE_MAX];
	size_t size;
	const char *board;
	size_t board_size;
	const char *type; /* "3-40c", to the end of `text` */
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_gap(char c)
{
	return c == '-' || c == '_';
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

	if (rest == size || rest == 0 || !is_gap(text[rest - 1]))
		return size;
	return rest - 1;
}

/* Returns how long the text is without what may follow the class: "me", "gfx", a digit. */
static size_t without_suffix(const char *text, size_t size)
{
	static const char *const suffixes[] = { "gfx", "me" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(suffixes[i]);

		if (size > n && memcmp(text + size - n, suffixes[i], n) == 0)
			size -= n;
	}
	if (size > 1 && is_digit(text[size - 1]))
		size--;
	return size;
}

/* Returns the length of what stands before the type; 0 where the text is not a profile's name. */
static size_t board_end(const char *text, size_t size)
{
	size_t rest = without_suffix(text, size), board = 0;

	if (rest == 0 || !strchr("abcq", text[rest - 1]))
		return 0;
	board = without_number(text, rest - 1);
	if (board == rest - 1)
		return 0;
	rest = without_number(text, board);
	/* A MIG type has 1 to 7 slices; a longer number is the board's: "rtx_6000-4q". */
	return board - rest == 2 ? rest : board;
}

/* Returns what follows a prefix and the gap behind it; NULL where the text has no such prefix. */
static const char *skip_prefix(const char *text, size_t *size)
{
	static const char *const prefixes[] = { "grid", "nvidia" };

	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(prefixes[i]);

		if (*size > n + 1 && strncmp(text, prefixes[i], n) == 0 && is_gap(text[n])) {
			*size -= n + 1;
			return text + n + 1;
		}
	}
	return NULL;
}

/* Splits the name; false where it is not a profile's. */
static bool parse(const char *name, struct profile *ret)
{
	const char *bare;
	size_t end;

	name += strspn(name, " ");
	ret->size = strnlen(name, PROFILE_MAX);
	if (ret->size == PROFILE_MAX)
		return false;
	while (ret->size > 0 && name[ret->size - 1] == ' ')
		ret->size--;
	for (size_t i = 0; i < ret->size; i++)
		ret->text[i] = name[i] == ' ' ? '_' : lower(name[i]);
	ret->text[ret->size] = '\0';
	end = board_end(ret->text, ret->size);
	if (end == 0)
		return false;
	ret->board = ret->text;
	ret->board_size = end;
	ret->type = ret->text + end + 1;
	/* "NVIDIA GRID A100-40C" has both. */
	while ((bare = skip_prefix(ret->board, &ret->board_size)))
		ret->board = bare;
	return ret->board_size > 0;
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

/* Returns the card's code of that board, of which *ret_size is the length; NULL: it has none. */
static const char *find_code(const struct np_gpu *gpu, const struct profile *p, size_t *ret_size)
{
	const char *code = gpu->vgpu;

	while (*code) {
		size_t n = strcspn(code, " "), rest = n;
		const char *bare = skip_prefix(code, &rest);

		if (bare && bare[rest - 1] == GPU_VGPU_UNCONFIRMED)
			rest--;
		if (bare && same_board(bare, rest, p->board, p->board_size)) {
			*ret_size = n;
			return code;
		}
		code += n + (code[n] == ' ');
	}
	return NULL;
}

/* Finds the card with the board, and its code of it. */
static const struct np_gpu *find_board(const struct np_catalogue *cat, const struct profile *p,
				       const char **ret_code, size_t *ret_size)
{
	for (size_t i = 0; i < cat->n; i++) {
		*ret_code = find_code(cat->rows[i], p, ret_size);
		if (*ret_code)
			return cat->rows[i];
	}
	return NULL;
}

const struct np_gpu *np_gpu_find_vgpu(const struct np_catalogue *cat, const char *profile)
{
	struct profile p;
	const char *code = NULL;
	size_t size = 0;

	return parse(profile, &p) ? find_board(cat, &p, &code, &size) : NULL;
}

bool np_gpu_vgpu_is_misspelt(const struct np_catalogue *cat, const char *profile,
			     char buf[static NP_VGPU_PROFILE_MAX])
{
	struct profile p;
	const char *code = NULL;
	size_t size = 0;

	if (!parse(profile, &p) || !find_board(cat, &p, &code, &size) ||
	    code[size - 1] == GPU_VGPU_UNCONFIRMED)
		return false;
	snprintf(buf, NP_VGPU_PROFILE_MAX, "%.*s-%s", (int)size, code, p.type);
	for (char *c = buf + size; *c; c++)
		if (*c == '_')
			*c = '-';
	return strcmp(buf, profile) != 0;
}

bool np_gpu_vgpu_is_same(const char *a, const char *b)
{
	struct profile x, y;

	if (!parse(a, &x) || !parse(b, &y))
		return strcmp(a, b) == 0;
	return same_board(x.board, x.board_size, y.board, y.board_size) &&
	       same_board(x.type, strlen(x.type), y.type, strlen(y.type));
}

bool np_gpu_vgpu_is_compute(const char *profile)
{
	struct profile p;

	return parse(profile, &p) && p.text[without_suffix(p.text, p.size) - 1] == 'c';
}
