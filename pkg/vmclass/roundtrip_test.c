/* SPDX-License-Identifier: Apache-2.0 */
#include <bsd/string.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/units.h"

#include "random_class.h"

#define ROUNDS 10000
#define MANAGED "/metadata/annotations/nodeprep.dev~1managed"

/* Returns what stands at the path of plain segments; NULL where nothing does. */
static json_t *at(const json_t *object, const char *path)
{
	char text[128];
	char *rest = text, *segment;
	json_t *value = np_json_mut(object);

	assert_true(strlcpy(text, path + 1, sizeof(text)) < sizeof(text));
	while ((segment = strsep(&rest, "/")))
		value = json_object_get(value, segment);
	return value;
}

static json_t *managed_of(const json_t *object)
{
	return json_object_get(at(object, "/metadata/annotations"), NP_MANAGED_ANNOTATION);
}

/* Sets what stands at the path, whose parents are made; takes `value`. */
static void put(json_t *object, const char *path, json_t *value)
{
	char text[128];
	char *rest = text, *segment;

	assert_true(strlcpy(text, path + 1, sizeof(text)) < sizeof(text));
	while ((segment = strsep(&rest, "/")) && rest) {
		if (!json_is_object(json_object_get(object, segment)))
			json_object_set_new(object, segment, json_object());
		object = json_object_get(object, segment);
	}
	json_object_set_new(object, segment, value);
}

/* --- what a run of nodeprep does to a class ----------------------------------------------------- */

struct run {
	struct np_member members[2];
	struct np_class_desired want;
};

/* What one pool of its own wants of a class. */
static void random_run(struct run *r, const char *id, const char *holder)
{
	static const uint64_t windows[] = { 0, 64, 512, 1024 };

	r->members[0] = (struct np_member){ .id = id, .has_need = true, .need_gb = PICK(windows) };
	r->want = (struct np_class_desired){ .has_window = r->members[0].need_gb > 0,
					     .window_gb = r->members[0].need_gb,
					     .needs_efi = draw(2) > 0,
					     .keep_memory = draw(4) == 0,
					     .allow_shrink = draw(3) == 0,
					     .holder = holder,
					     .members = r->members,
					     .n_members = 1 };
}

typedef int change_fn(const struct np_vmclass *c, const struct np_class_desired *want,
		      struct np_change *ret, struct np_err *err);

/* Reads the object, which the class shares: nothing of it is for writing. */
static struct np_vmclass *class_of(const json_t *object)
{
	return class_of_tree(json_incref(np_json_mut(object)));
}

/* Returns the object as it is after the change; *ret_changed says whether there was one. */
static json_t *run_on(change_fn *fn, const json_t *object, const struct run *r, bool *ret_changed)
{
	NP_AUTO(np_vmclass_freep)
	struct np_vmclass *c = class_of(object);
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (fn(c, &r->want, &change, &err) < 0)
		fail_msg("%s", err.text);
	*ret_changed = json_object_size(change.patch) > 0;
	return np_vmclass_patched(object, change.patch);
}

static json_t *apply(const json_t *object, const struct run *r)
{
	bool changed;

	return run_on(np_vmclass_change, object, r, &changed);
}

static json_t *revert(const json_t *object, const struct run *r)
{
	bool changed;

	return run_on(np_vmclass_revert, object, r, &changed);
}

static void fail_with_both(const json_t *a, const json_t *b, const char *what)
{
	NP_AUTO(np_freep) char *x = json_dumps(a, JSON_SORT_KEYS | JSON_ENCODE_ANY);
	NP_AUTO(np_freep) char *y = json_dumps(b, JSON_SORT_KEYS | JSON_ENCODE_ANY);

	fail_msg("%s\n  is     %s\n  and was %s", what, x ? x : "absent", y ? y : "absent");
}

static bool is_equal(const json_t *a, const json_t *b)
{
	return (!a && !b) || json_equal(a, b);
}

static void expect_same(const json_t *a, const json_t *b, const char *what)
{
	if (!is_equal(a, b))
		fail_with_both(a, b, what);
}

