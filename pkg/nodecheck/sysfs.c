/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "nodeprep/file.h"
#include "nodeprep/report.h"

#define DEVICES_MAX 16384
#define GPUS_MAX 1024
#define FILE_MAX (64 * 1024)
#define LOG_MAX (4 * 1024 * 1024)
#define CLASS_DISPLAY 0x03
#define CLASS_ACCELERATOR 0x12
/* A bridge that decodes its windows; a subtractive one (060401) is inconclusive. */
#define CLASS_BRIDGE 0x060400

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Opens a plain file only: a FIFO would wait, a device may do anything. */
static int open_plain(int dir, const char *name)
{
	struct stat st;
	int fd;

	if (fstatat(dir, name, &st, 0) < 0 || !S_ISREG(st.st_mode))
		return -1;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Reads at most `max` bytes; returns how many, or -1. */
static ssize_t read_file(int dir, const char *name, char *buf, size_t max)
{
	NP_AUTO(np_closep) int fd = open_plain(dir, name);
	size_t used = 0;

	if (fd < 0)
		return -1;
	while (used < max) {
		ssize_t got = read(fd, buf + used, max - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
}

/* Reads "0x10de" and a newline. */
static bool read_number(int dir, const char *name, unsigned long max, unsigned long *ret)
{
	char buf[32];
	ssize_t size = read_file(dir, name, buf, sizeof(buf) - 1);
	char *end;
	unsigned long value;

	if (size <= 0)
		return false;
	buf[size] = '\0';
	buf[strcspn(buf, "\r\n")] = '\0';
	if (buf[0] != '0' || (buf[1] != 'x' && buf[1] != 'X') || buf[2] == '\0')
		return false;
	value = strtoul(buf + 2, &end, 16);
	if (*end != '\0' || value > max || strchr("+- ", buf[2]))
		return false;
	*ret = value;
	return true;
}

/* Returns the last component of a link's target, which need not exist. */
static enum np_verdict read_link(int dir, const char *name, char *ret, size_t max)
{
	char target[4096];
	ssize_t size = readlinkat(dir, name, target, sizeof(target) - 1);
	const char *last;

	ret[0] = '\0';
	if (size < 0)
		return errno == ENOENT ? NP_VERDICT_NO : NP_VERDICT_UNKNOWN;
	target[size] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	np_report_copy_clean(ret, max, last, strlen(last));
	return ret[0] != '\0' ? NP_VERDICT_YES : NP_VERDICT_UNKNOWN;
}

static bool is_directory(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/*
 * --- one device ---------------------------------------------------------------------------------
 */

/* The attributes read of every function. */
struct function {
	int dir;
	const char *address;
	struct np_pci_id id, subsystem;
	bool has_subsystem;
	bool has_class;
	unsigned long class; /* 24 bits */
};

static bool read_function(struct function *f)
{
	unsigned long vendor, device;

	if (!read_number(f->dir, "vendor", 0xffff, &vendor) ||
	    !read_number(f->dir, "device", 0xffff, &device))
		return false;
	f->id = (struct np_pci_id){ (uint16_t)vendor, (uint16_t)device };
	f->has_class = read_number(f->dir, "class", 0xffffff, &f->class);
	f->has_subsystem = read_number(f->dir, "subsystem_vendor", 0xffff, &vendor) &&
			   read_number(f->dir, "subsystem_device", 0xffff, &device);
	if (f->has_subsystem)
		f->subsystem = (struct np_pci_id){ (uint16_t)vendor, (uint16_t)device };
	return true;
}

/* A GPU vendor's function missing in the catalogue is a GPU if its class is one or unknown. */
static bool is_gpu(const struct function *f, const struct np_catalogue *cat)
{
	enum np_pci_class class = np_gpu_pci_classify(cat, f->id);

	if (class != NP_PCI_GPU_UNKNOWN)
		return class == NP_PCI_GPU;
	return !f->has_class || f->class >> 16 == CLASS_DISPLAY ||
	       f->class >> 16 == CLASS_ACCELERATOR;
}

static bool read_config(int dir, unsigned char config[static CONFIG_BYTES])
{
	return read_file(dir, "config", (char *)config, CONFIG_BYTES) == CONFIG_BYTES;
}

static bool read_regions(int dir, struct regions *ret)
{
	char text[4096];
	ssize_t size = read_file(dir, "resource", text, sizeof(text));

	return size > 0 && (size_t)size < sizeof(text) &&
	       nodecheck_regions_parse(text, (size_t)size, ret);
}

/* The driver's own name of the card: "Model: \t\t GRID A100-40C". */
static void read_product(int procfs, struct np_seen_gpu *gpu)
{
	char path[128], text[4096];
	ssize_t size;
	const char *model, *end;

	snprintf(path, sizeof(path), "driver/nvidia/gpus/%s/information", gpu->address);
	size = procfs < 0 ? -1 : read_file(procfs, path, text, sizeof(text) - 1);
	if (size <= 0)
		return;
	text[size] = '\0';
	model = strstr(text, "Model:");
	if (!model || (model > text && model[-1] != '\n'))
		return;
	model += strlen("Model:");
	model += strspn(model, " \t");
	end = model + strcspn(model, "\r\n");
	np_report_copy_clean(gpu->product, sizeof(gpu->product), model, (size_t)(end - model));
	gpu->is_vgpu = np_report_is_vgpu_product(gpu->product) ? NP_VERDICT_YES : NP_VERDICT_NO;
}

static void read_gpu(const struct function *f, const struct np_catalogue *cat, int procfs,
		     struct np_seen_gpu *gpu)
{
	unsigned char config[CONFIG_BYTES];
	struct regions regions;
	char group[32], parent[32];
	bool has_config = read_config(f->dir, config);
	bool has_regions = read_regions(f->dir, &regions);

	*gpu = (struct np_seen_gpu){ .has_id = true,
				     .id = f->id,
				     .has_subsystem = f->has_subsystem,
				     .subsystem = f->subsystem,
				     .iommu_group = -1 };
	np_report_copy_clean(gpu->address, sizeof(gpu->address), f->address, strlen(f->address));
	np_report_identify(gpu, cat, true);
	gpu->has_driver = read_link(f->dir, "driver", gpu->driver, sizeof(gpu->driver));
	gpu->is_vf = read_link(f->dir, "physfn", parent, sizeof(parent)) == NP_VERDICT_YES;
	if (read_link(f->dir, "iommu_group", group, sizeof(group)) == NP_VERDICT_YES &&
	    strspn(group, "0123456789") == strlen(group) && strlen(group) < 10)
		gpu->iommu_group = strtol(group, NULL, 10);
	nodecheck_read_bars(gpu, has_regions ? &regions : NULL, has_config ? config : NULL);
	read_product(procfs, gpu);
}

static bool read_bridge(const struct function *f, struct np_seen_bridge *bridge)
{
	unsigned char config[CONFIG_BYTES];
	struct regions regions;

	*bridge = (struct np_seen_bridge){ .domain = (unsigned)strtoul(f->address, NULL, 16) };
	np_report_copy_clean(bridge->address, sizeof(bridge->address), f->address,
			     strlen(f->address));
	return read_config(f->dir, config) &&
	       nodecheck_read_bridge(bridge, read_regions(f->dir, &regions) ? &regions : NULL,
				     config);
}

/*
 * --- all devices --------------------------------------------------------------------------------
 */

static int add_gpu(struct np_node_hw *m, const struct np_seen_gpu *gpu, struct np_err *err)
{
	struct np_seen_gpu *all;

	if (m->n_gpus == GPUS_MAX)
		return np_fail(err, NP_E_SPEC, "more than %d GPUs: not a node", GPUS_MAX);
	all = reallocarray(m->gpus, m->n_gpus + 1, sizeof(*all));
	if (!all)
		return np_fail_nomem(err);
	m->gpus = all;
	m->gpus[m->n_gpus++] = *gpu;
	return 0;
}

static int add_bridge(struct np_node_hw *m, const struct np_seen_bridge *bridge, struct np_err *err)
{
	struct np_seen_bridge *all = reallocarray(m->bridges, m->n_bridges + 1, sizeof(*all));

	if (!all)
		return np_fail_nomem(err);
	m->bridges = all;
	m->bridges[m->n_bridges++] = *bridge;
	return 0;
}

static int scan_device(struct np_node_hw *m, const struct np_catalogue *cat, int devices,
		       int procfs, const char *address, struct np_err *err)
{
	NP_AUTO(np_closep)
	int dir = openat(devices, address, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	struct function f = { .dir = dir, .address = address };
	struct np_seen_bridge bridge;
	struct np_seen_gpu gpu;

	m->n_devices++;
	if (dir < 0 || !read_function(&f)) {
		m->n_unreadable++;
		return 0;
	}
	if (is_gpu(&f, cat)) {
		read_gpu(&f, cat, procfs, &gpu);
		return add_gpu(m, &gpu, err);
	}
	if (f.has_class && f.class == CLASS_BRIDGE && read_bridge(&f, &bridge))
		return add_bridge(m, &bridge, err);
	return 0;
}

static int by_address(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int scan_names(struct np_node_hw *m, const struct np_catalogue *cat, int devices, int procfs,
		      char (*names)[NP_PCI_ADDRESS_MAX], size_t n, struct np_err *err)
{
	qsort(names, n, sizeof(*names), by_address);
	for (size_t i = 0; i < n; i++)
		if (scan_device(m, cat, devices, procfs, names[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

static int scan_devices(struct np_node_hw *m, const struct np_catalogue *cat, DIR *dir, int procfs,
			struct np_err *err)
{
	NP_AUTO(np_freep) void *block = NULL;
	char(*names)[NP_PCI_ADDRESS_MAX];
	const struct dirent *entry;
	size_t n = 0;

	block = reallocarray(NULL, DEVICES_MAX, sizeof(*names));
	names = block;
	if (!names)
		return np_fail_nomem(err);
	while ((entry = readdir(dir))) {
		if (!np_report_is_address(entry->d_name))
			continue;
		if (n == DEVICES_MAX)
			return np_fail(err, NP_E_SPEC, "more than %d PCI devices", DEVICES_MAX);
		memcpy(names[n++], entry->d_name, strlen(entry->d_name) + 1);
	}
	return scan_names(m, cat, dirfd(dir), procfs, names, n, err);
}

/*
 * --- the machine --------------------------------------------------------------------------------
 */

/* The kernel's log returns one record per read and, without O_NONBLOCK, never ends. */
static bool read_log_fd(int fd, struct np_kernel_log *log)
{
	NP_AUTO(np_freep) char *bytes = malloc(LOG_MAX);
	size_t used = 0;

	while (bytes && used < LOG_MAX) {
		ssize_t got = read(fd, bytes + used, LOG_MAX - used);

		/* EPIPE: records were overwritten meanwhile; EINVAL: the next one does not fit. */
		if (got < 0 && (errno == EINTR || errno == EPIPE))
			continue;
		if (got < 0 && errno != EAGAIN && errno != EINVAL)
			return false;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	if (used > 0)
		np_nodecheck_log_parse(log, bytes, used);
	return used > 0;
}

static void read_log(const char *path, struct np_kernel_log *log)
{
	NP_AUTO(np_closep) int fd = -1;
	struct stat st;

	if (!path || stat(path, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	log->is_read = fd >= 0 && read_log_fd(fd, log);
}

/*
 * A copy of procfs may hold a log. The real /proc/kmsg is never read: what one reader gets another
 * one does not.
 */
static void read_copied_log(int procfs, struct np_kernel_log *log)
{
	NP_AUTO(np_closep) int fd = procfs < 0 ? -1 : open_plain(procfs, "kmsg");
	struct statfs fs;

	if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type != PROC_SUPER_MAGIC)
		log->is_read = read_log_fd(fd, log);
}

/* A container may be given parts of sysfs only: without `firmware` nothing is known. */
static enum np_verdict read_uefi(int sysfs)
{
	if (is_directory(sysfs, "firmware/efi"))
		return NP_VERDICT_YES;
	return is_directory(sysfs, "firmware") ? NP_VERDICT_NO : NP_VERDICT_UNKNOWN;
}

static enum np_verdict read_iommu(int sysfs)
{
	NP_AUTO(close_dir) DIR *dir = NULL;
	const struct dirent *entry;
	int fd = openat(sysfs, "class/iommu", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return is_directory(sysfs, "class") ? NP_VERDICT_NO : NP_VERDICT_UNKNOWN;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return NP_VERDICT_UNKNOWN;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			return NP_VERDICT_YES;
	return NP_VERDICT_NO;
}

static int open_root(const char *path, int *ret, struct np_err *err)
{
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	if (*ret < 0)
		return np_fail(err, NP_E_IO, "'%s': %s", path, strerror(errno));
	return 0;
}

static int scan_bus(struct np_node_hw *m, const struct np_catalogue *cat, int sysfs, int procfs,
		    struct np_err *err)
{
	NP_AUTO(close_dir) DIR *dir = NULL;
	int fd = openat(sysfs, "bus/pci/devices", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return np_fail_nomem(err);
	}
	m->has_pci = NP_VERDICT_YES;
	return scan_devices(m, cat, dir, procfs, err);
}

int np_nodecheck_scan(const struct np_nodecheck_roots *roots, const struct np_catalogue *cat,
		      struct np_node_hw *ret, struct np_err *err)
{
	NP_AUTO(np_nodecheck_done) struct np_node_hw m = { 0 };
	NP_AUTO(np_closep) int sysfs = -1;
	NP_AUTO(np_closep)
	int procfs = open(roots->procfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	if (open_root(roots->sysfs, &sysfs, err) < 0 || scan_bus(&m, cat, sysfs, procfs, err) < 0)
		return np_err_ret(err);
	m.is_uefi = read_uefi(sysfs);
	m.has_iommu = read_iommu(sysfs);
	read_log(roots->log, &m.log);
	if (!roots->log)
		read_copied_log(procfs, &m.log);
	*ret = m;
	m = (struct np_node_hw){ 0 };
	return 0;
}

void np_nodecheck_done(struct np_node_hw *m)
{
	free(m->gpus);
	free(m->bridges);
	*m = (struct np_node_hw){ 0 };
}
