/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 32

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

static int sides_make(const struct np_plan_class *c, struct sides *ret, struct np_err *err)
{
	NP_AUTO(sides_done) struct sides s = { 0 };
	json_auto_t *patched = np_vmclass_patched(c->class->node.json, c->change.patch);

	if (patched == NULL)
		return np_fail_nomem(err);
	if (asprintf(&s.name, "vmoperator.vmware.com.VirtualMachineClass.%s.%s",
		     c->ns != NULL ? c->ns : "", c->name) < 0) {
		s.name = NULL;
		return np_fail_nomem(err);
	}
	if (np_render_object(c->class->node.json, &s.live, err) < 0 ||
	    np_render_object(patched, &s.merged, err) < 0)
		return -(int)err->code;
	*ret = s;
	s = (struct sides){ 0 };
	return 0;
}

static int print_builtin(const struct sides *s, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	NP_AUTO(np_freep) char *live = NULL;
	NP_AUTO(np_freep) char *merged = NULL;
	const char *no_colour = getenv("NO_COLOR");
	bool colour = isatty(STDOUT_FILENO) && (no_colour == NULL || no_colour[0] == '\0');

	if (asprintf(&live, "LIVE/%s", s->name) < 0 || asprintf(&merged, "MERGED/%s", s->name) < 0)
		return np_fail_nomem(err);
	if (np_render_diff(&(struct np_diff_text){ live, s->live },
			   &(struct np_diff_text){ merged, s->merged }, colour, &text, err) < 0)
		return -(int)err->code;
	return put(text, err);
}

/* Two folders for the external program, which are gone afterwards. */
struct folders {
	char live[64], merged[64];
};

static void folders_done(struct folders *f)
{
	if (f->live[0] != '\0')
		rmdir(f->live);
	if (f->merged[0] != '\0')
		rmdir(f->merged);
}

static int make_folder(const char *prefix, char *path, size_t size, struct np_err *err)
{
	char template[64];

	snprintf(template, sizeof(template), "/tmp/%s-XXXXXX", prefix);
	if (mkdtemp(template) == NULL)
		return np_fail(err, NP_E_IO, "'%s': %s", template, strerror(errno));
	snprintf(path, size, "%s", template);
	return 0;
}

static int write_side(const char *folder, const char *name, const char *text, char **ret_path,
		      struct np_err *err)
{
	NP_AUTO(np_freep) char *path = NULL;
	FILE *f;
	bool failed;

	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return np_fail_nomem(err);
	}
	f = fopen(path, "wxe");
	if (f == NULL)
		return np_fail(err, NP_E_IO, "'%s': %s", path, strerror(errno));
	failed = fputs(text, f) == EOF;
	failed = fclose(f) != 0 || failed;
	if (failed)
		return np_fail(err, NP_E_IO, "'%s': cannot write", path);
	*ret_path = np_take(path);
	return 0;
}

/* As kubectl reads it: blanks part the program from its options. */
static int split_words(char *text, char *words[static WORDS_MAX + 3], struct np_err *err)
{
	size_t n = 0;

	for (char *word = strtok(text, " \t"); word != NULL; word = strtok(NULL, " \t")) {
		if (n == WORDS_MAX)
			return np_fail(err, NP_E_USAGE, "KUBECTL_EXTERNAL_DIFF has over %d words",
				       WORDS_MAX);
		words[n++] = word;
	}
	if (n == 0)
		return np_fail(err, NP_E_USAGE, "KUBECTL_EXTERNAL_DIFF names no program");
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
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return np_fail(err, NP_E_IO, "'%s': %s", words[0], strerror(errno));
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return np_fail(err, NP_E_USAGE, "KUBECTL_EXTERNAL_DIFF: '%s' failed", words[0]);
	return 0;
}

static int run_external(const char *program, const struct folders *f, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = strdup(program);
	char *words[WORDS_MAX + 3] = { NULL };
	char live[64], merged[64];
	int n;

	if (text == NULL)
		return np_fail_nomem(err);
	n = split_words(text, words, err);
	if (n < 0)
		return n;
	snprintf(live, sizeof(live), "%s", f->live);
	snprintf(merged, sizeof(merged), "%s", f->merged);
	words[n] = live;
	words[n + 1] = merged;
	return run_program(words, err);
}

static int print_external(const char *program, const struct sides *s, struct np_err *err)
{
	NP_AUTO(folders_done) struct folders f = { "", "" };
	NP_AUTO(np_freep) char *live = NULL;
	NP_AUTO(np_freep) char *merged = NULL;
	int r = make_folder("LIVE", f.live, sizeof(f.live), err);

	if (r == 0)
		r = make_folder("MERGED", f.merged, sizeof(f.merged), err);
	if (r == 0)
		r = write_side(f.live, s->name, s->live, &live, err);
	if (r == 0)
		r = write_side(f.merged, s->name, s->merged, &merged, err);
	if (r == 0)
		r = run_external(program, &f, err);
	if (live != NULL)
		unlink(live);
	if (merged != NULL)
		unlink(merged);
	return r;
}

static int print_class(const struct np_plan_class *c, struct np_err *err)
{
	NP_AUTO(sides_done) struct sides s = { 0 };
	const char *program = getenv("KUBECTL_EXTERNAL_DIFF");

	if (sides_make(c, &s, err) < 0)
		return -(int)err->code;
	if (program != NULL && program[0] != '\0')
		return print_external(program, &s, err);
	return print_builtin(&s, err);
}

int run_diff(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { 0 };
	bool differs = false;

	if (work_plan(o, &w, err) < 0)
		return -(int)err->code;
	for (size_t i = 0; i < w.plan.n_classes; i++) {
		const struct np_plan_class *c = &w.plan.classes[i];

		if (json_object_size(c->change.patch) == 0)
			continue;
		differs = true;
		if (print_class(c, err) < 0)
			return -(int)err->code;
	}
	log_notes(&w.plan);
	log_plan_errors(&w.plan);
	if (w.plan.n_errors > 0)
		return np_code_exit_status(np_plan_code(&w.plan));
	return differs ? EXIT_FINDINGS : 0;
}
