/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/catalogue.h"
#include "cmd.h"
#include "node_cmd.h"

#include <string.h>

#include "nodeprep/hostcheck.h"
#include "nodeprep/report.h"
#include "nodeprep/vsphere.h"

static struct flags {
	bool wants_vgpu;
	const char *cluster, *host;
	uint64_t page; /* 0: all */
} flags;

#define AT(member) offsetof(struct flags, member)

#define PAGES_MAX 10000

static const struct option_row rows[] = {
	{ "cluster", 0, "NAME", OPTION_TEXT, AT(cluster),
	  .help = "with --vcenter: only the hosts of this cluster" },
	{ "host", 0, "NAME", OPTION_TEXT, AT(host), .help = "with --vcenter: only this host" },
	{ "page", 0, "N", OPTION_COUNT, AT(page), .most = PAGES_MAX,
	  .help = "with -o svg: draw only page N; a page has up to 32 hosts (default: all pages)" },
	{ "vgpu", 0, NULL, OPTION_FLAG, AT(wants_vgpu),
	  .help = "the host provides vGPUs, not whole cards" },
};

const struct option_table host_check_options = { OPTION_ROWS(rows), &flags, 0 };

static int read_capture(const struct options *o, struct np_host *h, const char *path,
			struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;

	if (options_load(o, path, &bytes, &size, err) < 0)
		return np_err_ret(err);
	return np_hostcheck_read(h, path, bytes, size, err);
}

static int print_report(const struct options *o, const struct np_host *h, const struct np_report *r,
			struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *tree = NULL;

	if (!is_for_programs(o))
		return np_hostcheck_text(h, r, &text, err) < 0 ? np_err_ret(err) : put(text, err);
	tree = np_hostcheck_tree(h, r);
	if (!tree)
		return np_fail_nomem(err);
	return np_render_tree(tree, o->format, &text, err) < 0 ? np_err_ret(err) : put(text, err);
}

static int print_hosts(const struct options *o, const struct np_vsphere_hosts *hosts,
		       const struct np_plan *plan, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	int r;

	if (o->format != NP_FORMAT_SVG && !is_for_programs(o))
		return np_vsphere_hosts_text(hosts, o->format == NP_FORMAT_WIDE, stdout, err) < 0
			       ? np_err_ret(err)
			       : put("", err);
	r = o->format == NP_FORMAT_SVG ? np_vsphere_hosts_svg(hosts, plan, flags.page, &text, err)
				       : np_vsphere_hosts_data(hosts, o->format, &text, err);
	return r < 0 ? r : put(text, err);
}

/* What only one of vCenter, captures and the drawing knows. */
static int check_usage(const struct options *o, struct np_err *err)
{
	bool has_vcenter = np_vcenter_is_configured(&o->vcenter.options);
	bool is_drawing = o->format == NP_FORMAT_SVG;

	if (has_vcenter && (o->arguments.n > 0 || flags.wants_vgpu))
		return np_fail(err, NP_E_USAGE,
			       "--vcenter and %s are mutually exclusive: vCenter knows its hosts",
			       flags.wants_vgpu ? "--vgpu" : "captures");
	if (!has_vcenter && (flags.cluster || flags.host || is_drawing || o->files.n > 0))
		return np_fail(err, NP_E_USAGE, "%s: expected --vcenter URL as well",
			       flags.cluster ? "--cluster"
			       : flags.host  ? "--host"
			       : is_drawing  ? "-o svg"
					     : "-f");
	if (!is_drawing && (o->files.n > 0 || flags.page > 0))
		return np_fail(err, NP_E_USAGE,
			       "%s: expected -o svg as well; 'nodeprep plan' has the "
			       "capacity of pools",
			       o->files.n > 0 ? "-f" : "--page");
	return 0;
}

/* Loads the catalogue; with -f also the pools, whose nodes the drawing places. */
static int load(const struct options *o, struct work *w, struct np_err *err)
{
	if (o->files.n > 0)
		return work_plan_valid(o, w, "nothing is drawn", err);
	if (catalogue_load(&o->catalogues, &o->captures, &w->catalogue, err) < 0)
		return np_err_ret(err);
	return vcenter_connect(o, &w->vcenter, err);
}

/* Judges the hosts of a vCenter. */
static int check_vcenter(const struct options *o, struct np_err *err)
{
	const struct np_vsphere_scope scope = { .cluster = flags.cluster, .host = flags.host };
	NP_AUTO(work_done) struct work w = { 0 };
	NP_AUTO(np_vsphere_hosts_done) struct np_vsphere_hosts hosts = { 0 };

	if (load(o, &w, err) < 0 ||
	    np_vsphere_hosts_fetch(w.vcenter, w.catalogue, &scope, &hosts, err) < 0 ||
	    np_vsphere_note_capacity(&hosts, &w.plan, err) < 0 ||
	    print_hosts(o, &hosts, &w.plan, err) < 0)
		return np_err_ret(err);
	if (hosts.n == 0)
		log_line("warning", "no host with GPUs found");
	return exit_of_verdict(hosts.pass);
}

int run_host_check(const struct options *o, struct np_err *err)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;
	NP_AUTO(np_hostcheck_freep) struct np_host *h = NULL;
	NP_AUTO(np_report_done) struct np_report r = { 0 };

	if (check_usage(o, err) < 0)
		return np_err_ret(err);
	if (np_vcenter_is_configured(&o->vcenter.options))
		return check_vcenter(o, err);
	if (o->arguments.n == 0)
		return np_fail(err, NP_E_USAGE,
			       "expected a capture, such as the output of "
			       "'esxcfg-info', or --vcenter URL");
	if (catalogue_load(&o->catalogues, &o->captures, &cat, err) < 0 ||
	    np_hostcheck_new(cat, &h, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < o->arguments.n; i++)
		if (read_capture(o, h, o->arguments.items[i], err) < 0)
			return np_err_ret(err);
	if (np_hostcheck_judge(h, flags.wants_vgpu, &r, err) < 0 || print_report(o, h, &r, err) < 0)
		return np_err_ret(err);
	return exit_of_verdict(r.pass);
}
