/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/time.h"
#include "nodeprep/units.h"

void check_vm_done(struct np_check_vm *vm)
{
	free(vm->ns);
	free(vm->name);
	free(vm->class_name);
	free(vm->created);
	free(vm->annotation);
	free(vm->firmware);
	free(vm->image_kind);
	free(vm->image);
	*vm = (struct np_check_vm){ 0 };
}

void check_image_done(struct np_check_image *image)
{
	free(image->ns);
	free(image->name);
	free(image->display_name);
	free(image->firmware);
	*image = (struct np_check_image){ 0 };
}

/* A text of an object and the member that owns its copy. */
struct copied {
	const char *text;
	char **ret;
};

/* Returns a copy; no name of Kubernetes is as long as what is cut. */
static char *copy_text(const char *text)
{
	char *copy = NULL;

	if (strlen(text) <= NP_CHECK_TEXT_MAX)
		return strdup(text);
	if (asprintf(&copy, "%.*s...", (int)check_cut(text, NP_CHECK_TEXT_MAX - 3), text) < 0)
		return NULL;
	return copy;
}

static int copy_all(const struct copied *texts, size_t n, struct np_err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!texts[i].text)
			continue;
		*texts[i].ret = copy_text(texts[i].text);
		if (!*texts[i].ret)
			return np_fail_nomem(err);
	}
	return 0;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static const char *created_of(const json_t *metadata)
{
	const char *text = text_of(metadata, "creationTimestamp");

	return text && np_time_is_api(text) ? text : NULL;
}

/* spec.className is in every version; where it is empty, the status has the class. */
const char *check_vm_class_name(const json_t *object)
{
	const char *name = text_of(json_object_get(object, "spec"), "className");
	const json_t *class = json_object_get(json_object_get(object, "status"), "class");
	const char *kind = text_of(class, "kind");

	if (name && name[0] != '\0')
		return name;
	return kind && strcmp(kind, "VirtualMachineClass") == 0 ? text_of(class, "name") : NULL;
}

/* Reads the window that the VM has, which its status tells since v1alpha6. */
static void read_window(const json_t *object, struct np_check_vm *vm)
{
	const json_t *list = json_object_get(json_object_get(object, "status"), "extraConfig");
	struct np_err ignored = NP_ERR_INIT;
	const json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry) {
		const char *key = text_of(entry, "key"), *value = text_of(entry, "value");

		if (!key || !value || strcmp(key, NP_VMX_SIZE_NAME) != 0)
			continue;
		vm->has_window = np_u64_parse(value, 0, INT32_MAX, &vm->window_gb, &ignored) == 0;
		if (vm->has_window)
			return;
	}
}

/* spec.image has kind and name of the object; spec.imageName is its name or its display name. */
int check_vm_read(const json_t *object, const char *ns, struct np_check_vm *ret, struct np_err *err)
{
	const json_t *metadata = json_object_get(object, "metadata");
	const json_t *spec = json_object_get(object, "spec");
	const json_t *image = json_object_get(spec, "image");
	const char *image_name = text_of(image, "name");
	const struct copied texts[] = {
		{ ns, &ret->ns },
		{ text_of(metadata, "name"), &ret->name },
		{ check_vm_class_name(object), &ret->class_name },
		{ created_of(metadata), &ret->created },
		{ text_of(json_object_get(metadata, "annotations"), NP_MMIO_ANNOTATION),
		  &ret->annotation },
		{ text_of(json_object_get(spec, "bootOptions"), "firmware"), &ret->firmware },
		{ image_name ? text_of(image, "kind") : NULL, &ret->image_kind },
		{ image_name ? image_name : text_of(spec, "imageName"), &ret->image },
	};

	ret->is_deleting = json_is_string(json_object_get(metadata, "deletionTimestamp"));
	read_window(object, ret);
	return copy_all(texts, sizeof(texts) / sizeof(texts[0]), err);
}

/* The display name is status.name, in v1alpha1 status.imageName. */
int check_image_read(const json_t *object, const char *kind, const char *ns,
		     struct np_check_image *ret, struct np_err *err)
{
	const json_t *status = json_object_get(object, "status");
	const char *shown = text_of(status, "name");
	const struct copied texts[] = {
		{ ns, &ret->ns },
		{ text_of(json_object_get(object, "metadata"), "name"), &ret->name },
		{ shown ? shown : text_of(status, "imageName"), &ret->display_name },
		{ text_of(status, "firmware"), &ret->firmware },
	};

	ret->kind = kind;
	return copy_all(texts, sizeof(texts) / sizeof(texts[0]), err);
}
