/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "internal.h"
#include "supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"

/* What a worker makes of a class that the watch saw earlier than it is now. The pool is a Cluster's. */

#define CLASSES "/apis/vmoperator.vmware.com/v1alpha6/namespaces/ml/virtualmachineclasses"
#define GPU CLASSES "/gpu"

#define CLASS_YAML                                                                         \
	"apiVersion: vmoperator.vmware.com/v1alpha6\n"                                     \
	"kind: VirtualMachineClass\n"                                                      \
	"metadata: {name: gpu, namespace: ml}\n"                                           \
	"spec: {hardware: {cpus: 4, memory: 64Gi, devices: {dynamicDirectPathIODevices: [" \
	"{vendorID: 4318, deviceID: 8368}]}}}\n"

#define CLUSTER                                                                                 \
	"{\"apiVersion\": \"cluster.x-k8s.io/v1beta1\", \"kind\": \"Cluster\", \"metadata\": {" \
	"\"name\": \"c\", \"namespace\": \"ml\", \"uid\": \"u\","                               \
	" \"labels\": {\"nodeprep.dev/managed\": \"true\"}}, \"spec\": {\"topology\": {"        \
	"\"class\": \"x\", \"variables\": [{\"name\": \"vmClass\", \"value\": \"gpu\"}],"       \
	" \"workers\": {\"machineDeployments\": [{\"name\": \"md\", \"class\": \"node-pool\","  \
	" \"replicas\": 1}]}}}}"

#define DELETED_POOL                                                                                 \
	"{\"apiVersion\": \"nodeprep.dev/v1alpha1\", \"kind\": \"NodePool\", \"metadata\": {"        \
	"\"name\": \"p\", \"namespace\": \"ml\", \"uid\": \"v\", \"generation\": 1,"                 \
	" \"deletionTimestamp\": \"2026-01-01T00:00:00Z\", \"finalizers\": [\"" CONTROLLER_FINALIZER \
	"\"]}, \"spec\": {\"vmClass\": \"gpu\"}}"

#define DRIFT "{\"spec\": {\"configSpec\": {\"firmware\": \"bios\"}}}"

/* A controller that leads, has seen one Cluster, and has no thread. */
struct bed {
	struct supervisor s;
	struct np_controller c;
	struct reflector owners;
	struct class_record *r;
};

static int bed_new(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	json_auto_t *cluster = json_loads(CLUSTER, 0, NULL);
	struct np_err err = NP_ERR_INIT;
	char identity[] = "me";

	supervisor_start(&b->s, CLASS_YAML);
	b->owners = (struct reflector){ .kind = WATCHED_CLUSTER, .round = 1 };
	b->c.o.catalogue = catalogue;
	b->c.o.clusters = true;
	b->c.identity = strdup(identity);
	b->c.class_resource = (struct np_kube_resource){ "vmoperator.vmware.com", "v1alpha6",
							 "virtualmachineclasses", true };
	b->c.reflectors[WATCHED_CLASS].is_current = true;
	b->c.valid_until_ms = UINT64_MAX;
	pthread_mutex_init(&b->c.lock, NULL);
	pthread_cond_init(&b->c.changed, NULL);
	assert_int_equal(controller_store_put(&b->c, &b->owners, cluster, &err), 0);
	b->r = (struct class_record *)(void *)np_map_next(&b->c.class_records, NULL);
	assert_non_null(b->r);
	*state = b;
	return 0;
}

static int bed_free(void **state)
{
	struct bed *b = *state;

	controller_store_done(&b->c);
	controller_events_done(&b->c);
	free(b->c.identity);
	supervisor_stop(&b->s);
	free(b);
	return 0;
}

/* Lets a worker take the class, which is due; returns whether it is due again. */
static bool work_once(struct bed *b)
{
	uint64_t due;

	pthread_mutex_lock(&b->c.lock);
	assert_ptr_equal(controller_queue_pop(&b->c.queue, UINT64_MAX - 1, &due), &b->r->item);
	controller_reconcile_class(&b->c, b->r, b->s.kube, b->s.kube);
	pthread_mutex_unlock(&b->c.lock);
	return b->r->item.at != 0;
}

static void work(struct bed *b)
{
	assert_false(work_once(b));
}

/* The watch shows this state of the class, which may no longer be the last one. */
static void see(struct bed *b, const json_t *class)
{
	struct np_err err = NP_ERR_INIT;

	pthread_mutex_lock(&b->c.lock);
	assert_int_equal(
		controller_store_class(&b->c, &b->c.reflectors[WATCHED_CLASS], class, &err), 0);
	pthread_mutex_unlock(&b->c.lock);
}

static uint64_t count_of(const struct bed *b, enum counter counter)
{
	return atomic_load(&b->c.counters[counter]);
}

