/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_COMMON_KUBE_H
#define NODEPREP_CMD_COMMON_KUBE_H

/*
 * kube - the options of an API server, which are kubectl's, and what kubectl reads of the environment.
 */

#include "options.h"

#include "nodeprep/kube.h"

#define KUBE_TIMEOUT_HELP "limit of the whole run, 60s by default"

/* Whose rows a table takes. */
enum kube_group {
	KUBE_CLIENT = 1 << 0, /* a command's */
	KUBE_DAEMON = 1 << 1, /* nodeprep-hookd's */
	KUBE_CONTROLLER = 1 << 2, /* the controller's, whose run has no limit */
};

/* Returns the table that fills *target. */
struct option_table kube_table(struct np_kube_options *target, enum kube_group group);

/* Reads what kubectl reads of the environment. */
void kube_environment(struct np_kube_options *k);

/* Sets *ret to the options of --supervisor-kubeconfig: that file, and the rest as for the other API server. */
struct np_kube_options kube_supervisor(const char *kubeconfig, const struct np_kube_options *other);

#endif
