/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/warnings.h"

static void item_done(struct np_change_item *item)
{
	free(item->path);
	free(item->reason);
	json_decref(item->from);
	json_decref(item->to);
}

void np_vmclass_change_done(struct np_change *change)
{
	for (size_t i = 0; i < change->n; i++)
		item_done(&change->items[i]);
	free(change->items);
	json_decref(change->patch);
	free(change->reservation);
	np_warnings_done(&change->warnings);
	*change = (struct np_change){ 0 };
}

int np_vmclass_change_add(struct np_change *change, const char *path, json_t *from, json_t *to,
			  const char *reason)
{
	struct np_change_item item = { strdup(path), json_incref(from), json_incref(to),
				       strdup(reason) };
	struct np_change_item *items = reallocarray(change->items, change->n + 1, sizeof(*items));

	if (items)
		change->items = items;
	if (!items || !item.path || !item.reason) {
		item_done(&item);
		return -1;
	}
	change->items[change->n++] = item;
	return 0;
}
