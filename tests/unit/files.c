/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

char *load_file(const char *path, size_t *ret_size)
{
	char *bytes = NULL, chunk[4096];
	size_t size = 0, n;
	FILE *in = fopen(path, "rb"), *out = open_memstream(&bytes, &size);

	if (!in || !out)
		fail_msg("cannot read %s", path);
	while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0)
		fwrite(chunk, 1, n, out);
	if (ferror(in) || fclose(out) != 0)
		fail_msg("cannot read %s", path);
	fclose(in);
	if (ret_size)
		*ret_size = size;
	return bytes;
}

void save_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		fail_msg("cannot write %s", path);
}

size_t each_entry(const char *folder, void (*each)(const char *path))
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, NULL, alphasort);
	size_t seen = 0;

	if (n < 0)
		fail_msg("cannot read the folder %s", folder);
	for (int i = 0; i < n; i++) {
		char path[1024];

		if (entries[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
			each(path);
			seen++;
		}
		free(entries[i]);
	}
	free(entries);
	return seen;
}

static int (*corpus_target)(const uint8_t *bytes, size_t size);

static void replay_file(const char *path)
{
	size_t size = 0;
	char *text = load_file(path, &size);
	uint8_t *bytes = malloc(size ? size : 1);
	int result;

	assert_non_null(bytes);
	memcpy(bytes, text, size);
	free(text);
	result = corpus_target(bytes, size);
	free(bytes);
	if (result != 0)
		fail_msg("%s: the target returned %d", path, result);
}

size_t replay_corpus(const char *folder, int (*target)(const uint8_t *bytes, size_t size))
{
	corpus_target = target;
	return each_entry(folder, replay_file);
}
