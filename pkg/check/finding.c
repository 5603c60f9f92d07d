/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/text.h"

/* The findings of its own that check makes. docs/findings.md has a row for each. */
static const struct np_message_kind kinds[FINDING_MAX] = {
	[FINDING_CLASS_COPY_UNKNOWN] = { "class-copy-unknown", NP_SEVERITY_UNKNOWN,
					 "grant get on virtualmachineclasses in the pool's namespace" },
	[FINDING_CLASS_DIFFERS] = { "class-differs", NP_SEVERITY_ERROR,
				    "assign the class to the namespace in vCenter, or save it there again" },
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

void check_findings_done(struct np_check_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++)
		free(findings->items[i].message);
	free(findings->items);
	*findings = (struct np_check_findings){ 0 };
}

size_t check_cut(const char *text, size_t max)
{
	size_t n = strnlen(text, max);

	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

int check_find(struct np_check_findings *findings, const struct np_check_finding *f,
	       struct np_err *err, const char *fmt, ...)
{
	char message[NP_ERR_TEXT_MAX];
	struct np_check_finding *items = check_room(findings->items, findings->n, sizeof(*items));
	struct np_check_finding *item;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (!items)
		return np_fail_nomem(err);
	findings->items = items;
	item = &items[findings->n];
	*item = *f;
	item->message = np_text_escaped(message);
	if (!item->message)
		return np_fail_nomem(err);
	findings->n++;
	return 0;
}
