/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which role am I? By the name of the program, by being PID 1, by the first word.
 */
#include <stdio.h>
#include "base/util.h"
#include "boot/early.h"
#include "boot/net/dhcp.h"
#include "boot/roles.h"
#include "boot/root/ending.h"
#include "poolctl/poolctl.h"
#include "system/module.h"

struct role {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

/* The program's name alone says it. */
static const struct role by_name[] = {
	{ "poolctl", client_main, NULL },
#ifdef WITH_libvirt
	{ "virt-ssh-helper", ssh_helper_main, NULL },
#endif
	{ "modprobe", module_modprobe_main, NULL },
	{ DHCP_ROLE, dhcp_main, NULL },
	{ ENDING_ROLE, ending_main, NULL },
};

static int help_main(int argc, char **argv);
static int version_main(int argc, char **argv);

static const struct role by_word[] = {
	{ "boot", boot_main, "for an initramfs: start pools in the background, wait for the required ones" },
	{ "serve", serve_main, "supervise pools on a running system" },
	{ "ctl", client_main, "talk to the supervisor (the same as poolctl)" },
	{ "plan", plan_main, "print what would be started, and what is wrong with which definition" },
	{ "xml", xml_main, "read one XML document, and print it as libvirt would, or what is wrong with it" },
	{ "backends", backends_main, "print the pool types, and which of them this build can start" },
	{ "version", version_main, "print the version" },
	{ "help", help_main, "print this" },
};

static int help_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("usage: poolinit ROLE [OPTION]…\n\nAs PID 1, or called /init, it is the init of the machine. "
	       "Else ROLE is one of\n\n");
	for (size_t i = 0; i < ARRAY_LEN(by_word); i++)
		printf("  %-10s %s\n", by_word[i].name, by_word[i].help);
	printf("\n\"poolinit ROLE --help\" says more.\n");
	return 0;
}

static int version_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("poolinit " POOLINIT_VERSION "\n");
	return 0;
}

static const struct role *find_role(const struct role *roles, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (streq(roles[i].name, name))
			return &roles[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const char *called = argc > 0 ? argv[0] : "", *slash = strrchr(called, '/');
	const char *name = slash ? slash + 1 : called;
	const struct role *role = find_role(by_name, ARRAY_LEN(by_name), name);

	if (role)
		return role->run(argc, argv);
	role = argc > 1 ? find_role(by_word, ARRAY_LEN(by_word), argv[1]) : NULL;
	/* The kernel hands words of its command line that it does not know to PID 1: on a machine they never
	 * choose the role. */
	if (streq(name, "init") || (getpid() == 1 && (!role || early_is_machine())))
		return init_main(argc, argv);
	if (role)
		return role->run(argc - 1, argv + 1);
	if (argc > 1 && (streq(argv[1], "--help") || streq(argv[1], "-h")))
		return help_main(argc, argv);
	if (argc > 1 && streq(argv[1], "--version"))
		return version_main(argc, argv);
	if (argc > 1)
		fprintf(stderr, "poolinit: there is no role \"%s\": see poolinit help\n", argv[1]);
	else
		fprintf(stderr, "poolinit: which role? See poolinit help\n");
	return EXIT_USAGE;
}
