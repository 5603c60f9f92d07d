/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

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

const struct np_message_kind *finding_kind(enum finding_id id)
{
	return &kinds[id];
}
