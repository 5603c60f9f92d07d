/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"
#include "nodeprep/units.h"
#include "nodeprep/warnings.h"

#define FLAT_KIND "ClusterConfiguration"
#define FLAT_POOL "md-0"
#define EXTRA_KEY "extrapools"
#define EXTRA_POOLS_MAX 1000

/* The one card that the installer takes without VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST. */
static const struct np_pci_id allowed_id = { 0x10de, 0x1eb8 };

/* The workers of a file on their way into the input. */
struct flat {
	const struct pool_object *o;
	struct np_pool pool;
	struct np_template template;
	bool ignores_allow_list;
};

static void flat_done(struct flat *f)
{
	pool_done(&f->pool);
	pool_template_done(&f->template);
}

static int read_autoscaler(struct flat *f, struct np_val n, const char *text, struct np_err *err)
{
	(void)n;
	(void)err;
	if (strcasecmp(text, "true") == 0)
		f->pool.has_replicas = false;
	return 0;
}

static int read_guest(struct flat *f, struct np_val n, const char *text, struct np_err *err)
{
	return pool_template_note_guest(&f->template, n.key, text, err);
}

static int read_allow_list(struct flat *f, struct np_val n, const char *text, struct np_err *err)
{
	(void)n;
	(void)err;
	f->ignores_allow_list = strcasecmp(text, "true") == 0;
	return 0;
}

/* Reads 'k=v,k=v', which it cuts up. */
static int read_key_pairs(struct np_template *t, struct np_val n, char *rest, struct np_err *err)
{
	while (rest) {
		char *pair = np_text_trim(strsep(&rest, ","));
		char *equals = strchr(pair, '=');

		if (!*pair && !rest)
			break;
		if (!equals || equals == pair)
			return np_doc_fail(n, err, NP_E_SPEC,
					   "%s has '%.64s': expected KEY=VALUE pairs, separated by "
					   "commas",
					   n.key, pair);
		*equals = '\0';
		if (pool_template_add_key(t, n, np_text_trim(pair), np_text_trim(equals + 1), err) <
		    0)
			return np_err_ret(err);
	}
	return 0;
}

static int read_keys(struct flat *f, struct np_val n, const char *text, struct np_err *err)
{
	NP_AUTO(np_freep) char *copy = strdup(text);

	return copy ? read_key_pairs(&f->template, n, copy, err) : np_fail_nomem(err);
}

static int read_hardware(struct flat *f, struct np_val n, const char *text, struct np_err *err)
{
	return pool_template_set_hardware(&f->template, n, text, err);
}

static int read_memory(struct flat *f, struct np_val n, const char *text, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (np_u64_parse(text, 1, INT64_MAX, &f->template.memory_mib, &why) < 0)
		return np_doc_fail(n, err, NP_E_SPEC,
				   "%s is '%.64s': expected a whole number of MiB", n.key, text);
	f->template.has_memory = true;
	return 0;
}

static bool has_device(const struct np_template *t, struct np_pci_id id, const char *profile)
{
	for (size_t i = 0; i < t->n_devices; i++) {
		const struct np_template_device *d = &t->devices[i];

		if (profile && d->profile && strcasecmp(d->profile, profile) == 0)
			return true;
		if (!profile && !d->profile && d->id.vendor == id.vendor &&
		    d->id.device == id.device)
			return true;
	}
	return false;
}

/* The installer refuses any other id, after the cluster was described and before it is made. */
static int note_allow_list(struct flat *f, struct np_pci_id id, struct np_err *err)
{
	char text[NP_PCI_ID_MAX];

	if (f->ignores_allow_list || has_device(&f->template, id, NULL) ||
	    (id.vendor == allowed_id.vendor && id.device == allowed_id.device))
		return 0;
	np_gpu_pci_id_format(id, text);
	return np_warnings_add(&f->template.warnings, err, NP_WARNING_ALLOW_LIST,
			       "the installer rejects '%s': it accepts 10de:1eb8 only, unless "
			       "VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST is \"true\"",
			       text);
}

