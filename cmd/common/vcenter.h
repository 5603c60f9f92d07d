/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_COMMON_VCENTER_H
#define NODEPREP_CMD_COMMON_VCENTER_H

/*
 * vcenter - the options of a vCenter, and what govc reads of the environment.
 *
 * Secrets    A password in --vcenter is removed from the process's command line as the option is read.
 */

#include "options.h"

#include "nodeprep/kube.h"
#include "nodeprep/vcenter.h"

struct vcenter_flags {
	struct np_vcenter_options options;
	char *url; /* --vcenter, copied */
};

/* Returns the table that fills *target. */
struct option_table vcenter_table(struct vcenter_flags *target);

/* Reads govc's user, password and CA files of the environment. GOVC_URL and GOVC_INSECURE are not read. */
void vcenter_environment(struct vcenter_flags *f);

/*
 * Completes the options by what they share with the API server's: TLS, proxies, time limits, log and
 * cancellation. `stdin_taken`: standard input is read for something else.
 */
int vcenter_finish(struct vcenter_flags *f, const struct np_kube_options *k, bool stdin_taken,
		   struct np_err *err);

/* Wipes and frees the URL. */
void vcenter_flags_done(struct vcenter_flags *f);

/*
 * Removes the password from "[https://]USER:PASSWORD@HOST" in place; what follows moves to the front, and
 * NULs fill the rest.
 */
void vcenter_scrub(char *url);

#endif
