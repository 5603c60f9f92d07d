/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

enum { WHAT_MAX = 256 };

/* --- settings ----------------------------------------------------------------------------------- */

/* A method of vCenter's own OptionManager. */
struct setting_call {
	const char *name, *verb, *key;
};

static int call_setting(struct np_vcenter *v, const struct setting_call *c,
			const struct vcenter_text *arguments, struct vcenter_result *ret,
			struct np_err *err)
{
	const struct np_vcenter_about *about;
	char what[WHAT_MAX];
	struct vcenter_method m = { .name = c->name,
				    .type = "OptionManager",
				    .arguments = arguments->bytes,
				    .call = { .verb = c->verb,
					      .what = what,
					      .privilege = "Global.Settings",
					      .user = v->login.user },
				    .is_repeatable = true };

	if (np_vcenter_about(v, &about, err) < 0)
		return np_err_ret(err);
	if (arguments->failed)
		return np_fail_nomem(err);
	snprintf(what, sizeof(what), "vCenter's setting '%s'", c->key);
	m.id = v->setting;
	return vcenter_soap(v, &m, ret, err);
}

int np_vcenter_setting_get(struct np_vcenter *v, const char *key, char **ret, struct np_err *err)
{
	NP_AUTO(vcenter_text_done) struct vcenter_text arguments = { 0 };
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };
	const struct setting_call c = { "QueryOptions", "read", key };
	struct np_err inner = NP_ERR_INIT;
	const struct vcenter_node *n;

	*ret = NULL;
	vcenter_text_add_member(&arguments, "name", key);
	if (call_setting(v, &c, &arguments, &result, &inner) < 0) {
		if (strcmp(result.fault, "InvalidName") == 0)
			return 0;
		*err = inner;
		return np_err_ret(err);
	}
	for (n = vcenter_child(result.response, "returnval"); n; n = vcenter_next(n)) {
		if (strcmp(vcenter_child_text(n, "key"), key) != 0)
			continue;
		*ret = strdup(vcenter_child_text(n, "value"));
		return *ret ? 0 : np_fail_nomem(err);
	}
	return 0;
}

int np_vcenter_setting_set_bool(struct np_vcenter *v, const char *key, bool value,
				struct np_err *err)
{
	NP_AUTO(vcenter_text_done) struct vcenter_text arguments = { 0 };
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };
	const struct setting_call c = { "UpdateOptions", "change", key };

	vcenter_text_add(&arguments, "<changedValue xsi:type=\"OptionValue\">");
	vcenter_text_add_member(&arguments, "key", key);
	vcenter_text_add(&arguments, "<value xsi:type=\"xsd:boolean\">");
	vcenter_text_add(&arguments, value ? "true" : "false");
	vcenter_text_add(&arguments, "</value></changedValue>");
	return call_setting(v, &c, &arguments, &result, err);
}

/* --- hosts -------------------------------------------------------------------------------------- */

static void add_device(struct vcenter_text *t, const char *address, bool apply_now)
{
	vcenter_text_add(t, "<config>");
	vcenter_text_add_member(t, "id", address);
	vcenter_text_add(t, "<passthruEnabled>true</passthruEnabled>");
	if (apply_now)
		vcenter_text_add(t, "<applyNow>true</applyNow>");
	vcenter_text_add(t, "</config>");
}

int np_vcenter_host_enable_passthrough(struct np_vcenter *v,
				       const struct np_vcenter_ref *pci_system,
				       const char *const *addresses, size_t n, bool apply_now,
				       struct np_err *err)
{
	NP_AUTO(vcenter_text_done) struct vcenter_text arguments = { 0 };
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };
	struct vcenter_method m = { .name = "UpdatePassthruConfig",
				    .type = pci_system->type,
				    .id = pci_system->id,
				    .call = { .verb = "enable",
					      .what = "passthrough",
					      .privilege = "Host.Config.PciPassthru",
					      .user = v->login.user },
				    .is_repeatable = true };

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		add_device(&arguments, addresses[i], apply_now);
	if (arguments.failed)
		return np_fail_nomem(err);
	m.arguments = arguments.bytes;
	return vcenter_soap(v, &m, &result, err);
}

/* --- VMs ---------------------------------------------------------------------------------------- */

static void add_extra(struct vcenter_text *t, const struct np_vcenter_extra *extra)
{
	vcenter_text_add(t, "<extraConfig xsi:type=\"OptionValue\">");
	vcenter_text_add_member(t, "key", extra->key);
	vcenter_text_add(t, "<value xsi:type=\"xsd:string\">");
	vcenter_text_add_escaped(t, extra->value);
	vcenter_text_add(t, "</value></extraConfig>");
}

/* The members in the order of VirtualMachineConfigSpec, which is an xsd:sequence. */
static void add_spec(struct vcenter_text *t, const struct np_vcenter_vm_change *c)
{
	char number[32];

	vcenter_text_add(t, "<spec>");
	if (c->change_version)
		vcenter_text_add_member(t, "changeVersion", c->change_version);
	if (c->reservation_mb) {
		snprintf(number, sizeof(number), "%" PRId64, *c->reservation_mb);
		vcenter_text_add(t, "<memoryAllocation>");
		vcenter_text_add_member(t, "reservation", number);
		vcenter_text_add(t, "</memoryAllocation>");
	}
	for (size_t i = 0; i < c->n_extra; i++)
		add_extra(t, &c->extra[i]);
	if (c->firmware)
		vcenter_text_add_member(t, "firmware", c->firmware);
	if (c->reservation_locked)
		vcenter_text_add_member(t, "memoryReservationLockedToMax",
					*c->reservation_locked ? "true" : "false");
	vcenter_text_add(t, "</spec>");
}

int np_vcenter_vm_reconfigure(struct np_vcenter *v, const struct np_vcenter_ref *vm,
			      const struct np_vcenter_vm_change *change, struct np_err *err)
{
	NP_AUTO(vcenter_text_done) struct vcenter_text arguments = { 0 };
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };
	char what[WHAT_MAX];
	struct vcenter_method m = { .name = "ReconfigVM_Task",
				    .type = vm->type,
				    .id = vm->id,
				    .call = { .verb = "change",
					      .what = what,
					      .privilege = "VirtualMachine.Config.AdvancedConfig",
					      .user = v->login.user } };

	snprintf(what, sizeof(what), "VM '%s'", change->name ? change->name : vm->id);
	add_spec(&arguments, change);
	if (arguments.failed)
		return np_fail_nomem(err);
	m.arguments = arguments.bytes;
	if (vcenter_soap(v, &m, &result, err) < 0) {
		/* Without a fault nothing tells that the task has not begun. */
		if (result.fault[0] == '\0' && err->code == NP_E_REFUSED)
			err->code = NP_E_RETRY;
		return np_err_ret(err);
	}
	return vcenter_task_wait(v, &m.call, &result, err);
}
