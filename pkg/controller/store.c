/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/map.h"
#include "nodeprep/vmclass.h"

/* What tells the kinds apart in keys. */
static const char *const kind_texts[WATCHED_MAX] = { "nodepool", "cluster", "tkc", "class" };

static const char *meta_text(const json_t *object, const char *key)
{
	return np_json_member_text(json_object_get(object, "metadata"), key);
}

/* Tells whether the first list of the classes has yet to come to the class. */
static bool is_awaited(const struct np_controller *c, const struct class_record *r)
{
	const struct reflector *w = &c->reflectors[WATCHED_CLASS];

	return w->wanted && !atomic_load(&w->synced) && r->round == 0;
}

static int enqueue(struct np_controller *c, struct class_record *r, struct np_err *err)
{
	/* The list queues it, with the object that the worker plans from. */
	if (is_awaited(c, r))
		return 0;
	pthread_cond_broadcast(&c->changed);
	return controller_queue_add(&c->queue, &r->item, controller_now_ms(), err);
}

/* --- classes --------------------------------------------------------------------------------- */

static void class_free(struct class_record *r)
{
	free(r->entry.key);
	free(r->object);
	free(r->owners);
	free(r->restored_from);
	free(r);
}

static struct class_record *class_find(const struct np_controller *c, const char *ns,
				       const char *name)
{
	return (struct class_record *)(void *)np_map_find(&c->class_records, NP_KEY(ns, name));
}

static struct class_record *class_open(struct np_controller *c, const char *ns, const char *name,
				       struct np_err *err)
{
	struct class_record *r = class_find(c, ns, name);

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (r)
		r->entry.key = np_key_pack(NP_KEY(ns, name));
	if (!r || !r->entry.key) {
		free(r);
		np_fail_nomem(err);
		return NULL;
	}
	/* A change must not be lost without memory: the queue has room for every class. */
	if (controller_queue_reserve(&c->queue, c->class_records.n + 1, err) < 0 ||
	    np_map_insert(&c->class_records, &r->entry, err) < 0) {
		class_free(r);
		return NULL;
	}
	return r;
}

static void drop_object(struct np_controller *c, struct class_record *r)
{
	free(np_take(r->object));
	c->object_bytes -= r->object_size;
	r->object_size = 0;
}

/* Keeps the class for the worker, which reads it instead if it is too large or memory runs out. */
static void keep_object(struct np_controller *c, struct class_record *r, const json_t *class)
{
	NP_AUTO(np_freep) char *text = NULL;
	size_t size;

	drop_object(c, r);
	if (c->object_bytes >= STORE_OBJECTS_MAX)
		return;
	text = np_json_text(class, JSON_COMPACT);
	size = text ? strlen(text) + 1 : 0;
	if (!text || size > STORE_OBJECTS_MAX - c->object_bytes)
		return;
	r->object = np_take(text);
	r->object_size = size;
	c->object_bytes += size;
}

char *controller_store_take_object(struct np_controller *c, struct class_record *r)
{
	NP_AUTO(np_freep) char *object = np_take(r->object);
	const struct reflector *w = &c->reflectors[WATCHED_CLASS];

	drop_object(c, r);
	/* A list that failed may have shown an older state. */
	return w->is_current && r->round == w->round ? np_take(object) : NULL;
}

void controller_store_adopt(struct np_controller *c, struct class_record *r, const json_t *class,
			    bool is_written)
{
	uint64_t digest = controller_digest(class);

	/* The watch may have seen the write already, or something older. Only the latter asks for another look. */
	if (is_written)
		drop_object(c, r);
	if (is_written && digest == r->digest)
		r->seen_again = false;
	r->digest = digest;
}

void controller_store_forget(struct np_controller *c, struct class_record *r)
{
	if (r->n_owners > 0 || r->registered || r->item.running || r->item.at != 0)
		return;
	drop_object(c, r);
	np_map_remove(&c->class_records, &r->entry);
	class_free(r);
}

/* Tells whether the text has the form of a UID. */
static bool is_uid(const char *text, size_t size)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (size != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < size; i++)
		if (form[i] == '-' ? text[i] != '-' : !strchr("0123456789abcdef", text[i]))
			return false;
	return true;
}

static size_t count_slashes(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '/';
	return n;
}

bool controller_store_is_own_id(const struct np_controller *c, const char *class_ns, const char *id)
{
	size_t origin = c->cluster_id ? strlen(c->cluster_id) : 0;
	size_t slashes, ns;

	if (c->cluster_id) {
		if (strncmp(id, c->cluster_id, origin) != 0 || id[origin] != '/')
			return false;
		id += origin + 1;
	}
	slashes = count_slashes(id);
	ns = strcspn(id, "/");
	if (slashes != 1 && !(slashes == 2 && c->o.clusters))
		return false;
	if (c->ns && (strlen(c->ns) != ns || strncmp(c->ns, id, ns) != 0))
		return false;
	if (c->cluster_id)
		return true;
	/* Another API server's pools have its id in front, by default a UID. */
	if (class_ns[0] == '\0')
		return !is_uid(id, ns);
	return strlen(class_ns) == ns && strncmp(class_ns, id, ns) == 0;
}

