/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/check.h"

#include "cases.h"
#include "catalogue.h"
#include "expect.h"
#include "files.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/pool.h"

/* The corpus is replayed through the fuzz target itself. */
#include "check_fuzz.c"

#include "failing_alloc.h"

#define CORPUS "pkg/check/testdata/corpus"
#define CASES "pkg/check/testdata/cases/"

/* --- records ------------------------------------------------------------------------------------- */

/* Makes the report of an input. */
static void run_text(struct fuzz_run *r, const char *text)
{
	struct np_err err = NP_ERR_INIT;

	*r = (struct fuzz_run){ 0 };
	if (fuzz_check(r, catalogue, text, strlen(text), &err) < 0)
		fail_msg("%s", err.text);
}

static void print_finding(FILE *out, const struct np_check_finding *f)
{
	fprintf(out, "%s %s %s", np_severity_name(f->kind->severity), f->kind->code, f->object);
	fprintf(out, " %s/%s\n", f->ns ? f->ns : "", f->name ? f->name : "");
	if (f->path)
		fprintf(out, "    %s\n", f->path);
	fprintf(out, "    %s\n", f->message);
	if (f->has_writer)
		fprintf(out, "    by '%s' '%s' '%s'\n", f->writer.manager, f->writer.operation,
			f->writer.time);
}

static void print_window(FILE *out, const char *when, const struct np_check_window *w)
{
	char gb[24] = "?";

	if (w->is_known)
		snprintf(gb, sizeof(gb), "%" PRIu64, w->gb);
	fprintf(out, "    %s: %s (%s)\n", when, gb, w->text);
}

static void print_vm(FILE *out, const struct np_check_judged_vm *j)
{
	static const char *const moments[] = { "unknown", "before", "after" };

	fprintf(out, "VM %s/%s of %s: %s\n", j->vm->ns, j->vm->name, j->vm->class_name,
		moments[j->created]);
	print_window(out, "resize", &j->on_resize);
	print_window(out, "recreate", &j->on_recreate);
}

static void print_image(FILE *out, const struct np_check_used_image *used)
{
	fprintf(out, "%s %s:", used->image->kind, used->image->name);
	for (size_t i = 0; i < used->n_vms; i++)
		fprintf(out, " %s", used->vms[i]->name);
	fputc('\n', out);
}

/* What a record shows of the report. */
enum shown { SHOWN_FINDINGS = 1, SHOWN_VMS = 2, SHOWN_IMAGES = 4 };

static char *print_report(const char *input, unsigned shown)
{
	NP_AUTO(fuzz_run_done) struct fuzz_run r = { 0 };
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	run_text(&r, input);
	for (size_t i = 0; (shown & SHOWN_FINDINGS) && i < r.report.findings.n; i++)
		print_finding(out, &r.report.findings.items[i]);
	for (size_t i = 0; (shown & SHOWN_VMS) && i < r.report.n_vms; i++)
		print_vm(out, &r.report.vms[i]);
	for (size_t i = 0; (shown & SHOWN_IMAGES) && i < r.report.n_images; i++)
		print_image(out, &r.report.images[i]);
	fclose(out);
	return text;
}

static char *print_findings(const char *input)
{
	return print_report(input, SHOWN_FINDINGS);
}

static char *print_vms(const char *input)
{
	return print_report(input, SHOWN_FINDINGS | SHOWN_VMS);
}

static char *print_images(const char *input)
{
	return print_report(input, SHOWN_FINDINGS | SHOWN_IMAGES);
}

static char *render(const char *input)
{
	static const enum np_format formats[] = { NP_FORMAT_TABLE, NP_FORMAT_YAML };
	NP_AUTO(fuzz_run_done) struct fuzz_run r = { 0 };
	NP_AUTO(np_freep) char *texts[COUNT(formats)] = { 0 };
	struct np_err err = NP_ERR_INIT;
	const char *tree;
	char *all;

	run_text(&r, input);
	for (size_t i = 0; i < COUNT(formats); i++)
		if (np_check_render(&r.plan, &r.report, formats[i], &texts[i], &err) < 0)
			fail_msg("%s", err.text);
	/* What is before is the plan's. */
	tree = strstr(texts[1], "\nfindings:");
	assert_non_null(tree);
	if (asprintf(&all, "%s%s", texts[0], tree) < 0)
		fail_msg("no memory");
	free(texts[1]);
	return all;
}

static void test_check__classes_and_templates_are_judged(void **state)
{
	(void)state;
	run_cases(CASES "classes.txt", print_findings);
}

static void test_check__vms_are_judged(void **state)
{
	(void)state;
	run_cases(CASES "vms.txt", print_vms);
}

static void test_check__images_are_found_and_judged(void **state)
{
	(void)state;
	run_cases(CASES "images.txt", print_images);
}

static void test_check__reports_are_rendered(void **state)
{
	(void)state;
	run_cases(CASES "render.txt", render);
}

/* --- the inventory ------------------------------------------------------------------------------- */

#define POOL                                                       \
	"---\napiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\n" \
	"metadata: {name: w, namespace: ml}\nspec: {vmClass: gpu}\n"
