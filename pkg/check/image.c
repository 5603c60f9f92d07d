/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

void check_image_index_done(struct check_image_index *index)
{
	free(index->names);
	*index = (struct check_image_index){ 0 };
}

static int compare_names(const void *one, const void *two)
{
	const struct check_image_name *a = one, *b = two;
	int order = strcmp(a->text, b->text);

	if (order != 0)
		return order;
	return (a->image > b->image) - (a->image < b->image);
}

int check_image_index_init(struct check_image_index *index, const struct np_check_inventory *inv,
			   struct np_err *err)
{
	*index = (struct check_image_index){ 0 };
	if (inv->n_images == 0)
		return 0;
	index->names = reallocarray(NULL, 2 * inv->n_images, sizeof(*index->names));
	if (!index->names)
		return np_fail_nomem(err);
	for (size_t i = 0; i < inv->n_images; i++) {
		const struct np_check_image *image = &inv->images[i];

		index->names[index->n++] = (struct check_image_name){ image->name, image };
		if (image->display_name && strcmp(image->display_name, image->name) != 0)
			index->names[index->n++] =
				(struct check_image_name){ image->display_name, image };
	}
	qsort(index->names, index->n, sizeof(*index->names), compare_names);
	return 0;
}

/* Returns the place of the first entry whose text is not before `text`. */
static size_t find_first(const struct check_image_index *index, const char *text)
{
	size_t low = 0, high = index->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(index->names[mid].text, text) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Tells whether the VM may be made from the image. */
static bool is_in_reach(const struct np_check_image *image, const struct np_check_vm *vm)
{
	if (vm->image_kind && strcmp(vm->image_kind, image->kind) != 0)
		return false;
	return !image->ns || strcmp(image->ns, vm->ns) == 0;
}

/* The object's name takes precedence over the display name, which must be unique and has no kind. */
const struct np_check_image *check_image_find(const struct check_image_index *index,
					      const struct np_check_vm *vm)
{
	const struct np_check_image *shown = NULL;
	size_t n = 0;

	if (!vm->image)
		return NULL;
	for (size_t i = find_first(index, vm->image);
	     i < index->n && strcmp(index->names[i].text, vm->image) == 0; i++) {
		const struct np_check_image *image = index->names[i].image;

		if (!is_in_reach(image, vm))
			continue;
		if (strcmp(image->name, vm->image) == 0)
			return image;
		shown = image;
		n++;
	}
	return n == 1 && !vm->image_kind ? shown : NULL;
}
