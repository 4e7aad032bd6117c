/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LVM without its program. liblvm2cmd takes a command line and prints, as the program does; here its line is
 * made safely, run by a process of its own, what it says is sorted, and its reports taken apart.
 */
#include "backends/logical/lvm.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lvm2cmd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/util.h"
#include "pool/volindex.h"
#include "system/module.h"

#define LVM_OUTPUT_LIMIT (4 * 1024 * 1024)
#define LVM_CONF         "/etc/lvm/lvm.conf"
#define LVM_LINE         4095
#define TIME_TO_TELL     SECONDS(2)
#define CPU_SECONDS      20 /* a command that needs more is taken for one that never ends */
#define REPORTER         "libdm-report.c"

/* Where no udevd runs, nobody else makes nodes, answers device questions, watches devices or keeps
 * backups. */
static const char own_devices_config[] =
	"devices { obtain_device_list_from_udev=0 external_device_info_source=\"none\" use_devicesfile=0 "
	"hints=\"none\" } global { event_activation=0 use_lvmpolld=0 notify_dbus=0 } "
	"activation { udev_sync=0 udev_rules=0 verify_udev_operations=0 monitoring=0 } backup { backup=0 "
	"archive=0 }";

/* ---- the command line ---- */

/* LVM's splitter knows quotes only around whole words, and no escape inside them. */
static int word_quote(struct buf *line, const char *word, struct err *e)
{
	char quote = strchr(word, '\'') ? '"' : '\'';

	if (strchr(word, quote) || strpbrk(word, "\n\r"))
		return err_set(e, ERR_INVALID, "cannot give \"%s\" to LVM: no way to quote it", word);
	buf_printf(line, "%s%c%s%c", line->len ? " " : "", quote, word, quote);
	return 0;
}

/* The devices that LVM may look at. Names are regular expressions there, in quotes: what would mean something
 * in either is no device's name, or a link's. */
static int filter_add(struct buf *config, const char *device, struct err *e)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/:=,@.+";
	char node[PATH_MAX];

	if (device[strspn(device, plain)]) {
		if (!realpath(device, node) || node[strspn(node, plain)])
			return err_set(
				e, ERR_INVALID,
				"cannot give %s to LVM: its name has characters that mean something there",
				device);
		device = node;
	}
	buf_adds(config, "\"a|^");
	for (const char *p = device; *p; p++)
		buf_printf(config, strchr(".+", *p) ? "[%c]" : "%c", *p);
	buf_adds(config, "$|\", ");
	return 0;
}

/* Does the host's own configuration have this setting? */
static bool conf_has(const char *conf, const char *setting)
{
	for (const char *p = conf; (p = strstr(p, setting)); p++) {
		const char *line = p;

		while (line > conf && (line[-1] == ' ' || line[-1] == '\t'))
			line--;
		if ((line == conf || strchr("\n{/", line[-1])) && strchr(" \t=", p[strlen(setting)]))
			return true;
	}
	return false;
}

/* LVM has two filters, and a device has to pass both. Ours goes where the host's own configuration has
 * none. */
static const char *free_filter(const struct op *op)
{
	cleanup_buf struct buf conf = BUF_INIT;

	if (!op->own_devices && file_read(AT_FDCWD, LVM_CONF, LVM_OUTPUT_LIMIT, &conf, NULL) == 0 &&
	    conf_has(buf_str(&conf), "global_filter"))
		return "filter";
	return "global_filter";
}

static int config_add(struct buf *line, const char *const *only, bool locked, const struct op *op,
                      struct err *e)
{
	cleanup_buf struct buf config = BUF_INIT;

