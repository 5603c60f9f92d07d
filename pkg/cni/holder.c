/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

void np_cni_holder(const struct np_cni_config *c, const struct np_cni_call *call,
		   char buf[static NP_CNI_HOLDER_MAX])
{
	const char *container = call->container ? call->container : "";
	const char *ifname = call->ifname ? call->ifname : "";
	int used = snprintf(buf, NP_CNI_HOLDER_MAX, "cni/%s/%s", c->name, c->instance);

	/* An interface without a container keeps its place: the container is an empty part. */
	if (*container || *ifname)
		used += snprintf(buf + used, (size_t)(NP_CNI_HOLDER_MAX - used), "/%s", container);
	if (*ifname)
		snprintf(buf + used, (size_t)(NP_CNI_HOLDER_MAX - used), "/%s", ifname);
}

/* Returns the part after "cni/NETWORK/INSTANCE/"; NULL if the holder belongs to another. */
static const char *attachment_of(const struct np_cni_config *c, const char *holder)
{
	char mine[NP_CNI_HOLDER_MAX];
	int n = snprintf(mine, sizeof(mine), "cni/%s/%s/", c->name, c->instance);

	return strncmp(holder, mine, (size_t)n) == 0 ? holder + n : NULL;
}

/* A holder without an interface matches every interface of its container. */
static bool is_same(const struct np_cni_attachment *a, const char *attachment)
{
	size_t n = strcspn(attachment, "/");

	if (strlen(a->container) != n || strncmp(a->container, attachment, n) != 0)
		return false;
	return !attachment[n] || strcmp(a->ifname, attachment + n + 1) == 0;
}

bool np_cni_is_stale(const struct np_cni_config *c, const char *holder)
{
	const char *attachment = attachment_of(c, holder);

	/* A bootstrap without ids is in no runtime's list. */
	if (!c->has_valid || !attachment || !*attachment || *attachment == '/')
		return false;
	for (size_t i = 0; i < c->n_valid; i++)
		if (is_same(&c->valid[i], attachment))
			return false;
	return true;
}
