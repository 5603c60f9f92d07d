/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd.h"

#include <stdio.h>

void log_call(const char *level, const struct call *c)
{
	const struct np_hook_answer *a = c->answer;
	json_auto_t *fields =
		json_pack("{s:s, s:s, s:s, s:f, s:i, s:i, s:i, s:s*, s:s*}", "id", c->id, "hook",
			  c->hook, "result", c->result, "seconds", c->seconds, "templates",
			  (int)a->templates, "classes", (int)a->classes, "conflicts",
			  (int)a->conflicts, "client", c->peer, "refused", a->refused);
	char line[NP_ERR_TEXT_MAX + 200];

	snprintf(line, sizeof(line), "%s %s %s%s%s", c->id, c->hook, c->result,
		 a->message[0] ? ": " : "", a->message);
	log_write(&(struct log_entry){ .level = level,
				       .text = a->message[0] ? a->message : "answered",
				       .kind = c->hook,
				       .reason = a->refused ? a->refused : a->message,
				       .line = line,
				       .fields = fields });
}