bool controller_store_may_exist(struct np_controller *c, const char *id)
{
	char *parts[3] = { NULL };
	NP_AUTO(np_freep)
	char *copy = strdup(c->cluster_id ? id + strlen(c->cluster_id) + 1 : id);
	char *rest = copy;
	const struct owner *s;

	/* Without memory the entry is kept for now. */
	if (!copy)
		return true;
	for (size_t i = 0; i < 3 && rest; i++)
		parts[i] = strsep(&rest, "/");
	if (!parts[2]) {
		s = controller_store_find(c, WATCHED_NODEPOOL, parts[0], parts[1]);
		return s && s->error && !s->deleting;
	}
	for (enum watched_kind kind = WATCHED_CLUSTER; kind <= WATCHED_TKC; kind++) {
		s = controller_store_find(c, kind, parts[0], parts[1]);
		if (s && s->error)
			return true;
	}
	return false;
}

/* The holder whose pools count in the record of a class of that namespace. */
struct own_search {
	const struct np_controller *c;
	const char *ns;
};

static bool is_of_others(void *ctx, const char *id, const char *holder)
{
	const struct own_search *s = ctx;

	return strcmp(holder, CONTROLLER_HOLDER) != 0 ||
	       !controller_store_is_own_id(s->c, s->ns, id);
}

/*
 * Sets *ret to whether the class's record names a pool that this controller registered. An invalid
 * record is malformed: the pools that use the class report it.
 */
static int find_registered(const struct np_controller *c, const json_t *class, bool *ret,
			   struct np_err *err)
{
	struct own_search s = { c, meta_text(class, "namespace") };
	struct np_err why = NP_ERR_INIT;
	json_auto_t *record = NULL;

	if (np_vmclass_record_read(class, &record, &why) < 0 && why.code == NP_E_NOMEM)
		return np_fail_nomem(err);
	*ret = !np_vmclass_record_each(record, is_of_others, &s);
	return 0;
}

int controller_store_class(struct np_controller *c, const struct reflector *w, const json_t *class,
			   struct np_err *err)
{
	const char *ns = meta_text(class, "namespace"), *name = meta_text(class, "name");
	struct class_record *r = class_find(c, ns, name);
	bool registered = false;
	uint64_t digest;

	if (find_registered(c, class, &registered, err) < 0)
		return np_err_ret(err);
	if (!r && !registered)
		return 0;
	r = class_open(c, ns, name, err);
	if (!r)
		return np_err_ret(err);
	digest = controller_digest(class);
	if (digest == 0)
		return np_fail_nomem(err);
	r->round = w->round;
	r->registered = registered;
	/* An older state must not wait in the place of this one. */
	if (digest != r->digest || r->object)
		keep_object(c, r, class);
	if (digest == r->digest)
		return 0;
	r->digest = digest;
	r->seen_again = r->item.running;
	return r->seen_again ? 0 : enqueue(c, r, err);
}

static void lose_class(struct np_controller *c, struct class_record *r)
{
	struct np_err err = NP_ERR_INIT;

	r->digest = 0;
	r->applied = 0; /* one that is created later is not drift of this one */
	r->registered = false;
	drop_object(c, r);
	if (r->n_owners == 0)
		controller_store_forget(c, r);
	else if (enqueue(c, r, &err) < 0)
		controller_log(c, "error", "%s", err.text);
}

void controller_store_class_gone(struct np_controller *c, const json_t *class)
{
	struct class_record *r =
		class_find(c, meta_text(class, "namespace"), meta_text(class, "name"));

	if (r)
		lose_class(c, r);
}

/* Drops classes that were deleted between two watches; the first list also queues those that it did not show. */
static void sweep_classes(struct np_controller *c, const struct reflector *w, bool is_first)
{
	struct np_map_entry *e = np_map_next(&c->class_records, NULL);

	while (e) {
		struct class_record *r = (struct class_record *)(void *)e;

		e = np_map_next(&c->class_records, e);
		if (r->digest != 0 ? r->round != w->round : is_first)
			lose_class(c, r);
	}
}

int controller_store_end(struct np_controller *c, struct class_record *r, bool failed,
			 struct np_err *err)
{
	uint64_t now = controller_now_ms();

	if (r->seen_again && controller_queue_add(&c->queue, &r->item, now, err) < 0)
		return np_err_ret(err);
	r->seen_again = false;
	return controller_queue_done(&c->queue, &r->item, failed, now, arc4random(), err);
}

