/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"
#include "nodeprep/units.h"

enum { NEIGHBOURS_MAX = 64 };

static const char *const top_fields[] = { "apiVersion", "kind", "metadata", "spec", "status" };
static const char *const spec_fields[] = { "gpus", "memoryReservation", "mmio", "replicas",
					   "vmClass" };
static const char *const reservations[] = { "Full", "Unmanaged" };

static const char *const mmio_fields[] = { "minimumGB", "sizeGB" };

static bool is_all_digits(const char *text)
{
	const char *c = text;

	while (isdigit((unsigned char)*c))
		c++;
	return c != text && !*c;
}

/* Writes the sizes next to a wrong one: ", such as 256 or 512"; "" where only one end of the range is near. */
static void write_neighbours(json_int_t gb, char buf[static NEIGHBOURS_MAX])
{
	uint64_t below = 1;

	buf[0] = '\0';
	if (gb < 3 || (uint64_t)gb >= NP_WINDOW_GB_MAX)
		return;
	while (2 * below < (uint64_t)gb)
		below *= 2;
	snprintf(buf, NEIGHBOURS_MAX, ", such as %ju or %ju", (uintmax_t)below,
		 (uintmax_t)(2 * below));
}

static int fail_size(struct np_val n, const char *of, struct np_err *err)
{
	const char *string = json_string_value(n.json);
	char text[NP_DOC_TEXT_MAX], near[NEIGHBOURS_MAX];

	np_doc_text(n, text);
	if (string)
		return np_doc_fail(n, err, NP_E_SPEC,
				   "%s.%s is the text '%s': expected a number, %s", of, n.key, text,
				   is_all_digits(string) ? "without quotes" : "such as 512");
	if (json_is_real(n.json))
		return np_doc_fail(n, err, NP_E_SPEC, "%s.%s is '%s': expected a whole number", of,
				   n.key, text);
	write_neighbours(json_integer_value(n.json), near);
	return np_doc_fail(n, err, NP_E_SPEC,
			   "%s.%s is '%s': expected a power of two from 1 to %ju%s", of, n.key,
			   text, (uintmax_t)NP_WINDOW_GB_MAX, near);
}

/* Returns 1 where a size was read, 0 without one. */
static int read_size(struct np_val n, const char *of, struct np_pool *pool, uint64_t *ret_gb,
		     struct np_err *err)
{
	json_int_t gb = json_integer_value(n.json); /* 0 where it is not an integer */

	if (!np_doc_is_present(n))
		return 0;
	if (pool_node_is_placeholder(n)) {
		pool->has_placeholder = pool->window_unknown =
			pool_note_placeholder(&pool->placeholder, n, NULL);
		return 0;
	}
	if (gb < 1 || (uint64_t)gb > NP_WINDOW_GB_MAX || !np_is_pow2((uint64_t)gb))
		return fail_size(n, of, err);
	*ret_gb = (uint64_t)gb;
	return 1;
}

int pool_read_sizes(struct np_val parent, const char *what, struct np_pool *pool,
		    struct np_err *err)
{
	struct np_window_policy *policy = &pool->window;
	int minimum, size;

	minimum = read_size(np_doc_get(parent, "minimumGB"), what, pool, &policy->minimum_gb, err);
	if (minimum < 0)
		return minimum;
	size = read_size(np_doc_get(parent, "sizeGB"), what, pool, &policy->size_gb, err);
	if (size < 0)
		return size;
	policy->has_minimum = minimum > 0;
	policy->has_size = size > 0;
	return 0;
}

static int read_mmio(struct np_val mmio, struct np_pool *pool, struct np_err *err)
{
	if (pool_node_is_placeholder(mmio)) {
		pool->has_placeholder = pool->window_unknown =
			pool_note_placeholder(&pool->placeholder, mmio, NULL);
		return 0;
	}
	if (np_doc_object(mmio, err) < 0 || pool_check_fields(mmio, NP_WORDS(mmio_fields), err) < 0)
		return np_err_ret(err);
	return pool_read_sizes(mmio, "mmio", pool, err);
}