static int add_device(struct flat *f, struct np_val n, const char *text, struct np_err *err)
{
	struct np_pci_id id = { 0, 0 };
	struct np_err why = NP_ERR_INIT;

	if (np_gpu_find_vgpu(f->o->cat, text)) {
		if (!has_device(&f->template, id, text) &&
		    np_warnings_add(&f->template.warnings, err, NP_WARNING_PASSTHROUGH_ONLY,
				    "'%.64s' is a vGPU: %s accepts passthrough devices only", text,
				    n.key) < 0)
			return np_err_ret(err);
		return pool_template_add_device(&f->template, f->o->cat, n, id, text, err);
	}
	if (np_gpu_pci_id_parse(text, &id, &why) < 0)
		return np_doc_fail(n, err, NP_E_SPEC, "%s: %s", n.key, why.text);
	if (note_allow_list(f, id, err) < 0)
		return np_err_ret(err);
	return pool_template_add_device(&f->template, f->o->cat, n, id, NULL, err);
}

static int read_devices(struct flat *f, struct np_val n, const char *text, struct np_err *err)
{
	NP_AUTO(np_freep) char *copy = strdup(text);
	char *rest = copy;

	if (!copy)
		return np_fail_nomem(err);
	while (rest)
		if (add_device(f, n, np_text_trim(strsep(&rest, ",")), err) < 0)
			return np_err_ret(err);
	return 0;
}

static int read_rollout(struct flat *f, struct np_val n, const char *text, struct np_err *err)
{
	if (strcmp(text, "OnDelete") == 0)
		f->pool.rollout = NP_ROLLOUT_ON_DELETE;
	else if (strcmp(text, "RollingUpdate") != 0)
		return np_doc_fail(n, err, NP_E_SPEC,
				   "%s is '%.64s': expected RollingUpdate or OnDelete", n.key,
				   text);
	return 0;
}

static int read_count(struct flat *f, struct np_val n, const char *text, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (np_u64_parse(text, 0, INT32_MAX, &f->pool.replicas, &why) < 0)
		return np_doc_fail(n, err, NP_E_SPEC,
				   "%s is '%.64s': expected a whole number from 0 to %d", n.key,
				   text, INT32_MAX);
	f->pool.has_replicas = true;
	return 0;
}

/* In reading order: the allow-list comes before the devices. */
static const struct flat_field {
	const char *key;
	int (*read)(struct flat *f, struct np_val n, const char *text, struct np_err *err);
} flat_fields[] = {
	{ "OS_ARCH", read_guest },
	{ "VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST", read_allow_list },
	{ "VSPHERE_TEMPLATE", read_guest },
	{ "VSPHERE_WORKER_CUSTOM_VMX_KEYS", read_keys },
	{ "VSPHERE_WORKER_HARDWARE_VERSION", read_hardware },
	{ "VSPHERE_WORKER_MEM_MIB", read_memory },
	{ "VSPHERE_WORKER_PCI_DEVICES", read_devices },
	{ "VSPHERE_WORKER_ROLLOUT_STRATEGY", read_rollout },
	{ "WORKER_MACHINE_COUNT", read_count },
	{ "WORKER_ROLLOUT_STRATEGY", read_rollout },
	{ "ENABLE_AUTOSCALER", read_autoscaler },
};

/* A placeholder replaces a whole value, unless the field's reader handles placeholders. */
static bool is_open(const struct flat_field *field, const char *text)
{
	return np_pool_is_placeholder(text) && field->read != read_keys &&
	       field->read != read_hardware;
}

/* Returns a scalar as text, possibly in `buf`; NULL where there is none. */
static int read_scalar(struct np_val n, char buf[static NP_DOC_TEXT_MAX], const char **ret,
		       struct np_err *err)
{
	*ret = NULL;
	if (!np_doc_is_present(n))
		return 0;
	if (json_is_object(n.json) || json_is_array(n.json))
		return pool_fail_instead(n, "text", err);
	np_doc_text(n, buf);
	*ret = json_is_string(n.json) ? json_string_value(n.json) : buf;
	if (!**ret)
		*ret = NULL;
	return 0;
}

