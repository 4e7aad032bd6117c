/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Mounting in a mount namespace of our own, on tmpfs: options, errors, the older system call, and who is in
 * the way of unmounting.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "system/mount.h"
#include "backends/mounted.h"
#include "base/util.h"
#include "check.h"

#define TARGET "/tmp/test_mount/pool"

static int mount_tmpfs(const char *target, const char *options, struct err *e)
{
	*e = (struct err){ 0 };
	return mount_make(&(struct mount_request){ .fstype = "tmpfs",
	                                           .source = "server:/export",
	                                           .target = target,
	                                           .options = options },
	                  e);
}

static int unmount(const char *target, struct err *e)
{
	*e = (struct err){ 0 };
	return mount_remove(target, clock_ms() + SECONDS(10), e);
}

/* A word of the mount's options in the mount table? */
static bool has_option(const char *target, const char *option)
{
	struct mount_entry m;
	char list[512];
	bool found = false;

	if (mountinfo_find(target, &m, NULL) != 1)
		return false;
	snprintf(list, sizeof(list), "%s,%s", m.options, m.super_options);
	for (char *save, *p = strtok_r(list, ",", &save); p; p = strtok_r(NULL, ",", &save))
		found |= streq(p, option);
	mount_entry_free(&m);
	return found;
}

/* ---- options ---- */

static void finds_an_option_in_a_list(void)
{
	char v[32];

	CHECK_STR(mount_option_value("ro,vers=4.1,soft", "vers", v, sizeof(v)), "4.1");
	CHECK_STR(mount_option_value("ro,vers=4.1,soft", "soft", v, sizeof(v)), "");
	CHECK_STR(mount_option_value("vers=3,vers=4.2", "vers", v, sizeof(v)), "4.2");
	CHECK_STR(mount_option_value("context=\"a,b\",x=1", "context", v, sizeof(v)), "a,b");
	CHECK(mount_option_value("nfsvers=3", "vers", v, sizeof(v)) == NULL);
	CHECK(mount_option_value("versus=3", "vers", v, sizeof(v)) == NULL);
	CHECK(mount_option_value("", "vers", v, sizeof(v)) == NULL);
	CHECK(mount_option_value(NULL, "vers", v, sizeof(v)) == NULL);
	CHECK(mount_option_value("context=\"vers=1,vers=2\"", "vers", v, sizeof(v)) == NULL);
}

static void joins_the_definitions_options(void)
{
	static const struct pool_option options[] = { { "sync", NULL },
		                                      { "wsize", "4096" },
		                                      { "a=b", NULL } };
	struct pool_def d = { .mount_options = options, .nmount_options = 3 };
	cleanup_buf struct buf b = BUF_INIT;

	mount_options(&d, &b);
	CHECK_STR(buf_str(&b), "sync,wsize=4096,a=b");
	mount_options(&d, &b);
	CHECK_STR(buf_str(&b), "sync,wsize=4096,a=b,sync,wsize=4096,a=b");
}

static void mounts_are_harmless_unless_told_otherwise(void)
{
	struct err e;
	struct stat st;

	CHECK(mount_tmpfs(TARGET, NULL, &e) == 0);
	CHECK(has_option(TARGET, "nodev") && has_option(TARGET, "nosuid") && has_option(TARGET, "noexec"));
	CHECK(!has_option(TARGET, "ro"));
	CHECK(unmount(TARGET, &e) == 0);
	CHECK(stat(TARGET, &st) == 0 && (st.st_mode & 07777) == 0711);
	CHECK(mount_tmpfs(TARGET, "exec,dev,ro,noatime,size=1m", &e) == 0);
	CHECK(!has_option(TARGET, "nodev") && has_option(TARGET, "nosuid") && !has_option(TARGET, "noexec"));
	CHECK(has_option(TARGET, "ro") && has_option(TARGET, "noatime") && has_option(TARGET, "size=1024k"));
	CHECK(unmount(TARGET, &e) == 0);
}

static void options_of_mount_8_are_not_given_to_the_kernel(void)
{
	struct err e;

	CHECK(mount_tmpfs(TARGET, "defaults,_netdev,nofail,x-systemd.automount,comment=x,,noauto", &e) == 0);
	CHECK(unmount(TARGET, &e) == 0);
}

