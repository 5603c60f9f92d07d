/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nodeprep/doc.h"
#include "nodeprep/map.h"
#include "nodeprep/text.h"
#include "nodeprep/vmclass.h"

#define WORDS_MAX 32
#define RECORD_SHOWN 48 /* bytes of the record in the annotation */

extern char **environ;

/* The class as it stands and as it would be. */
struct sides {
	char *live, *merged;
	char *name;
};

static void sides_done(struct sides *s)
{
	free(s->live);
	free(s->merged);
	free(s->name);
	*s = (struct sides){ 0 };
}

/* Both sides as JSON. Of a class of vCenter they are what a PATCH has: the record has no place there. */
static int make_trees(const struct np_plan_class *c, json_t **ret_live, json_t **ret_merged,
		      struct np_err *err)
{
	if (np_vmclass_vcenter_info(c->class->node.json))
		return np_vmclass_vcenter_bodies(c->class, &c->change, ret_live, ret_merged, err);
	*ret_merged = np_vmclass_patched(c->class->node.json, c->change.patch);
	*ret_live = np_json_ref(c->class->node.json);
	return *ret_merged ? 0 : np_fail_nomem(err);
}

/* Returns a copy with a long record cut, and its size and hash behind, so that a change is still seen. */
static json_t *shorten_record(const json_t *object)
{
	json_t *copy = json_copy(np_json_mut(object));
	json_t *metadata = json_copy(json_object_get(object, "metadata"));
	json_t *annotations = json_copy(json_object_get(metadata, "annotations"));
	const char *text = json_string_value(json_object_get(annotations, NP_MANAGED_ANNOTATION));
	size_t size = text ? strlen(text) : 0;

	if (size > RECORD_SHOWN)
		json_object_set_new(annotations, NP_MANAGED_ANNOTATION,
				    json_sprintf("%.*s... (%zu bytes, %016" PRIx64 ")",
						 RECORD_SHOWN, text, size, np_map_hash(0, text)));
	if (annotations)
		json_object_set_new(metadata, "annotations", annotations);
	if (metadata)
		json_object_set_new(copy, "metadata", metadata);
	return copy;
}

static int render_side(const json_t *object, bool is_short, char **ret, struct np_err *err)
{
	json_auto_t *shown = is_short ? shorten_record(object) : json_incref(np_json_mut(object));

	return shown ? np_render_object(shown, ret, err) : np_fail_nomem(err);
}

static int name_sides(const struct np_plan *plan, const struct np_plan_class *c, char **ret,
		      struct np_err *err)
{
	NP_AUTO(np_freep) char *name = NULL;
	const char *ns = c->ns ? c->ns : "";
	int n = strcmp(plan->api, "vcenter") == 0
			? asprintf(&name, "vcenter.VirtualMachineClass.%s", c->name)
			: asprintf(&name, "vmoperator.vmware.com.VirtualMachineClass.%s.%s", ns,
				   c->name);

	if (n < 0) {
		name = NULL;
		return np_fail_nomem(err);
	}
	*ret = np_text_escaped(name);
	return *ret ? 0 : np_fail_nomem(err);
}

/* Makes both sides; they are left NULL where nothing differs. */
static int sides_make(const struct np_plan *plan, const struct np_plan_class *c, bool is_short,
		      struct sides *ret, struct np_err *err)
{
	NP_AUTO(sides_done) struct sides s = { 0 };
	json_auto_t *live = NULL, *merged = NULL;

	if (json_object_size(c->change.patch) == 0)
		return 0;
	if (make_trees(c, &live, &merged, err) < 0 || name_sides(plan, c, &s.name, err) < 0)
		return np_err_ret(err);
	if (json_equal(live, merged))
		return 0;
	if (render_side(live, is_short, &s.live, err) < 0 ||
	    render_side(merged, is_short, &s.merged, err) < 0)
		return np_err_ret(err);
	*ret = s;
	s = (struct sides){ 0 };
	return 0;
}

static int find_difference(const struct np_plan *plan, bool *ret, struct np_err *err)
{
	for (size_t i = 0; i < plan->n_classes && !*ret; i++) {
		NP_AUTO(sides_done) struct sides s = { 0 };

		if (sides_make(plan, &plan->classes[i], false, &s, err) < 0)
			return np_err_ret(err);
		*ret = !!s.live;
	}
	return 0;
}

static int print_builtin(const struct sides *s, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	NP_AUTO(np_freep) char *live = NULL;
	NP_AUTO(np_freep) char *merged = NULL;

	if (asprintf(&live, "LIVE/%s", s->name) < 0 || asprintf(&merged, "MERGED/%s", s->name) < 0)
		return np_fail_nomem(err);
	if (np_render_diff(&(struct np_diff_text){ live, s->live },
			   &(struct np_diff_text){ merged, s->merged }, is_colour_terminal(), &text,
			   err) < 0)
		return np_err_ret(err);
	return put(text, err);
}

/* Two folders for the external program, which are gone afterwards with all that is in them. */
struct folders {
	char *live, *merged;
};

