/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

/* Names of settings, letters and digits alone, sorted; in the words of the vendors' exports. */
static const struct setting_name {
	const char *name;
	enum host_setting setting;
} setting_names[] = {
	{ "64bitmmio", SETTING_ABOVE_4G },
	{ "above4g", SETTING_ABOVE_4G },
	{ "above4gb", SETTING_ABOVE_4G },
	{ "above4gbdecoding", SETTING_ABOVE_4G },
	{ "above4gdecode", SETTING_ABOVE_4G },
	{ "above4gdecoding", SETTING_ABOVE_4G },
	{ "above4gmemory", SETTING_ABOVE_4G },
	{ "above4gmmio", SETTING_ABOVE_4G },
	{ "above4gmmioassignment", SETTING_ABOVE_4G },
	{ "above4gmmiobiosassignment", SETTING_ABOVE_4G },
	{ "amdiommu", SETTING_IOMMU },
	{ "amdiommusupport", SETTING_IOMMU },
	{ "amdiovirtualizationtechnology", SETTING_IOMMU },
	{ "amdvi", SETTING_IOMMU },
	{ "amdvsvmiommu", SETTING_IOMMU },
	{ "biosvfintelvtfordirectedio", SETTING_IOMMU },
	{ "enableiommu", SETTING_IOMMU },
	{ "enablesriov", SETTING_SRIOV },
	{ "intelprocvtd", SETTING_IOMMU },
	{ "intelrvtfordirectedio", SETTING_IOMMU },
	{ "intelrvtfordirectediovtd", SETTING_IOMMU },
	{ "intelvirtualizationtechnologyfordirectedio", SETTING_IOMMU },
	{ "intelvirtualizationtechnologyfordirectediovtd", SETTING_IOMMU },
	{ "intelvtd", SETTING_IOMMU },
	{ "intelvtdsupport", SETTING_IOMMU },
	{ "intelvtdtechnology", SETTING_IOMMU },
	{ "intelvtfordirectedio", SETTING_IOMMU },
	{ "intelvtfordirectediovtd", SETTING_IOMMU },
	{ "intelvtforio", SETTING_IOMMU },
	{ "iommu", SETTING_IOMMU },
	{ "iommumode", SETTING_IOMMU },
	{ "iommusupport", SETTING_IOMMU },
	{ "memorymappedioabove4g", SETTING_ABOVE_4G },
	{ "memorymappedioabove4gb", SETTING_ABOVE_4G },
	{ "memorymappedioabove4gbytes", SETTING_ABOVE_4G },
	{ "memorymappingabove4g", SETTING_ABOVE_4G },
	{ "memorymappingabove4gb", SETTING_ABOVE_4G },
	{ "mmconfigabove4g", SETTING_ABOVE_4G },
	{ "mmioabove4g", SETTING_ABOVE_4G },
	{ "mmioabove4gb", SETTING_ABOVE_4G },
	{ "mmioabove4gbassignment", SETTING_ABOVE_4G },
	{ "noiommu", SETTING_NO_IOMMU },
	{ "pci64bitdecode", SETTING_ABOVE_4G },
	{ "pci64bitresource", SETTING_ABOVE_4G },
	{ "pci64bitresourceallocation", SETTING_ABOVE_4G },
	{ "pcie64bitbarsupport", SETTING_ABOVE_4G },
	{ "pcie64bitresource", SETTING_ABOVE_4G },
	{ "pciesriov", SETTING_SRIOV },
	{ "pciesriovenable", SETTING_SRIOV },
	{ "pciesriovsupport", SETTING_SRIOV },
	{ "procamdiovt", SETTING_IOMMU },
	{ "processorvmxvtd", SETTING_IOMMU },
	{ "singlerootiovirtualization", SETTING_SRIOV },
	{ "singlerootiovirtualizationsriov", SETTING_SRIOV },
	{ "sriov", SETTING_SRIOV },
	{ "sriovenable", SETTING_SRIOV },
	{ "sriovenablement", SETTING_SRIOV },
	{ "sriovglobal", SETTING_SRIOV },
	{ "sriovglobalenable", SETTING_SRIOV },
	{ "sriovglobalsupport", SETTING_SRIOV },
	{ "sriovsupport", SETTING_SRIOV },
	{ "vgpuhotmigrateenabled", SETTING_HOT_MIGRATE },
	{ "virtualizationtechnologyfordirectedio", SETTING_IOMMU },
	{ "vpintelvtdsupport", SETTING_IOMMU },
	{ "vpintelvtfordirectedio", SETTING_IOMMU },
	{ "vpmemorymappedioabove4gb", SETTING_ABOVE_4G },
	{ "vpsriov", SETTING_SRIOV },
	{ "vpsriovsupport", SETTING_SRIOV },
	{ "vtd", SETTING_IOMMU },
	{ "vtdirectedio", SETTING_IOMMU },
	{ "vtdsupport", SETTING_IOMMU },
	{ "vtfordirectedio", SETTING_IOMMU },
	{ "vtfordirectediovtd", SETTING_IOMMU },
};

