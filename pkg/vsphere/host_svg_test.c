/* SPDX-License-Identifier: Apache-2.0 */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/plan.h"

#include "testbed.h"

enum { HOSTS_MAX = 70, GPUS = 9 };

/* Hosts in memory, as np_vsphere_hosts_fetch() makes them. */
struct rack {
	struct np_catalogue *cat;
	struct np_vsphere_hosts hosts;
	struct np_vsphere_host items[HOSTS_MAX];
	struct np_vsphere_gpu gpus[HOSTS_MAX][GPUS];
	char names[HOSTS_MAX][32];
	char cluster[2][16];
	char *user[1];
};

static void fill_gpu(struct rack *r, struct np_vsphere_gpu *gpu, size_t i)
{
	snprintf(gpu->address, sizeof(gpu->address), "0000:%02zx:00.0", 0x3b + i);
	gpu->has_id = true;
	gpu->id = (struct np_pci_id){ 0x10de, 0x2330 };
	gpu->card = np_gpu_find_id(r->cat, gpu->id);
	gpu->capable = gpu->enabled = gpu->active = NP_VERDICT_YES;
	gpu->ok = NP_VERDICT_YES;
}

/* Each state once: free, in use, vGPUs, disabled, incapable, reboot, unknown. */
static void fill_states(struct rack *r, struct np_vsphere_gpu *gpus)
{
	gpus[1].users = (struct np_vsphere_names){ 1, r->user };
	gpus[2].is_shared = true;
	gpus[3].enabled = NP_VERDICT_NO;
	gpus[4].capable = NP_VERDICT_NO;
	gpus[5].active = NP_VERDICT_NO;
	gpus[6].ok = NP_VERDICT_UNKNOWN;
}

static void rack_init(struct rack *r, size_t n)
{
	*r = (struct rack){ .cat = catalogue(), .hosts = { .n = n, .items = r->items } };
	strcpy(r->cluster[0], "east");
	strcpy(r->cluster[1], "west");
	r->user[0] = strdup("node-1");
	assert_non_null(r->user[0]);
	for (size_t i = 0; i < n; i++) {
		struct np_vsphere_host *h = &r->items[i];

		snprintf(r->names[i], sizeof(r->names[i]), "esx-%02zu", i);
		h->name = r->names[i];
		h->cluster = r->cluster[i >= 40];
		strcpy(h->connection, "connected");
		h->in_maintenance = h->needs_reboot = NP_VERDICT_NO;
		h->has_devices = h->has_graphics = true;
		h->n_gpus = GPUS;
		h->gpus = r->gpus[i];
		for (size_t k = 0; k < GPUS; k++)
			fill_gpu(r, &h->gpus[k], k);
	}
}

static void rack_done(struct rack *r)
{
	free(r->user[0]);
	np_gpu_catalogue_free(r->cat);
}

/* Draws; the result is well-formed XML, and the same each time. */
static char *draw(const struct rack *r, const struct np_plan *plan, size_t page)
{
	XML_Parser parser = XML_ParserCreate(NULL);
	struct np_err err = NP_ERR_INIT;
	char *text = NULL, *again = NULL;

	if (np_vsphere_hosts_svg(&r->hosts, plan, page, &text, &err) < 0 ||
	    np_vsphere_hosts_svg(&r->hosts, plan, page, &again, &err) < 0)
		fail_msg("%s", err.text);
	assert_non_null(parser);
	if (XML_Parse(parser, text, (int)strlen(text), 1) != XML_STATUS_OK)
		fail_msg("not XML: %s", XML_ErrorString(XML_GetErrorCode(parser)));
	XML_ParserFree(parser);
	assert_string_equal(text, again);
	free(again);
	return text;
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (const char *p = strstr(text, part); p; p = strstr(p + 1, part))
		n++;
	return n;
}

static void test_vsphere__drawing_has_a_word_and_a_pattern_for_each_state(void **state)
{
	static const char *const words[] = { "free",      "in use", "vGPUs",  "disabled",
					     "incapable", "reboot", "unknown" };
	struct rack r;
	char part[64], *text;

	(void)state;
	rack_init(&r, 1);
	fill_states(&r, r.gpus[0]);
	text = draw(&r, NULL, 0);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		/* In the key and on a slot; "free" on three. */
		snprintf(part, sizeof(part), ">%s</text>", words[i]);
		if (count(text, part) != (i == 0 ? 4 : 2))
			fail_msg("'%s' %zu times", words[i], count(text, part));
	}
	assert_int_equal(count(text, "url(#np-hosts-"), 2 * 4);
	expect_has("user", text, "3c:00.0: node-1");
	expect_has("title", text, "<title>esx-00 0000:3c:00.0 H100-80GB: in use by a VM</title>");
	free(text);
	rack_done(&r);
}