static void remove_folder(char *path)
{
	DIR *d = path ? opendir(path) : NULL;
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.' || entry->d_type == DT_REG)
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d) {
		closedir(d);
		rmdir(path);
	}
	free(path);
}

static void folders_done(struct folders *f)
{
	remove_folder(f->live);
	remove_folder(f->merged);
}

static int make_folder(const char *prefix, char **ret, struct np_err *err)
{
	const char *tmp = getenv("TMPDIR");
	NP_AUTO(np_freep) char *path = NULL;

	if (asprintf(&path, "%s/%s-XXXXXX", tmp && tmp[0] != '\0' ? tmp : "/tmp", prefix) < 0) {
		path = NULL;
		return np_fail_nomem(err);
	}
	if (!mkdtemp(path))
		return np_fail(err, NP_E_IO, "'%s': %s", path, strerror(errno));
	*ret = np_take(path);
	return 0;
}

static int write_side(const char *folder, const char *name, const char *text, struct np_err *err)
{
	NP_AUTO(np_freep) char *path = NULL;
	FILE *f;
	bool failed;

	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return np_fail_nomem(err);
	}
	f = fopen(path, "wxe");
	if (!f)
		return np_fail(err, NP_E_IO, "'%s': %s", path, strerror(errno));
	failed = fputs(text, f) == EOF;
	failed = fclose(f) != 0 || failed;
	return failed ? np_fail(err, NP_E_IO, "'%s': cannot write", path) : 0;
}

/* As kubectl reads it: blanks part the program from its options. */
static int split_words(char *text, char *words[static WORDS_MAX + 3], struct np_err *err)
{
	size_t n = 0;

	for (char *word = strtok(text, " \t"); word; word = strtok(NULL, " \t")) {
		if (n == WORDS_MAX)
			return np_fail(err, NP_E_USAGE, "KUBECTL_EXTERNAL_DIFF has over %d words",
				       WORDS_MAX);
		words[n++] = word;
	}
	if (n == 0)
		return np_fail(err, NP_E_USAGE, "KUBECTL_EXTERNAL_DIFF does not name a program");
	return (int)n;
}

/* Exit status 1 says that the sides differ, more says that the program failed. */
static int run_program(char *const words[], struct np_err *err)
{
	pid_t pid;
	int status, r;

	fflush(stdout);
	r = posix_spawnp(&pid, words[0], NULL, NULL, words, environ);
	if (r != 0)
		return np_fail(err, NP_E_USAGE, "KUBECTL_EXTERNAL_DIFF: cannot run '%s': %s",
			       words[0], strerror(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return np_fail(err, NP_E_IO, "'%s': %s", words[0], strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return np_fail(err, NP_E_USAGE, "KUBECTL_EXTERNAL_DIFF: '%s' failed", words[0]);
	return 0;
}

static int run_external(const char *program, const struct folders *f, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = strdup(program);
	char *words[WORDS_MAX + 3] = { NULL };
	int n;

	if (!text)
		return np_fail_nomem(err);
	n = split_words(text, words, err);
	if (n < 0)
		return n;
	words[n] = f->live;
	words[n + 1] = f->merged;
	return run_program(words, err);
}

/* As kubectl does: all classes into two folders, one run of the program over both. */
static int print_external(const char *program, const struct np_plan *plan, struct np_err *err)
{
	NP_AUTO(folders_done) struct folders f = { NULL, NULL };

	if (make_folder("LIVE", &f.live, err) < 0 || make_folder("MERGED", &f.merged, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < plan->n_classes; i++) {
		NP_AUTO(sides_done) struct sides s = { 0 };

		if (sides_make(plan, &plan->classes[i], false, &s, err) < 0 ||
		    (s.live && (write_side(f.live, s.name, s.live, err) < 0 ||
				write_side(f.merged, s.name, s.merged, err) < 0)))
			return np_err_ret(err);
	}
	return run_external(program, &f, err);
}

static int print_all(const struct np_plan *plan, struct np_err *err)
{
	const char *program = getenv("KUBECTL_EXTERNAL_DIFF");

	if (program && program[0] != '\0')
		return print_external(program, plan, err);
	for (size_t i = 0; i < plan->n_classes; i++) {
		NP_AUTO(sides_done) struct sides s = { 0 };

		if (sides_make(plan, &plan->classes[i], true, &s, err) < 0 ||
		    (s.live && print_builtin(&s, err) < 0))
			return np_err_ret(err);
	}
	return 0;
}

int run_diff(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { 0 };
	bool differs = false;

	if (work_plan(o, &w, err) < 0)
		return np_err_ret(err);
	/* No class is in a plan that has failed, so none differs. */
	if (find_difference(&w.plan, &differs, err) < 0)
		return np_err_ret(err);
	if (differs && print_all(&w.plan, err) < 0)
		return np_err_ret(err);
	log_notes(&w.plan);
	log_plan_errors(&w.plan);
	log_hints(is_vcenter(o) ? NULL : w.kube, &w.plan);
	if (w.plan.n_errors > 0)
		return np_code_exit_status(np_plan_code(&w.plan));
	return differs ? EXIT_FINDINGS : 0;
}
