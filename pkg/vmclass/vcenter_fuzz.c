/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/vmclass.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct np_member fuzz_member = { .id = "ml/p", .has_need = true, .need_gb = 512 };

static const struct np_class_desired fuzz_desired = { .has_window = true,
						      .window_gb = 512,
						      .needs_efi = true,
						      .holder = "apply",
						      .members = &fuzz_member,
						      .n_members = 1 };

/* Makes the class of the Info: NULL where it is not valid, which has a code and a text. */
static struct np_vmclass *read_info(const json_t *info, const struct np_catalogue *cat)
{
	json_t *object = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_vmclass *c = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_vmclass_from_vcenter(info, NULL, &object, &err) == 0 &&
	    np_doc_new_take("class", object, &doc, &err) == 0 &&
	    np_vmclass_read(doc, np_doc_root(doc), cat, &c, &err) == 0)
		return c;
	if (err.code == NP_OK || err.text[0] == '\0')
		abort();
	return NULL;
}

/* An unchanged class is sent as it came, but for nulls; each member of it is in the body of a change. */
static void try_info(const json_t *info, const struct np_catalogue *cat)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = read_info(info, cat);
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	json_auto_t *now = NULL, *body = NULL;
	struct np_err err = NP_ERR_INIT;
	const char *key;
	json_t *value;

	if (!c || np_vmclass_change(c, &fuzz_desired, &change, &err) < 0)
		return;
	if (np_vmclass_vcenter_bodies(c, &change, &now, &body, &err) < 0)
		abort();
	json_object_foreach (now, key, value)
		if (!json_object_get(body, key))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct np_catalogue *cat;
	struct np_err err = NP_ERR_INIT;
	json_auto_t *info = json_loadb((const char *)data, size, 0, NULL);

	if (!cat && np_gpu_catalogue_new(&cat, &err) < 0)
		abort();
	/* As the client hands it on: an object with an id. */
	if (json_is_string(json_object_get(info, "id")))
		try_info(info, cat);
	return 0;
}
