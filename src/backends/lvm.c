/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LVM in this process. liblvm2cmd takes a command line and prints, as the program does; here its line is made safely, its output caught, and its
 * reports taken apart.
 */
#include "backends/lvm.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lvm2cmd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "backends/links.h"
#include "base/util.h"

#define LVM_OUTPUT_LIMIT (4 * 1024 * 1024)
#define LVM_CONF         "/etc/lvm/lvm.conf"
#define NAME_CHARACTERS  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

/* Where no udevd runs, nobody else makes nodes, answers device questions, watches devices or keeps backups. */
static const char own_devices_config[] =
	"devices { obtain_device_list_from_udev=0 external_device_info_source=\"none\" use_devicesfile=0 hints=\"none\" } "
	"global { event_activation=0 use_lvmlockd=0 use_lvmpolld=0 notify_dbus=0 } "
	"activation { udev_sync=0 udev_rules=0 verify_udev_operations=0 monitoring=0 } "
	"backup { backup=0 archive=0 }";

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

/* LVM reads every device it finds; one that does not answer would stop the work on all others. */
static void stalled_filter(struct buf *config)
{
	DIR *d = opendir("/sys/class/block");
	struct dirent *entry;
	size_t n = 0;

	while (d && (entry = readdir(d))) {
		/* Names with special characters ("cciss!c0d0") do not occur among disks that can stall. */
		if (entry->d_name[strspn(entry->d_name, NAME_CHARACTERS)] || !device_stalled("/sys", entry->d_name))
			continue;
		buf_printf(config, "%s\"r|^/dev/%s$|\"", n++ ? ", " : "devices { global_filter=[ ", entry->d_name);
	}
	if (n)
		buf_adds(config, " ] } ");
	if (d)
		closedir(d);
}

static int config_add(struct buf *line, const struct op *op, struct err *e)
{
	cleanup_buf struct buf config = BUF_INIT;

	stalled_filter(&config);
	if (op->own_devices)
		buf_adds(&config, own_devices_config);
	if (config.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot run LVM: out of memory");
	if (!config.len)
		return 0;
	return word_quote(line, "--config", e) < 0 || word_quote(line, buf_str(&config), e) < 0 ? -1 : 0;
}

static int line_make(struct buf *line, const char *const *words, const struct op *op, struct err *e)
{
	for (size_t i = 0; words[i]; i++) {
		/* The command's own name comes first; LVM compares it as a whole, so it goes unquoted. */
		if (i == 0)
			buf_adds(line, words[i]);
		else if (word_quote(line, words[i], e) < 0)
			return -1;
	}
	if (config_add(line, op, e) < 0)
		return -1;
	return line->failed ? err_set(e, ERR_NO_MEMORY, "cannot run LVM: out of memory") : 0;
}

/* ---- running it ---- */

struct caught {
	int saved;              /* the descriptor that was there before */
	int memory;             /* memfd that stands in for it */
};

static int catch_begin(struct caught *c, int fd)
{
	c->memory = memfd_create("lvm", MFD_CLOEXEC);
	if (c->memory < 0)
		return -1;
	c->saved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return dup2(c->memory, fd) < 0 ? -1 : 0;
}

static void catch_end(struct caught *c, int fd, struct buf *out)
{
	char bytes[4096];
	ssize_t n;
	off_t at = 0;

	if (c->saved >= 0)
		dup2(c->saved, fd);
	while (c->memory >= 0 && ((n = pread(c->memory, bytes, sizeof(bytes), at)) > 0 || (n < 0 && errno == EINTR)))
		if (n > 0) {
			buf_add(out, bytes, (size_t)n);
			at += n;
		}
	if (c->saved >= 0)
		close(c->saved);
	if (c->memory >= 0)
		close(c->memory);
}

/* Without a configuration LVM insists on making /etc/lvm, and fails on a read-only root; an empty directory name tells it to do without. */
static void environment_set(void)
{
	setenv("LVM_SUPPRESS_FD_WARNINGS", "1", 1);
	setenv("LC_ALL", "C", 1);
	if (access(LVM_CONF, R_OK) < 0)
		setenv("LVM_SYSTEM_DIR", "", 1);
}

static int run_line(const char *line)
{
	void *lvm = lvm2_init();
	int r;

	if (!lvm)
		return LVM2_INIT_FAILED;
	lvm2_log_level(lvm, LVM2_LOG_PRINT);
	r = lvm2_run(lvm, line);
	lvm2_exit(lvm);
	return r;
}

/* ---- what it complained about ---- */

/* LVM's first error says what is wrong, further ones what could therefore not be done; warnings and progress are neither. */
static void first_complaint(const struct buf *messages, char *out, size_t size)
{
	static const char *const noise[] = { "WARNING:", "File descriptor", "Run `", "TELEMETRY" };
	const char *p = buf_str(messages);

	out[0] = '\0';
	while (*p && !out[0]) {
		size_t n;
		bool skip = false;

		p += strspn(p, " \t");
		n = strcspn(p, "\n");
		for (size_t i = 0; i < ARRAY_LEN(noise); i++)
			skip |= starts_with(p, noise[i]);
		if (n && !skip)
			snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), p);
		p += n + (p[n] == '\n');
	}
	for (size_t n = strlen(out); n && (out[n - 1] == '.' || isspace((unsigned char)out[n - 1])); n--)
		out[n - 1] = '\0';
}

static enum err_class complaint_class(const char *text)
{
	static const struct { const char *part; enum err_class class; } known[] = {
		{ " in use", ERR_BUSY },
		{ "contains a filesystem in use", ERR_BUSY },
		{ "nsufficient free space", ERR_NO_SPACE },
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

int lvm_run(const char *const *words, struct op *op, struct buf *out, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT, messages = { .limit = LVM_OUTPUT_LIMIT }, ignored = { .limit = LVM_OUTPUT_LIMIT };
	struct caught caught_out = { -1, -1 }, caught_err = { -1, -1 };
	char complaint[400];
	int r = LVM2_INIT_FAILED;

	if (line_make(&line, words, op, e) < 0)
		return -1;
	environment_set();
	fflush(stdout);
	fflush(stderr);
	if (catch_begin(&caught_out, STDOUT_FILENO) == 0 && catch_begin(&caught_err, STDERR_FILENO) == 0)
		r = run_line(buf_str(&line));
	fflush(stdout);
	fflush(stderr);
	catch_end(&caught_err, STDERR_FILENO, &messages);
	catch_end(&caught_out, STDOUT_FILENO, out ? out : &ignored);
	if (r == LVM2_COMMAND_SUCCEEDED)
		return out && out->failed ? err_set(e, ERR_LIMIT, "%s printed too much", words[0]) : 0;
	first_complaint(&messages, complaint, sizeof(complaint));
	return err_set(e, complaint_class(complaint), "%s: %s", words[0], complaint[0] ? complaint : "failed without saying why");
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
		return err_set(e, ERR_STORAGE, "LVM's report is not understood%s%s", n ? " after field " : "", n ? fields[n - 1].key : "");
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

/* One name up to a single '-' or the end, doubled ones undone. The rest, or NULL if it is empty or too long. */
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
