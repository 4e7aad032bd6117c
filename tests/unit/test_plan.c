/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * `poolinit plan`: what it says of definitions, parameters and their faults; and that it touches nothing.
 */
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "backends/backend.h"
#include "check.h"
#include "base/file.h"
#include "base/util.h"
#include "tools/plan.h"
#include "boot/roles.h"

static char dir[PATH_MAX];
static struct buf out;
static struct parameters params;

static void put(const char *name, const char *text)
{
	char path[PATH_MAX + 64], *slash;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	file_mkdirs(path, 0755, NULL);
	*slash = '/';
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

static void begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/test_plan.XXXXXX");
	if (!mkdtemp(dir))
		exit(1);
}

static void end(void)
{
	char command[] = "rm", flag[] = "-rf";
	char *argv[] = { command, flag, dir, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execvp("rm", argv);
		_exit(1);
	}
	while (waitpid(pid, NULL, 0) < 0)
		;
	buf_free(&out);
	parameters_free(&params);
}

static size_t plan(const char *cmdline)
{
	char *copy = strdup(cmdline);

	buf_reset(&out);
	parameters_free(&params);
	parameters_init(&params);
	parameters_from_cmdline(&params, copy);
	free(copy);
	return plan_print(dir, &params, &out);
}

static bool says(const char *text)
{
	if (strstr(buf_str(&out), text))
		return true;
	printf("# not said: %s\n", text);
	return false;
}

static const char dir_pool[] = "<pool type='dir'><name>%s</name><target><path>/srv/%s</path></target></pool>";

static void put_dir_pool(const char *name, bool marked)
{
	char text[512], file[300];

	snprintf(text, sizeof(text), dir_pool, name, name);
	snprintf(file, sizeof(file), "storage/%s.xml", name);
	put(file, text);
	snprintf(file, sizeof(file), "storage/autostart/%s.xml", name);
	if (marked)
		put(file, "");
}

/* ---- cases ---- */

static void an_empty_or_missing_directory_is_a_plan_too(void)
{
	begin();
	CHECK_INT(plan(""), 0);
	CHECK(says("0 pools, 0 would be started, 0 problems"));
	end();
	CHECK_INT(plan(""), 1); /* somebody has named it */
	CHECK(says("(not there)"));
	CHECK(says("no such directory"));
	buf_free(&out);
	parameters_free(&params);
}

static void marked_pools_would_be_started(void)
{
	begin();
	put_dir_pool("one", true);
	put_dir_pool("two", false);
	CHECK_INT(plan(""), 0);
	CHECK(says("start     yes (marked autostart)"));
	CHECK(says("start     no (not marked autostart)"));
	CHECK(says("2 pools, 1 would be started, 0 problems"));
	CHECK_INT(plan("poolinit.autostart=all"), 0);
	CHECK(says("2 pools, 2 would be started"));
	CHECK_INT(plan("poolinit.autostart=none"), 0);
	CHECK(says("2 pools, 0 would be started"));
	CHECK_INT(plan("poolinit.autostart=two"), 0);
	CHECK(says("2 pools, 1 would be started"));
	end();
}

static void what_a_start_would_wait_for(void)
{
	begin();
	put("storage/nfs.xml",
	    "<pool type='netfs'><name>nfs</name><source><host name='nas.example'/><dir "
	    "path='/export'/><format type='nfs'/></source><target><path>/mnt/nfs</path></target></pool>");
	put("storage/fs.xml", "<pool type='fs'><name>fs</name><source><device "
	                      "path='LABEL=data'/></source><target><path>/mnt/fs</path></target></pool>");
	put("storage/vg.xml", "<pool "
	                      "type='logical'><name>vg</name><source><name>vg0</name></source><target><path>/"
	                      "dev/vg0</path></target></pool>");
	CHECK_INT(plan(""), 0);
	CHECK(says("needs     network; server nas.example\n"));
	CHECK(says("needs     device LABEL=data\n"));
	CHECK(says("volume group vg0\n"));
	CHECK(says("deadline  "));
	end();
}

static void bad_definitions_are_named_with_line_and_reason(void)
{
	char want[PATH_MAX + 64];

	begin();
	put_dir_pool("good", true);
	put("storage/broken.xml", "<pool type='dir'>\n<name>broken</name>\n");
	put("storage/typo.xml", "<pool type='dirr'><name>typo</name></pool>");
	put("storage/empty.xml", "");
	CHECK_INT(plan(""), 3);
	snprintf(want, sizeof(want), "problem: %s/storage/broken.xml:3: ", dir);
	CHECK(says(want));
	snprintf(want, sizeof(want), "problem: %s/storage/typo.xml", dir);
	CHECK(says(want));
	CHECK(says("1 pools, 1 would be started, 3 problems"));
	end();
}

