/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "expect.h"
#include "internal.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/units.h"

/* --- nodes ------------------------------------------------------------------------------------- */

#define DEVICE(id) "      - {vendorID: 0x10de, deviceID: " id "}\n"
#define A30 DEVICE("0x20b7")
#define A100 DEVICE("0x20b0")
#define A100_80 DEVICE("0x20b2")
#define H100 DEVICE("0x2330")
#define H200 DEVICE("0x2335")
#define RTX8000 DEVICE("0x1e78")
#define T4 DEVICE("0x1eb8")
#define V100 DEVICE("0x1db1")
#define UNKNOWN DEVICE("0x2fff")
#define X4(d) d d d d
#define X16(d) X4(X4(d))

static const struct shape {
	const char *name;
	const char *devices;
	const char *mmio; /* what the pool says of its window */
	uint64_t window_gb;
	size_t cards; /* that have a place */
} shapes[] = {
	{ "one A30 under the floor", A30, "{}", 512, 1 },
	{ "four A100-40GB that fill the window", X4(A100), "{}", 512, 4 },
	{ "two H200", H200 H200, "{}", 1024, 2 },
	{ "a mixed node, its T4 without a place", A30 A100_80 T4, "{}", 512, 2 },
	{ "eight H100", X4(H100) X4(H100), "{}", 2048, 8 },
	{ "sixteen A100-40GB", X16(A100), "{}", 2048, 16 },
	{ "a window larger than needed", A30, "{sizeGB: 1024}", 1024, 1 },
	{ "the smallest window", A30, "{minimumGB: 64}", 64, 1 },
	{ "the largest window, cards smaller than a cell", X16(A30), "{sizeGB: 65536}", 65536, 16 },
	{ "a published figure larger than the BARs", V100 V100 V100, "{}", 512, 3 },
	{ "cards whose BARs are unknown", RTX8000 RTX8000, "{}", 512, 2 },
	{ "a card that nothing is known of", UNKNOWN A30, "{}", 512, 1 },
	{ "a size that the slots do not fit", A100 A100 A100, "{sizeGB: 256}", 256, 3 },
};

/* A plan of one pool, and its picture. */
struct scene {
	struct np_input input;
	struct np_plan plan;
	struct picture pic;
};

static void scene_done(struct scene *s)
{
	render_picture_done(&s->pic);
	np_plan_done(&s->plan);
	np_pool_input_done(&s->input);
}

static void parse(struct scene *s, const char *text)
{
	struct np_err err = NP_ERR_INIT;

	if (np_pool_input_parse(&s->input, catalogue, "test.yaml", text, strlen(text), &err) < 0)
		fail_msg("%s", err.text);
}

static void plan(struct scene *s)
{
	struct np_err err = NP_ERR_INIT;
	struct np_plan_options o = { .catalogue = catalogue, .holder = "apply" };

	if (np_pool_input_finish(&s->input, &err) < 0)
		fail_msg("%s", err.text);
	o.classes = s->input.classes;
	o.n_classes = s->input.n_classes;
	if (np_plan_make(&s->input, &o, &s->plan, &err) < 0)
		fail_msg("%s", err.text);
	if (s->plan.n_errors > 0)
		fail_msg("%s", s->plan.errors[0].text);
}

static void add_class(struct scene *s, const char *name, const char *devices, const char *extra)
{
	NP_AUTO(np_freep) char *text = NULL;

	assert_true(asprintf(&text,
			     "apiVersion: vmoperator.vmware.com/v1alpha2\n"
			     "kind: VirtualMachineClass\n"
			     "metadata: {name: %s, namespace: ml}\n"
			     "spec:\n  hardware:\n    cpus: 8\n    memory: 256Gi\n    devices:\n"
			     "      dynamicDirectPathIODevices:\n%s%s",
			     name, devices, extra) > 0);
	parse(s, text);
}

static void add_pool(struct scene *s, const char *name, const char *class, const char *mmio)
{
	NP_AUTO(np_freep) char *text = NULL;

	assert_true(asprintf(&text,
			     "apiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\n"
			     "metadata: {name: %s, namespace: ml}\n"
			     "spec: {vmClass: %s, mmio: %s}\n",
			     name, class, mmio) > 0);
	parse(s, text);
}