/* A class with some labels and annotations of its own. */
static json_t *random_object(void)
{
	json_t *object = random_class();

	if (draw(2))
		put(object, "/metadata/labels/team", json_string("ml"));
	if (draw(2))
		put(object, "/metadata/annotations/note", json_string("ours"));
	if (draw(4) == 0)
		put(object, "/spec/policies/resources/limits/memory", json_string("128Gi"));
	if (draw(4) == 0)
		put(object, "/spec/configSpec/memoryReservationLockedToMax", json_boolean(draw(2)));
	return object;
}

/* --- nobody else -------------------------------------------------------------------------------- */

static void test_roundtrip__apply_then_revert_leaves_the_same_bytes(void **state)
{
	size_t touched = 0;

	(void)state;
	seed = 20230530;
	for (size_t i = 0; i < ROUNDS; i++) {
		json_auto_t *before = random_object();
		json_auto_t *after = NULL, *again = NULL, *back = NULL, *left = NULL;
		struct run r;
		bool changed;

		random_run(&r, "ml/c/p", "apply");
		after = run_on(np_vmclass_change, before, &r, &changed);
		touched += changed;
		again = run_on(np_vmclass_change, after, &r, &changed);
		assert_false(changed);
		expect_same(again, after, "the class after a second apply");
		back = revert(after, &r);
		expect_same(back, before, "the class after apply and revert");
		left = run_on(np_vmclass_revert, back, &r, &changed);
		assert_false(changed);
	}
	assert_in_range(touched, ROUNDS / 2, ROUNDS);
}

static void test_roundtrip__pools_come_and_leave_in_any_order(void **state)
{
	static const char *const ids[] = { "ml/a", "ml/b", "ml/c/d" };
	static const char *const holders[] = { "apply", "cni/n/i/c/eth0", "hook/c" };

	(void)state;
	seed = 42;
	for (size_t i = 0; i < ROUNDS / 10; i++) {
		json_auto_t *before = random_object();
		json_t *now = json_deep_copy(before);
		struct run runs[COUNT(ids) * COUNT(holders)];
		bool is_in[COUNT(runs)] = { false };

		for (size_t k = 0; k < COUNT(runs); k++)
			random_run(&runs[k], ids[k / COUNT(holders)], holders[k % COUNT(holders)]);
		for (size_t step = 0; step < 3 * COUNT(runs); step++) {
			size_t k = step < 2 * COUNT(runs) ? draw(COUNT(runs)) : step % COUNT(runs);
			bool leaves = step >= 2 * COUNT(runs) || is_in[k];
			json_t *next = leaves ? revert(now, &runs[k]) : apply(now, &runs[k]);

			is_in[k] = !leaves;
			json_decref(now);
			now = next;
		}
		expect_same(now, before, "the class after the last pool left");
		json_decref(now);
	}
}

/* --- another writer meanwhile ------------------------------------------------------------------- */

/* What another client did to the class; each leaves its field as it wants it. */
enum foreign {
	SETS_LABEL,
	ADDS_ENTRY,
	SETS_FIRMWARE,
	DROPS_FIRMWARE,
	SETS_REQUEST,
	SETS_CPU,
	UNLOCKS,
	SETS_NAME,
	DROPS_USE64,
	DROPS_SIZE,
	SETS_SIZE,
	ADDS_DEVICE,
	EDITS_CARRIED,
	FOREIGN_MAX
};

/* A class before nodeprep, after apply, after the other writer, and after a further apply. */
struct acts {
	const json_t *before, *after, *theirs, *again;
};

#define EXTRA "/spec/configSpec/extraConfig"
#define CHANGE "/spec/configSpec/deviceChange"

/* The plain fields that an act leaves its mark on; NULL: it is about a list. */
static const char *const foreign_paths[FOREIGN_MAX] = {
	[SETS_LABEL] = "/metadata/labels/by",
	[SETS_FIRMWARE] = "/spec/configSpec/firmware",
	[DROPS_FIRMWARE] = "/spec/configSpec/firmware",
	[SETS_REQUEST] = "/spec/policies/resources/requests/memory",
	[SETS_CPU] = "/spec/policies/resources/requests/cpu",
	[UNLOCKS] = "/spec/configSpec/memoryReservationLockedToMax",
	[SETS_NAME] = "/spec/configSpec/name",
};

static bool is_key(const json_t *entry, const char *key)
{
	const char *text = json_string_value(json_object_get(entry, "key"));

	return text && strcasecmp(text, key) == 0;
}

