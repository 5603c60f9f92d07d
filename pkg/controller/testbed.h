/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CONTROLLER_TESTBED_H
#define NODEPREP_CONTROLLER_TESTBED_H

/* A store for tests, and what it is given. Test code: it fails by cmocka's assertions. */

#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define CLUSTER                                                                                        \
	"{\"apiVersion\": \"cluster.x-k8s.io/v1beta1\", \"kind\": \"Cluster\", \"metadata\": {"        \
	"\"name\": \"c\", \"namespace\": \"n\", \"uid\": \"u\", \"annotations\": {\"a\": \"secret\"}," \
	" \"labels\": {\"nodeprep.dev/managed\": \"true\"}}, \"spec\": {\"topology\": {"               \
	"\"class\": \"tanzukubernetescluster\", \"variables\": ["                                      \
	"{\"name\": \"trust\", \"value\": \"secret\"}, {\"name\": \"vmClass\", \"value\": \"big\"}],"  \
	" \"workers\": {\"machineDeployments\": [{\"name\": \"md\", \"class\": \"node-pool\","         \
	" \"replicas\": 3, \"metadata\": {\"annotations\": {\"nodeprep.dev/gpus\": \"T4=1\","          \
	" \"x\": \"secret\"}}, \"variables\": {\"overrides\": [{\"name\": \"vmClass\","                \
	" \"value\": \"small\"}, {\"name\": \"users\", \"value\": \"secret\"}]}}]}}},"                 \
	" \"status\": {\"x\": \"secret\"}}"

/* A controller that has a store, and no thread. */
struct fixture {
	struct np_controller c;
	struct reflector w;
	struct np_catalogue *catalogue;
};

static inline void fixture_init(struct fixture *f)
{
	struct np_err err = NP_ERR_INIT;

	*f = (struct fixture){ .w.kind = WATCHED_NODEPOOL, .w.round = 1 };
	assert_int_equal(np_gpu_catalogue_new(&f->catalogue, &err), 0);
	f->c.o.catalogue = f->catalogue;
	f->c.class_resource.namespaced = true;
	pthread_mutex_init(&f->c.lock, NULL);
	pthread_cond_init(&f->c.changed, NULL);
}

static inline void fixture_done(struct fixture *f)
{
	controller_store_done(&f->c);
	np_gpu_catalogue_free(f->catalogue);
}

static inline json_t *nodepool(const char *name, const char *vm_class, int generation)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:i}, s:{s:s}}", "apiVersion",
			 "nodeprep.dev/v1alpha1", "kind", "NodePool", "metadata", "name", name,
			 "namespace", "ml", "uid", "u", "generation", generation, "spec", "vmClass",
			 vm_class);
}

static inline void put_pool(struct fixture *f, json_t *take)
{
	json_auto_t *object = take;
	struct np_err err = NP_ERR_INIT;

	assert_int_equal(controller_store_put(&f->c, &f->w, object, &err), 0);
}

static inline size_t pop_all(struct fixture *f)
{
	struct queue_item *item;
	uint64_t due;
	size_t n = 0;

	while ((item = controller_queue_pop(&f->c.queue, UINT64_MAX - 1, &due))) {
		item->running = false;
		n++;
	}
	return n;
}

#endif
