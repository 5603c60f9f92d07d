/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/pool.h"

#include "internal.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/selector.h"

#define VM_OPERATOR_GROUP "vmoperator.vmware.com"
#define GROUP_MAX 254
#define KIND_MAX 64
#define PARTS_MAX 256

static int add_class(const struct pool_object *o, struct np_err *err);
static int add_one(const struct pool_object *parent, struct np_val root, struct np_err *err);

static const struct kind_row {
	const char *group, *kind, *version; /* version NULL: any */
	int (*add)(const struct pool_object *o, struct np_err *err);
} kind_rows[] = {
	{ "cluster.x-k8s.io", "Cluster", "v1beta1", pool_add_cluster },
	{ "cluster.x-k8s.io", "Cluster", "v1beta2", pool_add_cluster },
	{ "cluster.x-k8s.io", "MachineDeployment", "v1beta1", pool_add_machine_deployment },
	{ "cluster.x-k8s.io", "MachineDeployment", "v1beta2", pool_add_machine_deployment },
	{ "controlplane.cluster.x-k8s.io", "KubeadmControlPlane", NULL, pool_add_control_plane },
	{ NP_CAPV_GROUP, NP_TEMPLATE_KIND, "v1beta1", pool_add_template },
	{ NP_CAPV_GROUP, NP_TEMPLATE_KIND, "v1beta2", pool_add_template },
	{ "nodeprep.dev", "NodePool", "v1alpha1", pool_add_nodepool },
	{ "run.tanzu.vmware.com", "TanzuKubernetesCluster", "v1alpha1", pool_add_tkc_v1alpha1 },
	{ "run.tanzu.vmware.com", "TanzuKubernetesCluster", "v1alpha2", pool_add_tkc },
	{ "run.tanzu.vmware.com", "TanzuKubernetesCluster", "v1alpha3", pool_add_tkc },
	{ VM_OPERATOR_GROUP, POOL_MACHINE_KIND, NULL, pool_add_virtual_machine },
	{ VM_OPERATOR_GROUP, "VirtualMachineClass", NULL, add_class },
	{ NP_SUPERVISOR_GROUP, NP_TEMPLATE_KIND, "v1beta1", pool_add_supervisor_template },
	{ NP_SUPERVISOR_GROUP, NP_TEMPLATE_KIND, "v1beta2", pool_add_supervisor_template },
};

#define N_KIND_ROWS (sizeof(kind_rows) / sizeof(kind_rows[0]))

/* A document's apiVersion and kind; borrows its texts. */
struct type_meta {
	struct np_val api_node, kind_node;
	const char *api_version;
	const char *kind;
	char group[GROUP_MAX];
	const char *version;
};

/* Appends a reference to the object at `root` of the document. */
static int push_ref(struct np_class_ref **refs, size_t *n, struct np_doc *doc, struct np_val root,
		    struct np_err *err)
{
	/* Full at every power of two: the array doubles without a capacity to keep. */
	if ((*n & (*n - 1)) == 0) {
		struct np_class_ref *grown = reallocarray(*refs, *n ? 2 * *n : 1, sizeof(*grown));

		if (!grown)
			return np_fail_nomem(err);
		*refs = grown;
	}
	(*refs)[(*n)++] = (struct np_class_ref){ .doc = np_doc_ref(doc), .node = root };
	return 0;
}

static int add_class(const struct pool_object *o, struct np_err *err)
{
	struct np_input *in = o->in;

	if (in->n_classes >= NP_CLASSES_MAX)
		return np_doc_fail(o->root, err, NP_E_SPEC,
				   "more than %d VirtualMachineClasses in one input",
				   NP_CLASSES_MAX);
	return push_ref(&in->classes, &in->n_classes, o->doc, o->root, err);
}

static int fail_without_type(const struct type_meta *t, struct np_val root, struct np_err *err)
{
	const char *missing;

	/* vSphere's REST service namespace-management, and govc's output of it. */
	if (np_doc_is_present(np_doc_get(root, "cpu_count")) &&
	    (np_doc_is_present(np_doc_get(root, "memory_MB")) ||
	     np_doc_is_present(np_doc_get(root, "memory_mb"))))
		return np_doc_fail(root, err, NP_E_SPEC,
				   "a VM class as vCenter's REST API prints it is not read from a "
				   "file: expected a VirtualMachineClass of the Supervisor's "
				   "Kubernetes API");
	missing = !t->api_version && !t->kind ? "apiVersion and kind are"
		  : !t->kind                  ? "kind is"
					      : "apiVersion is";

	return np_doc_fail(root, err, NP_E_SPEC, "%s required", missing);
}