static const struct setting_name *find_name(const char *name)
{
	for (size_t i = 0; i < sizeof(setting_names) / sizeof(setting_names[0]); i++)
		if (strcmp(setting_names[i].name, name) == 0)
			return &setting_names[i];
	return NULL;
}

bool hostcheck_is_setting(const char *text, size_t size)
{
	char name[KEY_MAX];

	hostcheck_name_of(text, size, name);
	return !!find_name(name);
}

/* "Advanced.SR-IOV Support" and "/VMkernel/Boot/noIOMMU" end in the name. */
static const struct setting_name *find_setting(const char *key)
{
	char name[KEY_MAX];
	const struct setting_name *found;
	const char *last;

	hostcheck_name_of(key, strlen(key), name);
	found = find_name(name);
	last = key + strlen(key);
	while (last > key && !strchr("./\\>", last[-1]))
		last--;
	if (found || last == key)
		return found;
	hostcheck_name_of(last, strlen(last), name);
	return find_name(name);
}

static void set_setting(struct reading *r, const struct setting_name *name,
			const struct pair_line *p)
{
	bool no_is_worse = name->setting != SETTING_NO_IOMMU;
	enum np_verdict value = hostcheck_yes_or_no(p->value);

	if (r->is_pending) {
		hostcheck_set_worst(&r->h->pending[name->setting], value, no_is_worse);
		return;
	}
	hostcheck_set_worst(&r->h->settings[name->setting], value, no_is_worse);
	hostcheck_set_worst(&r->h->pending[name->setting], hostcheck_yes_or_no(p->pending),
			    no_is_worse);
}

/* Lines that name a setting, and the following lines with its value. */
static bool names_setting(const char *name)
{
	static const char *const names[] = { "attribute", "attributename", "key",
					     "name",      "path",          "setting" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool gives_value(const char *name)
{
	static const char *const names[] = { "currentvalue", "intvalue", "stringvalue", "value" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool hostcheck_read_setting_pair(struct reading *r, const struct pair_line *p)
{
	const struct setting_name *setting;

	if (names_setting(p->name)) {
		snprintf(r->setting, sizeof(r->setting), "%.*s", KEY_MAX - 1, p->value);
		return true;
	}
	setting = find_setting(gives_value(p->name) ? r->setting : p->key);
	if (!setting)
		return false;
	/* An option of type string has no number, and the other way round. */
	r->kinds |= 1u << KIND_SETTINGS;
	if (p->value[0] == '\0')
		return true;
	set_setting(r, setting, p);
	r->setting[0] = '\0';
	return true;
}

/* "noIOMMU  Bool  FALSE  FALSE  FALSE  Disable ...": name, type, configured, runtime, default. */
bool hostcheck_read_kernel_setting(struct reading *r, const char *line, size_t size)
{
	char name[64], configured[16], runtime[16], text[256];
	const struct setting_name *setting;

	np_report_copy_clean(text, sizeof(text), line, size);
	if (sscanf(text, " %63s Bool %15s %15s", name, configured, runtime) != 3)
		return false;
	setting = find_setting(name);
	if (!setting)
		return false;
	r->kinds |= 1u << KIND_SETTINGS;
	hostcheck_set_worst(&r->h->settings[setting->setting], hostcheck_yes_or_no(runtime),
			    setting->setting != SETTING_NO_IOMMU);
	return true;
}
