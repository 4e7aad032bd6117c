/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Closing a worker in: no_new_privs, then landlock without a single path, then a seccomp filter that lets
 * only calls through that memory management and already open descriptors need, and for some, opening for
 * reading. The filter's tables are the policy; read those.
 *
 * Under AddressSanitizer there is no filter: its run-time makes calls of its own (personality, clone, open of
 * /proc). That build is for tests only.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/util.h"

/* ---- landlock ---- */

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446
#endif
#define LANDLOCK_VERSION 1 /* LANDLOCK_CREATE_RULESET_VERSION */

/* struct landlock_ruleset_attr of ABI 6; older kernels know less of it. */
struct ruleset {
	uint64_t fs, net, scoped;
};

/* Everything each ABI version can forbid, and how much of the struct it knows. The last row serves newer
 * ones. */
/* clang-format off */
static const struct { struct ruleset all; size_t size; } abis[] = {
	{ { 0x1fff, 0x0, 0x0 }, 8 },
	{ { 0x3fff, 0x0, 0x0 }, 8 },
	{ { 0x7fff, 0x0, 0x0 }, 8 },
	{ { 0x7fff, 0x3, 0x0 }, 16 },
	{ { 0xffff, 0x3, 0x0 }, 16 },
	{ { 0xffff, 0x3, 0x3 }, 24 },
};
/* clang-format on */

/* A process that may read needs LANDLOCK_ACCESS_FS_READ_FILE and _READ_DIR. It also gets _TRUNCATE, which is
 * of no use to it without a file open for writing: if it were missing the kernel would look up every
 * directory to the root at each opening. */
#define READING ((uint64_t)(1 << 2 | 1 << 3 | 1 << 14))

/* Landlock: no path may be used but in the ways of `except`. No rule is added, so that there is no path at
 * all. */
static int forbid_paths(uint64_t except, struct err *e)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
	cleanup_close int fd = -1;
	struct ruleset forbidden;
	size_t row;

	if (abi < 1) /* not in this kernel, or not switched on */
		return 0;
	row = (size_t)abi > ARRAY_LEN(abis) ? ARRAY_LEN(abis) - 1 : (size_t)abi - 1;
	forbidden = abis[row].all;
	forbidden.fs &= ~except;
	fd = (int)syscall(SYS_landlock_create_ruleset, &forbidden, abis[row].size, 0);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return err_sys(e, errno, "cannot shut a worker off from files (landlock)");
	return 0;
}

/* ---- seccomp ---- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef ARCH

/* What a call's argument must be like. */
enum condition {
	ALWAYS,
	WITHOUT_BITS, /* (argument & value) == 0 */
	WITH_BITS,    /* (argument & value) != 0 */
	EQUALS,       /* all 64 bits */
	OWN_PID,
	OWN_TID,
};

struct rule {
	long call;
	enum condition condition;
	unsigned argument;
	uint32_t value;
};

static const struct rule rules[] = {
	/* descriptors that are open already */
	{ SYS_read, ALWAYS, 0, 0 },
	{ SYS_write, ALWAYS, 0, 0 },
	{ SYS_readv, ALWAYS, 0, 0 },
	{ SYS_writev, ALWAYS, 0, 0 },
	{ SYS_pread64, ALWAYS, 0, 0 },
	{ SYS_lseek, ALWAYS, 0, 0 },
	{ SYS_close, ALWAYS, 0, 0 },
	{ SYS_fcntl, ALWAYS, 0, 0 },
	{ SYS_fstat, ALWAYS, 0, 0 },
#ifdef SYS_poll
	{ SYS_poll, ALWAYS, 0, 0 },
#endif
	{ SYS_ppoll, ALWAYS, 0, 0 },
	{ SYS_sendto, EQUALS, 4, 0 }, /* send(): the answer goes over a socket; no address */
	/* memory, but none that can be executed */
	{ SYS_brk, ALWAYS, 0, 0 },
	{ SYS_mmap, WITHOUT_BITS, 2, PROT_EXEC },
	{ SYS_mprotect, WITHOUT_BITS, 2, PROT_EXEC },
	{ SYS_munmap, ALWAYS, 0, 0 },
	{ SYS_mremap, ALWAYS, 0, 0 },
	{ SYS_madvise, ALWAYS, 0, 0 },
	/* time, chance, self */
	{ SYS_clock_gettime, ALWAYS, 0, 0 },
	{ SYS_getrandom, ALWAYS, 0, 0 },
	{ SYS_futex, ALWAYS, 0, 0 },
	{ SYS_getpid, ALWAYS, 0, 0 },
	{ SYS_gettid, ALWAYS, 0, 0 },
	{ SYS_rt_sigaction, ALWAYS, 0, 0 },
	{ SYS_rt_sigprocmask, ALWAYS, 0, 0 },
	{ SYS_rt_sigreturn, ALWAYS, 0, 0 },
	{ SYS_sigaltstack, ALWAYS, 0, 0 },
	{ SYS_tgkill, OWN_PID, 0, 0 }, /* abort(3) */
	{ SYS_tkill, OWN_TID, 0, 0 },
	{ SYS_restart_syscall, ALWAYS, 0, 0 },
	{ SYS_exit, ALWAYS, 0, 0 },
	{ SYS_exit_group, ALWAYS, 0, 0 },
#ifdef __GLIBC__
	{ SYS_newfstatat, WITH_BITS, 3, AT_EMPTY_PATH }, /* its fstat() */
	{ SYS_sysinfo, ALWAYS, 0, 0 },                   /* its qsort() */
#endif
};