static void two_pools_of_one_uuid_or_source_clash(void)
{
	begin();
	put("storage/a.xml", "<pool type='fs'><name>a</name><source><device "
	                     "path='/dev/sda1'/></source><target><path>/a</path></target></pool>");
	put("storage/b.xml", "<pool type='fs'><name>b</name><source><device "
	                     "path='/dev/sda1'/></source><target><path>/b</path></target></pool>");
	CHECK_INT(plan(""), 1);
	CHECK(says("pool \"b\" has the same source as pool \"a\""));
	put("storage/b.xml", "<pool "
	                     "type='dir'><name>b</name><uuid>11111111-2222-3333-4444-555555555555</"
	                     "uuid><target><path>/b</path></target></pool>");
	put("storage/c.xml", "<pool "
	                     "type='dir'><name>c</name><uuid>11111111-2222-3333-4444-555555555555</"
	                     "uuid><target><path>/c</path></target></pool>");
	CHECK_INT(plan(""), 1);
	CHECK(says("pool \"c\" has the uuid of pool \"b\""));
	end();
}

static void a_later_source_replaces_an_earlier_one(void)
{
	begin();
	put_dir_pool("one", false);
	CHECK_INT(plan("poolinit.pool=\"<pool "
	               "type='dir'><name>one</name><target><path>/elsewhere</path></target></pool>\""),
	          0);
	CHECK(says("from      (command line: poolinit.pool)"));
	CHECK(says("1 pools, 1 would be started"));
	end();
}

#define LOGICAL(name, devices)                                                                               \
	"<pool type='logical'><name>" name "</name><source>" devices "</source><target><path>/dev/" name     \
	"</path></target></pool>"
#define DEVICE(path) "<device path='" path "'/>"

/* Both are defined at boot, and the second start refuses what it finds. */
static void devices_that_are_named_twice_are_problems(void)
{
	begin();
	put("storage/a.xml", "<pool type='disk'><name>a</name><source>" DEVICE(
				     "/dev/vdb") "</source><target>"
	                                         "<path>/dev</path></target></pool>");
	put("storage/b.xml", LOGICAL("b", DEVICE("/dev/vdc") DEVICE("/dev/vdb")));
	put("storage/c.xml", LOGICAL("c", DEVICE("/dev/vdd") DEVICE("/dev/vde") DEVICE("/dev/vdd")));
	put("storage/d.xml", LOGICAL("d", DEVICE("/dev/vdb1") DEVICE("/dev/vd")));
	CHECK_INT(plan(""), 2);
	CHECK(says("b.xml: pool \"b\" names device /dev/vdb of pool \"a\" ("));
	CHECK(says("c.xml: pool \"c\" names device /dev/vdd twice"));
	CHECK(says("4 pools, 0 would be started, 2 problems"));
	end();
}

/* zpool looks for a relative name in /dev; words of its own between the devices are none. */
static void relative_devices_of_zfs_are_devices(void)
{
	begin();
	put("storage/tank.xml", "<pool type='zfs'><name>tank</name><source><name>tank</name>" DEVICE("mirror")
	                                DEVICE("sdb") DEVICE("disk/by-id/wwn-0x5") DEVICE("mirror")
	                                        DEVICE("/dev/sdd") DEVICE("sde") "</source></pool>");
	put("storage/t2.xml", "<pool type='zfs'><name>t2</name><source><name>t2</name>" DEVICE("sdf")
	                              DEVICE("/dev/sdf") "</source></pool>");
	put("storage/vg.xml", LOGICAL("vg", DEVICE("/dev/sdb")));
	CHECK_INT(plan(""), 2);
	CHECK(says("device /dev/sdb; device /dev/disk/by-id/wwn-0x5; device /dev/sdd; device /dev/sde; zpool "
	           "tank\n"));
	CHECK(says("vg.xml: pool \"vg\" names device /dev/sdb of pool \"tank\" ("));
	CHECK(says("t2.xml: pool \"t2\" names device /dev/sdf twice"));
	CHECK(!says("device mirror"));
	end();
}

static void bad_inline_pools_are_problems(void)
{
	begin();
	CHECK_INT(plan("poolinit.pool=<pool/>"), 1);
	CHECK(says("problem: (command line: poolinit.pool)"));
	CHECK_INT(plan("poolinit.pool64=!!!"), 1);
	CHECK(says("problem: (command line): poolinit.pool64: the value is not base64"));
	end();
}

