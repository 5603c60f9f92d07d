/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_KUBE_FOLDER_TESTBED_H
#define NODEPREP_KUBE_FOLDER_TESTBED_H

/*
 * folder_testbed - a folder of its own for each test, and kubeconfigs in it.
 */

#include "expect.h"
#include "files.h"
#include "internal.h"

#include <bsd/string.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/err.h"

struct folder {
	char path[64];
};

static inline int make_folder(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	strlcpy(f->path, "/tmp/nodeprep-kube-XXXXXX", sizeof(f->path));
	*state = f;
	return mkdtemp(f->path) ? 0 : -1;
}

static inline int drop_folder(void **state)
{
	struct folder *f = *state;
	DIR *dir = opendir(f->path);
	struct dirent *entry;
	char path[512];

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", f->path, entry->d_name);
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlink(path);
	}
	if (dir)
		closedir(dir);
	rmdir(f->path);
	free(f);
	return 0;
}

/* Writes a file into the folder and returns its path, good until the next but three. */
static inline const char *put(const struct folder *f, const char *name, const char *text)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", f->path, name);
	save_file(path, text);
	return path;
}

#define CLUSTER(fields)                                           \
	"current-context: a\n"                                    \
	"contexts: [{name: a, context: {cluster: c, user: u}}]\n" \
	"users: [{name: u, user: {}}]\n"                          \
	"clusters:\n- name: c\n  cluster:\n    server: https://h:6443\n" fields
#define USER(fields)                                              \
	"current-context: a\n"                                    \
	"contexts: [{name: a, context: {cluster: c, user: u}}]\n" \
	"clusters: [{name: c, cluster: {server: 'https://h'}}]\n" \
	"users:\n- name: u\n  user:\n" fields

#define V1 "client.authentication.k8s.io/v1"
#define V1BETA1 "client.authentication.k8s.io/v1beta1"

static inline int load(const char *path, struct np_kube_config **ret, struct np_err *err)
{
	const struct np_kube_options o = { .kubeconfig = path };

	return np_kube_config_load(&o, ret, err);
}

#endif
