/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_VSPHERE_TESTBED_H
#define NODEPREP_VSPHERE_TESTBED_H

/*
 * testbed - what the tests share: recorded answers to queries.
 */

#include "nodeprep/vsphere.h"

#include "../vcenter/testbed.h"

#define TEXT(name, value) "<propSet><name>" name "</name><val>" value "</val></propSet>"
#define REF(name, type, id)                                                                      \
	"<propSet><name>" name "</name><val type='" type "' i:type='ManagedObjectReference'>" id \
	"</val></propSet>"
#define LIST(name, items) \
	"<propSet><name>" name "</name><val i:type='ArrayOfAnything'>" items "</val></propSet>"
#define MISSING(name, fault) \
	"<missingSet><path>" name "</path><fault><fault i:type='" fault "'/></fault></missingSet>"
#define OBJECT(type, id, more) "<objects><obj type='" type "'>" id "</obj>" more "</objects>"

/* The three steps of a query. */
#define QUERY(objects)                                                                   \
	SOAP("CreateContainerView", "<returnval type='ContainerView'>view</returnval>"), \
		SOAP("RetrievePropertiesEx", "<returnval>" objects "</returnval>"),      \
		SOAP("DestroyView", "")

#define CLUSTER OBJECT("ClusterComputeResource", "domain-c1", TEXT("name", "gpu"))

static inline struct np_catalogue *catalogue(void)
{
	struct np_catalogue *cat = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_gpu_catalogue_new(&cat, &err) < 0)
		fail_msg("%s", err.text);
	return cat;
}

/* Returns a check's status; the report is freed. */
static inline enum np_probe_status status_take(struct np_report *take, const char *id)
{
	enum np_probe_status found = NP_PROBE_STATUS_MAX;

	for (size_t i = 0; i < take->n_probes; i++)
		if (strcmp(take->probes[i].id, id) == 0)
			found = take->probes[i].status;
	np_report_done(take);
	if (found == NP_PROBE_STATUS_MAX)
		fail_msg("no check '%s'", id);
	return found;
}

#endif
