/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeprep/file.h"
#include "nodeprep/text.h"

/*
 * Puts the plugin where a runtime looks for it. The image has neither a shell nor cp, so that the
 * binary copies itself; a runtime that calls it meanwhile gets the old one or the new one, whole.
 */

#define SELF "/proc/self/exe"
#define PLUGIN "nodeprep"
#define LIVE_FOLDER "/cni/net.d"
#define FILE_MAX (UINT64_C(256) << 20)

static struct flags {
	const char *bin_dir, *conf_dir;
	struct texts confs;
} flags;

#define AT(member) offsetof(struct flags, member)

static const struct option_row rows[] = {
	{ "bin-dir", 0, "DIR", OPTION_TEXT, AT(bin_dir),
	  .help = "folder of the runtime's plugins: the binary copies itself there" },
	{ "conf", 0, "FILE", OPTION_TEXTS, AT(confs),
	  .help = "conflist or kubeconfig to copy into --conf-dir; repeatable" },
	{ "conf-dir", 0, "DIR", OPTION_TEXT, AT(conf_dir),
	  .help = "folder of the plugin's own networks, not the runtime's live one" },
};

const struct option_table install_cni_options = { OPTION_ROWS(rows), &flags, 0 };

static int fail_errno(const char *path, struct np_err *err)
{
	return np_fail(err, NP_E_IO, "'%s': %s", path, strerror(errno));
}

/* As mkdir -p. */
static int make_folders(const char *path, struct np_err *err)
{
	NP_AUTO(np_freep) char *copy = strdup(path);

	if (!copy)
		return np_fail_nomem(err);
	for (char *end = copy + 1; *copy != '\0' && *end != '\0'; end++) {
		if (*end != '/')
			continue;
		*end = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return fail_errno(copy, err);
		*end = '/';
	}
	return mkdir(copy, 0755) < 0 && errno != EEXIST ? fail_errno(copy, err) : 0;
}

static bool is_same(const char *path, const char *bytes, size_t size, mode_t mode)
{
	NP_AUTO(np_freep) char *there = NULL;
	struct np_err ignored = NP_ERR_INIT;
	size_t there_size = 0;
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == mode &&
	       np_file_load(path, FILE_MAX, &there, &there_size, &ignored) == 0 &&
	       there_size == size && memcmp(there, bytes, size) == 0;
}

static int install_file(const char *source, const char *folder, const char *name, mode_t mode,
			struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	NP_AUTO(np_freep) char *path = NULL;
	size_t size = 0;
	bool same;

	if (np_file_load(source, FILE_MAX, &bytes, &size, err) < 0 || make_folders(folder, err) < 0)
		return np_err_ret(err);
	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return np_fail_nomem(err);
	}
	same = is_same(path, bytes, size, mode);
	if (!same && np_file_replace(path, bytes, size, mode, err) < 0)
		return np_err_ret(err);
	np_text_write(stdout, path);
	puts(same ? " unchanged" : " installed");
	return put("", err);
}

/* A network there is the node's own, or one that every pod goes through. */
static int check_folder(const char *folder, struct np_err *err)
{
	size_t n = strlen(folder), end = strlen(LIVE_FOLDER);

	while (n > 1 && folder[n - 1] == '/')
		n--;
	if (n < end || strncmp(folder + n - end, LIVE_FOLDER, end) != 0)
		return 0;
	return np_fail(err, NP_E_USAGE,
		       "--conf-dir '%s' is the runtime's live folder: a network there would become "
		       "the node's, or be called for every pod; name a folder of its own, such as "
		       "/etc/nodeprep/cni.d",
		       folder);
}

static int install_conf(const char *source, struct np_err *err)
{
	NP_AUTO(np_freep) char *copy = strdup(source);

	if (!copy)
		return np_fail_nomem(err);
	/* A kubeconfig may be among them. */
	return install_file(source, flags.conf_dir, basename(copy), 0600, err);
}

int run_install_cni(const struct options *o, struct np_err *err)
{
	(void)o;
	if (!flags.bin_dir && flags.confs.n == 0)
		return np_fail(err, NP_E_USAGE,
			       "expected --bin-dir DIR, or --conf FILE with --conf-dir DIR");
	if ((flags.confs.n > 0) != !!flags.conf_dir)
		return np_fail(err, NP_E_USAGE,
			       "--conf FILE and --conf-dir DIR require each other");
	if (flags.conf_dir && check_folder(flags.conf_dir, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < flags.confs.n; i++)
		if (install_conf(flags.confs.items[i], err) < 0)
			return np_err_ret(err);
	/* The binary last: once it is there, a runtime may call it. */
	if (flags.bin_dir && install_file(SELF, flags.bin_dir, PLUGIN, 0755, err) < 0)
		return np_err_ret(err);
	return 0;
}
