/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "nodeprep/vsphere.h"

/*
 * What the locale's name says, read as setlocale(3) would find it: a static program has no locale of
 * the host to load, and nl_langinfo(3) would answer ASCII on a host without that locale's files.
 */
static bool is_utf8_locale(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && value[0] != '\0')
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

/* A user who may not see the VMs gets the explanation, with the published points. */
static int note_overhead(const struct options *o, struct work *w, struct np_err *err)
{
	const struct np_vsphere_vm_scope everything = { 0 };
	NP_AUTO(np_vsphere_vms_done) struct np_vsphere_vms vms = { 0 };
	struct np_err why = NP_ERR_INIT;

	if (w->failed || w->plan.n_classes == 0 || o->format == NP_FORMAT_SVG ||
	    !np_vcenter_is_configured(&o->vcenter.options))
		return 0;
	if ((w->vcenter || vcenter_connect(o, &w->vcenter, &why) == 0) &&
	    np_vsphere_vms_fetch(w->vcenter, w->catalogue, &everything, &vms, &why) == 0 &&
	    np_vsphere_vms_judge(&vms, NULL, &why) == 0)
		return np_vsphere_note_overhead(&vms, &w->plan, err);
	if (why.code == NP_E_RETRY || why.code == NP_E_NOMEM) {
		*err = why;
		return np_err_ret(err);
	}
	log_format("warning", "the memory overhead of running VMs is not known: %s", why.text);
	return 0;
}

int run_explain(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { 0 };
	NP_AUTO(np_freep) char *text = NULL;
	const char *name = o->arguments.n > 0 ? o->arguments.items[0] : NULL;
	struct np_render_style style = { is_utf8_locale(), is_colour_terminal() };

	if (work_plan(o, &w, err) < 0 || note_overhead(o, &w, err) < 0)
		return np_err_ret(err);
	if (!w.failed && (np_render_explain(&w.plan, name, o->format, &style, &text, err) < 0 ||
			  put(text, err) < 0))
		return np_err_ret(err);
	if (o->format == NP_FORMAT_TABLE)
		log_notes_of(&w.plan, name);
	log_plan_errors(&w.plan);
	log_hints(is_vcenter(o) ? NULL : w.kube, &w.plan);
	return np_code_exit_status(np_plan_code(&w.plan));
}
