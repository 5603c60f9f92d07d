/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <event2/bufferevent_ssl.h>
#include <event2/keyvalq_struct.h>
#include <string.h>

#include "nodeprep/err.h"

void serve_handle_request(struct np_serve *s, const struct np_serve_request *request,
			  struct np_serve_reply *reply)
{
	struct np_err err = NP_ERR_INIT;

	if (s->handler(s->ctx, request, reply, &err) == 0)
		return;
	serve_log(s, "error", err.text);
	np_serve_reply_done(reply);
	reply->status = 500;
}
