/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/base64.h"
#include "nodeprep/doc.h"
#include "nodeprep/gzip.h"
#include "nodeprep/text.h"

/*
 * Marks of VM Operator (its sources: constants.go, configspec.go, backup.go, v1.9 line). The backup is the
 * VirtualMachine as YAML, gzip and base64; nodes of clusters have none unless asked for.
 */
#define NAMESPACED_NAME "vmservice.namespacedName"
#define BACKUP "vmservice.virtualmachine.resource.yaml"
#define OPERATOR_EXTENSION "com.vmware.vcenter.wcp"
#define OPERATOR_TYPE "VirtualMachine"
#define OPERATOR_NOTE "Virtual Machine managed by the vSphere Virtual Machine service"

/*
 * Marks of Cluster API. Its contract makes every bootstrap provider create a file in this folder, so that the
 * guest's first-boot data names it. Its vSphere provider writes the metadata from one template (CAPV,
 * pkg/util/constants.go).
 */
#define SENTINEL "/run/cluster-api/"
#define USERDATA "guestinfo.userdata"
#define IGNITION "guestinfo.ignition.config.data"
#define METADATA "guestinfo.metadata"

#define DECODED_MAX (UINT64_C(1) << 20)

/* Returns the plain text of a value that may be base64, and in it gzip; the caller's. NULL: no memory. */
static char *decode(const char *text, size_t *ret_size)
{
	NP_AUTO(np_wipep) char *bytes = NULL;
	char *plain = NULL;

	if (!np_base64_decode(text, &bytes, ret_size)) {
		*ret_size = strlen(text);
		return strdup(text);
	}
	if (np_gzip_inflate(bytes, *ret_size, DECODED_MAX, &plain, ret_size))
		return plain;
	return np_take(bytes);
}

/* Sets *ret to the document in a value; NULL: it holds none that can be read. */
static void read_document(const char *text, struct np_doc **ret)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *reader = NULL;
	NP_AUTO(np_wipep) char *bytes = NULL;
	struct np_err ignored = NP_ERR_INIT;
	size_t size = 0;

	*ret = NULL;
	if (text[0] == '\0' || strlen(text) > DECODED_MAX)
		return;
	bytes = decode(text, &size);
	if (bytes && np_doc_reader_new("extraConfig", bytes, size, &reader, &ignored) == 0 &&
	    np_doc_reader_next(reader, ret, &ignored) <= 0)
		*ret = NULL;
}

static const char *text_of(struct np_val n, const char *key)
{
	const char *text = json_string_value(np_doc_get(n, key).json);

	return text ? text : "";
}

/* --- VM Operator -------------------------------------------------------------------------------- */

/* What the marks hold. */
struct marks {
	const char *namespaced_name, *backup, *userdata, *ignition, *metadata;
};

static int read_namespaced_name(struct np_vsphere_vm *vm, const char *value, struct np_err *err)
{
	const char *slash = strchr(value, '/');

	if (!slash)
		return vsphere_copy(&vm->service_name, value, err);
	if (vsphere_copy(&vm->ns, value, err) < 0 ||
	    vsphere_copy(&vm->service_name, slash + 1, err) < 0)
		return np_err_ret(err);
	vm->ns[slash - value] = '\0';
	return 0;
}

/* Returns the cluster's name in the labels that Cluster API and its vSphere provider set. */
static const char *cluster_of(struct np_val metadata)
{
	static const char *const labels[] = { "cluster.x-k8s.io/cluster-name",
					      "capv.vmware.com/cluster.name",
					      "capw.vmware.com/cluster.name" };
	struct np_val all = np_doc_get(metadata, "labels");

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (text_of(all, labels[i])[0] != '\0')
			return text_of(all, labels[i]);
	return "";
}

static bool is_virtual_machine(struct np_val root)
{
	static const char group[] = "vmoperator.vmware.com/";

	return strncmp(text_of(root, "apiVersion"), group, strlen(group)) == 0 &&
	       strcmp(text_of(root, "kind"), "VirtualMachine") == 0;
}

/* The backup of a VM that was copied may be another's: the name decides. */
static int read_backup(struct np_vsphere_vm *vm, const char *text, struct np_err *err)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_val root, metadata;

	read_document(text, &doc);
	if (!doc)
		return 0;
	root = np_doc_root(doc);
	if (!is_virtual_machine(root))
		return 0;
	metadata = np_doc_get(root, "metadata");
	if (vm->service_name[0] == '\0' &&
	    (vsphere_copy(&vm->ns, text_of(metadata, "namespace"), err) < 0 ||
	     vsphere_copy(&vm->service_name, text_of(metadata, "name"), err) < 0))
		return np_err_ret(err);
	if (strcmp(vm->ns, text_of(metadata, "namespace")) != 0 ||
	    strcmp(vm->service_name, text_of(metadata, "name")) != 0)
		return 0;
	if (vsphere_copy(&vm->class_name, text_of(np_doc_get(root, "spec"), "className"), err) < 0)
		return np_err_ret(err);
	return vsphere_copy(&vm->kube_cluster, cluster_of(metadata), err);
}

