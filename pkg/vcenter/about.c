/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/err.h"

/* --- what the server says of itself ------------------------------------------------------------- */

/* Copies a text that is printed and compared, never cut. */
static int take_text(const struct vcenter_node *n, const char *name, char *buf, size_t size,
		     struct np_err *err)
{
	if (strlcpy(buf, vcenter_child_text(n, name), size) >= size)
		return np_fail(err, NP_E_REFUSED,
			       "RetrieveServiceContent: '%s' is longer than %zu bytes", name,
			       size - 1);
	return 0;
}

/* It becomes a part of a file's name. */
static int check_uuid(char *uuid, struct np_err *err)
{
	size_t size = strspn(uuid, "0123456789abcdefABCDEF-");

	for (char *p = uuid; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (size == 36 && !uuid[size])
		return 0;
	return np_fail(err, NP_E_REFUSED, "the vCenter's instanceUuid '%s' is not a UUID", uuid);
}

int vcenter_about_read(const struct vcenter_node *content, struct np_vcenter *ret,
		       struct np_err *err)
{
	const struct vcenter_node *about = vcenter_child(content, "about");
	const struct {
		const struct vcenter_node *in;
		const char *name;
		char *to;
		size_t size;
	} rows[] = {
		{ about, "name", ret->about.name, sizeof(ret->about.name) },
		{ about, "version", ret->about.version, sizeof(ret->about.version) },
		{ about, "build", ret->about.build, sizeof(ret->about.build) },
		{ about, "apiType", ret->api_type, sizeof(ret->api_type) },
		{ about, "instanceUuid", ret->about.instance_uuid,
		  sizeof(ret->about.instance_uuid) },
		{ content, "sessionManager", ret->session_manager, sizeof(ret->session_manager) },
		{ content, "propertyCollector", ret->property_collector,
		  sizeof(ret->property_collector) },
		{ content, "rootFolder", ret->root_folder, sizeof(ret->root_folder) },
		{ content, "viewManager", ret->view_manager, sizeof(ret->view_manager) },
		{ content, "setting", ret->setting, sizeof(ret->setting) },
	};

	if (!about)
		return np_fail(err, NP_E_REFUSED,
			       "RetrieveServiceContent: the response has no 'about': is this a "
			       "vCenter?");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (take_text(rows[i].in, rows[i].name, rows[i].to, rows[i].size, err) < 0)
			return np_err_ret(err);
	return 0;
}

static int fetch_about(struct np_vcenter *v, struct np_err *err)
{
	const struct vcenter_method m = { .name = "RetrieveServiceContent",
					  .type = "ServiceInstance",
					  .id = "ServiceInstance",
					  .call = { .verb = "ask",
						    .what = "vCenter for its version",
						    .privilege = "System.Anonymous",
						    .user = v->login.user },
					  .is_repeatable = true };
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };

	if (vcenter_soap_send(v, &m, &result, err) < 0)
		return np_err_ret(err);
	return vcenter_about_read(vcenter_child(result.response, "returnval"), v, err);
}

int vcenter_about_check(struct np_vcenter *v, struct np_err *err)
{
	if (strcmp(v->api_type, "HostAgent") == 0)
		return np_fail(err, NP_E_REFUSED,
			       "%s is the ESXi host '%s %s', not a vCenter: give the vCenter that "
			       "manages it",
			       v->base, v->about.name, v->about.version);
	if (strcmp(v->api_type, "VirtualCenter") != 0)
		return np_fail(err, NP_E_REFUSED, "%s is not a vCenter: its apiType is '%s'",
			       v->base, v->api_type);
	return check_uuid(v->about.instance_uuid, err);
}

int np_vcenter_about(struct np_vcenter *v, const struct np_vcenter_about **ret, struct np_err *err)
{
	if (!v->has_about) {
		if (fetch_about(v, err) < 0 || vcenter_about_check(v, err) < 0)
			return np_err_ret(err);
		v->has_about = true;
	}
	*ret = &v->about;
	return 0;
}

/* --- what it must have for classes -------------------------------------------------------------- */

/* Reads "8.0.2" or "8.0"; false for any other text. */
bool vcenter_version_parse(const char *text, unsigned ret[static 3])
{
	for (unsigned i = 0; i < 3; i++) {
		size_t digits = strspn(text, "0123456789");

		ret[i] = 0;
		if (i == 2 && !*text)
			return true;
		if (digits == 0 || digits > 4)
			return false;
		for (; digits > 0; digits--, text++)
			ret[i] = ret[i] * 10 + (unsigned)(*text - '0');
		if (*text != '.' && *text)
			return false;
		text += *text == '.';
	}
	return true;
}

static bool is_older(const unsigned a[static 3], const unsigned b[static 3])
{
	for (unsigned i = 0; i < 3; i++)
		if (a[i] != b[i])
			return a[i] < b[i];
	return false;
}

int vcenter_check_classes(struct np_vcenter *v, struct np_err *err)
{
	static const unsigned with_config_spec[3] = { 8, 0, 2 };
	const struct np_vcenter_about *about;
	unsigned version[3];

	if (v->is_checked)
		return 0;
	if (np_vcenter_about(v, &about, err) < 0)
		return np_err_ret(err);
	if (!vcenter_version_parse(about->version, version))
		return np_fail(err, NP_E_REFUSED,
			       "%s: vCenter's version '%s' is not one that nodeprep knows: "
			       "expected 8.0.2 or later",
			       v->base, about->version);
	if (is_older(version, with_config_spec))
		return np_fail(err, NP_E_REFUSED,
			       "%s: vCenter %s is too old: its VM classes have no config_spec, "
			       "which exists since 8.0 U2 (8.0.2): upgrade vCenter, or patch the "
			       "Supervisor's Kubernetes objects (--kubeconfig without --vcenter)",
			       v->base, about->version);
	v->is_checked = true;
	return 0;
}