static int read_field(struct flat *f, struct np_val root, const struct flat_field *field,
		      struct np_err *err)
{
	struct np_val n = np_doc_get(root, field->key);
	char buf[NP_DOC_TEXT_MAX];
	const char *text;

	if (read_scalar(n, buf, &text, err) < 0)
		return np_err_ret(err);
	if (!text)
		return 0;
	if (!is_open(field, text))
		return field->read(f, n, text, err);
	f->template.has_placeholder = pool_note_placeholder(&f->template.placeholder, n, NULL);
	f->template.has_unknown_device =
		f->template.has_unknown_device || field->read == read_devices;
	return 0;
}

static int set_pool(struct flat *f, const char *cluster, struct np_err *err)
{
	f->pool.has_template = true;
	f->pool.template_index = f->o->in->n_templates;
	pool_take_placeholder(&f->pool, &f->template);
	f->pool.has_placeholder =
		f->pool.has_placeholder || (cluster && np_pool_is_placeholder(cluster));
	f->template.is_used = true;
	return pool_copy_text(&f->pool.cluster, cluster, err);
}

static int push(struct flat *f, struct np_err *err)
{
	if (pool_template_push_take(f->o->in, &f->template, err) < 0)
		return np_err_ret(err);
	return pool_input_push_take(f->o->in, &f->pool, err);
}

static int add_base(const struct pool_object *o, const char *cluster, struct np_err *err)
{
	NP_AUTO(flat_done) struct flat f = { .o = o };

	if (pool_init(o, o->root.pos, FLAT_POOL, &f.pool, err) < 0 ||
	    pool_template_init(o, o->root.pos, FLAT_POOL, &f.template, err) < 0)
		return np_err_ret(err);
	f.template.kind = NP_TEMPLATE_FLAT;
	f.pool.rollout = NP_ROLLOUT_SURGE;
	for (size_t i = 0; i < sizeof(flat_fields) / sizeof(flat_fields[0]); i++)
		if (read_field(&f, o->root, &flat_fields[i], err) < 0)
			return np_err_ret(err);
	if (set_pool(&f, cluster, err) < 0)
		return np_err_ret(err);
	return push(&f, err);
}

static int read_extra_keys(struct np_val item, struct np_template *t, struct np_err *err)
{
	struct np_val n = np_doc_get(item, "customVMX");
	NP_AUTO(np_freep) char *copy = NULL;
	const char *text = NULL;

	if (np_doc_string(n, &text, err) < 0)
		return np_err_ret(err);
	if (!text || !*text)
		return 0;
	copy = strdup(text);
	return copy ? read_key_pairs(t, n, copy, err) : np_fail_nomem(err);
}

static int read_extra(struct flat *f, struct np_val item, struct np_err *err)
{
	const char *image = NULL;

	if (pool_read_replicas(np_doc_get(item, "replicas"), &f->pool, err) < 0 ||
	    np_doc_string(np_doc_get(item, "template"), &image, err) < 0 ||
	    read_extra_keys(item, &f->template, err) < 0 ||
	    pool_template_note_guest(&f->template, "template", image, err) < 0)
		return np_err_ret(err);
	f->template.has_placeholder =
		f->template.has_placeholder || (image && np_pool_is_placeholder(image));
	return 0;
}

/* `above`: the number of lines of the file before the block that the item's position counts in. */
static int add_extra(const struct pool_object *o, struct np_val item, unsigned above,
		     const char *cluster, struct np_err *err)
{
	NP_AUTO(flat_done) struct flat f = { .o = o };
	struct np_pos at = { item.pos.line + above, item.pos.column };
	const char *name;

	if (!json_is_object(item.json))
		return pool_fail_instead(item, "a mapping with name, replicas and customVMX", err);
	if (pool_read_name(np_doc_get(item, "name"), "name of the extra pool", &name, err) < 0 ||
	    pool_init(o, at, name, &f.pool, err) < 0 ||
	    pool_template_init(o, at, name, &f.template, err) < 0 ||
	    read_extra(&f, item, err) < 0 || set_pool(&f, cluster, err) < 0)
		return np_err_ret(err);
	f.template.kind = NP_TEMPLATE_EXTRA;
	return push(&f, err);
}