static void make(struct scene *s, const struct shape *shape)
{
	struct np_err err = NP_ERR_INIT;

	add_class(s, "gpu", shape->devices, "");
	add_pool(s, "w", "gpu", shape->mmio);
	plan(s);
	if (render_picture_init(&s->pic, &s->plan, &s->plan.pools[0], &err) < 0)
		fail_msg("%s: %s", shape->name, err.text);
}

static char *explain(const struct scene *s, enum np_format format,
		     const struct np_render_style *style)
{
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;

	if (np_render_explain(&s->plan, "w", format, style, &text, &err) < 0)
		fail_msg("%s", err.text);
	return text;
}

/* --- the model --------------------------------------------------------------------------------- */

static void test_picture__cards_have_aligned_places_side_by_side(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		NP_AUTO(scene_done) struct scene s = { 0 };
		uint64_t end = 0;

		make(&s, &shapes[i]);
		print_message("%s\n", shapes[i].name);
		assert_int_equal(s.pic.window_bytes, shapes[i].window_gb * NP_GIB);
		assert_int_equal(s.pic.n_cards, shapes[i].cards);
		for (size_t k = 0; k < s.pic.n_cards; k++) {
			const struct picture_card *c = &s.pic.cards[k];

			assert_int_equal(c->offset_bytes, end);
			assert_int_equal(c->offset_bytes % c->slot_bytes, 0);
			for (size_t b = 0; b < c->n_bars; b++) {
				assert_true(c->bars[b].offset_bytes >= c->offset_bytes);
				assert_true(c->bars[b].offset_bytes + c->bars[b].size_bytes <=
					    c->offset_bytes + c->slot_bytes);
			}
			end += c->slot_bytes;
		}
		assert_int_equal(end, s.pic.taken_bytes);
		assert_true(s.pic.extent_bytes >= end);
		assert_true(s.pic.extent_bytes >= s.pic.window_bytes);
	}
}

static void test_picture__a_window_kept_by_the_class_is_drawn(void **state)
{
	NP_AUTO(scene_done) struct scene s = { 0 };
	NP_AUTO(np_freep) char *text = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	add_class(
		&s, "gpu", A30,
		"  configSpec:\n    _typeName: VirtualMachineConfigSpec\n    extraConfig:\n"
		"    - {_typeName: OptionValue, key: pciPassthru.64bitMMIOSizeGB, value: \"2048\"}\n"
		"    deviceChange:\n    - _typeName: VirtualDeviceConfigSpec\n      operation: add\n"
		"      device:\n        _typeName: VirtualPCIPassthrough\n        backing:\n"
		"          _typeName: VirtualPCIPassthroughDynamicBackingInfo\n"
		"          allowedDevice: [{vendorId: 4318, deviceId: 8375}]\n");
	add_pool(&s, "w", "gpu", "{}");
	plan(&s);
	assert_int_equal(render_picture_init(&s.pic, &s.plan, &s.plan.pools[0], &err), 0);
	assert_int_equal(s.pic.window_bytes, 2048 * NP_GIB);
	assert_int_equal(s.pic.n_cards, 1);
	text = explain(&s, NP_FORMAT_TABLE, &(struct np_render_style){ false, false });
	assert_non_null(strstr(text, "the pool by itself asks for 512 GB"));
}

static void test_picture__without_a_class_the_pools_own_window_is_drawn(void **state)
{
	NP_AUTO(scene_done) struct scene s = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	make(&s, &shapes[6]);
	render_picture_done(&s.pic);
	s.plan.pools[0].class_index = SIZE_MAX;
	assert_int_equal(render_picture_init(&s.pic, &s.plan, &s.plan.pools[0], &err), 0);
	assert_null(s.pic.class);
	assert_int_equal(s.pic.window_bytes, 1024 * NP_GIB);
}

/* --- the terminal ------------------------------------------------------------------------------ */

