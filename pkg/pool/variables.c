/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdint.h>
#include <stdio.h>

#include "nodeprep/err.h"

/*
 * Class-based TKGm (tkg-vsphere-default and its like): the variable `pci` names the devices,
 * `worker` the VMX keys; the ClusterClass copies both into a VSphereMachineTemplate.
 */

static int read_hardware(struct np_val pci, struct np_template *t, struct np_err *err)
{
	struct np_val n = np_doc_get(pci, "hardwareVersion");
	const char *text = NULL;

	if (np_doc_string(n, &text, err) < 0)
		return np_err_ret(err);
	return text && *text ? pool_template_set_hardware(t, n, text, err) : 0;
}

static int read_values(const struct pool_object *o, const struct pool_variables *v,
		       struct np_template *t, struct np_err *err)
{
	struct np_val pci, machine;

	if (np_doc_path(v->pci, "worker", &pci, err) < 0 ||
	    np_doc_path(v->worker, "machine", &machine, err) < 0 || np_doc_object(pci, err) < 0 ||
	    np_doc_object(machine, err) < 0)
		return np_err_ret(err);
	if (pool_template_read_devices(o, np_doc_get(pci, "devices"), t, err) < 0 ||
	    pool_template_read_keys(np_doc_get(machine, "customVMXKeys"), t, err) < 0 ||
	    pool_template_read_size(machine, t, err) < 0)
		return np_err_ret(err);
	return read_hardware(pci, t, err);
}

static int set_paths(const struct pool_variables *v, struct np_template *t, struct np_err *err)
{
	char text[POOL_PATH_MAX + 32];

	snprintf(text, sizeof(text), "%s/machine/customVMXKeys", v->worker_path);
	if (pool_copy_text(&t->keys_path, text, err) < 0)
		return np_err_ret(err);
	snprintf(text, sizeof(text), "%s/worker/hardwareVersion", v->pci_path);
	return pool_copy_text(&t->hardware_path, text, err);
}

int pool_set_variables(const struct pool_object *o, struct np_val at,
		       const struct pool_variables *v, struct np_pool *pool, struct np_err *err)
{
	NP_AUTO(pool_template_done) struct np_template t = { 0 };

	if (pool_node_is_placeholder(v->pci)) {
		pool->has_placeholder = pool->gpus_unknown =
			pool_note_placeholder(&pool->placeholder, v->pci, "variable pci");
		return 0;
	}
	if (pool_template_init(o, at.pos, pool->name, &t, err) < 0 ||
	    read_values(o, v, &t, err) < 0 || set_paths(v, &t, err) < 0)
		return np_err_ret(err);
	t.kind = NP_TEMPLATE_VARIABLES;
	t.is_used = true;
	pool->has_template = true;
	pool->template_index = o->in->n_templates;
	pool_take_placeholder(pool, &t);
	return pool_template_push_take(o->in, &t, err);
}