static void drop_entries(json_t *object, const char *key)
{
	json_t *list = at(object, EXTRA);

	for (size_t i = json_array_size(list); i-- > 0;)
		if (is_key(json_array_get(list, i), key))
			json_array_remove(list, i);
}

static json_t *option(const char *key, const char *value)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s}}", "_typeName", "OptionValue", "key", key,
			 "value", "_typeName", "string", "_value", value);
}

static void add_entry(json_t *object)
{
	json_t *list = at(object, EXTRA);

	if (!json_is_array(list)) {
		list = json_array();
		put(object, EXTRA, list);
	}
	json_array_insert_new(list, draw((unsigned)json_array_size(list) + 1),
			      option("foreign", "1"));
}

static void add_device(json_t *object)
{
	json_t *list = at(object, CHANGE);

	if (!json_is_array(list)) {
		list = json_array();
		put(object, CHANGE, list);
	}
	json_array_append_new(list, json_pack("{s:s, s:{s:s, s:i, s:{s:s, s:s}}}", "_typeName",
					      "VirtualDeviceConfigSpec", "device", "_typeName",
					      "VirtualPCIPassthrough", "key", 4242, "backing",
					      "_typeName", "VirtualPCIPassthroughVmiopBackingInfo",
					      "vgpu", "grid_t4-16q"));
}

/* The last device of deviceChange is one that nodeprep carried, where it carried any. */
static void edit_carried(json_t *object)
{
	json_t *list = at(object, CHANGE);
	json_t *last = json_array_get(list, json_array_size(list) - 1);

	json_object_set_new(json_object_get(last, "device"), "key", json_integer(4711));
}

/* Does it; false where that would be no act of a client that keeps VMs alive, or changes nothing. */
static bool act(json_t *object, enum foreign what)
{
	bool has_spec = json_is_object(at(object, "/spec/configSpec"));

	/* A first configSpec of another client would hide the devices: that is their own doing. */
	if (!has_spec && what != SETS_LABEL && what != SETS_REQUEST && what != SETS_CPU)
		return false;
	switch (what) {
	case SETS_LABEL:
	case SETS_NAME:
		put(object, foreign_paths[what], json_string("another client"));
		return true;
	case SETS_FIRMWARE:
		put(object, foreign_paths[what], json_string("bios"));
		return true;
	case DROPS_FIRMWARE:
		return json_object_del(at(object, "/spec/configSpec"), "firmware") == 0;
	case SETS_REQUEST:
		put(object, foreign_paths[what], json_string("48Gi"));
		return true;
	case SETS_CPU:
		put(object, foreign_paths[what], json_string("3"));
		return true;
	case UNLOCKS:
		put(object, foreign_paths[what], json_false());
		return true;
	case ADDS_ENTRY:
		add_entry(object);
		return true;
	case DROPS_USE64:
		drop_entries(object, NP_VMX_USE64_NAME);
		return true;
	case DROPS_SIZE:
		drop_entries(object, NP_VMX_SIZE_NAME);
		return true;
	case SETS_SIZE:
		drop_entries(object, NP_VMX_SIZE_NAME);
		add_entry(object);
		json_array_append_new(at(object, EXTRA), option(NP_VMX_SIZE_NAME, "2048"));
		return true;
	case ADDS_DEVICE:
		add_device(object);
		return true;
	default:
		if (json_array_size(at(object, CHANGE)) == 0)
			return false;
		edit_carried(object);
		return true;
	}
}

/* Returns the value under the key where it stands once; "none" where it does not stand. */
static const char *value_of(const json_t *object, const char *key)
{
	const json_t *list = at(object, EXTRA);
	const char *found = "none";

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *value = json_object_get(json_array_get(list, i), "value");

		if (!is_key(json_array_get(list, i), key))
			continue;
		if (strcmp(found, "none") != 0)
			return "several";
		found = json_string_value(json_is_object(value) ? json_object_get(value, "_value")
								: value);
	}
	return found;
}

static void expect_list_kept(enum foreign what, const json_t *theirs, const json_t *now)
{
	if (what == ADDS_DEVICE || what == EDITS_CARRIED)
		expect_same(at(now, CHANGE), at(theirs, CHANGE), CHANGE);
}