static void bad_parameters_are_problems(void)
{
	begin();
	CHECK_INT(plan("poolinit.nonsense=1"), 1);
	CHECK(says("problem: (command line): poolinit.nonsense: unknown parameter"));
	CHECK_INT(plan("ip=1.2.3"), 1);
	CHECK(says("problem: (command line): ip=1.2.3: client address: \"1.2.3\" is not an address"));
	CHECK_INT(plan("poolinit.require=nobody"), 1);
	CHECK(says("no pool is called \"nobody\""));
	CHECK_INT(plan("poolinit.require=, poolinit.config=LABEL= ip=eth0:static"), 3);
	CHECK(says("poolinit.require: \",\" names no pool"));
	CHECK(says("poolinit.config: \"LABEL=\" is neither an absolute path nor a device by LABEL="));
	CHECK(says("ip=eth0:static: \"static\" without a client address"));
	CHECK_INT(plan("root=8:1"), 1);
	CHECK(says("problem: (command line): root: \"8:1\" is no root: /dev/"));
	CHECK_INT(plan("poolinit.timeout=soon poolinit.onfail=never"), 2);
	end();
}

static void roots_are_named_in_their_order(void)
{
	begin();
	put_dir_pool("images", false);
	CHECK_INT(plan("root=LABEL=A,pool:images/root rw"), 0);
	CHECK(says("root: LABEL=A, else pool:images/root, read-write, then its /sbin/init\n"));
	CHECK_INT(plan("root=pool:images/a.squashfs overlay=memory"), 0);
	CHECK(says("root: pool:images/a.squashfs, written to memory, then its /sbin/init\n"));
	CHECK_INT(plan("root=/dev/vda overlay=pool:data/layers"), 0);
	CHECK(says("root: /dev/vda, written to a pool, then its /sbin/init\n"));
	CHECK_INT(plan("root=LABEL=A overlay=/dev/sda1"), 1);
	CHECK(says("problem: (command line): overlay: \"/dev/sda1\" is no place to write to: there is "
	           "memory, and pool:NAME/DIRECTORY"));
	CHECK_INT(plan("root=LABEL=A overlay=pool:data/a,b"), 1);
	CHECK_INT(plan("root=LABEL=A overlay=pool:data/../b"), 1);
	CHECK_INT(plan("root=/dev/vda1 ro init=/lib/systemd/systemd"), 0);
	CHECK(says("root: /dev/vda1, read-only, then /lib/systemd/systemd\n"));
	end();
}

/* Each of the list, with the pool that it needs, which is started though nobody marked it. */
static void what_each_root_is_and_needs(void)
{
	begin();
	put_dir_pool("images", false);
	put("storage/nas.xml",
	    "<pool type='netfs'><name>nas</name><source><host name='192.0.2.7'/><dir path='/root'/>"
	    "<format type='nfs'/></source><target><path>/srv/nas</path></target></pool>");
	put("storage/vg0.xml", "<pool type='logical'><name>vg0</name><source><name>vg0</name></source>"
	                       "<target><path>/dev/vg0</path></target></pool>");
	CHECK_INT(plan("root=UUID=1234-ABCD,pool:vg0/root,pool:nas,pool:images/sub/a.img"), 0);
	CHECK(says("\n    UUID=1234-ABCD        the filesystem on that device\n"));
	CHECK(says("\n    pool:vg0/root         the filesystem on the volume \"root\" of pool \"vg0\" "
	           "(logical), "
	           "which is started for it\n"));
	CHECK(says("\n    pool:nas              what pool \"nas\" has mounted (netfs), which is started for "
	           "it\n"));
	CHECK(says("\n    pool:images/sub/a.img  the filesystem in the image file \"sub/a.img\" of pool "
	           "\"images\" "
	           "(dir), which is started for it\n"));
	CHECK(says("3 pools, 3 would be started, 0 problems"));
	end();
}

/* What no boot could mend is a problem now. */
static void roots_that_can_never_be_are_problems(void)
{
	begin();
	put("storage/vg0.xml", "<pool type='logical'><name>vg0</name><source><name>vg0</name></source>"
	                       "<target><path>/dev/vg0</path></target></pool>");
	put("storage/dog.xml", "<pool type='sheepdog'><name>dog</name><source><host "
	                       "name='192.0.2.7'/><name>dog</name></source></pool>");
	CHECK_INT(plan("root=pool:vg0"), 1);
	CHECK(says(
		"problem: (command line): root: pool:vg0: it mounts nothing: a root is one of its volumes, "
		"pool:NAME/VOLUME"));
	CHECK_INT(plan("root=pool:dog/image"), 1);
	CHECK(says("root: pool:dog/image: its volumes are no devices or files of this machine"));
	CHECK_INT(plan("root=pool:vg/root,LABEL=A"), 1);
	CHECK(says("the filesystem on the volume \"root\" of pool \"vg\", which nobody defines"));
	CHECK(says("problem: (command line): root: pool:vg/root: no such pool is defined"));
	CHECK_INT(plan("root=pool:vg/root poolinit.config=LABEL=CFG"), 0); /* it may be on that disk */
	CHECK(says("which is not defined in what is looked at here"));
	end();
}