/* Calls of a process that may open what it reads. Landlock sees to it as well that it opens files for reading
 * only. */
static const struct rule reading_rules[] = {
	{ SYS_openat, WITHOUT_BITS, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY) },
	{ SYS_newfstatat, ALWAYS, 0, 0 },
	{ SYS_statx, ALWAYS, 0, 0 },
	{ SYS_readlinkat, ALWAYS, 0, 0 },
	{ SYS_fadvise64, ALWAYS, 0, 0 },
	{ SYS_getdents64, ALWAYS, 0, 0 },
};

#define DATA(field)        ((uint32_t)offsetof(struct seccomp_data, field))
#define LOAD(offset)       (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define JUMP(how, k, t, f) (struct sock_filter) BPF_JUMP(BPF_JMP | (how) | BPF_K, k, t, f)
#define RETURN(what)       (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, what)
#define RULE_LEN           7 /* the longest rule: call, low, compare, high, compare, allow, load */

struct program {
	struct sock_filter code[(ARRAY_LEN(rules) + ARRAY_LEN(reading_rules)) * RULE_LEN + 8];
	unsigned short len;
};

/* One instruction of the filter. Jumps are relative: t and f are how many to skip if it holds, and if not. */
static void add_op(struct program *p, struct sock_filter op)
{
	p->code[p->len++] = op;
}

/* The low half of an argument, which comes first: both architectures are little-endian. */
static uint32_t low_half(unsigned argument)
{
	return DATA(args) + 8 * argument;
}

/* "If it is this call and the condition holds: allow", else on to the next rule, with the call's number
 * loaded as before. The kernel goes through the filter for each call that there is when it takes it: what is
 * left out here is saved some hundred times by each worker. */
static void emit_rule(struct program *p, const struct rule *r)
{
	bool bits = r->condition == WITHOUT_BITS || r->condition == WITH_BITS;
	bool if_set = r->condition != WITHOUT_BITS, both_halves = r->condition == EQUALS;
	uint32_t value = r->value;

	if (r->condition == ALWAYS) {
		add_op(p, JUMP(BPF_JEQ, (uint32_t)r->call, 0, 1));
		add_op(p, RETURN(SECCOMP_RET_ALLOW));
		return;
	}
	if (r->condition == OWN_PID) /* process numbers are 32 bits wide; the kernel ignores the rest */
		value = (uint32_t)getpid();
	else if (r->condition == OWN_TID)
		value = (uint32_t)syscall(SYS_gettid);
	add_op(p, JUMP(BPF_JEQ, (uint32_t)r->call, 0, both_halves ? 6 : 4));
	if (both_halves) {
		add_op(p, LOAD(low_half(r->argument) + 4));
		add_op(p, JUMP(BPF_JEQ, 0, 0, 3));
	}
	add_op(p, LOAD(low_half(r->argument)));
	add_op(p, JUMP(bits ? BPF_JSET : BPF_JEQ, value, !if_set, if_set));
	add_op(p, RETURN(SECCOMP_RET_ALLOW));
	add_op(p, LOAD(DATA(nr)));
}