	if (only)
		buf_printf(&config, "devices { %s=[ ", free_filter(op));
	for (size_t i = 0; only && only[i]; i++)
		if (filter_add(&config, only[i], e) < 0)
			return -1;
	if (only)
		buf_adds(&config, "\"r|.*|\" ] } ");
	if (op->own_devices)
		buf_adds(&config, own_devices_config);
	if (op->own_devices || locked)
		buf_printf(&config, "global { use_lvmlockd=%d }", locked);
	if (config.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot run LVM: out of memory");
	if (!config.len)
		return 0;
	return word_quote(line, "--config", e) < 0 || word_quote(line, buf_str(&config), e) < 0 ? -1 : 0;
}

static int line_make(struct buf *line, const char *const *words, const char *const *only, bool locked,
                     const struct op *op, struct err *e)
{
	for (size_t i = 0; words[i]; i++) {
		/* The command's own name comes first; LVM compares it as a whole, so it goes unquoted. */
		if (i == 0)
			buf_adds(line, words[i]);
		else if (word_quote(line, words[i], e) < 0)
			return -1;
	}
	if (config_add(line, only, locked, op, e) < 0)
		return -1;
	return line->failed ? err_set(e, ERR_NO_MEMORY, "cannot run LVM: out of memory") : 0;
}

/* ---- running it ---- */

/* What the command says. LVM hands over line by line, with the file of its source that says it: a report
 * comes from one file only, and everything else is about the work, wherever LVM itself would print it. In
 * memory that is shared with the process that runs it. */
static struct said {
	int result;
	char complaint[400], warning[400];
	bool overflow;
	size_t len; /* of the report */
	char report[LVM_OUTPUT_LIMIT];
} * said;
static char last_trouble[400], last_death[80];

static void say_once(char *where, size_t size, const char *text)
{
	if (!where[0])
		snprintf(where, size, "%s", text);
}

/* LVM cuts a long line. Then its last field, a list, ends with the last of its members that is whole. */
static void report_add(struct said *s, const char *line)
{
	const char *comma = strlen(line) >= LVM_LINE ? strrchr(line, ',') : NULL;
	size_t n = comma ? (size_t)(comma - line) : strlen(line), tail = comma ? 2 : 1;

	s->overflow |= n + tail > sizeof(s->report) - s->len;
	if (s->overflow)
		return;
	memcpy(s->report + s->len, line, n);
	memcpy(s->report + s->len + n, comma ? "'\n" : "\n", tail);
	s->len += n + tail;
}

static void on_message(int level, const char *file, int line, int dm_errno, const char *message)
{
	size_t n = strlen(file), tail = strlen(REPORTER);

	(void)line, (void)dm_errno;
	if (!said || level > LVM2_LOG_PRINT)
		return;
	if (level == LVM2_LOG_PRINT && n >= tail && streq(file + n - tail, REPORTER)) {
		report_add(said, message);
		return;
	}
	message += strspn(message, " \t");
	if (level < LVM2_LOG_PRINT)
		say_once(said->complaint, sizeof(said->complaint), message);
	/* it has no place for that here */
	else if (starts_with(message, "WARNING: ") && !strstr(message, "NOT be backed up"))
		say_once(said->warning, sizeof(said->warning), message + strlen("WARNING: "));
}

/* Without a configuration LVM insists on making /etc/lvm, and fails on a read-only root; an empty directory
 * name tells it to do without. */
static void environment_set(void)
{
	setenv("LVM_SUPPRESS_FD_WARNINGS", "1", 1);
	setenv("LC_ALL", "C", 1);
	if (access(LVM_CONF, R_OK) < 0)
		setenv("LVM_SYSTEM_DIR", "", 1);
}

static int run_line(const char *line)
{
	void *lvm;
	int r;

	lvm2_log_fn(on_message);
	lvm = lvm2_init();
	if (!lvm)
		return LVM2_INIT_FAILED;
	r = lvm2_run(lvm, line);
	lvm2_exit(lvm);
	return r;
}

/* ---- in a process of its own ---- */

/* What is on a disk may be such that LVM's code dies of it, or never comes to an end: then the worker lives
 * on, and says so. One command at a time may be at a group, known by its first device: one that hangs there
 * in the kernel, and so outlives its worker, keeps others from joining it. */
static int command_lock(const char *const *only, const struct op *op)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	char path[PATH_MAX];
	int fd;

	if (!only || !only[0] || !op->run_dir ||
	    snprintf(path, sizeof(path), "%s/lvm-commands", op->run_dir) >= (int)sizeof(path))
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	l.l_start = (off_t)(hash_text(0, only[0]) >> 2);
	while (fd >= 0 && fcntl(fd, F_OFD_SETLKW, &l) < 0 && errno == EINTR)
		;
	return fd;
}

