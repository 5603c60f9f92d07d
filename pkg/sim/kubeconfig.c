/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/base64.h"
#include "nodeprep/doc.h"

static const char cluster_name[] = "nodeprep-sim";

static int add_user(const struct user *u, json_t *users, json_t *contexts)
{
	json_t *user = json_pack("{s:s, s:{s:s}}", "name", u->name, "user", "token", u->token);
	json_t *context =
		json_pack("{s:s, s:{s:s, s:s, s:s}}", "name", u->name, "context", "cluster",
			  cluster_name, "user", u->name, "namespace", "default");

	if (json_array_append_new(users, user) < 0) {
		json_decref(context);
		return -1;
	}
	return json_array_append_new(contexts, context);
}

int np_sim_kubeconfig(const struct np_sim *sim, const char *server_url, char **ret,
		      struct np_err *err)
{
	NP_AUTO(np_freep)
	char *ca = np_base64_encode(sim->identity.ca_pem, strlen(sim->identity.ca_pem));
	json_auto_t *users = json_array();
	json_auto_t *contexts = json_array();
	json_auto_t *config = NULL;

	if (!ca || !users || !contexts)
		return np_fail_nomem(err);
	for (size_t i = 0; i < sim->users.n; i++)
		if (add_user(&sim->users.items[i], users, contexts) < 0)
			return np_fail_nomem(err);
	config = json_pack("{s:s, s:s, s:[{s:s, s:{s:s, s:s}}], s:O, s:O, s:s}", "apiVersion", "v1",
			   "kind", "Config", "clusters", "name", cluster_name, "cluster", "server",
			   server_url, "certificate-authority-data", ca, "users", users, "contexts",
			   contexts, "current-context", sim->users.items[0].name);
	return config ? np_doc_dump_yaml(config, false, ret, err) : np_fail_nomem(err);
}
