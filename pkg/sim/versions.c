/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

/* As a server orders them: the newest first. An old Supervisor has the last alone. */
static const char *const versions[] = { "v1alpha6", "v1alpha5", "v1alpha4",
					"v1alpha3", "v1alpha2", "v1alpha1" };
enum { N_VERSIONS = sizeof(versions) / sizeof(versions[0]) };

struct np_words sim_versions(const struct np_sim *sim)
{
	if (sim->cluster_scoped)
		return (struct np_words){ versions + N_VERSIONS - 1, 1 };
	return NP_WORDS(versions);
}

bool sim_is_version_served(const struct np_sim *sim, const char *version)
{
	struct np_words served = sim_versions(sim);

	for (size_t i = 0; i < served.n; i++)
		if (strcmp(served.word[i], version) == 0)
			return true;
	return false;
}
