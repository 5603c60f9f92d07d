/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

/* Phrases of log lines about an unassigned BAR, of the PCI core and of NVIDIA's driver. */
static const struct phrase {
	const char *text;
	bool is_driver;
} phrases[] = {
	{ "BAR0 is 0M", true },           { "BAR1 is 0M", true },
	{ "BAR2 is 0M", true },           { "BAR3 is 0M", true },
	{ "RmInitAdapter failed", true }, { "assigned to your NVIDIA device is invalid", true },
	{ "can't assign", false },        { "can't claim", false },
	{ "failed to assign", false },    { "no compatible bridge window", false },
	{ "no space for", false },
};

/*
 * A record of /dev/kmsg is "priority,sequence,time,flags;text", a continuation starts with a blank.
 */
static const char *skip_prefix(const char *line, const char *end)
{
	const char *semicolon = memchr(line, ';', (size_t)(end - line));
	const char *at = line;

	while (semicolon && at < semicolon && strchr("0123456789,-c+", *at))
		at++;
	return semicolon && at == semicolon && at > line ? semicolon + 1 : line;
}

static const struct phrase *find_phrase(const char *line, size_t size)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (memmem(line, size, phrases[i].text, strlen(phrases[i].text)))
			return &phrases[i];
	return NULL;
}

static void read_line(struct np_kernel_log *log, const char *line, const char *end)
{
	const char *text = skip_prefix(line, end);
	size_t size = (size_t)(end - text);
	const struct phrase *phrase = find_phrase(text, size);
	struct np_log_finding *finding = &log->findings[log->n];

	log->n_lines++;
	if (!phrase || log->n == NP_LOG_FINDINGS_MAX)
		return;
	/* The port window of a device matters to no GPU. */
	if (!phrase->is_driver && memmem(text, size, "[io ", 4))
		return;
	if (!np_report_find_address(text, size, finding->address))
		finding->address[0] = '\0';
	finding->is_driver = phrase->is_driver;
	np_report_copy_clean(finding->text, sizeof(finding->text), text, size);
	log->n++;
}

void nodecheck_log_parse(struct np_kernel_log *log, const char *bytes, size_t size)
{
	const char *at = bytes, *end = bytes + size;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		if (stop > at)
			read_line(log, at, stop);
		at = stop + 1;
	}
}