static void each_option_of_mount_8_is_known(void)
{
	static const char *const words[] = {
		"X-mount.mkdir",
		"X-mount.mkdir=0755",
		"X-mount.owner=0",
		"X-fstrim.notrim",
		"silent",
		"loud",
		"norelatime",
		"nostrictatime",
		"iversion",
		"noiversion",
		"uhelper=udisks2",
		"helper=nfs",
		"user",
		"nousers",
		"noowner",
		"nogroup",
		"nomand",
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (mount_tmpfs(TARGET, words[i], &e) < 0)
			printf("# %s\n", e.message);
		CHECK_STR(e.message, "");
		CHECK(unmount(TARGET, &e) == 0);
	}
	CHECK(mount_tmpfs(TARGET, "strictatime,nostrictatime,noatime,norelatime", &e) == 0);
	CHECK(has_option(TARGET, "noatime"));
	CHECK(unmount(TARGET, &e) == 0);
	CHECK(mount_tmpfs(TARGET, "strictatime,nostrictatime", &e) == 0);
	CHECK(has_option(TARGET, "relatime"));
	CHECK(unmount(TARGET, &e) == 0);
}

static void an_option_that_changes_what_is_seen_is_refused(void)
{
	static const char *const words[] = { "X-mount.subdir=a", "X-mount.idmap=b:0:0:1", "Xmount.mkdir",
		                             "silently", "uhelper" };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		CHECK(mount_tmpfs(TARGET, words[i], &e) < 0);
		CHECK(err_is(&e, ERR_INVALID) && strstr(e.message, "the kernel does not take the option"));
	}
	CHECK(mountinfo_find(TARGET, &(struct mount_entry){ 0 }, NULL) == 0);
}

static void the_later_option_wins(void)
{
	struct err e;

	CHECK(mount_tmpfs(TARGET, "ro,rw,exec,noexec,noatime,strictatime", &e) == 0);
	CHECK(has_option(TARGET, "rw") && !has_option(TARGET, "ro") && has_option(TARGET, "noexec") &&
	      !has_option(TARGET, "noatime"));
	CHECK(unmount(TARGET, &e) == 0);
}

/* ---- what goes wrong ---- */

static void a_refused_option_is_named_and_its_value_is_not(void)
{
	struct err e;

	CHECK(mount_tmpfs(TARGET, "pass=geheim,size=1m", &e) < 0);
	CHECK(err_is(&e, ERR_INVALID));
	CHECK(strstr(e.message, "does not take the option \"pass\"") != NULL);
	CHECK(strstr(e.message, "geheim") == NULL);
	CHECK(mount_tmpfs(TARGET, "size=geheim", &e) < 0 && strstr(e.message, "geheim") == NULL);

	struct mount_request r = { .fstype = "tmpfs", .source = "x", .target = TARGET, .password = "geheim" };

	e = (struct err){ 0 };
	CHECK(mount_make(&r, &e) < 0 && strstr(e.message, "\"pass\"") && !strstr(e.message, "geheim"));
	CHECK(mountinfo_find(TARGET, &(struct mount_entry){ 0 }, NULL) == 0);
}

static void an_unknown_filesystem_is_unsupported(void)
{
	struct mount_request r = { .fstype = "nosuchfs", .source = "/dev/null", .target = TARGET };
	struct err e = { 0 };

	CHECK(!mount_type_known("nosuchfs") && mount_type_known("tmpfs"));
	CHECK(mount_make(&r, &e) < 0);
	CHECK(err_is(&e, ERR_UNSUPPORTED));
	CHECK_STR(e.message,
	          "cannot mount /dev/null (nosuchfs) at " TARGET ": this kernel has no such filesystem");
}

static void a_device_that_is_not_there_is_waited_for(void)
{
	struct mount_request r = { .fstype = "ext4", .source = "/dev/nosuch", .target = TARGET };
	struct err e = { 0 };

	if (!mount_type_known("ext4"))
		return;
	CHECK(mount_make(&r, &e) < 0);
	CHECK(err_is(&e, ERR_WAIT_DEVICE));
	CHECK_STR(e.waits_for, "device=/dev/nosuch");
	r.source = "/dev/null";
	CHECK(mount_make(&r, &e) < 0 && err_is(&e, ERR_WRONG_FORMAT));
	CHECK_STR(e.waits_for, "");
}

static void a_second_mount_at_the_target_is_refused(void)
{
	struct err e;

	CHECK(mount_tmpfs(TARGET, NULL, &e) == 0);
	CHECK(mount_tmpfs(TARGET, NULL, &e) < 0 && err_is(&e, ERR_BUSY));
	CHECK(strstr(e.message, "server:/export (tmpfs) is mounted there") != NULL);
	CHECK(unmount(TARGET, &e) == 0);
}

