/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/plan.h"

#include "testbed.h"

enum { NONE = -1, TRAIN_GPU, TRAIN_GPU_BIG, NODE_POOL, DEPLOYMENT, VM, TWIN, N_POOLS };

/* The pools of the plan; TWIN has the name of TRAIN_GPU in another namespace. */
static const struct {
	const char *kind, *ns, *cluster, *name;
} pools[N_POOLS] = {
	[TRAIN_GPU] = { "Cluster", "ml", "train", "gpu" },
	[TRAIN_GPU_BIG] = { "Cluster", "ml", "train", "gpu-big" },
	[NODE_POOL] = { "NodePool", "ml", NULL, "workers" },
	[DEPLOYMENT] = { "MachineDeployment", "default", "tkgm", "tkgm-md-0" },
	[VM] = { "VirtualMachine", "ml", NULL, "notebook" },
	[TWIN] = { "Cluster", "other", "train", "gpu" },
};

static const struct row {
	const char *title, *name, *ns, *cluster;
	int pool;
} rows[] = {
	{ "a topology's MachineSet by hash", "train-gpu-x7kq2-7d4f5b8c9d-vw9zd", "ml", "",
	  TRAIN_GPU },
	{ "a hash of digits", "train-gpu-x7kq2-4187429652-vw9zd", "ml", "", TRAIN_GPU },
	{ "two parts", "train-gpu-x7kq2-vw9zd", "ml", "", TRAIN_GPU },
	{ "one part, with a mark", "train-gpu-x7kq2", "ml", "", TRAIN_GPU },
	{ "a longer name of a pool", "train-gpu-big-x7kq2-vw9zd", "ml", "", TRAIN_GPU_BIG },
	{ "four parts", "train-gpu-x7kq2-x7kq2-x7kq2-vw9zd", "ml", "", NONE },
	{ "a word for a part", "train-gpu-spare-vw9zd", "ml", "", NONE },
	{ "the pool's name alone", "train-gpu", "ml", "", NONE },
	{ "a dash at the end", "train-gpu-x7kq2-", "ml", "", NONE },
	{ "a short part", "train-gpu-x7kq2-vw9z", "ml", "", NONE },
	{ "another namespace", "train-gpu-x7kq2-vw9zd", "dev", "", NONE },
	{ "the twin's namespace", "train-gpu-x7kq2-vw9zd", "other", "", TWIN },
	{ "no namespace: two pools", "train-gpu-x7kq2-vw9zd", "", "", NONE },
	{ "another cluster's mark", "train-gpu-x7kq2-vw9zd", "ml", "infer", NONE },
	{ "a NodePool in any cluster", "infer-workers-x7kq2-vw9zd", "ml", "", NODE_POOL },
	{ "a NodePool without a cluster", "workers-x7kq2-vw9zd", "ml", "", NODE_POOL },
	{ "any cluster needs a namespace", "infer-workers-x7kq2-vw9zd", "", "", NONE },
	{ "a MachineDeployment", "tkgm-md-0-7d4f5b8c9d-x7kq2", "", "", DEPLOYMENT },
	{ "one part without a mark", "tkgm-md-0-x7kq2", "", "", NONE },
	{ "a VirtualMachine by hand", "notebook", "ml", "", VM },
	{ "its name without a mark", "notebook", "", "", NONE },
};

/* A plan of the pools, without classes. */
struct planned {
	struct np_pool pools[N_POOLS];
	struct np_plan_pool items[N_POOLS];
	struct np_plan plan;
};

static char *copy(const char *text)
{
	char *made = text ? strdup(text) : NULL;

	assert_true(!text || made);
	return made;
}

static void planned_init(struct planned *p)
{
	*p = (struct planned){ .plan = { .n_pools = N_POOLS, .pools = p->items } };
	for (size_t i = 0; i < N_POOLS; i++) {
		p->pools[i] = (struct np_pool){ .source = { .kind = copy(pools[i].kind) },
						.ns = copy(pools[i].ns),
						.cluster = copy(pools[i].cluster),
						.name = copy(pools[i].name) };
		p->items[i] = (struct np_plan_pool){ .pool = &p->pools[i],
						     .class_index = SIZE_MAX,
						     .template_index = SIZE_MAX };
	}
}

static void planned_done(struct planned *p)
{
	for (size_t i = 0; i < N_POOLS; i++) {
		free(p->pools[i].source.kind);
		free(p->pools[i].ns);
		free(p->pools[i].cluster);
		free(p->pools[i].name);
	}
}

static void expect_pool(const struct np_vsphere_vm *vm, const struct row *row,
			const struct np_plan *plan)
{
	char id[NP_POOL_ID_MAX] = "";

	if (row->pool != NONE)
		np_pool_id(plan->pools[row->pool].pool, id);
	if (strcmp(vm->pool, id) != 0)
		fail_msg("%s: '%s' in place of '%s'", row->title, vm->pool, id);
	if (row->pool != NONE && vm->manager == NP_VSPHERE_PLAIN)
		fail_msg("%s: no manager", row->title);
}

static void test_vsphere__names_tell_the_pools_of_vms(void **state)
{
	struct planned p;

	(void)state;
	planned_init(&p);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_vsphere_vm vm = { .manager = rows[i].ns[0] != '\0'
							       ? NP_VSPHERE_VM_OPERATOR
							       : NP_VSPHERE_PLAIN,
					    .mark = "a test",
					    .name = copy(rows[i].name),
					    .ns = copy(rows[i].ns),
					    .service_name = copy(""),
					    .kube_cluster = copy(rows[i].cluster),
					    .class_name = copy(""),
					    .pool = copy("") };
		struct np_vsphere_vms vms = { .n = 1, .items = malloc(sizeof(vm)) };
		struct np_err err = NP_ERR_INIT;

		assert_non_null(vms.items);
		vms.items[0] = vm;
		if (np_vsphere_vms_judge(&vms, &p.plan, &err) < 0)
			fail_msg("%s", err.text);
		expect_pool(&vms.items[0], &rows[i], &p.plan);
		np_vsphere_vms_done(&vms);
	}
	planned_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vsphere__names_tell_the_pools_of_vms),
	};

	return cmocka_run_group_tests_name("vsphere pools", tests, NULL, NULL);
}