/* First of all: a call of another architecture has other numbers, and would be taken for another call. */
static void emit_arch(struct program *p)
{
	add_op(p, LOAD(DATA(arch)));
	add_op(p, JUMP(BPF_JEQ, ARCH, 1, 0));
	add_op(p, RETURN(SECCOMP_RET_KILL_PROCESS));
}

/* Put the filter in force. A kernel without seccomp filters goes without: landlock and the closed
 * descriptors remain. */
static int install_filter(const struct program *p, const char *whom, struct err *e)
{
	struct sock_fprog prog = { .len = p->len, .filter = (struct sock_filter *)(uintptr_t)p->code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0 || errno == ENOSYS ||
	    errno == EINVAL)
		return 0; /* in force, or not in this kernel */
	return err_sys(e, errno, "cannot shut %s off from the system (seccomp)", whom);
}

static int forbid_calls(bool reading, struct err *e)
{
	struct program p = { .len = 0 };

	emit_arch(&p);
	add_op(&p, LOAD(DATA(nr)));
	for (size_t i = 0; reading && i < ARRAY_LEN(reading_rules); i++) /* what is called most comes first */
		emit_rule(&p, &reading_rules[i]);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		emit_rule(&p, &rules[i]);
	add_op(&p, RETURN(SECCOMP_RET_KILL_PROCESS));
	return install_filter(&p, "a worker", e);
}

/* ---- tools ---- */

/* Calls that are forbidden to a tool that works on files: it has no use for them, or they lead out of its
 * namespaces. */
static const short not_for_tools[] = {
	SYS_socket,
	SYS_keyctl,
	SYS_add_key,
	SYS_request_key,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_unshare,
	SYS_setns,
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_open_by_handle_at,
	SYS_init_module,
	SYS_finit_module,
	SYS_kexec_load,
	SYS_syslog,
	SYS_io_uring_setup,
	SYS_open_tree,
	SYS_move_mount,
	SYS_fsopen,
	SYS_pidfd_getfd,
};

#define FIRST_OTHER_ABI   0x40000000U /* x32 on x86-64 */
#define FAIL_WITH(errnum) RETURN(SECCOMP_RET_ERRNO | (errnum))

int sandbox_enter_tool(struct err *e)
{
	struct program p = { .len = 0 };

	emit_arch(&p);
	add_op(&p, LOAD(DATA(nr)));
	add_op(&p, JUMP(BPF_JGE, FIRST_OTHER_ABI, 0, 1));
	add_op(&p, RETURN(SECCOMP_RET_KILL_PROCESS));
	for (size_t i = 0; i < ARRAY_LEN(not_for_tools); i++) {
		add_op(&p, JUMP(BPF_JEQ, (uint32_t)not_for_tools[i], 0, 1));
		add_op(&p, FAIL_WITH(EPERM));
	}
	/* its flags are in memory; C libraries go back to clone(2) then, whose flags can be seen */
	add_op(&p, JUMP(BPF_JEQ, SYS_clone3, 0, 1));
	add_op(&p, FAIL_WITH(ENOSYS));
	add_op(&p, JUMP(BPF_JEQ, SYS_clone, 0, 3));
	add_op(&p, LOAD(low_half(0)));
	add_op(&p, JUMP(BPF_JSET, CLONE_NEWUSER, 0, 1));
	add_op(&p, FAIL_WITH(EPERM));
	add_op(&p, RETURN(SECCOMP_RET_ALLOW));
	return install_filter(&p, "a tool", e);
}

#else

static int forbid_calls(bool reading, struct err *e)
{
	(void)reading;
	(void)e;
	return 0;
}

int sandbox_enter_tool(struct err *e)
{
	(void)e;
	return 0;
}

#endif

static bool entered;

bool sandbox_entered(void)
{
	return entered;
}

/* In this order: no_new_privs is what both others ask for; the filter would forbid landlock's calls. */
static int enter(bool reading, struct err *e)
{
	entered = true;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "cannot give up privileges for good");
	if (forbid_paths(reading ? READING : 0, e) < 0)
		return -1;
	return SANITIZED ? 0 : forbid_calls(reading, e);
}

int sandbox_enter(struct err *e)
{
	return enter(false, e);
}

int sandbox_enter_reading(struct err *e)
{
	return enter(true, e);
}
