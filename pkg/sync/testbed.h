/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SYNC_TESTBED_H
#define NODEPREP_SYNC_TESTBED_H

/* Shared by the tests of sync: classes and pools as texts, a session with a Supervisor, what came of a run. */

#include "catalogue.h"
#include "expect.h"
#include "supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/sync.h"

#define API "/apis/vmoperator.vmware.com/v1alpha6/namespaces/ml/virtualmachineclasses"
#define ITEM(name) API "/" name

#define CLASS(name, gpus)                              \
	"---\n"                                        \
	"apiVersion: vmoperator.vmware.com/v1alpha6\n" \
	"kind: VirtualMachineClass\n"                  \
	"metadata: {name: " name ", namespace: ml}\n"  \
	"spec:\n"                                      \
	"  hardware: {cpus: 4, memory: 64Gi, devices: {dynamicDirectPathIODevices: [" gpus "]}}\n"
#define A100 "{vendorID: 4318, deviceID: 8368}"
#define POOL(name, class, rest)                       \
	"---\n"                                       \
	"apiVersion: nodeprep.dev/v1alpha1\n"         \
	"kind: NodePool\n"                            \
	"metadata: {name: " name ", namespace: ml}\n" \
	"spec: {vmClass: " class rest "}\n"

/* Two classes to change, of which pool order says 'b' comes first. */
#define TWO CLASS("a", A100) CLASS("b", A100)
#define TWO_POOLS POOL("first", "b", "") POOL("second", "a", "")

struct session {
	struct supervisor s;
	struct np_class_store store;
	struct np_input pools;
	struct np_sync_options o;
	struct np_sync a;
	struct np_err err;
	char writes[1024];
};

static inline void open_session(struct session *x, const char *classes, const char *pools)
{
	*x = (struct session){ .err = NP_ERR_INIT };
	supervisor_start(&x->s, classes);
	x->store = np_sync_store_kube(x->s.kube, NULL);
	x->o.plan = (struct np_plan_options){ .catalogue = catalogue, .holder = "apply" };
	if (np_pool_input_parse(&x->pools, catalogue, "pools.yaml", pools, strlen(pools), &x->err) <
		    0 ||
	    np_pool_input_finish(&x->pools, &x->err) < 0)
		fail_msg("%s", x->err.text);
	supervisor_mark(&x->s);
}

static inline void close_session(struct session *x)
{
	np_sync_done(&x->a);
	np_pool_input_done(&x->pools);
	supervisor_stop(&x->s);
}

static inline int run(struct session *x)
{
	int r;

	np_sync_done(&x->a);
	r = np_sync_run(&x->store, &x->pools, &x->o, &x->a, &x->err);
	if (r < 0)
		print_message("%s\n", x->err.text);
	return r;
}

static inline void assert_writes(struct session *x, const char *wanted)
{
	assert_string_equal(supervisor_writes(&x->s, x->writes, sizeof(x->writes)), wanted);
}

/* Returns "a: patched 1, b: failed 2 conflict": each class, its result, attempts and error. */
static inline const char *results(const struct session *x, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; x->a.classes && i < x->a.plan.n_classes; i++) {
		const struct np_sync_outcome *r = &x->a.classes[i];

		used += (size_t)snprintf(buf + used, size - used, "%s%s: %s %u%s%s",
					 i > 0 ? ", " : "", x->a.plan.classes[i].name,
					 np_sync_result_name(r->result), r->attempts,
					 r->error.code == NP_OK ? "" : " ",
					 r->error.code == NP_OK ? "" : np_code_name(r->error.code));
	}
	return buf;
}

static inline void assert_results(const struct session *x, const char *wanted)
{
	char buf[1024];

	assert_string_equal(results(x, buf, sizeof(buf)), wanted);
}

/* Returns the value of an extraConfig key of the class; "" where there is none. */
static inline const char *value_of(struct session *x, const char *path, const char *key,
				   char buf[static 32])
{
	json_t *class = supervisor_get(&x->s, path);
	const json_t *spec = json_object_get(json_object_get(class, "spec"), "configSpec");
	json_t *entry;
	size_t i;

	buf[0] = '\0';
	json_array_foreach (json_object_get(spec, "extraConfig"), i, entry) {
		if (strcmp(json_string_value(json_object_get(entry, "key")), key) == 0)
			snprintf(buf, 32, "%s",
				 json_string_value(json_object_get(json_object_get(entry, "value"),
								   "_value")));
	}
	json_decref(class);
	return buf;
}

static inline void assert_window(struct session *x, const char *path, const char *wanted)
{
	char buf[32];

	assert_string_equal(value_of(x, path, NP_VMX_SIZE_NAME, buf), wanted);
}

#endif