static int read_type(struct np_val root, struct type_meta *ret, struct np_err *err)
{
	struct type_meta t = { .api_node = np_doc_get(root, "apiVersion"),
			       .kind_node = np_doc_get(root, "kind") };
	const char *slash;
	size_t n;

	if (np_doc_string(t.api_node, &t.api_version, err) < 0 ||
	    np_doc_string(t.kind_node, &t.kind, err) < 0)
		return np_err_ret(err);
	if (t.api_version && !*t.api_version)
		t.api_version = NULL;
	if (t.kind && !*t.kind)
		t.kind = NULL;
	if (!t.api_version || !t.kind)
		return fail_without_type(&t, root, err);
	slash = strchr(t.api_version, '/');
	n = slash ? (size_t)(slash - t.api_version) : 0;
	if (n >= sizeof(t.group) || strlen(t.kind) >= KIND_MAX)
		return np_doc_fail(n >= sizeof(t.group) ? t.api_node : t.kind_node, err, NP_E_SPEC,
				   "'%.32s...' is too long to be an API group or a kind",
				   n >= sizeof(t.group) ? t.api_version : t.kind);
	memcpy(t.group, t.api_version, n);
	t.group[n] = '\0';
	t.version = slash ? slash + 1 : t.api_version;
	*ret = t;
	return 0;
}

static bool has_kind(const struct kind_row *row, const char *group, const char *kind)
{
	return strcmp(row->kind, kind) == 0 && (!group || strcmp(row->group, group) == 0);
}

static const struct kind_row *find_row(const struct type_meta *t)
{
	for (size_t i = 0; i < N_KIND_ROWS; i++)
		if (has_kind(&kind_rows[i], t->group, t->kind) &&
		    (!kind_rows[i].version || strcmp(kind_rows[i].version, t->version) == 0))
			return &kind_rows[i];
	return NULL;
}

/* Writes the supported versions of that kind; false where there are none. */
static bool list_versions(const struct type_meta *t, char buf[static PARTS_MAX])
{
	buf[0] = '\0';
	for (size_t i = 0; i < N_KIND_ROWS; i++) {
		if (!has_kind(&kind_rows[i], t->group, t->kind) || !kind_rows[i].version)
			continue;
		if (*buf)
			strlcat(buf, ", ", PARTS_MAX);
		strlcat(buf, kind_rows[i].version, PARTS_MAX);
	}
	return *buf;
}

/*
 * A supported kind in a foreign group is listed with its group, or the summary would say "Cluster".
 */
static int skip_kind(struct np_input *in, const struct type_meta *t, struct np_err *err)
{
	char label[POOL_LABEL_MAX];
	bool ours = false;

	for (size_t i = 0; i < N_KIND_ROWS; i++)
		ours = ours || has_kind(&kind_rows[i], NULL, t->kind);
	snprintf(label, sizeof(label), ours ? "%s (%.80s)" : "%s", t->kind, t->api_version);
	return pool_input_skip(in, label, err);
}

static int add_unread(struct np_input *in, const struct type_meta *t, struct np_err *err)
{
	char versions[PARTS_MAX];

	if (list_versions(t, versions))
		return np_doc_fail(t->api_node, err, NP_E_SPEC,
				   "version '%.64s' of %s is not supported: expected %s%s",
				   t->version, t->kind, strchr(versions, ',') ? "one of " : "",
				   versions);
	if (strcmp(t->group, "nodeprep.dev") == 0)
		return np_doc_fail(t->kind_node, err, NP_E_SPEC,
				   "'%s' is not a kind of nodeprep.dev: expected NodePool",
				   t->kind);
	return skip_kind(in, t, err);
}

/* Tells whether it is the plain List, or the list of a kind of ours in whatever version. */
static bool is_list(const struct type_meta *t)
{
	char kind[KIND_MAX];
	size_t n = strlen(t->kind);

	if (n < 4 || strcmp(t->kind + n - 4, "List") != 0)
		return false;
	if (n == 4)
		return strcmp(t->api_version, "v1") == 0;
	memcpy(kind, t->kind, n - 4);
	kind[n - 4] = '\0';
	for (size_t i = 0; i < N_KIND_ROWS; i++)
		if (has_kind(&kind_rows[i], t->group, kind))
			return true;
	return false;
}