static const struct np_render_style ascii = { false, false };
static const struct np_render_style unicode = { true, false };
static const struct np_render_style coloured = { true, true };

/* The cells between the two edges of the bar. */
static void find_cells(const char *text, const char *edge, const char **ret_from,
		       const char **ret_to)
{
	NP_AUTO(np_freep) char *start = NULL;
	const char *line;

	assert_true(asprintf(&start, "\n      %s", edge) > 0);
	line = strstr(text, start);
	assert_non_null(line);
	*ret_from = line + strlen(start);
	*ret_to = strstr(*ret_from, edge);
	assert_non_null(*ret_to);
}

static uint64_t count_cells(const char *from, const char *to, const char *kinds)
{
	uint64_t n = 0;

	for (; from < to; from++)
		n += !!strchr(kinds, *from);
	return n;
}

/* What the cells say in bytes is what the cards take, where every slot is a cell or more. */
static void test_picture__cells_sum_to_the_window(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		NP_AUTO(scene_done) struct scene s = { 0 };
		NP_AUTO(np_freep) char *text = NULL;
		const char *from, *to;
		uint64_t cell, large = 0;

		make(&s, &shapes[i]);
		print_message("%s\n", shapes[i].name);
		text = explain(&s, NP_FORMAT_TABLE, &ascii);
		find_cells(text, "|", &from, &to);
		assert_int_equal(to - from, PICTURE_CELLS);
		assert_int_equal(count_cells(from, to, "#=-.! "), PICTURE_CELLS);
		cell = s.pic.extent_bytes / PICTURE_CELLS;
		if (s.pic.taken_bytes > s.pic.window_bytes || s.pic.cards[0].slot_bytes < 2 * cell)
			continue;
		for (size_t k = 0; k < s.pic.n_cards; k++)
			large += s.pic.cards[k].bars->size_bytes;
		assert_int_equal(count_cells(from, to, "#=") * cell, large);
		assert_int_equal(count_cells(from, to, "#=-") * cell, s.pic.taken_bytes);
		assert_int_equal(count_cells(from, to, ".") * cell,
				 s.pic.window_bytes - s.pic.taken_bytes);
	}
}

static void test_picture__neighbours_differ_and_what_does_not_fit_is_marked(void **state)
{
	static const struct {
		const char *name;
		size_t shape;
		const char *cells;
	} rows[] = {
		{ "a gap and free space behind one card", 0,
		  "####----........................................................" },
		{ "cards in alternating shades", 1,
		  "########--------========--------########--------========--------" },
		{ "the largest first", 3,
		  "################----------------====----........................" },
		{ "the window ends before the third card", 12,
		  "########--------========--------!!!!!!!!!!!!!!!!                " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(scene_done) struct scene s = { 0 };
		NP_AUTO(np_freep) char *text = NULL;
		const char *from, *to;

		make(&s, &shapes[rows[i].shape]);
		print_message("%s\n", rows[i].name);
		text = explain(&s, NP_FORMAT_TABLE, &ascii);
		find_cells(text, "|", &from, &to);
		assert_memory_equal(from, rows[i].cells, PICTURE_CELLS);
	}
}

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80 || *text == '\033')
			return false;
	return true;
}

static void test_picture__blocks_and_colour_on_demand_only(void **state)
{
	NP_AUTO(scene_done) struct scene s = { 0 };
	NP_AUTO(np_freep) char *plain = NULL;
	NP_AUTO(np_freep) char *blocks = NULL;
	NP_AUTO(np_freep) char *colours = NULL;

	(void)state;
	make(&s, &shapes[1]);
	plain = explain(&s, NP_FORMAT_TABLE, &ascii);
	blocks = explain(&s, NP_FORMAT_TABLE, &unicode);
	colours = explain(&s, NP_FORMAT_TABLE, &coloured);
	assert_true(is_ascii(plain));
	assert_non_null(strstr(blocks, "│████████░░░░░░░░▓▓▓▓▓▓▓▓"));
	assert_null(strchr(blocks, '\033'));
	assert_non_null(strstr(colours, "\033[34m█\033[0m"));
}

