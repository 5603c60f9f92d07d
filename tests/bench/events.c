/* SPDX-License-Identifier: Apache-2.0 */

/*
 * events FILE - runs libyaml's parser over the bytes and counts its events: the floor under any
 * reader that is built on it. Prints the count.
 */

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

static unsigned char *load(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "rb");
	unsigned char *bytes = NULL;
	long size = -1;

	if (f && fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0)
		bytes = malloc((size_t)size + 1);
	if (!bytes || fseek(f, 0, SEEK_SET) != 0 ||
	    fread(bytes, 1, (size_t)size, f) != (size_t)size) {
		perror(path);
		exit(1);
	}
	fclose(f);
	*ret_size = (size_t)size;
	return bytes;
}

int main(int argc, char *argv[])
{
	size_t size = 0, n = 0;
	unsigned char *bytes = load(argc > 1 ? argv[1] : "/dev/stdin", &size);
	yaml_parser_t parser;
	yaml_event_t event;
	int last = 0;

	if (!yaml_parser_initialize(&parser))
		return 1;
	yaml_parser_set_input_string(&parser, bytes, size);
	while (!last) {
		if (!yaml_parser_parse(&parser, &event)) {
			fprintf(stderr, "line %zu: %s\n", parser.problem_mark.line + 1,
				parser.problem);
			return 1;
		}
		last = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
		n++;
	}
	yaml_parser_delete(&parser);
	free(bytes);
	printf("%zu\n", n);
	return 0;
}
