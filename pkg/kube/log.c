/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/err.h"

void kube_log(struct np_kube *k, const char *prefix, const char *text)
{
	char clean[NP_ERR_TEXT_MAX], line[NP_ERR_TEXT_MAX + 64];

	if (!k->config->log)
		return;
	kube_redact(&k->config->secrets, text, clean, sizeof(clean));
	snprintf(line, sizeof(line), "%s%s", prefix, clean);
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	k->config->log(k->config->log_ctx, line);
}
