/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/json.h"

static bool stands(const json_t *object, const char *path, const json_t *entry)
{
	const struct np_vmclass c = { .node = { .json = object } };
	const json_t *set = json_object_get(entry, "set");
	json_t *list = vmclass_lookup(object, path);

	if (strcmp(path, VMCLASS_EXTRA_CONFIG) == 0)
		return vmclass_key_still_stands(list, NP_VMX_USE64, set) &&
		       vmclass_key_still_stands(list, NP_VMX_SIZE, set);
	return vmclass_still_stands(&c, path, entry);
}

/* What a record says that another one does not. */
struct difference {
	bool any;
	bool stands; /* one of the fields has nodeprep's value in the class */
};

/* `ignore_kept` leaves out the paths that both have. */
static struct difference compare(const json_t *object, const json_t *record, const json_t *other,
				 bool ignore_kept)
{
	const json_t *theirs = json_object_get(other, "before");
	struct difference d = { .any = false };
	const char *path;
	json_t *entry;

	json_object_foreach (json_object_get(record, "before"), path, entry) {
		const json_t *twin = json_object_get(theirs, path);

		if (twin && (ignore_kept || json_equal(twin, entry)))
			continue;
		d.any = true;
		d.stands = d.stands || stands(object, path, entry);
	}
	return d;
}

/*
 * A field that only the later record says to have set, and that has that value: the change was made. A field that
 * only the earlier one says to have set, and that still has that value: it was not.
 */
const json_t *np_vmclass_record_settle(const json_t *object, const json_t *before,
				       const json_t *after)
{
	struct difference added = compare(object, after, before, false);
	struct difference removed = compare(object, before, after, true);

	if (added.any)
		return added.stands ? after : before;
	return removed.any && !removed.stands ? after : before;
}
