/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeprep/file.h"
#include "nodeprep/json.h"
#include "nodeprep/units.h"

enum { STATE_MAX = 64 << 20 };

static const char version_file[] = "resource-version";
static const char suffix[] = ".json";

/* --- the files ------------------------------------------------------------------------------ */

static int fail_path(const char *path, struct np_err *err)
{
	return np_fail(err, NP_E_IO, "'%s': %s", path, strerror(errno));
}

static int join(const char *dir, const char *name, const char *end, char **ret, struct np_err *err)
{
	char *path;

	if (asprintf(&path, "%s/%s%s", dir, name, end) < 0)
		return np_fail_nomem(err);
	*ret = path;
	return 0;
}

static int write_bytes(const char *path, const char *text, struct np_err *err)
{
	NP_AUTO(np_closep) int fd = -1;
	size_t size = strlen(text);

	if (np_file_open_write(path, O_CREAT | O_TRUNC, 0600, &fd, err) < 0)
		return np_err_ret(err);
	while (size > 0) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_path(path, err);
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

/* A reader, the next start among them, sees the file whole or not at all. */
int sim_state_write(const char *dir, const char *name, const char *text, struct np_err *err)
{
	NP_AUTO(np_freep) char *path = NULL;
	NP_AUTO(np_freep) char *next = NULL;

	if (join(dir, name, "", &path, err) < 0 || join(dir, name, ".next", &next, err) < 0 ||
	    write_bytes(next, text, err) < 0)
		return np_err_ret(err);
	return rename(next, path) < 0 ? fail_path(path, err) : 0;
}

int sim_state_read(const char *dir, const char *name, char **ret, struct np_err *err)
{
	NP_AUTO(np_freep) char *path = NULL;
	size_t size;

	if (join(dir, name, "", &path, err) < 0)
		return np_err_ret(err);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	return np_file_load(path, STATE_MAX, ret, &size, err) < 0 ? np_err_ret(err) : 1;
}

/* Namespaces and names hold no '_' (RFC 1123), so the file's name is unambiguous. */
static int object_file(const char *key, char **ret, struct np_err *err)
{
	char *name;

	if (asprintf(&name, "%s%s", key, suffix) < 0)
		return np_fail_nomem(err);
	*strchr(name, '/') = '_';
	*ret = name;
	return 0;
}

static int save_version(const struct store *s, struct np_err *err)
{
	char text[32];

	if (!s->dir)
		return 0;
	snprintf(text, sizeof(text), "%" PRIu64 "\n", s->version);
	return sim_state_write(s->dir, version_file, text, err);
}

static int save_object(const struct store *s, const char *key, const json_t *object,
		       struct np_err *err)
{
	NP_AUTO(np_freep) char *name = NULL;
	NP_AUTO(np_freep) char *text = NULL;

	if (!s->dir)
		return 0;
	text = json_dumps(object, JSON_INDENT(2) | JSON_SORT_KEYS);
	if (!text)
		return np_fail_nomem(err);
	if (object_file(key, &name, err) < 0 || save_version(s, err) < 0)
		return np_err_ret(err);
	return sim_state_write(s->dir, name, text, err);
}

static int erase_object(const struct store *s, const char *key, struct np_err *err)
{
	NP_AUTO(np_freep) char *name = NULL;
	NP_AUTO(np_freep) char *path = NULL;

	if (!s->dir)
		return 0;
	if (object_file(key, &name, err) < 0 || join(s->dir, name, "", &path, err) < 0 ||
	    save_version(s, err) < 0)
		return np_err_ret(err);
	return unlink(path) < 0 && errno != ENOENT ? fail_path(path, err) : 0;
}

/* --- the objects ---------------------------------------------------------------------------- */

size_t sim_store_seek(const struct store *s, const char *key)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(s->items[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct store *s, size_t i, const char *key)
{
	return i < s->n && strcmp(s->items[i].key, key) == 0;
}

json_t *sim_store_find(const struct store *s, const char *key)
{
	size_t i = sim_store_seek(s, key);

	return is_at(s, i, key) ? s->items[i].json : NULL;
}

static int grow(struct store *s, struct np_err *err)
{
	size_t cap = s->cap > 0 ? s->cap * 2 : 16;
	struct stored *items;

	if (s->n < s->cap)
		return 0;
	items = reallocarray(s->items, cap, sizeof(*items));
	if (!items)
		return np_fail_nomem(err);
	s->items = items;
	s->cap = cap;
	return 0;
}

/* Replaces or inserts; keeps a reference of its own. */
static int insert(struct store *s, const char *key, json_t *object, struct np_err *err)
{
	size_t i = sim_store_seek(s, key);
	char *copy;

	if (is_at(s, i, key)) {
		json_decref(s->items[i].json);
		s->items[i].json = json_incref(object);
		return 0;
	}
	copy = strdup(key);
	if (!copy || grow(s, err) < 0) {
		free(copy);
		return np_fail_nomem(err);
	}
	memmove(&s->items[i + 1], &s->items[i], (s->n - i) * sizeof(s->items[0]));
	s->items[i] = (struct stored){ copy, json_incref(object) };
	s->n++;
	return 0;
}

static void note_change(struct store *s, const char *type, json_t *object)
{
	size_t i = (s->first_change + s->n_changes) % CHANGES_MAX;

	if (s->n_changes == CHANGES_MAX) {
		json_decref(s->changes[i].object);
		s->first_change = (s->first_change + 1) % CHANGES_MAX;
	} else {
		s->n_changes++;
	}
	s->changes[i] = (struct change){ s->version, type, json_incref(object) };
}

static int set_version(json_t *object, uint64_t version)
{
	json_t *meta = json_object_get(object, "metadata");
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, version);
	return json_object_set_new(meta, "resourceVersion", json_string(text));
}

int sim_store_put_take(struct store *s, const char *key, json_t *object, struct np_err *err)
{
	json_auto_t *taken = object;
	const char *type = sim_store_find(s, key) ? "MODIFIED" : "ADDED";

	if (set_version(taken, s->version + 1) < 0)
		return np_fail_nomem(err);
	s->version++;
	if (save_object(s, key, taken, err) < 0 || insert(s, key, taken, err) < 0)
		return np_err_ret(err);
	note_change(s, type, taken);
	return 0;
}

int sim_store_remove(struct store *s, const char *key, json_t **ret, struct np_err *err)
{
	size_t i = sim_store_seek(s, key);
	json_auto_t *last = json_deep_copy(s->items[i].json);

	if (!last || set_version(last, s->version + 1) < 0)
		return np_fail_nomem(err);
	s->version++;
	if (erase_object(s, key, err) < 0)
		return np_err_ret(err);
	json_decref(s->items[i].json);
	free(s->items[i].key);
	s->n--;
	memmove(&s->items[i], &s->items[i + 1], (s->n - i) * sizeof(s->items[0]));
	note_change(s, "DELETED", last);
	*ret = np_take(last);
	return 0;
}

/* --- start and end -------------------------------------------------------------------------- */

static int raise_version(struct store *s, const char *text, const char *name, struct np_err *err)
{
	uint64_t version;

	if (!text || np_u64_parse(text, 1, UINT64_MAX / 2, &version, err) < 0)
		return np_fail(err, NP_E_SPEC, "'%s/%s': expected a resource version", s->dir,
			       name);
	if (version > s->version)
		s->version = version;
	return 0;
}

static int read_object(struct store *s, const char *name, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	NP_AUTO(np_freep) char *key = strdup(name);
	json_auto_t *object = NULL;
	char *cut = key ? strchr(key, '_') : NULL;

	if (!cut)
		return key ? 0 : np_fail_nomem(err);
	*cut = '/';
	key[strlen(key) - strlen(suffix)] = '\0';
	if (sim_state_read(s->dir, name, &text, err) < 0)
		return np_err_ret(err);
	object = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (!object)
		return np_fail(err, NP_E_SPEC, "'%s/%s': not a JSON object", s->dir, name);
	if (raise_version(s, np_json_meta_text(object, "resourceVersion"), name, err) < 0)
		return np_err_ret(err);
	return insert(s, key, object, err);
}

static void close_folder(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int read_objects(struct store *s, struct np_err *err)
{
	NP_AUTO(close_folder) DIR *d = opendir(s->dir);
	const struct dirent *e;

	if (!d)
		return fail_path(s->dir, err);
	while ((e = readdir(d))) {
		size_t size = strlen(e->d_name);

		if (size > strlen(suffix) &&
		    strcmp(e->d_name + size - strlen(suffix), suffix) == 0 &&
		    read_object(s, e->d_name, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int read_state(struct store *s, struct np_err *err)
{
	NP_AUTO(np_freep) char *version = NULL;

	if (mkdir(s->dir, 0700) < 0 && errno != EEXIST)
		return fail_path(s->dir, err);
	if (sim_state_read(s->dir, version_file, &version, err) < 0)
		return np_err_ret(err);
	if (version)
		version[strcspn(version, "\n")] = '\0';
	if (version && raise_version(s, version, version_file, err) < 0)
		return np_err_ret(err);
	return read_objects(s, err);
}

int sim_store_open(struct store *s, const char *dir, struct np_err *err)
{
	/* A real server has used up some versions by the time it serves: no test may count on 1. */
	s->version = 100;
	s->changes = calloc(CHANGES_MAX, sizeof(*s->changes));
	if (!s->changes)
		return np_fail_nomem(err);
	if (!dir)
		return 0;
	s->dir = strdup(dir);
	return s->dir ? read_state(s, err) : np_fail_nomem(err);
}

void sim_store_done(struct store *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->items[i].key);
		json_decref(s->items[i].json);
	}
	for (size_t i = 0; i < s->n_changes; i++)
		json_decref(s->changes[(s->first_change + i) % CHANGES_MAX].object);
	free(s->items);
	free(s->changes);
	free(s->dir);
	memset(s, 0, sizeof(*s));
}