static int add_list(const struct pool_object *parent, struct np_val root, struct np_err *err)
{
	struct np_val items = np_doc_get(root, "items");

	if (np_doc_list(items, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(items); i++)
		if (add_one(parent, np_doc_at(items, i), err) < 0)
			return np_err_ret(err);
	return 0;
}

/* VMs and images are stored for the check, and still counted as ignored. */
static int keep_object(const struct pool_object *parent, struct np_val root,
		       const struct type_meta *t, struct np_err *err)
{
	static const char *const kinds[] = { "ClusterVirtualMachineImage", "VirtualMachine",
					     "VirtualMachineImage" };
	struct np_input *in = parent->in;

	if (strcmp(t->group, VM_OPERATOR_GROUP) != 0)
		return 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i], t->kind) != 0)
			continue;
		if (in->n_objects >= NP_CLASSES_MAX)
			return np_doc_fail(root, err, NP_E_SPEC,
					   "more than %d VMs and images in one input",
					   NP_CLASSES_MAX);
		return push_ref(&in->objects, &in->n_objects, parent->doc, root, err);
	}
	return 0;
}

/* What asks for nodes can be left out; classes, VMs and images are facts. */
static bool is_selected(const struct np_input *in, struct np_val root, const struct type_meta *t)
{
	struct np_val metadata = np_doc_get(root, "metadata");

	return !in->selector || strcmp(t->group, VM_OPERATOR_GROUP) == 0 ||
	       np_selector_matches(in->selector, np_doc_get(metadata, "labels").json);
}

static int add_typed(const struct pool_object *parent, struct np_val root,
		     const struct type_meta *t, struct np_err *err)
{
	const struct kind_row *row = find_row(t);
	struct pool_object o = *parent;

	o.in->n_documents++;
	if (!is_selected(o.in, root, t)) {
		o.in->n_unselected++;
		return 0;
	}
	if (keep_object(parent, root, t, err) < 0)
		return np_err_ret(err);
	if (!row)
		return add_unread(o.in, t, err);
	o.root = root;
	o.kind = row->kind;
	if (pool_object_open(&o, err) < 0)
		return np_err_ret(err);
	return row->add(&o, err);
}

/* A tanzu file has neither apiVersion nor kind, so only its keys identify it. */
static int add_untyped(const struct pool_object *parent, struct np_val root, struct np_err *err)
{
	static int (*const files[])(const struct pool_object *, struct np_val, struct np_err *) = {
		pool_add_node_file,
		pool_add_flat,
	};
	int added = 0;

	if (np_doc_is_present(np_doc_get(root, "apiVersion")) ||
	    np_doc_is_present(np_doc_get(root, "kind")))
		return 0;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && added == 0; i++)
		added = files[i](parent, root, err);
	if (added > 0)
		parent->in->n_documents++;
	return added;
}

/* The recursion is as deep as nested lists, which NP_DOC_DEPTH_MAX bounds. */
static int add_node(const struct pool_object *parent, struct np_val root, struct np_err *err)
{
	struct type_meta t;
	int added;

	if (!root.json)
		return 0;
	added = json_is_object(root.json) ? add_untyped(parent, root, err) : 0;
	if (added == 0)
		added = pool_add_blueprint(parent, root, add_one, err);
	if (added == 0)
		added = pool_skip_foreign(parent->in, root, err);
	if (added != 0)
		return added < 0 ? added : 0;
	if (!json_is_object(root.json))
		return pool_fail_instead(root, "a mapping with apiVersion and kind", err);
	if (read_type(root, &t, err) < 0)
		return np_err_ret(err);
	if (is_list(&t))
		return add_list(parent, root, err);
	return add_typed(parent, root, &t, err);
}

static int keep_error(struct np_input *in, const struct np_err *why, struct np_err *err)
{
	if (in->n_errors >= NP_INPUT_ERRORS_MAX)
		return 0;
	if ((in->n_errors & (in->n_errors - 1)) == 0) {
		size_t room = in->n_errors ? 2 * in->n_errors : 1;
		struct np_err *grown = reallocarray(in->errors, room, sizeof(*in->errors));

		if (!grown)
			return np_fail_nomem(err);
		in->errors = grown;
	}
	in->errors[in->n_errors++] = *why;
	return 0;
}

/* The arrays keep their capacity, which depends on the count alone. */
static void cut_back(struct np_input *in, size_t n_pools, size_t n_classes, size_t n_templates)
{
	while (in->n_pools > n_pools)
		pool_done(&in->pools[--in->n_pools]);
	while (in->n_classes > n_classes)
		np_doc_unref(in->classes[--in->n_classes].doc);
	while (in->n_templates > n_templates)
		pool_template_done(&in->templates[--in->n_templates]);
}