#define CLASS                                                                            \
	"---\napiVersion: vmoperator.vmware.com/v1alpha2\nkind: VirtualMachineClass\n"   \
	"metadata: {name: gpu, namespace: ml}\nspec: {hardware: {memory: 1Gi, devices: " \
	"{dynamicDirectPathIODevices: [{vendorID: 4318, deviceID: 8368}]}}}\n"
#define MACHINE(name, rest)                                                       \
	"---\napiVersion: vmoperator.vmware.com/v1alpha3\nkind: VirtualMachine\n" \
	"metadata: {name: " name ", namespace: ml}\n" rest "\n"

static const struct inventory_row {
	const char *name, *machine;
	size_t n; /* how many are kept */
} inventory_rows[] = {
	{ "a VM of the class", MACHINE("a", "spec: {className: gpu}"), 1 },
	{ "of another class", MACHINE("a", "spec: {className: cpu}"), 0 },
	{ "without a class", MACHINE("a", "spec: {}"), 0 },
	{ "a class in the status",
	  MACHINE("a", "status: {class: {kind: VirtualMachineClass, name: gpu}}"), 1 },
	{ "an instance of a class in the status",
	  MACHINE("a", "status: {class: {kind: VirtualMachineClassInstance, name: gpu}}"), 0 },
	{ "an empty class name",
	  MACHINE("a", "spec: {className: \"\"}\nstatus: {class: {kind: VirtualMachineClass, "
		       "name: gpu}}"),
	  1 },
	{ "twice", MACHINE("a", "spec: {className: gpu}") MACHINE("a", "spec: {className: gpu}"),
	  1 },
	{ "of a foreign group",
	  "---\napiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: a, namespace: "
	  "ml}\nspec: {className: gpu}\n",
	  0 },
	{ "members of other types",
	  MACHINE("a", "spec: {className: gpu, bootOptions: 7, image: [], imageName: {}}\n"
		       "status: {extraConfig: {a: b}}"),
	  1 },
	{ "of another namespace",
	  "---\napiVersion: vmoperator.vmware.com/v1alpha3\nkind: VirtualMachine\n"
	  "metadata: {name: a, namespace: other}\nspec: {className: gpu}\n",
	  0 },
};

static void test_check__vms_of_the_classes_are_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(inventory_rows); i++) {
		const struct inventory_row *row = &inventory_rows[i];
		NP_AUTO(np_freep) char *text = NULL;
		NP_AUTO(fuzz_run_done) struct fuzz_run r = { 0 };

		if (asprintf(&text, "%s%s%s", POOL, CLASS, row->machine) < 0)
			fail_msg("no memory");
		run_text(&r, text);
		if (r.report.n_vms != row->n)
			fail_msg("%s: %zu", row->name, r.report.n_vms);
		/* The check keeps it, whether it is skipped or a pool of its own. */
		assert_true(r.input.n_skipped > 0 || r.input.n_pools > 1);
	}
}

/* --- the corpus ---------------------------------------------------------------------------------- */

static void test_check__corpus_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus(CORPUS, LLVMFuzzerTestOneInput) >= 4);
}

/* Judges the plan of the run again; *ret stays as it was on failure. */
static int judge_again(const struct fuzz_run *r, struct np_check_inventory *inv,
		       struct np_check_report *ret, struct np_err *err)
{
	if (np_check_inventory_init(inv, &r->plan, err) < 0 ||
	    np_check_inventory_read(&r->input, inv, err) < 0)
		return np_err_ret(err);
	return np_check_make(&r->plan, inv, ret, err);
}

static int fail_each(const uint8_t *bytes, size_t size)
{
	NP_AUTO(fuzz_run_done) struct fuzz_run r = { 0 };
	struct np_err why = NP_ERR_INIT;
	struct failing f = FAILING_INIT;

	if (fuzz_check(&r, catalogue, (const char *)bytes, size, &why) < 0)
		return 0;
	while (next_round(&f)) {
		NP_AUTO(np_check_inventory_done) struct np_check_inventory inventory = { 0 };
		struct np_check_report report = { .n_errors = 77 };
		struct np_err err = NP_ERR_INIT;
		int rc;

		fail_allocation(&f);
		rc = judge_again(&r, &inventory, &report, &err);
		stop_failing(&f);
		assert_int_equal(err.code, f.failed ? NP_E_NOMEM : NP_OK);
		assert_int_equal(rc, np_err_ret(&err));
		if (f.failed)
			assert_int_equal(report.n_errors, 77);
		else
			np_check_report_done(&report);
	}
	assert_true(f.rounds >= 10);
	return 0;
}

static void test_check__each_allocation_may_fail(void **state)
{
	(void)state;
	replay_corpus(CORPUS, fail_each);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check__classes_and_templates_are_judged),
		cmocka_unit_test(test_check__vms_are_judged),
		cmocka_unit_test(test_check__images_are_found_and_judged),
		cmocka_unit_test(test_check__reports_are_rendered),
		cmocka_unit_test(test_check__vms_of_the_classes_are_kept),
		cmocka_unit_test(test_check__corpus_replays),
		cmocka_unit_test(test_check__each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
