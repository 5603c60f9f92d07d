/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>

#include "nodeprep/time.h"

static const char *const server_names[] = { "pools", "classes" };

static struct np_kube_config *config_of(const struct np_controller *c, unsigned i)
{
	return i == 0 ? c->pools : c->classes;
}

static void renew(struct np_controller *c, unsigned i, bool is_forced)
{
	struct np_kube_config *config = config_of(c, i);
	struct np_err err = NP_ERR_INIT;
	int renewed = config ? np_kube_config_renew(config, is_forced, &err) : 0;

	if (renewed > 0)
		controller_log(c, "info", "credentials for %s reloaded",
			       np_kube_config_server(config));
	else if (renewed < 0)
		controller_log(c, "warning",
			       "cannot reload the credentials for %s, keeping those in use: %s",
			       np_kube_config_server(config), err.text);
}

void controller_credentials_check(struct np_controller *c)
{
	bool is_forced = atomic_exchange(&c->reload, false);

	for (unsigned i = 0; i < CONTROLLER_SERVERS; i++)
		renew(c, i, is_forced);
}

void np_controller_reload(struct np_controller *c)
{
	atomic_store(&c->reload, true);
}

/* --- metrics --------------------------------------------------------------------------------- */

enum field { CERT_NOT_AFTER, CA_NOT_AFTER, LOADED, SUCCESSFUL, FAILURES, FIELD_MAX };

static const struct field_row {
	const char *name, *type, *help;
} field_rows[FIELD_MAX] = {
	[CERT_NOT_AFTER] = { "client_certificate_not_after_timestamp_seconds", "gauge",
			     "When the client certificate from a file expires, as Unix time; 0 "
			     "without one." },
	[CA_NOT_AFTER] = { "server_ca_not_after_timestamp_seconds", "gauge",
			   "When the first CA from a file expires, as Unix time; 0 without one." },
	[LOADED] = { "credentials_loaded_timestamp_seconds", "gauge",
		     "When the credentials' files were loaded, as Unix time; 0 without files." },
	[SUCCESSFUL] = { "credentials_last_reload_successful", "gauge",
			 "0 while the credentials' files cannot be loaded again, else 1." },
	[FAILURES] = { "credentials_reload_failures_total", "counter",
		       "Failed attempts to load the credentials' files again." },
};

static long long value_of(const struct np_kube_credential_stats *s, enum field field)
{
	switch (field) {
	case CERT_NOT_AFTER:
		return s->certificate_not_after;
	case CA_NOT_AFTER:
		return s->ca_not_after;
	case LOADED:
		return s->loaded_at;
	case SUCCESSFUL:
		return !s->is_stale;
	default:
		return (long long)s->failures;
	}
}

void controller_credentials_put(FILE *out, const struct np_controller *c)
{
	struct np_kube_credential_stats stats[CONTROLLER_SERVERS];

	for (unsigned i = 0; i < CONTROLLER_SERVERS && config_of(c, i); i++)
		np_kube_config_read_stats(config_of(c, i), &stats[i]);
	for (unsigned k = 0; k < FIELD_MAX; k++) {
		const struct field_row *row = &field_rows[k];

		fprintf(out,
			"# HELP " CONTROLLER_METRICS "%s %s\n# TYPE " CONTROLLER_METRICS "%s %s\n",
			row->name, row->help, row->name, row->type);
		for (unsigned i = 0; i < CONTROLLER_SERVERS && config_of(c, i); i++)
			fprintf(out, CONTROLLER_METRICS "%s{server=\"%s\"} %lld\n", row->name,
				server_names[i], value_of(&stats[i], (enum field)k));
	}
}