/* Adds a document or an item of a List. Half of one would make a plan that misleads. */
static int add_one(const struct pool_object *parent, struct np_val root, struct np_err *err)
{
	struct np_input *in = parent->in;
	size_t n_pools = in->n_pools, n_classes = in->n_classes, n_templates = in->n_templates;
	struct np_err why = NP_ERR_INIT;

	if (!parent->collects)
		return add_node(parent, root, err);
	if (add_node(parent, root, &why) == 0)
		return 0;
	if (why.code == NP_E_NOMEM)
		return np_fail_nomem(err);
	cut_back(in, n_pools, n_classes, n_templates);
	return keep_error(in, &why, err);
}

int np_pool_input_add(struct np_input *in, const struct np_catalogue *cat, struct np_doc *doc,
		      struct np_err *err)
{
	struct pool_object parent = { .in = in, .cat = cat, .doc = doc };

	return add_one(&parent, np_doc_root(doc), err);
}

int np_pool_input_collect_object(struct np_input *in, const struct np_catalogue *cat,
				 struct np_doc *doc, struct np_err *err)
{
	struct pool_object parent = { .in = in, .cat = cat, .doc = doc, .collects = true };

	return add_one(&parent, np_doc_root(doc), err);
}

/* Notes the input's name for errors about the whole. */
static void add_name(struct np_input *in, const char *name)
{
	size_t used = strlen(in->names), room = sizeof(in->names) - used;
	int n = snprintf(in->names + used, room, "%s%s", used > 0 ? ", " : "",
			 strcmp(name, "-") == 0 ? "standard input" : name);

	if (n < 0 || (size_t)n >= room)
		memcpy(in->names + sizeof(in->names) - 4, "...", 4);
}

static bool is_of_vm_operator(const char *api)
{
	return strncmp(api, VM_OPERATOR_GROUP "/", strlen(VM_OPERATOR_GROUP) + 1) == 0;
}

/*
 * managedFields and status are most of a dump. Where an object's apiVersion follows later in the text, both
 * are kept.
 */
static bool is_unread(const void *context, const json_t *parent, const json_t *object,
		      const char *key)
{
	const struct np_input *in = context;
	bool is_status = strcmp(key, "status") == 0;
	const char *api;

	if (!is_status && strcmp(key, "managedFields") != 0)
		return false;
	api = json_string_value(json_object_get(is_status ? object : parent, "apiVersion"));
	if (!api)
		return false;
	return !is_of_vm_operator(api) || (!is_status && !in->keeps_managed_fields);
}

/* Adds every document of the bytes called `name`. */
static int add_bytes(struct pool_object *parent, const char *name, const char *bytes, size_t size,
		     struct np_err *err)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *reader = NULL;

	add_name(parent->in, name);
	if (pool_check_template(name, bytes, size, err) < 0 ||
	    np_doc_reader_new(name, bytes, size, &reader, err) < 0)
		return np_err_ret(err);
	np_doc_reader_leave_out(reader, is_unread, parent->in);
	for (;;) {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
		int more = np_doc_reader_next(reader, &doc, err);

		if (more < 0)
			pool_hint_template(bytes, size, err);
		if (more <= 0)
			return more;
		parent->doc = doc;
		if (add_one(parent, np_doc_root(doc), err) < 0)
			return np_err_ret(err);
	}
}

int np_pool_input_parse(struct np_input *in, const struct np_catalogue *cat, const char *name,
			const char *bytes, size_t size, struct np_err *err)
{
	struct pool_object parent = { .in = in, .cat = cat };

	return add_bytes(&parent, name, bytes, size, err);
}

int np_pool_input_collect(struct np_input *in, const struct np_catalogue *cat, const char *name,
			  const char *bytes, size_t size, struct np_err *err)
{
	struct pool_object parent = { .in = in, .cat = cat, .collects = true };

	return add_bytes(&parent, name, bytes, size, err);
}

void np_pool_input_done(struct np_input *in)
{
	for (size_t i = 0; i < in->n_pools; i++)
		pool_done(&in->pools[i]);
	for (size_t i = 0; i < in->n_classes; i++)
		np_doc_unref(in->classes[i].doc);
	for (size_t i = 0; i < in->n_objects; i++)
		np_doc_unref(in->objects[i].doc);
	for (size_t i = 0; i < in->n_templates; i++)
		pool_template_done(&in->templates[i]);
	for (size_t i = 0; i < in->n_skipped_kinds; i++)
		free(in->skipped_kinds[i].kind);
	np_index_done(&in->control_planes);
	free(in->templates);
	free(in->pools);
	free(in->classes);
	free(in->objects);
	free(in->skipped_kinds);
	free(in->errors);
	*in = (struct np_input){ 0 };
}