int controller_store_enqueue_all(struct np_controller *c, struct np_err *err)
{
	struct np_map_entry *e = NULL;

	while ((e = np_map_next(&c->class_records, e)))
		if (enqueue(c, (struct class_record *)(void *)e, err) < 0)
			return np_err_ret(err);
	return 0;
}

/* --- sources --------------------------------------------------------------------------------- */

static void source_free(struct owner *s)
{
	if (!s)
		return;
	free(s->entry.key);
	free(s->ns);
	free(s->name);
	free(s->uid);
	free(s->text);
	free(s->error);
	free(s->classes);
	free(s);
}

static void source_freep(struct owner **s)
{
	source_free(*s);
}

struct owner *controller_store_find(struct np_controller *c, enum watched_kind kind, const char *ns,
				    const char *name)
{
	return (struct owner *)(void *)np_map_find(&c->owners, NP_KEY(kind_texts[kind], ns, name));
}

static bool has_finalizer(const json_t *object)
{
	json_t *list = json_object_get(json_object_get(object, "metadata"), "finalizers");
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		if (json_is_string(item) &&
		    strcmp(json_string_value(item), CONTROLLER_FINALIZER) == 0)
			return true;
	return false;
}

static int source_new(enum watched_kind kind, const json_t *object, struct owner **ret,
		      struct np_err *err)
{
	NP_AUTO(source_freep) struct owner *s = calloc(1, sizeof(*s));

	if (!s)
		return np_fail_nomem(err);
	s->kind = kind;
	s->entry.key = np_key_pack(NP_KEY(kind_texts[kind], meta_text(object, "namespace"),
					  meta_text(object, "name")));
	s->ns = strdup(meta_text(object, "namespace"));
	s->name = strdup(meta_text(object, "name"));
	s->uid = strdup(meta_text(object, "uid"));
	s->text = controller_strip_object(kind, object);
	s->generation = json_integer_value(
		json_object_get(json_object_get(object, "metadata"), "generation"));
	s->deleting = meta_text(object, "deletionTimestamp")[0] != '\0';
	s->has_finalizer = has_finalizer(object);
	controller_status_recall(object, &s->status);
	if (!s->entry.key || !s->ns || !s->name || !s->uid || !s->text)
		return np_fail_nomem(err);
	*ret = np_take(s);
	return 0;
}

/* Reads the source's pools, to learn their classes or why it has none. */
static int read_pools(const struct np_controller *c, struct owner *s, struct np_input *ret,
		      struct np_err *err)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_err why = NP_ERR_INIT;
	json_t *root = json_loads(s->text, 0, NULL);

	if (!root)
		return np_fail_nomem(err);
	if (np_doc_new_take(s->name, root, &doc, err) < 0)
		return np_err_ret(err);
	if (np_pool_input_add(ret, c->o.catalogue, doc, &why) == 0)
		return 0;
	if (why.code == NP_E_NOMEM)
		return np_fail_nomem(err);
	s->error = strdup(why.text);
	return s->error ? 0 : np_fail_nomem(err);
}

/* Returns the class that an unreadable NodePool names; NULL: none. */
static char *class_of_text(const struct owner *s)
{
	json_auto_t *root = json_loads(s->text, 0, NULL);
	const char *name =
		json_string_value(json_object_get(json_object_get(root, "spec"), "vmClass"));

	return name && name[0] != '\0' ? strdup(name) : NULL;
}

static const char *class_ns_of(const struct np_controller *c, const struct owner *s)
{
	if (!c->class_resource.namespaced)
		return "";
	return c->class_ns ? c->class_ns : s->ns;
}

/* Joins source and class, once. */
static int link_class(struct np_controller *c, struct owner *s, const char *name,
		      struct np_err *err)
{
	struct class_record *r = class_open(c, class_ns_of(c, s), name, err);
	struct class_record **classes;
	struct owner **sources;

	if (!r)
		return np_err_ret(err);
	for (size_t i = 0; i < s->n_classes; i++)
		if (s->classes[i] == r)
			return 0;
	classes = reallocarray(s->classes, s->n_classes + 1, sizeof(*classes));
	if (!classes)
		return np_fail_nomem(err);
	s->classes = classes;
	if ((r->n_owners & (r->n_owners - 1)) == 0) {
		sources = reallocarray(r->owners, r->n_owners != 0 ? 2 * r->n_owners : 1,
				       sizeof(*sources));
		if (!sources)
			return np_fail_nomem(err);
		r->owners = sources;
	}
	s->classes[s->n_classes++] = r;
	r->owners[r->n_owners++] = s;
	return 0;
}

