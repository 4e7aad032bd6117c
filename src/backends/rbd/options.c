/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * <rbd:config_opts>: see options.h. Ceph has two thousand options, and new ones with each release: those of
 * this machine's files are known by a part of their names. Facts: src/common/options of Ceph 16 to 18.
 */
#include "backends/rbd/options.h"

#include <string.h>
#include "base/contract.h"
#include "base/util.h"

/* Logs and their ways out, sockets, files with keys, directories, code that is loaded. */
static const char *const of_this_machine[] = { "log_",   "_log",     "_to_stderr", "journald", "syslog",
	                                       "_file",  "keyfile",  "keyring",    "_dir",     "chdir",
	                                       "_path",  "_socket",  "_sock",      "plugin",   "dump",
	                                       "daemon", "location", "setuser",    "setgroup", "monmap" };

int rbd_options_check(const struct pool_option *options, size_t n, struct err *e)
{
	demand(options || !n, e);

	for (size_t i = 0; i < n; i++) {
		const char *name = options[i].name;

		/* librados takes a blank for a "_". */
		if (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")])
			return err_set(e, ERR_INVALID,
			               "<rbd:config_opts>: \"%.100s\" is no name of an option: they have "
			               "small letters, digits and _",
			               name);
		if (streq(name, "mon_host"))
			return err_set(e, ERR_INVALID,
			               "<rbd:config_opts>: the monitors are those of <host>, not of option "
			               "\"mon_host\": leave it out");
		for (size_t k = 0; k < ARRAY_LEN(of_this_machine); k++)
			if (strstr(name, of_this_machine[k]))
				return err_set(e, ERR_INVALID,
				               "<rbd:config_opts>: option \"%.100s\" is about files of this "
				               "machine, which a pool has nothing to do with: leave it out "
				               "(the key is that of the secret in <auth>)",
				               name);
	}
	return 0;
}
