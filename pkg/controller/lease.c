/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <string.h>

#include "nodeprep/json.h"

/* A promise beyond this is taken for a mistake: nobody would lead for so long. */
#define LEASE_SECONDS_MAX 3600

/* An int32 in the API, which is one more after each change of the holder. */
#define LEASE_TRANSITIONS_MAX (INT32_MAX - 1)

static json_int_t bounded(json_int_t n, json_int_t least, json_int_t most)
{
	return n < least ? least : n > most ? most : n;
}

/* Sources: coordination.k8s.io/v1; an empty holder is how client-go gives a lease back. */
int controller_lease_observe(struct lease *l, const json_t *record, uint64_t now_ms,
			     struct np_err *err)
{
	const json_t *spec = json_object_get(record, "spec");
	const char *version =
		np_json_member_text(json_object_get(record, "metadata"), "resourceVersion");
	json_int_t seconds = json_integer_value(json_object_get(spec, "leaseDurationSeconds"));
	struct lease seen = { .seen_ms = now_ms, .valid_until_ms = l->valid_until_ms };

	if (!record) {
		seen.valid_until_ms = 0;
		*l = seen;
		return 0;
	}
	if (version[0] == '\0' ||
	    strlcpy(seen.version, version, sizeof(seen.version)) >= sizeof(seen.version))
		return np_fail(err, NP_E_REFUSED, "the lease has no resourceVersion");
	if (strlcpy(seen.holder, np_json_member_text(spec, "holderIdentity"),
		    sizeof(seen.holder)) >= sizeof(seen.holder))
		return np_fail(err, NP_E_REFUSED, "the lease's holderIdentity is too long");
	seen.lease_ms = (uint64_t)bounded(seconds, 1, LEASE_SECONDS_MAX) * 1000;
	seen.transitions = bounded(json_integer_value(json_object_get(spec, "leaseTransitions")), 0,
				   LEASE_TRANSITIONS_MAX);
	if (strcmp(seen.version, l->version) == 0)
		seen.seen_ms = l->seen_ms;
	*l = seen;
	return 0;
}

enum lease_step controller_lease_decide(const struct lease *l, const char *identity,
					uint64_t now_ms)
{
	if (l->version[0] == '\0')
		return LEASE_CREATE;
	if (strcmp(l->holder, identity) == 0)
		return LEASE_RENEW;
	if (l->holder[0] == '\0' || now_ms - l->seen_ms >= l->lease_ms)
		return LEASE_TAKE;
	return LEASE_WAIT;
}

void controller_lease_won(struct lease *l, uint64_t began_ms, uint64_t renew_ms)
{
	l->valid_until_ms = began_ms + renew_ms;
}

bool controller_lease_is_valid(const struct lease *l, uint64_t now_ms)
{
	return now_ms < l->valid_until_ms;
}

json_t *controller_lease_spec(const struct lease *l, const char *identity, enum lease_step step,
			      uint64_t lease_ms, const char *now)
{
	json_int_t seconds = (json_int_t)((lease_ms + 999) / 1000);

	if (step == LEASE_RENEW)
		return json_pack("{s:s, s:I, s:s}", "holderIdentity", identity,
				 "leaseDurationSeconds", seconds, "renewTime", now);
	return json_pack("{s:s, s:I, s:s, s:s, s:I}", "holderIdentity", identity,
			 "leaseDurationSeconds", seconds, "acquireTime", now, "renewTime", now,
			 "leaseTransitions",
			 (json_int_t)(step == LEASE_CREATE ? 0 : l->transitions + 1));
}

json_t *controller_lease_release_spec(const char *now)
{
	return json_pack("{s:s, s:I, s:s}", "holderIdentity", "", "leaseDurationSeconds",
			 (json_int_t)1, "renewTime", now);
}