static void test_picture__legend_names_cards_bars_and_undrawn_bars(void **state)
{
	static const struct {
		const char *name;
		size_t shape;
		const char *says;
	} rows[] = {
		{ "equal cards in one line", 1,
		  "cards 1 to 4: A100-40GB, a slot of 128 GB each: BAR1 64 GB, BAR3 32 MB" },
		{ "one card", 3, "card 2: A30, a slot of 64 GB: BAR1 32 GB" },
		{ "small BARs", 1, "not to scale: a BAR smaller than a cell (8 GB)" },
		{ "small cards", 8, "not all shown: a cell (1024 GB)" },
		{ "free space", 6, "free: 960 GB that no card needs" },
		{ "a card without a place", 3, "not shown: 1 x T4, which needs no place" },
		{ "an unknown card", 11, "not shown: 1 x 10de:2fff, whose BARs are unknown" },
		{ "free space beside an unknown card", 11, "free: 448 GB minus the cards of" },
		{ "unknown BARs", 10, "128 GB for the whole card, whose BARs are unknown" },
		{ "free space in words", 0, "free         448 GB   beyond the cards' slots" },
		{ "a full window", 1, "free         nothing   beyond the cards' slots" },
		{ "the small BARs of a T4 are in no slot", 3, "the BARs take 160 GB + 96 MB" },
		{ "the default of VM Operator", 0, "a new VM gets VM Operator's default, 512 GB" },
		{ "its default is too small", 2, "too small: 1024 GB are required" },
		{ "the estimate's points", 1, "773.91 MB without a window, 856.82 MB with 128 GB" },
		{ "no estimate without points", 2, "overhead     unknown" },
		{ "an assumed figure", 9, "BAR0 16 MB (assumed)" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(scene_done) struct scene s = { 0 };
		NP_AUTO(np_freep) char *text = NULL;

		make(&s, &shapes[rows[i].shape]);
		text = explain(&s, NP_FORMAT_TABLE, &ascii);
		if (!strstr(text, rows[i].says))
			fail_msg("%s: not in:\n%s", rows[i].name, text);
	}
}

/* --- the drawing ------------------------------------------------------------------------------- */

static double attribute(const char *tag, const char *name)
{
	NP_AUTO(np_freep) char *start = NULL;
	const char *at;

	assert_true(asprintf(&start, " %s=\"", name) > 0);
	at = strstr(tag, start);
	assert_non_null(at);
	return strtod(at + strlen(start), NULL);
}

/* Copies the next <rect> of the strip, which has data of its own; NULL behind the last. */
static const char *next_rect(const char *text, char buf[static 512])
{
	const char *end;

	do {
		text = strstr(text, "<rect ");
		if (!text)
			return NULL;
		end = strchr(text, '>');
		assert_non_null(end);
		assert_true(end - text < 511);
		memcpy(buf, text, (size_t)(end - text));
		buf[end - text] = '\0';
		text = end;
	} while (!strstr(buf, " data-offset="));
	return text;
}

#define STRIP_X 24.0
#define STRIP_WIDTH 912.0
#define NEAR(a, b) ((a) - (b) < 0.000005 && (b) - (a) < 0.000005)

static void check_rect(const struct scene *s, const char *rect)
{
	double extent = (double)s->pic.extent_bytes;
	double x = attribute(rect, "x"), width = attribute(rect, "width");
	double offset = attribute(rect, "data-offset"), size = attribute(rect, "data-size");

	assert_true(NEAR(x, STRIP_X + offset / extent * STRIP_WIDTH));
	assert_true(NEAR(width, size / extent * STRIP_WIDTH));
	assert_true(x >= STRIP_X && x + width <= STRIP_X + STRIP_WIDTH + 0.00001);
}

static void test_picture__every_bar_is_drawn_at_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		NP_AUTO(scene_done) struct scene s = { 0 };
		NP_AUTO(np_freep) char *svg = NULL;
		char rect[512];
		size_t slots = 0, outlines = 0;

		make(&s, &shapes[i]);
		print_message("%s\n", shapes[i].name);
		svg = explain(&s, NP_FORMAT_SVG, &ascii);
		for (const char *at = svg; (at = next_rect(at, rect));) {
			check_rect(&s, rect);
			if (!strstr(rect, " data-card="))
				continue;
			if (strstr(rect, "\"slot\"") || strstr(rect, "\"narrow\"")) {
				outlines++;
				continue;
			}
			assert_true(attribute(rect, "data-offset") ==
				    (double)s.pic.slots[slots].offset_bytes);
			assert_true(attribute(rect, "data-size") ==
				    (double)s.pic.slots[slots].size_bytes);
			slots++;
		}
		assert_int_equal(slots, s.pic.n_slots);
		assert_int_equal(outlines, shapes[i].cards);
	}
}