/* Each plain field that they left alone is as it was before nodeprep came. */
static void expect_rest_restored(enum foreign what, const json_t *before, const json_t *now)
{
	for (enum foreign f = 0; f < FOREIGN_MAX; f++) {
		if (!foreign_paths[f] ||
		    (foreign_paths[what] && strcmp(foreign_paths[f], foreign_paths[what]) == 0))
			continue;
		/* A null is a member that is not set. */
		if (json_is_null(at(before, foreign_paths[f])) && !at(now, foreign_paths[f]))
			continue;
		expect_same(at(now, foreign_paths[f]), at(before, foreign_paths[f]),
			    foreign_paths[f]);
	}
}

static size_t count_devices(const json_t *object)
{
	NP_AUTO(np_vmclass_freep)
	struct np_vmclass *c = class_of(object);

	return c->devices.n;
}

/* Tells whether the record has what stood at the path before nodeprep's first write. */
static bool is_recorded(const json_t *after, const char *path)
{
	json_auto_t *record = NULL;
	struct np_err err = NP_ERR_INIT;

	assert_int_equal(np_vmclass_record_read(after, &record, &err), 1);
	return !!json_object_get(json_object_get(record, "before"), path);
}

/* Returns whose value comes back: the first one, where nodeprep wrote the field before and after them. */
static const json_t *whose(const char *path, bool is_rewritten, const json_t *before,
			   const json_t *after, const json_t *theirs)
{
	return is_rewritten && is_recorded(after, path) ? before : theirs;
}

static void expect_original(enum foreign what, const struct acts *acts, const json_t *now)
{
	const char *path = foreign_paths[what];
	const char *key = what == DROPS_USE64 ? NP_VMX_USE64_NAME : NP_VMX_SIZE_NAME;
	bool is_rewritten;

	if (path) {
		is_rewritten = !is_equal(at(acts->again, path), at(acts->theirs, path));
		expect_same(at(now, path),
			    at(whose(path, is_rewritten, acts->before, acts->after, acts->theirs),
			       path),
			    path);
	} else if (what == DROPS_USE64 || what == DROPS_SIZE || what == SETS_SIZE) {
		is_rewritten = strcmp(value_of(acts->again, key), value_of(acts->theirs, key)) != 0;
		assert_string_equal(value_of(now, key),
				    value_of(whose(EXTRA, is_rewritten, acts->before, acts->after,
						   acts->theirs),
					     key));
	} else {
		expect_list_kept(what, acts->theirs, now);
	}
}

static void expect_theirs_kept(enum foreign what, const struct acts *acts, const json_t *now)
{
	expect_original(what, acts, now);
	expect_rest_restored(what, acts->before, now);
	expect_unrelated_kept(at(acts->theirs, EXTRA), at(now, EXTRA));
	assert_int_equal(count_devices(now), count_devices(acts->theirs));
	assert_null(managed_of(now));
}

/* Whether another client changed the class between apply and revert, or before a further apply as well. */
static void check_foreign(enum foreign what, bool applied_again)
{
	json_auto_t *before = random_object();
	json_auto_t *after = NULL, *theirs = NULL, *again = NULL, *back = NULL;
	struct acts acts;
	struct run r;

	random_run(&r, "ml/c/p", "apply");
	after = apply(before, &r);
	theirs = json_deep_copy(after);
	/* A class that nodeprep had no reason to touch has nothing to go back from. */
	if (!managed_of(after) || !act(theirs, what) || json_equal(theirs, after))
		return;
	again = applied_again ? apply(theirs, &r) : json_incref(theirs);
	back = revert(again, &r);
	acts = (struct acts){ before, after, theirs, again };
	expect_theirs_kept(what, &acts, back);
}

static void test_roundtrip__values_of_another_writer_are_kept(void **state)
{
	(void)state;
	seed = 7;
	for (size_t i = 0; i < ROUNDS; i++)
		check_foreign((enum foreign)draw(FOREIGN_MAX), false);
}

static void test_roundtrip__the_first_values_come_back_after_a_second_apply(void **state)
{
	(void)state;
	seed = 11;
	for (size_t i = 0; i < ROUNDS; i++)
		check_foreign((enum foreign)draw(FOREIGN_MAX), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roundtrip__apply_then_revert_leaves_the_same_bytes),
		cmocka_unit_test(test_roundtrip__pools_come_and_leave_in_any_order),
		cmocka_unit_test(test_roundtrip__values_of_another_writer_are_kept),
		cmocka_unit_test(test_roundtrip__the_first_values_come_back_after_a_second_apply),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
