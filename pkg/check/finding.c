/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The findings of its own that check makes. docs/findings.md has a row for each. */
static const struct np_message_kind kinds[FINDING_MAX] = {
	[FINDING_CLASS_DRIFT] = { "class-drift", NP_SEVERITY_ERROR, "run nodeprep apply" },
	[FINDING_IMAGE_BIOS] = { "image-bios", NP_SEVERITY_ERROR,
				 "use an image with EFI firmware" },
	[FINDING_IMAGE_UNKNOWN] = { "image-unknown", NP_SEVERITY_UNKNOWN,
				    "name an existing image, by its unique name" },
	[FINDING_IMAGES_UNKNOWN] = { "images-unknown", NP_SEVERITY_UNKNOWN,
				     "grant the permissions in deploy/manifests/rbac/check.yaml" },
	[FINDING_OVERWRITTEN] = { "overwritten", NP_SEVERITY_ERROR,
				  "set nodeprep's value in that writer's manifest, or run nodeprep apply" },
	[FINDING_TEMPLATE_DRIFT] = { "template-drift", NP_SEVERITY_ERROR, "run nodeprep apply" },
	[FINDING_VM_ANNOTATION] = { "vm-annotation", NP_SEVERITY_WARNING,
				    "set the annotation to the class's window" },
	[FINDING_VM_BEFORE_CHANGE] = { "vm-before-change", NP_SEVERITY_ERROR,
				       "recreate the VM: roll out the node pool" },
	[FINDING_VM_BIOS] = { "vm-bios", NP_SEVERITY_ERROR, "recreate the VM with EFI firmware" },
	[FINDING_VM_UNKNOWN] = { "vm-unknown", NP_SEVERITY_UNKNOWN,
				 "if in doubt, roll out the node pool" },
	[FINDING_VM_WINDOW] = { "vm-window", NP_SEVERITY_ERROR,
				"recreate the VM: roll out the node pool" },
	[FINDING_VMS_UNKNOWN] = { "vms-unknown", NP_SEVERITY_UNKNOWN,
				  "grant the permissions in deploy/manifests/rbac/check.yaml, or add the VMs with -f" },
};

const struct np_message_kind *check_finding_kind(enum finding_id id)
{
	return &kinds[id];
}

static bool is_ascii(const char *text)
{
	while (*text != '\0' && (*text & 0x80) == 0)
		text++;
	return *text == '\0';
}

json_t *check_text(const char *text)
{
	json_t *tree = text ? json_string(text) : json_null();
	NP_AUTO(np_freep) char *copy = NULL;

	/* Of ASCII alone it cannot be but memory that is missing. */
	if (tree || is_ascii(text))
		return tree;
	copy = strdup(text);
	for (char *p = copy; p && *p != '\0'; p++)
		*p = (*p & 0x80) != 0 ? '?' : *p;
	return copy ? json_string(copy) : NULL;
}

static json_t *writer_tree(const struct np_last_writer *w)
{
	if (!w)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "manager", check_text(w->manager), "operation",
			 check_text(w->operation[0] != '\0' ? w->operation : NULL), "time",
			 check_text(w->time[0] != '\0' ? w->time : NULL));
}

static json_t *value_or_null(json_t *value)
{
	return value ? value : json_null();
}

int check_find(json_t *findings, const struct finding *f, struct np_err *err, const char *fmt, ...)
{
	char message[NP_ERR_TEXT_MAX];
	va_list ap;
	json_t *tree;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	tree = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:O?, s:O?, s:o, s:o, s:o}", "code",
			 f->kind->code, "severity", np_severity_name(f->kind->severity), "object",
			 f->object, "namespace", check_text(f->ns), "name", check_text(f->name),
			 "path", check_text(f->path), "from", value_or_null(f->from), "to",
			 value_or_null(f->to), "message", check_text(message), "action",
			 check_text(f->kind->remedy), "writer", writer_tree(f->writer));
	return json_array_append_new(findings, tree) < 0 ? np_fail_nomem(err) : 0;
}

bool check_needs_efi(const struct np_plan *plan, const struct np_plan_class *c)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		const struct np_plan_pool *p = &plan->pools[c->pools[i]];

		if (p->has_gpus && p->need.needs_efi)
			return true;
	}
	return false;
}
