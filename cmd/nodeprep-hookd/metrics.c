/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd.h"

#include <stdio.h>
#include <stdlib.h>

#include "nodeprep/err.h"

#define PREFIX "nodeprep_hookd_"
#define NS_PER_S 1e9

const char *const result_names[RESULT_MAX] = {
	[RESULT_SUCCESS] = "success",
	[RESULT_FAILURE] = "failure",
	[RESULT_RETRY] = "retry",
	[RESULT_ERROR] = "error",
};

/* GeneratePatches is to answer within 200 ms, a lifecycle hook within 30 s. */
static const struct bound {
	uint64_t ns;
	const char *label;
} bounds[BUCKETS_MAX] = {
	{ 100000, "0.0001" },  { 250000, "0.00025" },  { 500000, "0.0005" }, { 1000000, "0.001" },
	{ 2500000, "0.0025" }, { 5000000, "0.005" },   { 10000000, "0.01" }, { 50000000, "0.05" },
	{ 200000000, "0.2" },  { 1000000000, "1" },    { 5000000000, "5" },  { 10000000000, "10" },
	{ 30000000000, "30" }, { UINT64_MAX, "+Inf" },
};

void metrics_count(struct metrics *m, enum np_hook_kind kind, enum result result,
		   uint64_t nanoseconds)
{
	size_t i = 0;

	while (nanoseconds > bounds[i].ns)
		i++;
	atomic_fetch_add_explicit(&m->hooks[kind].results[result], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->hooks[kind].buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->hooks[kind].nanoseconds, nanoseconds, memory_order_relaxed);
}

static unsigned long long get(const atomic_ullong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

static void put_requests(FILE *out, const struct metrics *m)
{
	head(out, "requests_total", "counter", "Hook calls, by hook and result.");
	for (enum np_hook_kind k = 0; k < NP_HOOK_KIND_MAX; k++)
		for (enum result r = 0; r < RESULT_MAX; r++)
			fprintf(out, PREFIX "requests_total{hook=\"%s\",result=\"%s\"} %llu\n",
				np_hook_name(k), result_names[r], get(&m->hooks[k].results[r]));
}

static void put_durations(FILE *out, const struct metrics *m)
{
	head(out, "request_duration_seconds", "histogram", "Duration of hook calls.");
	for (enum np_hook_kind k = 0; k < NP_HOOK_KIND_MAX; k++) {
		unsigned long long sum = 0;

		for (size_t i = 0; i < BUCKETS_MAX; i++) {
			sum += get(&m->hooks[k].buckets[i]);
			fprintf(out,
				PREFIX "request_duration_seconds_bucket{hook=\"%s\",le=\"%s\"} "
				       "%llu\n",
				np_hook_name(k), bounds[i].label, sum);
		}
		fprintf(out,
			PREFIX "request_duration_seconds_sum{hook=\"%s\"} %.9f\n" PREFIX
			       "request_duration_seconds_count{hook=\"%s\"} %llu\n",
			np_hook_name(k), (double)get(&m->hooks[k].nanoseconds) / NS_PER_S,
			np_hook_name(k), sum);
	}
}

static void put_counter(FILE *out, const char *name, const char *help, const atomic_ullong *value)
{
	head(out, name, "counter", help);
	fprintf(out, PREFIX "%s %llu\n", name, get(value));
}

static void put_value(FILE *out, const char *name, const char *type, const char *help,
		      unsigned long long value)
{
	head(out, name, type, help);
	fprintf(out, PREFIX "%s %llu\n", name, value);
}

static void put_server(FILE *out, const struct np_serve *server)
{
	struct np_serve_stats s = { .connections = 0 };

	np_serve_read_stats(server, &s);
	put_value(out, "connections", "gauge", "Open connections of the hooks' port.",
		  s.connections);
	put_value(out, "bodies_bytes", "gauge", "Memory of bodies and answers in flight.",
		  s.memory);
	put_value(out, "connections_evicted_total", "counter",
		  "Connections closed for being slow, or idle where others needed room.",
		  s.evicted);
	put_value(out, "requests_malformed_total", "counter",
		  "Requests refused for how they are written.", s.malformed);
	put_value(out, "bodies_refused_total", "counter",
		  "Bodies refused by 503 because memory was short.", s.refused);
}

static void put_certificate(FILE *out, const struct np_serve *server)
{
	struct np_serve_stats s = { .connections = 0 };

	np_serve_read_stats(server, &s);
	put_value(out, "certificate_not_after_timestamp_seconds", "gauge",
		  "When the certificate in use expires, as Unix time.",
		  (unsigned long long)s.certificate_not_after);
	put_value(out, "client_ca_not_after_timestamp_seconds", "gauge",
		  "When the first of the client CAs expires, as Unix time; 0 without a client CA.",
		  (unsigned long long)s.client_ca_not_after);
	put_value(out, "certificate_loaded_timestamp_seconds", "gauge",
		  "When the certificate in use was loaded, as Unix time.",
		  (unsigned long long)s.certificate_loaded);
	put_value(out, "certificate_last_reload_successful", "gauge",
		  "0 while the certificate files cannot be loaded again, else 1.",
		  !s.certificate_is_stale);
	put_value(out, "certificate_reload_failures_total", "counter",
		  "Failed attempts to load the certificate files again.", s.reload_failures);
}

char *metrics_text(const struct metrics *m, const struct np_serve *server, bool ready)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	head(out, "build_info", "gauge", "The running version, as a label.");
	fprintf(out, PREFIX "build_info{version=\"%s\"} 1\n", NP_VERSION);
	head(out, "ready", "gauge", "1 if /readyz reports ready, else 0.");
	fprintf(out, PREFIX "ready %d\n", ready);
	put_requests(out, m);
	put_durations(out, m);
	put_counter(out, "templates_patched_total",
		    "Template patches in GeneratePatches responses.", &m->templates);
	put_counter(out, "classes_patched_total",
		    "VirtualMachineClass patches accepted by the API server.", &m->classes);
	put_counter(out, "conflicts_total",
		    "Class patches rejected because the class had changed since it was read.",
		    &m->conflicts);
	put_counter(out, "requests_rejected_total",
		    "HTTP requests rejected because they are not valid hook calls.", &m->rejected);
	put_server(out, server);
	put_certificate(out, server);
	if (ferror(out) | fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