static void a_target_below_a_file_cannot_be_made(void)
{
	struct err e;
	int fd = open("/tmp/test_mount/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	close(fd);
	CHECK(mount_tmpfs("/tmp/test_mount/file/x", NULL, &e) < 0);
	CHECK(mount_tmpfs("/tmp/test_mount/file", NULL, &e) < 0);
	CHECK(mount_tmpfs("relative", NULL, &e) < 0);
}

static void a_link_to_the_target_is_followed(void)
{
	struct err e;

	CHECK(mkdir(TARGET, 0711) == 0 || errno == EEXIST);
	CHECK(symlink(TARGET, "/tmp/test_mount/link") == 0);
	CHECK(mount_tmpfs("/tmp/test_mount/link/", NULL, &e) == 0);
	CHECK(has_option(TARGET, "nodev"));
	CHECK(mount_tmpfs("/tmp/test_mount/link", NULL, &e) < 0 && err_is(&e, ERR_BUSY));
	CHECK(unmount("/tmp/test_mount/link", &e) == 0);
	CHECK(!has_option(TARGET, "nodev"));
}

/* ---- is it ours ---- */

static bool by_source(const struct pool_def *d, const struct mount_entry *m)
{
	return streq(m->source, d->source.dir);
}

static void tells_its_own_mount_from_another(void)
{
	struct pool_def d = { .target.path = TARGET, .source.dir = "server:/export" };
	struct op op = { .deadline = NEVER };
	enum pool_state state = STATE_ACTIVE;
	cleanup_buf struct buf detail = BUF_INIT;
	struct err e = { 0 };

	CHECK(mount_pool_check(&d, by_source, &op, &state, &detail, &e) == 0 && state == STATE_INACTIVE);
	CHECK_STR(buf_str(&detail), "");
	CHECK(mount_tmpfs(TARGET, NULL, &e) == 0);
	CHECK(mount_pool_check(&d, by_source, &op, &state, &detail, &e) == 0 && state == STATE_ACTIVE);
	CHECK(starts_with(buf_str(&detail), "mount=") && atoi(buf_str(&detail) + 6) > 0);
	d.source.dir = "server:/other";
	CHECK(mount_check(&d, by_source, &state, NULL, &e) < 0 && err_is(&e, ERR_BUSY) &&
	      state == STATE_INACTIVE);
	err_clear(&e);
	CHECK(mount_pool_check(&d, by_source, &op, &state, NULL, &e) == 0 && state == STATE_INACTIVE);
	CHECK(e.class == ERR_NONE);
	CHECK(mount_pool_stop(&d, by_source, &op, &e) < 0 && err_is(&e, ERR_BUSY));
	CHECK(has_option(TARGET, "nodev")); /* still there */
	d.source.dir = "server:/export";
	CHECK(mount_pool_stop(&d, by_source, &op, &e) == 0);
	CHECK(mount_pool_stop(&d, by_source, &op, &e) == 0);
	d.target.path = "/nowhere/at/all";
	CHECK(mount_pool_check(&d, by_source, &op, &state, NULL, &e) == 0 && state == STATE_INACTIVE);
}

/* ---- taking away ---- */

static void unmounting_nothing_is_success(void)
{
	struct err e;

	CHECK(unmount(TARGET, &e) == 0);
	CHECK(unmount("/nowhere/at/all", &e) == 0);
	CHECK(unmount("/tmp/test_mount/file", &e) == 0);
}

static void an_open_file_keeps_it_busy_and_its_process_is_named(void)
{
	char who[64];
	struct err e;

	CHECK(mount_tmpfs(TARGET, NULL, &e) == 0);
	cleanup_close int fd = open(TARGET "/disk.img", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK(unmount(TARGET, &e) < 0 && err_is(&e, ERR_BUSY));
	snprintf(who, sizeof(who), "test_mount pid %d (" TARGET "/disk.img)", (int)getpid());
	CHECK(strstr(e.message, who) != NULL);
	CHECK(has_option(TARGET, "nodev")); /* never detached by itself */
	/* shutdown may */
	CHECK(mount_detach(TARGET, clock_ms() + SECONDS(10), &e) == 0 && !has_option(TARGET, "nodev"));
}

static void a_mapped_file_keeps_it_busy(void)
{
	struct err e;

	CHECK(mount_tmpfs(TARGET, NULL, &e) == 0);
	int fd = open(TARGET "/mapped", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CHECK(ftruncate(fd, 4096) == 0);
	void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	close(fd);
	CHECK(map != MAP_FAILED);
	CHECK(unmount(TARGET, &e) < 0 && strstr(e.message, "(" TARGET "/mapped)") != NULL);
	munmap(map, 4096);
	CHECK(unmount(TARGET, &e) == 0);
}

static void names_three_users_at_most(void)
{
	struct err e;
	pid_t children[5];
	int fd, ready[2];
	char byte;

	CHECK(mount_tmpfs(TARGET, NULL, &e) == 0 && pipe2(ready, O_CLOEXEC) == 0);
	fd = open(TARGET, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(children); i++) {
		children[i] = fork();
		if (children[i] == 0) {
			int rc = fchdir(fd);

			close(fd);
			if (rc == 0 && write(ready[1], "x", 1) == 1)
				pause();
			_exit(0);
		}
	}
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		CHECK(read(ready[0], &byte, 1) == 1);
	CHECK(unmount(TARGET, &e) < 0);
	unsigned named = 0;

	for (const char *p = e.message; (p = strstr(p, " pid ")); p++)
		named++;
	CHECK_INT(named, 3);
	for (size_t i = 0; i < ARRAY_LEN(children); i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	close(ready[0]);
	close(ready[1]);
	CHECK(unmount(TARGET, &e) == 0);
}

static void a_mount_below_keeps_it_busy(void)
{
	struct err e;

	CHECK(mount_tmpfs(TARGET, NULL, &e) == 0);
	CHECK(mount_tmpfs(TARGET "/below", NULL, &e) == 0);
	CHECK(unmount(TARGET, &e) < 0 && err_is(&e, ERR_BUSY));
	CHECK(strstr(e.message, "in use by mount of (" TARGET "/below)") != NULL);
	CHECK(unmount(TARGET "/below", &e) == 0);
	CHECK(unmount(TARGET, &e) == 0);
}

/* ---- a server whose answers make no sense ---- */

static int install(struct sock_filter *code, size_t n)
{
	struct sock_fprog program = { .len = (unsigned short)n, .filter = code };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* As a network filesystem does that got garbage: the options are all taken, and then it is EINVAL, without a
 * word why. */
static int without_sense(unsigned error)
{
	enum { CREATE = 6 };
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsconfig, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CREATE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install(code, ARRAY_LEN(code));
}

static void mount_senselessly(unsigned error, enum err_class of_device)
{
	struct mount_request server = {
		.fstype = "tmpfs", .source = "192.0.2.7:/export", .target = TARGET, .options = "size=1m"
	};
	struct mount_request device = { .fstype = "tmpfs", .source = "/dev/vdb", .target = TARGET };
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		struct err e = { 0 };

		CHECK(without_sense(error) == 0);
		CHECK(mount_make(&server, &e) < 0 && e.sys == (int)error);
		CHECK_INT(err_remedy(e.class), REMEDY_RETRY);
		CHECK(strstr(e.message, "the server's answer is not understood") != NULL);
		e = (struct err){ 0 };
		CHECK(mount_make(&device, &e) < 0 && err_is(&e, of_device));
		fflush(stdout);
		_exit(check_case_failed);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void garbage_from_a_server_is_no_wrong_option(void)
{
	mount_senselessly(EINVAL, ERR_WRONG_FORMAT);
	mount_senselessly(521, ERR_STORAGE); /* the kernel's own: a file handle that is none */
}

/* ---- kernels without fsopen(2) ---- */

static int without_fsopen(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsopen, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install(code, ARRAY_LEN(code));
}

static void the_older_call_does_the_same(void)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		struct err e;

		CHECK(without_fsopen() == 0);
		CHECK(syscall(SYS_fsopen, "tmpfs", 0) < 0 && errno == ENOSYS);
		mounts_are_harmless_unless_told_otherwise();
		options_of_mount_8_are_not_given_to_the_kernel();
		CHECK(mount_tmpfs(TARGET, "pass=geheim", &e) < 0 && strstr(e.message, "geheim") == NULL);
		CHECK(err_is(&e, ERR_INVALID));
		an_unknown_filesystem_is_unsupported();
		a_device_that_is_not_there_is_waited_for();
		fflush(stdout);
		_exit(check_case_failed);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	RUN(finds_an_option_in_a_list);
	RUN(joins_the_definitions_options);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0) {
		printf("skip mounting: no mount namespace here: %s\n", strerror(errno));
		return check_done();
	}
	RUN(mounts_are_harmless_unless_told_otherwise);
	RUN(options_of_mount_8_are_not_given_to_the_kernel);
	RUN(each_option_of_mount_8_is_known);
	RUN(an_option_that_changes_what_is_seen_is_refused);
	RUN(the_later_option_wins);
	RUN(a_refused_option_is_named_and_its_value_is_not);
	RUN(an_unknown_filesystem_is_unsupported);
	RUN(a_device_that_is_not_there_is_waited_for);
	RUN(a_second_mount_at_the_target_is_refused);
	RUN(a_target_below_a_file_cannot_be_made);
	RUN(a_link_to_the_target_is_followed);
	RUN(tells_its_own_mount_from_another);
	RUN(unmounting_nothing_is_success);
	RUN(an_open_file_keeps_it_busy_and_its_process_is_named);
	RUN(a_mapped_file_keeps_it_busy);
	RUN(names_three_users_at_most);
	RUN(a_mount_below_keeps_it_busy);
	RUN(garbage_from_a_server_is_no_wrong_option);
	RUN(the_older_call_does_the_same);
	return check_done();
}