static int link_classes(struct np_controller *c, struct owner *s, struct np_err *err)
{
	NP_AUTO(np_pool_input_done) struct np_input in = { 0 };
	NP_AUTO(np_freep) char *name = NULL;

	if (read_pools(c, s, &in, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; !s->error && i < in.n_pools; i++) {
		const char *vm_class = in.pools[i].vm_class;

		if (vm_class && link_class(c, s, vm_class, err) < 0)
			return np_err_ret(err);
	}
	name = s->error && s->kind == WATCHED_NODEPOOL ? class_of_text(s) : NULL;
	return name ? link_class(c, s, name, err) : 0;
}

/* Removes the source from its classes, which are then looked at again. */
static void unlink_classes(struct np_controller *c, struct owner *s)
{
	struct np_err err = NP_ERR_INIT;

	for (size_t i = 0; i < s->n_classes; i++) {
		struct class_record *r = s->classes[i];
		size_t at = 0;

		while (at < r->n_owners && r->owners[at] != s)
			at++;
		if (at < r->n_owners)
			r->owners[at] = r->owners[--r->n_owners];
		if (enqueue(c, r, &err) < 0)
			controller_log(c, "error", "%s", err.text);
	}
	s->n_classes = 0;
}

static void remove_source(struct np_controller *c, struct owner *s)
{
	unlink_classes(c, s);
	np_map_remove(&c->owners, &s->entry);
	source_free(s);
}

/* Tells whether the new state of a source asks for work; its status alone does not. */
static bool is_news(const struct owner *old, const struct owner *new)
{
	if (strcmp(old->text, new->text) != 0 || strcmp(old->uid, new->uid) != 0 ||
	    old->deleting != new->deleting)
		return true;
	/* observedGeneration must follow; of a Cluster only the stored part matters. */
	return new->kind == WATCHED_NODEPOOL &&
	       (old->generation != new->generation || (old->has_finalizer && !new->has_finalizer));
}

static int add_source(struct np_controller *c, struct owner *take, struct np_err *err)
{
	NP_AUTO(source_freep) struct owner *s = take;
	struct owner *kept;

	if (np_map_insert(&c->owners, &s->entry, err) < 0)
		return np_err_ret(err);
	kept = np_take(s);
	if (link_classes(c, kept, err) < 0) {
		remove_source(c, kept);
		return np_err_ret(err);
	}
	/* A NodePool's status reports it. */
	if (kept->error && kept->kind != WATCHED_NODEPOOL)
		controller_log_line(
			c,
			&(struct np_controller_line){
				.level = "warning",
				.ns = kept->ns,
				.cluster = kept->name,
				.code = controller_reason_name(REASON_INVALID_NODEPOOL) },
			"%s", kept->error);
	for (size_t i = 0; i < kept->n_classes; i++)
		if (enqueue(c, kept->classes[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

int controller_store_put(struct np_controller *c, struct reflector *w, const json_t *object,
			 struct np_err *err)
{
	struct owner *old = controller_store_find(c, w->kind, meta_text(object, "namespace"),
						  meta_text(object, "name"));
	NP_AUTO(source_freep) struct owner *s = NULL;

	if (w->kind != WATCHED_NODEPOOL && !controller_is_managed(object)) {
		if (old)
			remove_source(c, old);
		return 0;
	}
	if (source_new(w->kind, object, &s, err) < 0)
		return np_err_ret(err);
	s->round = w->round;
	if (old && !is_news(old, s)) {
		old->round = w->round;
		old->has_finalizer = s->has_finalizer;
		old->status = s->status;
		return 0;
	}
	if (old)
		remove_source(c, old);
	return add_source(c, np_take(s), err);
}

void controller_store_drop(struct np_controller *c, enum watched_kind kind, const json_t *object)
{
	struct owner *s = controller_store_find(c, kind, meta_text(object, "namespace"),
						meta_text(object, "name"));

	if (s)
		remove_source(c, s);
}

void controller_store_sweep(struct np_controller *c, struct reflector *w)
{
	struct np_map_entry *e = np_map_next(&c->owners, NULL);
	bool is_first = !atomic_exchange(&w->synced, true);

	pthread_cond_broadcast(&c->changed);
	if (w->kind == WATCHED_CLASS) {
		sweep_classes(c, w, is_first);
		return;
	}
	while (e) {
		struct owner *s = (struct owner *)(void *)e;

		e = np_map_next(&c->owners, e);
		if (s->kind == w->kind && s->round != w->round)
			remove_source(c, s);
	}
}

void controller_store_done(struct np_controller *c)
{
	struct np_map_entry *e;

	while ((e = np_map_next(&c->owners, NULL))) {
		np_map_remove(&c->owners, e);
		source_free((struct owner *)(void *)e);
	}
	while ((e = np_map_next(&c->class_records, NULL))) {
		np_map_remove(&c->class_records, e);
		class_free((struct class_record *)(void *)e);
	}
	free(c->owners.slots);
	free(c->class_records.slots);
	free(c->queue.heap);
}