static void test_picture__drawing_names_sizes_reason_and_source(void **state)
{
	static const struct {
		const char *name;
		size_t shape;
		const char *says;
	} rows[] = {
		{ "the reasoning", 1, ">4 x 128 = 512 GB<" },
		{ "the exact place of a small BAR", 1, "BAR0: 16 MB at 448 GB + 32 MB (observed)" },
		{ "an assumed BAR", 9, "BAR0: 16 MB at 16 GB + 32 MB (assumed)" },
		{ "the sum", 3, "BARs 160 GB + 96 MB + alignment 159 GB + 928 MB + free 192 GB" },
		{ "a card without a place", 3, "1 x T4: no BAR over 256 MB" },
		{ "a document that is named twice", 3, "by the same documents" },
		{ "what does not fit", 12, "do not all fit" },
		{ "a card past the window", 12, "<rect class=\"beyond\" y=" },
		{ "no source", 10, "BARs: no source: assumed" },
		{ "an unknown card", 11, "1 x 10de:2fff: unknown size" },
		{ "the dark palette", 0, "prefers-color-scheme:dark" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(scene_done) struct scene s = { 0 };
		NP_AUTO(np_freep) char *svg = NULL;

		make(&s, &shapes[rows[i].shape]);
		svg = explain(&s, NP_FORMAT_SVG, &ascii);
		if (!strstr(svg, rows[i].says))
			fail_msg("%s: not in:\n%s", rows[i].name, svg);
	}
}

static void test_picture__same_node_same_bytes(void **state)
{
	NP_AUTO(scene_done) struct scene a = { 0 };
	NP_AUTO(scene_done) struct scene b = { 0 };
	NP_AUTO(np_freep) char *first = NULL;
	NP_AUTO(np_freep) char *second = NULL;

	(void)state;
	make(&a, &shapes[3]);
	make(&b, &shapes[3]);
	first = explain(&a, NP_FORMAT_SVG, &ascii);
	second = explain(&b, NP_FORMAT_SVG, &coloured);
	assert_string_equal(first, second);
}

static void test_picture__names_cannot_break_the_document(void **state)
{
	static const struct {
		const char *name, *text, *written;
	} rows[] = {
		{ "markup", "a<b>&\"c", "a&lt;b&gt;&amp;&quot;c" },
		{ "UTF-8 stays", "Zür 中 😀", "Zür 中 😀" },
		{ "control characters", "a\001b\tc\nd\x7f", "a?b?c?d?" },
		{ "a byte that is no UTF-8", "a\xff\x80z", "a??z" },
		{ "a cut sequence", "a\xe4\xb8", "a?" },
		{ "a sequence cut by another character", "\xe4\xb8<", "?&lt;" },
		{ "an overlong form", "\xc0\xbc!", "?!" },
		{ "a surrogate", "\xed\xa0\x80!", "?!" },
		{ "a noncharacter", "\xef\xbf\xbe!", "?!" },
		{ "beyond Unicode", "\xf4\x90\x80\x80!", "?!" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(render_text_done) struct text t = { 0 };
		struct np_err err = NP_ERR_INIT;

		print_message("%s\n", rows[i].name);
		assert_int_equal(render_text_init(&t, &err), 0);
		render_xml_write(t.file, rows[i].text, SIZE_MAX);
		fflush(t.file);
		assert_string_equal(t.bytes, rows[i].written);
	}
}

static void test_picture__long_names_are_cut_and_lines_broken(void **state)
{
	static const struct {
		const char *name, *text;
		size_t most;
		const char *written;
		size_t line; /* where a line of `most` ends */
	} rows[] = {
		{ "short", "abc", 5, "abc", 3 },
		{ "just fits", "abcde", 5, "abcde", 5 },
		{ "too long", "abcdef", 5, "abcd…", 5 },
		{ "broken at a blank", "ab cdef", 5, "ab c…", 2 },
		{ "wide characters take two", "中中中", 5, "中中…", 6 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(render_text_done) struct text t = { 0 };
		struct np_err err = NP_ERR_INIT;

		print_message("%s\n", rows[i].name);
		assert_int_equal(render_text_init(&t, &err), 0);
		render_xml_write_cut(t.file, rows[i].text, rows[i].most);
		fflush(t.file);
		assert_string_equal(t.bytes, rows[i].written);
		assert_int_equal(render_xml_line_end(rows[i].text, rows[i].most), rows[i].line);
	}
}

static void test_picture__a_drawing_is_of_exactly_one_pool(void **state)
{
	static const struct {
		const char *name, *select;
		int result;
		const char *says;
	} rows[] = {
		{ "a pool by name", "a", 0, "" },
		{ "a pool by id", "ml/b", 0, "" },
		{ "none named", NULL, -NP_E_USAGE, "not 2: name one of 'ml/a', 'ml/b'" },
		{ "a class of two pools", "gpu", -NP_E_USAGE, "'ml/a', 'ml/b'" },
		{ "a class that no pool uses", "spare", -NP_E_USAGE, "no pool uses 'spare'" },
		{ "a name that is not there", "c", -NP_E_NOT_FOUND, "'c'" },
	};
	NP_AUTO(scene_done) struct scene s = { 0 };

	(void)state;
	add_class(&s, "gpu", A30, "");
	add_class(&s, "spare", A30, "");
	add_pool(&s, "a", "gpu", "{}");
	add_pool(&s, "b", "gpu", "{}");
	plan(&s);
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(np_freep) char *svg = NULL;
		char *untouched = (char *)&s;
		char **ret = rows[i].result == 0 ? &svg : &untouched;
		struct np_err err = NP_ERR_INIT;

		print_message("%s\n", rows[i].name);
		assert_int_equal(
			np_render_explain(&s.plan, rows[i].select, NP_FORMAT_SVG, NULL, ret, &err),
			rows[i].result);
		assert_ptr_equal(untouched, &s);
		if (rows[i].result < 0 && !strstr(err.text, rows[i].says))
			fail_msg("%s", err.text);
	}
}

static void test_picture__svg_is_a_known_format(void **state)
{
	enum np_format format = NP_FORMAT_MAX;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_render_format_parse("svg", &format, &err), 0);
	assert_int_equal(format, NP_FORMAT_SVG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_picture__cards_have_aligned_places_side_by_side),
		cmocka_unit_test(test_picture__a_window_kept_by_the_class_is_drawn),
		cmocka_unit_test(test_picture__without_a_class_the_pools_own_window_is_drawn),
		cmocka_unit_test(test_picture__cells_sum_to_the_window),
		cmocka_unit_test(test_picture__neighbours_differ_and_what_does_not_fit_is_marked),
		cmocka_unit_test(test_picture__blocks_and_colour_on_demand_only),
		cmocka_unit_test(test_picture__legend_names_cards_bars_and_undrawn_bars),
		cmocka_unit_test(test_picture__every_bar_is_drawn_at_its_place),
		cmocka_unit_test(test_picture__drawing_names_sizes_reason_and_source),
		cmocka_unit_test(test_picture__same_node_same_bytes),
		cmocka_unit_test(test_picture__names_cannot_break_the_document),
		cmocka_unit_test(test_picture__long_names_are_cut_and_lines_broken),
		cmocka_unit_test(test_picture__a_drawing_is_of_exactly_one_pool),
		cmocka_unit_test(test_picture__svg_is_a_known_format),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