static _Noreturn void command_main(struct said *s, const char *line, int lock)
{
	struct rlimit cpu = { CPU_SECONDS, CPU_SECONDS };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_NAME, "lvm");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CPU, &cpu);
	for (int fd = 0; fd < 3 && null >= 0 && !SANITIZED; fd++)
		dup2(null, fd);
	file_keep_only(lock);
	environment_set();
	said = s;
	s->result = run_line(line);
	_exit(0);
}

/* Is it still there then? Then it is killed. */
static bool end_late(pid_t child, uint64_t until)
{
	cleanup_close int pidfd = until == NEVER ? -1 : (int)syscall(SYS_pidfd_open, child, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int n = 1;

	while (pidfd >= 0 && (n = poll(&p, 1, clock_until(until))) < 0 && errno == EINTR)
		;
	return n == 0 && kill(child, SIGKILL) == 0;
}

/* 0: it has come to an end, as s tells. */
static int run_apart(struct said *s, const char *line, int lock, uint64_t until, struct err *e)
{
	uint64_t kills = memory_watch(), began = clock_ms();
	pid_t child = fork();
	int status;

	last_death[0] = '\0';
	if (child < 0)
		return err_sys(e, errno, "cannot run LVM");
	if (child == 0)
		command_main(s, line, lock);

	bool late = end_late(child, until);

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "cannot wait for LVM");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (late)
		return err_set(e, ERR_TIMEOUT, "lvmlockd has not answered LVM within %llu s",
		               (unsigned long long)(clock_ms() - began) / 1000);
	if (memory_took(child, "lvm", status, kills))
		return err_set(e, ERR_NO_MEMORY, "LVM %s", memory_ending(child, "lvm", status, kills));
	snprintf(last_death, sizeof(last_death), "%s", memory_ending(child, "lvm", status, kills));
	return err_set(e, ERR_STORAGE, "LVM's own code %s", last_death);
}

const char *lvm_death(void)
{
	return last_death[0] ? last_death : NULL;
}

/* ---- what it complained about ---- */

/* LVM's first error says what is wrong, further ones what could therefore not be done; where there is none, a
 * warning may tell. */
static const char *what_is_wrong(struct said *s)
{
	char *text = s->complaint[0] ? s->complaint : s->warning;

	for (size_t n = strlen(text); n && (text[n - 1] == '.' || isspace((unsigned char)text[n - 1])); n--)
		text[n - 1] = '\0';
	return text;
}

static enum err_class complaint_class(const char *text)
{
	static const struct {
		const char *part;
		enum err_class class;
	} known[] = {
		{ " in use", ERR_BUSY },
		{ "already exists in volume group", ERR_EXISTS },
		{ "nsufficient free space", ERR_NO_SPACE },
		{ "reached threshold", ERR_NO_SPACE }, /* a thin pool's */
		{ "ead-only", ERR_READ_ONLY },
		{ "Failure to communicate with kernel device-mapper driver", ERR_UNSUPPORTED },
		{ "/dev/mapper/control: open failed", ERR_UNSUPPORTED },
		{ "module", ERR_UNSUPPORTED },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strstr(text, known[i].part))
			return known[i].class;
	return ERR_STORAGE;
}

/* What the command that came to an end has said, for the caller. */
static int outcome(struct said *s, const char *command, struct buf *out, struct err *e)
{
	/* Damaged metadata may have had LVM's code write anywhere, here too. */
	s->complaint[sizeof(s->complaint) - 1] = s->warning[sizeof(s->warning) - 1] = '\0';
	s->len = least(s->len, sizeof(s->report));
	const char *wrong = what_is_wrong(s);

	snprintf(last_trouble, sizeof(last_trouble), "%s", wrong);
	if (s->result == LVM2_COMMAND_SUCCEEDED) {
		if (out)
			buf_add(out, s->report, s->len);
		if (out && out->failed)
			return err_set(e, ERR_NO_MEMORY, "no memory for what %s reports", command);
		return out && s->overflow ? err_set(e, ERR_LIMIT, "%s printed too much", command) : 0;
	}
	if (!wrong[0])
		wrong = "failed without saying why";
	return err_set(e, complaint_class(wrong), "%s: %s", command, wrong);
}

