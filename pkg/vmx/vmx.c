/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/vmx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/units.h"

#define PREFIX "pciPassthru"
/* No ESXi has a larger window; a larger size is treated as text, not as a number. */
#define SIZE_MAX_GB (UINT64_C(1) << 40)

static const char *const key_names[NP_VMX_KEY_MAX] = {
	[NP_VMX_USE64] = NP_VMX_USE64_NAME,
	[NP_VMX_SIZE] = NP_VMX_SIZE_NAME,
};

/* VMware, "Machine Learning on vSphere: GPUDirect RDMA", the settings of the VM. */
static const char *const peer_names[] = {
	"pciPassthru.RelaxACSforP2P",
	"pciPassthru.allowP2P",
};

const char *np_vmx_key_name(enum np_vmx_key key)
{
	return key_names[key];
}

enum np_vmx_key np_vmx_key_of(const char *name)
{
	enum np_vmx_key key = 0;

	while (key < NP_VMX_KEY_MAX && strcasecmp(name, key_names[key]) != 0)
		key++;
	return key;
}

static bool is_peer(const char *name)
{
	for (size_t i = 0; i < sizeof(peer_names) / sizeof(peer_names[0]); i++)
		if (strcasecmp(name, peer_names[i]) == 0)
			return true;
	return false;
}

enum np_vmx_name np_vmx_classify(const char *name)
{
	if (strncasecmp(name, PREFIX, strlen(PREFIX)) != 0)
		return NP_VMX_NAME_OTHER;
	if (np_vmx_key_of(name) != NP_VMX_KEY_MAX)
		return NP_VMX_NAME_WINDOW;
	if (is_peer(name))
		return NP_VMX_NAME_PEER;
	return strcasestr(name, "MMIO") || strcasestr(name, "P2P") ? NP_VMX_NAME_MISSPELT
								   : NP_VMX_NAME_OTHER;
}

bool np_vmx_is_same(enum np_vmx_key key, const char *a, const char *b)
{
	return key == NP_VMX_USE64 ? strcasecmp(a, b) == 0 : strcmp(a, b) == 0;
}

static void add_size(struct np_vmx_current *c, bool canonical, const char *text)
{
	struct np_err ignored = NP_ERR_INIT;
	uint64_t gb;

	if (np_u64_parse(text, 0, SIZE_MAX_GB, &gb, &ignored) < 0)
		return;
	if (c->is_canonical && !canonical)
		return;
	if ((canonical && !c->is_canonical) || !c->has_size || gb > c->size_gb)
		c->size_gb = gb;
	c->has_size = true;
	c->is_canonical = canonical;
}

void np_vmx_add(struct np_vmx_current *c, const char *name, const char *text)
{
	enum np_vmx_key key = np_vmx_key_of(name);

	if (key == NP_VMX_KEY_MAX)
		return;
	c->has_any = true;
	if (key == NP_VMX_SIZE)
		add_size(c, strcmp(name, key_names[key]) == 0, text);
}

/* Keeps the size that is set, as the power of two that ESXi demands, and warns of it. */
static int keep_current(const struct np_vmx_current *current, const struct np_vmx_need *need,
			struct np_vmx_desired *d, struct np_err *err)
{
	char raised[48] = "";

	if (np_pow2_ceil(current->size_gb, &d->gb, err) < 0)
		return np_err_ret(err);
	d->change = need->gb > 0 || d->gb != current->size_gb;
	if (d->gb != current->size_gb)
		snprintf(raised, sizeof(raised), ", raised to %" PRIu64 " GB (a power of two)",
			 d->gb);
	snprintf(d->kept, sizeof(d->kept), "the current %" PRIu64 " GB is kept%s", current->size_gb,
		 raised);
	if (need->gb == 0 && need->has_uncounted)
		snprintf(
			d->warning, sizeof(d->warning),
			"%s: a device may be a GPU that needs it; if it is one, add it with --catalogue",
			d->kept);
	else if (need->gb == 0)
		snprintf(d->warning, sizeof(d->warning),
			 "%s, though no device needs a window; --allow-shrink removes it", d->kept);
	else
		snprintf(d->warning, sizeof(d->warning),
			 "%s, %" PRIu64 " GB is %s; --allow-shrink lowers it", d->kept, need->gb,
			 need->has_uncounted ? "wanted" : "enough");
	return 0;
}

static int decide_without_need(const struct np_vmx_current *current, const struct np_vmx_need *need,
			       struct np_vmx_desired *d, struct np_err *err)
{
	d->gb = current->has_size ? current->size_gb : 0;
	if (!current->has_any || !need->has_devices)
		return 0;
	if (need->allow_shrink && !need->has_uncounted) {
		d->change = true;
		d->gb = 0;
		return 0;
	}
	return d->gb > 0 ? keep_current(current, need, d, err) : 0;
}

int np_vmx_decide(const struct np_vmx_current *current, const struct np_vmx_need *need,
		  struct np_vmx_desired *ret, struct np_err *err)
{
	*ret = (struct np_vmx_desired){ .gb = 0 };
	if (need->gb == 0)
		return decide_without_need(current, need, ret, err);
	ret->change = true;
	ret->gb = need->gb;
	if (!current->has_size || current->size_gb <= need->gb || need->allow_shrink)
		return 0;
	return keep_current(current, need, ret, err);
}

const char *np_vmx_text(enum np_vmx_key key, uint64_t gb, char buf[static NP_VMX_TEXT_MAX])
{
	if (gb == 0)
		return NULL;
	if (key == NP_VMX_USE64)
		return "TRUE";
	snprintf(buf, NP_VMX_TEXT_MAX, "%" PRIu64, gb);
	return buf;
}

const char *np_vmx_key_reason(enum np_vmx_key key, const char *text, const char *reason)
{
	if (!text)
		return "no device needs a window (--allow-shrink)";
	if (key == NP_VMX_USE64)
		return "puts the GPUs' BARs into a window above 4 GB";
	return reason ? reason : "the pools' need";
}