static void a_device_as_source_is_only_named(void)
{
	begin();
	CHECK_INT(plan("poolinit.config=LABEL=CFG:/libvirt poolinit.require=on-that-disk"), 0);
	CHECK(says("source: LABEL=CFG:/libvirt (a device: awaited and read at boot, not looked at here)"));
	end();
}

static void required_pools_and_the_network_are_told(void)
{
	begin();
	put_dir_pool("vm", true);
	CHECK_INT(plan("poolinit.require=vm poolinit.timeout=30s poolinit.onfail=reboot "
	               "ip=192.0.2.5::192.0.2.1:255.255.255.0::eth0:off"),
	          0);
	CHECK(says("required  boot waits 30.000 s for it, then: reboot"));
	CHECK(says("network: eth0 static 192.0.2.5/24, gateway 192.0.2.1"));
	end();
}

static void a_missing_secret_is_a_problem(void)
{
	begin();
	put("storage/san.xml",
	    "<pool type='iscsi'><name>san</name><source><host name='192.0.2.7'/><device "
	    "path='iqn.2026-01.example:vm'/><auth type='chap' username='u'><secret "
	    "usage='san-chap'/></auth></source><target><path>/dev/disk/by-path</path></target></pool>");
	CHECK_INT(plan(""), 1);
	CHECK(says("san-chap"));
	CHECK_INT(plan("poolinit.config=LABEL=SECRETS"), 0); /* it may be on that disk */
	end();
}

/* The words of the program itself: nothing else but the plan is printed, and the status says whether all is
 * well. */
static int run(const char *first, const char *second)
{
	char role[] = "plan";
	char *argv[] = { role, first ? strdup(first) : NULL, second ? strdup(second) : NULL, NULL };
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
			_exit(99);
		_exit(plan_main(second ? 3 : first ? 2 : 1, argv));
	}
	free(argv[1]);
	free(argv[2]);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void exit_statuses(void)
{
	begin();
	put_dir_pool("one", true);
	CHECK_INT(run("--config", dir), 0);
	put("storage/bad.xml", "x");
	CHECK_INT(run("--config", dir), 1);
	CHECK_INT(run("--help", NULL), 0);
	CHECK_INT(run("--confg", dir), EXIT_USAGE);
	CHECK_INT(run("--config", NULL), EXIT_USAGE);
	CHECK_INT(run("--config", ""), EXIT_USAGE);
	CHECK_INT(run("extra", NULL), EXIT_USAGE);
	CHECK_INT(run("--", NULL), EXIT_USAGE);
	end();
}

/* plan and mkimage take it apart: "backend:TYPE:MODULES:MORE:PROGRAMS". */
static void each_type_says_what_an_image_needs_for_it(void)
{
	for (int t = 0; t < POOL_TYPES; t++) {
		const struct backend *b = backend_find((enum pool_type)t);
		size_t colons = 0, len;

		for (const char *at = b && b->image ? b->image : ""; *at; at++)
			colons += *at == ':';
		CHECK(!b || (b->image && starts_with(b->image, "backend:") && colons == 4 && b->summary));
		if (b && colons == 4)
			CHECK(backend_modules(b, &len)[len] == ':');
	}
}

int main(void)
{
	RUN(each_type_says_what_an_image_needs_for_it);
	RUN(an_empty_or_missing_directory_is_a_plan_too);
	RUN(marked_pools_would_be_started);
	RUN(what_a_start_would_wait_for);
	RUN(bad_definitions_are_named_with_line_and_reason);
	RUN(two_pools_of_one_uuid_or_source_clash);
	RUN(a_later_source_replaces_an_earlier_one);
	RUN(devices_that_are_named_twice_are_problems);
	RUN(relative_devices_of_zfs_are_devices);
	RUN(bad_inline_pools_are_problems);
	RUN(bad_parameters_are_problems);
	RUN(roots_are_named_in_their_order);
	RUN(what_each_root_is_and_needs);
	RUN(roots_that_can_never_be_are_problems);
	RUN(a_device_as_source_is_only_named);
	RUN(required_pools_and_the_network_are_told);
	RUN(a_missing_secret_is_a_problem);
	RUN(exit_statuses);
	return check_done();
}