static void assert_counts(const struct bed *b, uint64_t patches, uint64_t drifts)
{
	assert_int_equal(count_of(b, COUNT_PATCHES), patches);
	assert_int_equal(count_of(b, COUNT_DRIFTS), drifts);
}

static void test_reconcile__drift_is_corrected_without_a_read(void **state)
{
	struct bed *b = *state;
	json_auto_t *drifted = NULL;

	work(b);
	assert_counts(b, 1, 0);
	supervisor_patch(&b->s, GPU, DRIFT);
	drifted = supervisor_get(&b->s, GPU);
	see(b, drifted);
	supervisor_mark(&b->s);
	work(b);
	assert_int_equal(supervisor_count(&b->s, "GET"), 0);
	assert_counts(b, 2, 1);
}

/* The watch lags: what it shows is older than our own last write. That is neither a drift nor a fight. */
static void test_reconcile__an_older_state_is_no_drift(void **state)
{
	struct bed *b = *state;
	json_auto_t *before = supervisor_get(&b->s, GPU);
	json_auto_t *after = NULL;

	work(b);
	after = supervisor_get(&b->s, GPU);
	for (unsigned i = 0; i < CONTENTION_MOST + 2; i++) {
		see(b, before);
		work(b);
		assert_counts(b, 1, 0);
		assert_int_equal(count_of(b, COUNT_CONTENDED), 0);
		assert_int_equal(b->r->restored_at, 0);
		see(b, after);
	}
}

/* After a conflict the drift is still there: it is the same one. */
static void test_reconcile__drift_with_a_conflict_counts_once(void **state)
{
	struct bed *b = *state;
	json_auto_t *drifted = NULL;

	work(b);
	supervisor_patch(&b->s, GPU, DRIFT);
	drifted = supervisor_get(&b->s, GPU);
	see(b, drifted);
	supervisor_patch(&b->s, GPU, "{\"metadata\": {\"labels\": {\"a\": \"b\"}}}");
	work(b);
	assert_counts(b, 2, 1);
	assert_int_equal(count_of(b, COUNT_CONFLICTS), 1);
}

/* The finalizer may go only by what the server has now. */
static void test_reconcile__a_deleted_pool_has_its_class_read(void **state)
{
	struct bed *b = *state;
	struct reflector pools = { .kind = WATCHED_NODEPOOL, .round = 1 };
	json_auto_t *class = supervisor_get(&b->s, GPU);
	json_auto_t *pool = json_loads(DELETED_POOL, 0, NULL);
	struct np_err err = NP_ERR_INIT;

	work(b);
	assert_int_equal(controller_store_put(&b->c, &pools, pool, &err), 0);
	see(b, class);
	supervisor_mark(&b->s);
	/* The server has no such pool. */
	work_once(b);
	assert_in_range(supervisor_count(&b->s, "GET"), 1, 2);
}

/* The class goes while its state is planned from, and comes back with the same content. */
static void test_reconcile__a_recreated_class_is_looked_at(void **state)
{
	struct bed *b = *state;
	json_auto_t *class = NULL;

	work(b);
	class = supervisor_get(&b->s, GPU);
	supervisor_delete(&b->s, GPU);
	pthread_mutex_lock(&b->c.lock);
	controller_store_class_gone(&b->c, class);
	/* The worker's answer came later than the event. */
	controller_store_adopt(&b->c, b->r, class, false);
	pthread_mutex_unlock(&b->c.lock);
	work(b);
	see(b, class);
	assert_int_not_equal(b->r->item.at, 0);
}

/* One that was deleted and created before a worker came is not a drift. */
static void test_reconcile__a_recreated_class_is_no_drift(void **state)
{
	struct bed *b = *state;
	json_auto_t *before = supervisor_get(&b->s, GPU);
	json_auto_t *created = NULL;

	work(b);
	supervisor_delete(&b->s, GPU);
	supervisor_create(&b->s, CLASSES, CLASS_YAML);
	created = supervisor_get(&b->s, GPU);
	pthread_mutex_lock(&b->c.lock);
	controller_store_class_gone(&b->c, before);
	pthread_mutex_unlock(&b->c.lock);
	see(b, created);
	work(b);
	assert_counts(b, 2, 0);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_new, bed_free)
	const struct CMUnitTest tests[] = {
		IN_BED(test_reconcile__drift_is_corrected_without_a_read),
		IN_BED(test_reconcile__an_older_state_is_no_drift),
		IN_BED(test_reconcile__drift_with_a_conflict_counts_once),
		IN_BED(test_reconcile__a_deleted_pool_has_its_class_read),
		IN_BED(test_reconcile__a_recreated_class_is_looked_at),
		IN_BED(test_reconcile__a_recreated_class_is_no_drift),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
