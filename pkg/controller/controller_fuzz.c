/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const fuzz_kinds[] = { "NodePool", "Cluster", "TanzuKubernetesCluster" };

static void fuzz_require(bool is_so)
{
	if (!is_so)
		abort();
}

/* Reads the pools of a tree, which is taken. */
static int fuzz_read(const struct np_catalogue *cat, json_t *take, struct np_input *ret)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_doc_new_take("fuzz", take, &doc, &err) < 0)
		return -1;
	return np_pool_input_add(ret, cat, doc, &err);
}

/* The stored part of an object must yield the same pools as the whole object. */
static void fuzz_reduce(const struct np_catalogue *cat, json_t *object)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));

	for (unsigned i = 0; kind && i < 3; i++) {
		NP_AUTO(np_pool_input_done) struct np_input whole = { 0 };
		NP_AUTO(np_pool_input_done) struct np_input kept = { 0 };
		NP_AUTO(np_freep) char *text = NULL;

		if (strcmp(kind, fuzz_kinds[i]) != 0)
			continue;
		text = controller_strip_object((enum watched_kind)i, object);
		fuzz_require(text);
		if (fuzz_read(cat, json_incref(object), &whole) < 0)
			continue;
		fuzz_require(fuzz_read(cat, json_loads(text, 0, NULL), &kept) == 0);
		fuzz_require(whole.n_pools == kept.n_pools);
		for (size_t k = 0; k < whole.n_pools; k++) {
			const char *a = whole.pools[k].vm_class, *b = kept.pools[k].vm_class;

			fuzz_require(!a == !b);
			fuzz_require(!a || strcmp(a, b) == 0);
			fuzz_require(whole.pools[k].n_requests == kept.pools[k].n_requests);
			fuzz_require(whole.pools[k].rollout == kept.pools[k].rollout);
			fuzz_require(whole.pools[k].has_replicas == kept.pools[k].has_replicas);
		}
	}
}

static void fuzz_store(const struct np_catalogue *cat, const json_t *object)
{
	struct np_controller c = { .o = { .catalogue = cat, .clusters = true } };
	struct reflector w = { .round = 1 };
	struct np_err err = NP_ERR_INIT;

	pthread_mutex_init(&c.lock, NULL);
	pthread_cond_init(&c.changed, NULL);
	c.class_resource.namespaced = true;
	for (unsigned i = 0; i < WATCHED_CLASS; i++) {
		w.kind = (enum watched_kind)i;
		fuzz_require(controller_store_put(&c, &w, object, &err) == 0);
		fuzz_require(controller_store_put(&c, &w, object, &err) == 0);
	}
	w.kind = WATCHED_CLASS;
	fuzz_require(controller_store_class(&c, &w, object, &err) == 0);
	controller_store_class_gone(&c, object);
	for (unsigned i = 0; i < WATCHED_CLASS; i++)
		controller_store_drop(&c, (enum watched_kind)i, object);
	fuzz_require(c.owners.n == 0);
	controller_store_done(&c);
}

static void fuzz_lease(const json_t *object)
{
	struct lease l = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (controller_lease_observe(&l, object, 1000, &err) < 0)
		fuzz_require(err.code == NP_E_REFUSED && err.text[0] != '\0');
	else
		fuzz_require(controller_lease_decide(&l, "me", 1000 + 3600000) != LEASE_WAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct np_catalogue *cat;
	struct np_err err = NP_ERR_INIT;
	json_auto_t *object = json_loadb((const char *)data, size, 0, NULL);
	struct status_memory memory;

	if (!cat && np_gpu_catalogue_new(&cat, &err) < 0)
		abort();
	if (!json_is_object(object))
		return 0;
	controller_status_recall(object, &memory);
	fuzz_lease(object);
	fuzz_reduce(cat, object);
	fuzz_store(cat, object);
	return 0;
}
