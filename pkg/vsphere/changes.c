/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/text.h"

static void change_done(struct np_vsphere_change *c)
{
	free(c->object);
	free(c->address);
	free(c->setting);
	free(c->from);
	free(c->to);
}

void np_vsphere_changes_done(struct np_vsphere_changes *c)
{
	for (size_t i = 0; i < c->n; i++)
		change_done(&c->items[i]);
	free(c->items);
	vsphere_names_done(&c->reboots);
	*c = (struct np_vsphere_changes){ 0 };
}

int vsphere_changes_add(struct np_vsphere_changes *c, const struct vsphere_about *about,
			bool is_changed, const struct np_err *why, struct np_err *err)
{
	struct np_vsphere_change *items = reallocarray(c->items, c->n + 1, sizeof(*items));
	struct np_vsphere_change one = { .is_changed = is_changed, .error = NP_ERR_INIT };

	if (!items)
		return np_fail_nomem(err);
	c->items = items;
	if (vsphere_copy(&one.object, about->object, err) < 0 ||
	    vsphere_copy(&one.address, about->address, err) < 0 ||
	    vsphere_copy(&one.setting, about->setting, err) < 0 ||
	    vsphere_copy(&one.from, about->from, err) < 0 ||
	    vsphere_copy(&one.to, about->to, err) < 0) {
		change_done(&one);
		return np_err_ret(err);
	}
	if (why)
		one.error = *why;
	c->code = np_code_worse(c->code, one.error.code);
	items[c->n++] = one;
	return 0;
}

static const char *result_of(const struct np_vsphere_change *c)
{
	if (c->error.code != NP_OK)
		return "failed";
	return c->is_changed ? "changed" : "unchanged";
}

static json_t *change_tree(const struct np_vsphere_change *c, const char *member)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:o}", member,
			 vsphere_text_tree(c->object), "address", vsphere_text_tree(c->address),
			 "setting", vsphere_text_tree(c->setting), "from",
			 vsphere_text_tree(c->from), "to", vsphere_text_tree(c->to), "result",
			 result_of(c), "error", np_json_err(&c->error));
}

json_t *np_vsphere_changes_tree(const struct np_vsphere_changes *c, const char *kind,
				const char *member, bool dry_run)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n; i++) {
		if (json_array_append_new(list, change_tree(&c->items[i], member)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return json_pack("{s:s, s:s, s:b, s:o, s:o}", "apiVersion", "nodeprep.dev/v1alpha1", "kind",
			 kind, "dryRun", (int)dry_run, "changes", list, "rebootRequired",
			 vsphere_names_tree(&c->reboots));
}

static void write_change(FILE *out, const struct np_vsphere_change *c, bool dry_run)
{
	np_text_write(out, c->object);
	if (c->address[0] != '\0')
		fprintf(out, " %s", c->address);
	fputs(": ", out);
	if (c->setting[0] != '\0') {
		np_text_write(out, c->setting);
		fputs(": ", out);
	}
	if (c->error.code != NP_OK) {
		fprintf(out, "failed: %s\n", c->error.text);
		return;
	}
	if (!c->is_changed) {
		fprintf(out, "unchanged%s%s\n", c->error.text[0] != '\0' ? ": " : "",
			c->error.text);
		return;
	}
	np_text_write(out, c->from[0] != '\0' ? c->from : "absent");
	fputs(" -> ", out);
	np_text_write(out, c->to[0] != '\0' ? c->to : "absent");
	fputs(dry_run ? " (dry run)\n" : "\n", out);
}

int np_vsphere_changes_text(const struct np_vsphere_changes *c, bool dry_run, char **ret,
			    struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);

	if (!out)
		return np_fail_nomem(err);
	for (size_t i = 0; i < c->n; i++)
		write_change(out, &c->items[i], dry_run);
	for (size_t i = 0; i < c->reboots.n; i++) {
		np_text_write(out, c->reboots.items[i]);
		fputs(": needs a reboot\n", out);
	}
	if (fclose(out) == EOF)
		return np_fail_nomem(err);
	*ret = np_take(bytes);
	return 0;
}