static int read_reservation(struct np_val n, struct np_pool *pool, struct np_err *err)
{
	const char *text = NULL;
	const char *near;
	char quoted[NP_DOC_TEXT_MAX];

	if (pool_node_is_placeholder(n)) {
		pool->has_placeholder = pool_note_placeholder(&pool->placeholder, n, NULL);
		return 0;
	}
	if (np_doc_string(n, &text, err) < 0)
		return np_err_ret(err);
	if (!text || strcmp(text, "Full") == 0)
		return 0;
	if (strcmp(text, "Unmanaged") == 0) {
		pool->memory_unmanaged = true;
		return 0;
	}
	np_doc_text(n, quoted);
	near = np_text_near(text, NP_WORDS(reservations));
	if (near)
		return np_doc_fail(n, err, NP_E_SPEC,
				   "memoryReservation is '%s': did you mean '%s'?", quoted, near);
	return np_doc_fail(n, err, NP_E_SPEC,
			   "memoryReservation is '%s': expected Full or Unmanaged", quoted);
}

static int read_spec(const struct pool_object *o, struct np_val spec, struct np_pool *pool,
		     struct np_err *err)
{
	struct np_val vm_class = np_doc_get(spec, "vmClass");

	if (pool_check_fields(spec, NP_WORDS(spec_fields), err) < 0)
		return np_err_ret(err);
	if (!np_doc_is_present(vm_class))
		return np_doc_fail(vm_class, err, NP_E_SPEC,
				   "spec.vmClass is required: the name of a VirtualMachineClass");
	if (pool_read_class(vm_class, "spec.vmClass", pool, err) < 0 ||
	    pool_read_replicas(np_doc_get(spec, "replicas"), pool, err) < 0 ||
	    pool_read_requests(np_doc_get(spec, "gpus"), o->cat, pool, err) < 0 ||
	    read_mmio(np_doc_get(spec, "mmio"), pool, err) < 0)
		return np_err_ret(err);
	return read_reservation(np_doc_get(spec, "memoryReservation"), pool, err);
}

/* Two places for one value drift apart sooner or later. */
static int read_annotation(const struct pool_object *o, struct np_val spec, struct np_pool *pool,
			   struct np_err *err)
{
	struct np_val annotation;

	pool_read_ignored(np_doc_get(o->root, "metadata"), pool);
	if (pool_find_annotation(np_doc_get(o->root, "metadata"), &annotation, err) < 0)
		return np_err_ret(err);
	if (np_doc_is_present(annotation) && np_doc_is_present(np_doc_get(spec, "gpus")))
		return np_doc_fail_key(annotation, err, NP_E_SPEC,
				       "annotation %s and spec.gpus are mutually exclusive: keep "
				       "spec.gpus",
				       NP_GPUS_ANNOTATION);
	return pool_read_annotation(annotation, o->cat, pool, err);
}

int pool_add_nodepool(const struct pool_object *o, struct np_err *err)
{
	NP_AUTO(pool_done) struct np_pool pool = { 0 };
	struct np_val spec = np_doc_get(o->root, "spec");
	int present;

	if (pool_check_fields(o->root, NP_WORDS(top_fields), err) < 0)
		return np_err_ret(err);
	present = np_doc_object(spec, err);
	if (present < 0)
		return present;
	if (!present)
		return np_doc_fail(spec, err, NP_E_SPEC, "spec is required, with a vmClass");
	if (pool_init(o, o->root.pos, o->name, &pool, err) < 0 ||
	    read_spec(o, spec, &pool, err) < 0 || read_annotation(o, spec, &pool, err) < 0)
		return np_err_ret(err);
	return pool_input_push_take(o->in, &pool, err);
}