static const char *find_operator(const struct marks *m, const struct np_vcenter_val *managed_by,
				 const char *note)
{
	if (m->namespaced_name[0] != '\0')
		return NAMESPACED_NAME;
	if (strcmp(np_vcenter_val_member_text(managed_by, "extensionKey"), OPERATOR_EXTENSION) ==
		    0 &&
	    strcmp(np_vcenter_val_member_text(managed_by, "type"), OPERATOR_TYPE) == 0)
		return "managedBy " OPERATOR_EXTENSION;
	if (strcmp(note, OPERATOR_NOTE) == 0)
		return "its notes";
	return m->backup[0] != '\0' ? BACKUP : NULL;
}

/* --- Cluster API -------------------------------------------------------------------------------- */

static bool has_sentinel(const char *text)
{
	NP_AUTO(np_wipep) char *bytes = NULL;
	size_t size = 0;

	if (text[0] == '\0' || strlen(text) > DECODED_MAX)
		return false;
	bytes = decode(text, &size);
	return bytes && memmem(bytes, size, SENTINEL, strlen(SENTINEL));
}

/* Others write metadata too, but not with these names of networks and the VM's own as id and host name. */
static bool is_provider_metadata(const char *text, const char *name)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_val root, wait, network;

	read_document(text, &doc);
	if (!doc)
		return false;
	root = np_doc_root(doc);
	wait = np_doc_get(root, "wait-on-network");
	network = np_doc_get(np_doc_get(np_doc_get(root, "network"), "ethernets"), "id0");
	return strcmp(text_of(root, "instance-id"), name) == 0 &&
	       strcmp(text_of(root, "local-hostname"), name) == 0 &&
	       np_doc_get(wait, "ipv4").json && np_doc_get(wait, "ipv6").json &&
	       np_doc_get(network, "set-name").json &&
	       np_doc_get(np_doc_get(network, "match"), "macaddress").json;
}

static const char *find_cluster_api(const struct marks *m, const char *name)
{
	if (has_sentinel(m->userdata))
		return USERDATA;
	if (has_sentinel(m->ignition))
		return IGNITION;
	return is_provider_metadata(m->metadata, name) ? METADATA : NULL;
}

/* --- both --------------------------------------------------------------------------------------- */

static void collect(const struct np_vcenter_val *extra, struct marks *m)
{
	const struct {
		const char *key;
		const char **to;
	} rows[] = {
		{ BACKUP, &m->backup },     { IGNITION, &m->ignition },
		{ METADATA, &m->metadata }, { NAMESPACED_NAME, &m->namespaced_name },
		{ USERDATA, &m->userdata },
	};
	const struct np_vcenter_val *v = np_vcenter_val_first(extra);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		*rows[i].to = "";
	for (; v; v = np_vcenter_val_next(v))
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			if (strcmp(np_vcenter_val_member_text(v, "key"), rows[i].key) == 0)
				*rows[i].to = np_vcenter_val_member_text(v, "value");
}

int vsphere_marks_read(struct np_vsphere_vm *vm, const struct np_vcenter_object *o,
		       struct np_err *err)
{
	const struct np_vcenter_val *managed_by = np_vcenter_object_get(o, "config.managedBy");
	const char *note = np_vcenter_val_text(np_vcenter_object_get(o, "config.annotation"));
	struct marks m;

	collect(np_vcenter_object_get(o, "config.extraConfig"), &m);
	vm->mark = find_operator(&m, managed_by, note);
	if (vm->mark) {
		vm->manager = NP_VSPHERE_VM_OPERATOR;
		return read_namespaced_name(vm, m.namespaced_name, err) < 0
			       ? np_err_ret(err)
			       : read_backup(vm, m.backup, err);
	}
	vm->mark = find_cluster_api(&m, vm->name);
	if (vm->mark)
		vm->manager = NP_VSPHERE_CLUSTER_API;
	else if (vm->extension[0] != '\0')
		vm->manager = NP_VSPHERE_EXTENSION;
	return 0;
}

/* Names from outside are escaped where the text is shown. */
static void write_operator(const struct np_vsphere_vm *vm, char buf[static VSPHERE_OWNER_MAX])
{
	if (vm->service_name[0] != '\0')
		snprintf(buf, VSPHERE_OWNER_MAX, "VM Operator (VirtualMachine %s/%s)",
			 vm->ns[0] != '\0' ? vm->ns : "-", vm->service_name);
	else
		snprintf(buf, VSPHERE_OWNER_MAX, "VM Operator (by %s)", vm->mark);
}

const char *vsphere_owner_text(const struct np_vsphere_vm *vm, char buf[static VSPHERE_OWNER_MAX])
{
	buf[0] = '\0';
	switch (vm->manager) {
	case NP_VSPHERE_VM_OPERATOR:
		write_operator(vm, buf);
		break;
	case NP_VSPHERE_CLUSTER_API:
		snprintf(buf, VSPHERE_OWNER_MAX, "Cluster API (by %s%s%s)", vm->mark,
			 vm->pool[0] != '\0' ? ", pool " : "", vm->pool);
		break;
	case NP_VSPHERE_EXTENSION:
		snprintf(buf, VSPHERE_OWNER_MAX, "the extension %s", vm->extension);
		break;
	case NP_VSPHERE_PLAIN:
		break;
	}
	return buf;
}