static void test_vsphere__drawing_of_a_lost_host_claims_nothing(void **state)
{
	struct rack r;
	char *text;

	(void)state;
	rack_init(&r, 2);
	strcpy(r.items[0].connection, "notResponding");
	r.items[1].has_devices = false;
	r.items[1].n_gpus = 0;
	strcpy(r.items[1].fault, "NoPermission");
	text = draw(&r, NULL, 0);
	assert_int_equal(count(text, ">free</text>"), 0);
	assert_int_equal(count(text, ">unknown</text>"), GPUS + 1);
	expect_has("state", text, "notResponding");
	expect_has("fault", text, "devices not readable (NoPermission)");
	free(text);
	rack_done(&r);
}

static void test_vsphere__pages_have_32_hosts(void **state)
{
	struct np_err err = NP_ERR_INIT;
	struct rack r;
	char *text;

	(void)state;
	rack_init(&r, 65);
	assert_int_equal(np_vsphere_hosts_pages(&r.hosts), 3);
	text = draw(&r, NULL, 0);
	assert_int_equal(count(text, "<g id=\"page-"), 3);
	assert_int_equal(count(text, "font-weight=\"bold\">esx-"), 65);
	/* Pages 2 and 3 begin within a cluster. */
	assert_int_equal(count(text, "Cluster east, continued"), 1);
	assert_int_equal(count(text, "Cluster west, continued"), 1);
	free(text);
	text = draw(&r, NULL, 3);
	assert_int_equal(count(text, "font-weight=\"bold\">esx-"), 1);
	expect_has("title", text, "page 3 of 3");
	expect_has("totals", text, "65 hosts, 585 GPUs");
	free(text);
	text = NULL;
	assert_int_equal(np_vsphere_hosts_svg(&r.hosts, NULL, 4, &text, &err), -NP_E_USAGE);
	assert_null(text);
	rack_done(&r);
}

static void test_vsphere__drawing_escapes_names(void **state)
{
	struct rack r;
	char *text;

	(void)state;
	rack_init(&r, 1);
	strcpy(r.names[0], "</text><script>&\x1b\xff");
	strcpy(r.cluster[0], "\"<!--");
	text = draw(&r, NULL, 0);
	assert_null(strstr(text, "<script>"));
	expect_has("name", text, "&lt;/text&gt;&lt;script&gt;&amp;");
	free(text);
	r.hosts.n = 0;
	free(draw(&r, NULL, 0));
	rack_done(&r);
}

static void test_vsphere__drawing_places_pools(void **state)
{
	struct np_source source = { .kind = strdup("NodePool") };
	struct np_pool pool = { .source = source, .ns = strdup("ml"), .name = strdup("train") };
	struct np_card card = { .has_id = true,
				.id = { 0x10de, 0x2330 },
				.addend = { .count = 9 } };
	struct np_plan_pool planned = {
		.pool = &pool, .has_gpus = true, .n_cards = 1, .cards = &card
	};
	struct np_plan plan = { .n_pools = 1, .pools = &planned };
	struct rack r;
	char *text;

	(void)state;
	rack_init(&r, 3);
	r.gpus[1][1].users = (struct np_vsphere_names){ 1, r.user };
	r.items[2].n_gpus = 8;
	planned.capacity = (struct np_plan_capacity){ true, 2, true, 1 };
	text = draw(&r, &plan, 0);
	expect_has("key", text, "ml/train: 9 x 10de:2330; capable hosts: 2, fits now: 1");
	assert_int_equal(count(text, "class=\"fit now\""), 1);
	assert_int_equal(count(text, "class=\"fit later\""), 1);
	free(text);
	free(source.kind);
	free(pool.ns);
	free(pool.name);
	rack_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vsphere__drawing_has_a_word_and_a_pattern_for_each_state),
		cmocka_unit_test(test_vsphere__drawing_of_a_lost_host_claims_nothing),
		cmocka_unit_test(test_vsphere__pages_have_32_hosts),
		cmocka_unit_test(test_vsphere__drawing_escapes_names),
		cmocka_unit_test(test_vsphere__drawing_places_pools),
	};

	return cmocka_run_group_tests_name("vsphere drawing", tests, NULL, NULL);
}