/* lvmlockd may never answer. Whoever asked is to hear that, and not only that time is up. */
static uint64_t locked_until(const struct op *op)
{
	return op->deadline == NEVER ? NEVER : op->deadline - least(op->deadline, TIME_TO_TELL);
}

static int run_command(const char *const *words, const char *const *only, bool locked, struct op *op,
                       struct buf *out, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT;
	struct said *s;
	int rc;

	if (line_make(&line, words, only, locked, op, e) < 0)
		return -1;
	module_load_wanted("dm-mod"); /* else the kernel runs modprobe when LVM opens its device */
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return err_set(e, ERR_NO_MEMORY, "cannot run LVM: out of memory");

	cleanup_close int lock = command_lock(only, op);

	rc = run_apart(s, buf_str(&line), lock, locked ? locked_until(op) : NEVER, e);
	if (rc == 0)
		rc = outcome(s, words[0], out, e);
	munmap(s, sizeof(*s));
	return rc;
}

int lvm_run(const char *const *words, const char *const *only, struct op *op, struct buf *out, struct err *e)
{
	return run_command(words, only, false, op, out, e);
}

int lvm_run_locked(const char *const *words, const char *const *only, struct op *op, struct buf *out,
                   struct err *e)
{
	return run_command(words, only, true, op, out, e);
}

const char *lvm_trouble(void)
{
	return last_trouble;
}

/* ---- its reports ---- */

/* One KEY='value'. The key is cut and freed of its prefix. NULL: the line breaks off in the middle. */
static char *field_next(char *p, struct lvm_field *f)
{
	char *key = p;

	while (isupper((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_')
		p++;
	if (p == key || p[0] != '=' || p[1] != '\'')
		return NULL;
	*p = '\0';
	f->key = starts_with(key, "LVM2_") ? key + strlen("LVM2_") : key;
	f->value = p + 2;
	p = strchr(p + 2, '\'');
	if (!p)
		return NULL;
	*p = '\0';
	return p + 1;
}

int lvm_next(char **text, struct lvm_field *fields, struct err *e)
{
	char *line, *end;
	int n = 0;

	if (!*text)
		return 0;
	line = *text + strspn(*text, " \t\n");
	if (!*line) {
		*text = line;
		return 0;
	}
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	*text = end ? end + 1 : line + strlen(line);
	while (line && *line && n < LVM_FIELDS) {
		line = field_next(line, &fields[n]);
		if (line) {
			n++;
			line += strspn(line, " \t");
		}
	}
	if (!line || *line)
		return err_set(e, ERR_STORAGE, "LVM's report is not understood%s%s", n ? " after field " : "",
		               n ? fields[n - 1].key : "");
	return n;
}

const char *lvm_get(const struct lvm_field *fields, int n, const char *key)
{
	for (int i = 0; i < n; i++)
		if (streq(fields[i].key, key))
			return fields[i].value;
	return "";
}

/* ---- device-mapper's view ---- */

/* One name up to a single '-' or the end, doubled ones undone. The rest, or NULL if it is empty or too
 * long. */
static const char *dm_part(const char *p, char *out, size_t size)
{
	size_t n = 0;

	while (*p && (*p != '-' || p[1] == '-')) {
		if (n + 1 >= size)
			return NULL;
		out[n++] = *p;
		p += *p == '-' ? 2 : 1;
	}
	out[n] = '\0';
	return n ? p : NULL;
}

bool lvm_dm_name(const char *dm_name, char *vg, size_t vg_size, char *lv, size_t lv_size)
{
	const char *p = dm_part(dm_name, vg, vg_size);

	return p && *p == '-' && dm_part(p + 1, lv, lv_size);
}

bool lvm_dm_vg_uuid(const char *dm_uuid, char out[39])
{
	static const int group[] = { 6, 4, 4, 4, 4, 4, 6 };
	const char *p = dm_uuid + strlen("LVM-");

	if (!starts_with(dm_uuid, "LVM-") || strlen(p) < 64)
		return false;
	for (size_t g = 0; g < ARRAY_LEN(group); g++) {
		if (g)
			*out++ = '-';
		memcpy(out, p, (size_t)group[g]);
		out += group[g];
		p += group[g];
	}
	*out = '\0';
	return true;
}