static int add_extra_list(const struct pool_object *o, struct np_val list, unsigned above,
			  const char *cluster, struct np_err *err)
{
	size_t n = np_doc_count(list);

	if (!json_is_array(list.json))
		return pool_fail_instead(list, "a list of pools", err);
	if (n > EXTRA_POOLS_MAX)
		return np_doc_fail(list, err, NP_E_SPEC, "%zu extra pools: at most %d", n,
				   EXTRA_POOLS_MAX);
	for (size_t i = 0; i < n; i++)
		if (add_extra(o, np_doc_at(list, i), above, cluster, err) < 0)
			return np_err_ret(err);
	return 0;
}

/* The list may be YAML in a block of text, as the overlay of TKG 1.6 requires. */
static int add_extra_block(const struct pool_object *o, struct np_val n, const char *cluster,
			   struct np_err *err)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *reader = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	const char *text = json_string_value(n.json);
	NP_AUTO(np_freep) char *name = NULL;
	int got;

	if (!text)
		return add_extra_list(o, n, 0, cluster, err);
	if (asprintf(&name, "%s: " EXTRA_KEY, np_doc_name(o->doc)) < 0) {
		name = NULL;
		return np_fail_nomem(err);
	}
	if (np_doc_reader_new(name, text, strlen(text), &reader, err) < 0)
		return np_err_ret(err);
	got = np_doc_reader_next(reader, &doc, err);
	if (got <= 0)
		return got;
	return add_extra_list(o, np_doc_root(doc), n.pos.line, cluster, err);
}

/* Keys that only such a file has; any program's environment has keys in capitals. */
static bool is_base_key(const char *key)
{
	static const char *const keys[] = { "CLUSTER_NAME", "CLUSTER_PLAN",
					    "INFRASTRUCTURE_PROVIDER", "WORKER_MACHINE_COUNT" };
	static const char *const prefixes[] = { "TKG_", "VSPHERE_" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(key, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static bool has_base(struct np_val root)
{
	for (struct np_val n = np_doc_next(root, NULL); n.key && *n.key;
	     n = np_doc_next(root, n.key))
		if (is_base_key(n.key))
			return true;
	return false;
}

static bool is_other_cloud(const char *provider)
{
	return provider && strcmp(provider, "vsphere") != 0 && !np_pool_is_placeholder(provider);
}

static int open_flat(struct pool_object *o, const char **ret_cluster, const char **ret_provider,
		     struct np_err *err)
{
	struct np_val name = np_doc_get(o->root, "CLUSTER_NAME");

	o->kind = FLAT_KIND;
	if (np_doc_string(name, ret_cluster, err) < 0 ||
	    np_doc_string(np_doc_get(o->root, "INFRASTRUCTURE_PROVIDER"), ret_provider, err) < 0)
		return np_err_ret(err);
	/* The name may come from the command line instead. */
	if (*ret_cluster && !**ret_cluster)
		*ret_cluster = NULL;
	if (*ret_cluster && pool_read_name(name, "CLUSTER_NAME", ret_cluster, err) < 0)
		return np_err_ret(err);
	o->name = *ret_cluster ? *ret_cluster : FLAT_POOL;
	return pool_object_read_namespace(o, np_doc_get(o->root, "NAMESPACE"), err);
}

int pool_add_flat(const struct pool_object *parent, struct np_val root, struct np_err *err)
{
	struct pool_object o = *parent;
	struct np_val extra = np_doc_get(root, EXTRA_KEY);
	const char *cluster = NULL, *provider = NULL;
	bool base = has_base(root);

	o.root = root;
	if (!base && !np_doc_is_present(extra))
		return 0;
	if (open_flat(&o, &cluster, &provider, err) < 0)
		return np_err_ret(err);
	if (is_other_cloud(provider))
		return pool_skip_object(&o, "whose provider is not vsphere", err) < 0
			       ? np_err_ret(err)
			       : 1;
	if (base && add_base(&o, cluster, err) < 0)
		return np_err_ret(err);
	if (np_doc_is_present(extra) && add_extra_block(&o, extra, cluster, err) < 0)
		return np_err_ret(err);
	return 1;
}
