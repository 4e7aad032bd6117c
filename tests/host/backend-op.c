/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * backend-op: run one operation of a backend as a worker would, without a supervisor, and print what it
 * reports in the line grammar.
 *
 *     backend-op POOL.xml check|start|stop|build|refresh|validate|sources [cache=FILE] [force] [own]
 *     [timeout=MS]
 *     backend-op POOL.xml vol-create VOLUME.xml [flags=N] [from=NAME] [frompool=POOL.xml]
 *     backend-op POOL.xml vol-delete VOLUME
 *     backend-op POOL.xml vol-resize VOLUME BYTES [flags=N]
 *     backend-op POOL.xml vol-wipe VOLUME ALGORITHM
 *     backend-op POOL.xml vol-upload|vol-download VOLUME [offset=N] [length=N] [sparse]    (standard input,
 *     standard output of the program)
 *     backend-op find SPEC | content DEVICE
 *
 * Volumes are known from a refresh that comes first; "secrets=DIR" says where passphrases are; "own": no
 * udevd here. "report=FD" is where the records go, other than to 1. Ends with "OK …" (status 0) or "ERR …"
 * (status 1). A refresh ends with the microseconds it took; records are not sorted.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "backends/backend.h"
#include "system/device.h"
#include "volumes/transfer.h"
#include "base/file.h"
#include "base/util.h"

static struct buf out;
static uint64_t volumes;

static void print_volume(struct op *op, const struct volume *v)
{
	(void)op;
	volumes++;
	volume_record(v, &out);
}

static void print_note(struct op *op, const char *text)
{
	(void)op;
	line_begin(&out, "-");
	line_str(&out, "note", text);
	line_end(&out);
}

/* One record a device. */
static void print_left_out(struct op *op, const char *by, const char *lines)
{
	(void)op;
	for (const char *p = lines, *end; (end = strchr(p, '\n')); p = end + 1) {
		line_begin(&out, "-");
		line_str(&out, "left-out", by);
		line_fmt(&out, "device", "%.*s", (int)(end - p), p);
		line_end(&out);
	}
}

static int op_sources(const struct backend *b, struct op *op, struct err *e)
{
	const struct pool_def any = { .type = b->type };
	cleanup_buf struct buf text = BUF_INIT;

	if (b->find(&any, op, &text, e) < 0)
		return -1;
	line_begin(&out, "-");
	line_str(&out, "sources", buf_str(&text));
	line_end(&out);
	return 0;
}

static int op_check(const struct backend *b, const struct pool_def *d, struct op *op, struct err *e)
{
	static const char *const words[] = { "inactive", "active", "degraded" };
	cleanup_buf struct buf detail = BUF_INIT;
	enum pool_state state;

	if (b->check(d, op, &state, &detail, e) < 0)
		return -1;
	line_begin(&out, "-");
	line_str(&out, "state", words[state]);
	line_str(&out, "detail", buf_str(&detail));
	line_end(&out);
	return 0;
}

static int op_refresh(const struct backend *b, const struct pool_def *d, struct op *op, struct err *e)
{
	struct pool_sizes sizes = { 0 };
	uint64_t start = clock_us();

	if (b->refresh(d, op, &sizes, e) < 0)
		return -1;
	line_begin(&out, "-");
	line_num(&out, "capacity", sizes.capacity);
	line_num(&out, "allocation", sizes.allocation);
	line_num(&out, "available", sizes.available);
	line_num(&out, "volumes", volumes);
	line_num(&out, "us", clock_us() - start);
	line_end(&out);
	return 0;
}

/* ---- volumes ---- */

/* What the command line says beyond the operation. */
static struct {
	const char *operand[2];
	unsigned flags;
	const char *from, *frompool;
	struct transfer transfer;
	uint64_t report;
} more;

/* A pool and what a refresh finds in it. */
struct known {
	struct buf xml, records;
	struct pool_def def;
	const struct backend *b;
};

static void known_free(struct known *k)
{
	pool_def_free(&k->def);
	buf_free(&k->xml);
	buf_free(&k->records);
}

static void collect_volume(struct op *op, const struct volume *v)
{
	volume_record(v, op->arg);
}

static int known_read(struct known *k, const char *file, struct op *op, struct err *e)
{
	struct op quiet = { .deadline = op->deadline,
		            .run_dir = op->run_dir,
		            .arg = &k->records,
		            .on_volume = collect_volume };
	struct pool_sizes sizes;

	*k = (struct known){ .b = NULL };
	if (file_read(AT_FDCWD, file, POOL_XML_LIMIT, &k->xml, e) < 0 ||
	    pool_read(&k->def, k->xml.data, k->xml.len, file, e) < 0)
		return -1;
	k->b = backend_find(k->def.type);
	return k->b ? k->b->refresh(&k->def, &quiet, &sizes, e)
	            : err_set(e, ERR_UNSUPPORTED, "no backend for this type");
}

static int known_volume(const struct known *k, const char *name, struct buf *text, struct line *l,
                        struct volume *v, struct err *e)
{
	for (const char *p = k->records.data, *lf; p && (lf = strchr(p, '\n')); p = lf + 1) {
		buf_reset(text);
		buf_add(text, p, (size_t)(lf - p));
		if (line_parse_reply(text->data, text->len, l, e) < 0 || volume_from_record(l, v, e) < 0)
			return -1;
		if (streq(v->name, name))
			return 0;
	}
	return err_set(e, ERR_NO_VOLUME, "no volume \"%s\"", name);
}

static int op_vol_create(const struct known *k, struct op *op, struct err *e)
{
	cleanup_buf struct buf xml = BUF_INIT, text = BUF_INIT;
	cleanup_volume_def struct volume_def v = { 0 };
	struct known other = { .b = NULL };
	struct vol_input from = { .pool = &k->def, .open = k->b->vol_open };
	struct volume source;
	struct line l;
	int rc;

	if (file_read(AT_FDCWD, more.operand[0], VOLUME_XML_LIMIT, &xml, e) < 0 ||
	    volume_def_read(&v, xml.data, xml.len, more.operand[0], &k->def,
	                    more.from ? VOLUME_FOR_CREATE_FROM : VOLUME_FOR_CREATE, e) < 0)
		return -1;
	if (more.frompool && known_read(&other, more.frompool, op, e) < 0)
		return -1;
	if (more.frompool)
		from.pool = &other.def;
	from.volume = &source;
	if (more.from && known_volume(more.frompool ? &other : k, more.from, &text, &l, &source, e) < 0)
		return -1;
	rc = k->b->vol_create(&k->def, op, &v, more.from ? &from : NULL, more.flags, e);
	known_free(&other);
	return rc;
}

static int op_transfer(const struct known *k, const char *what, struct op *op, const struct volume *v,
                       struct err *e)
{
	int rc;

	more.transfer.stream = streq(what, "vol-upload") ? 0 : 1;
	rc = streq(what, "vol-upload") ? transfer_upload(k->b->vol_open, &k->def, op, v, &more.transfer, e)
	                               : transfer_download(k->b->vol_open, &k->def, op, v, &more.transfer, e);
	line_begin(&out, "-");
	line_num(&out, "done", more.transfer.done);
	line_end(&out);
	return rc;
}

static int volume_verb(const struct known *k, const char *what, struct op *op, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct volume v;
	struct line l;

	if (!more.operand[0])
		return err_set(e, ERR_MISSING, "%s of what?", what);
	if (streq(what, "vol-create"))
		return op_vol_create(k, op, e);
	if (known_volume(k, more.operand[0], &text, &l, &v, e) < 0)
		return -1;
	if (streq(what, "vol-delete"))
		return k->b->vol_delete(&k->def, op, &v, e);
	if (streq(what, "vol-resize"))
		return k->b->vol_resize(&k->def, op, &v, strtoull(more.operand[1], NULL, 10), more.flags, e);
	if (streq(what, "vol-wipe"))
		return k->b->vol_wipe(&k->def, op, &v, more.operand[1], e);
	return op_transfer(k, what, op, &v, e);
}

/* The records of an earlier refresh as the index they would have been. */
static int index_of(const struct buf *records, struct volindex *index, struct err *e)
{
	cleanup_free char *copy = strdup(records->data);
	struct volindex_builder b = { 0 };
	int fd = memfd_create("volumes", MFD_CLOEXEC);
	struct stat st;

	for (char *at = copy, *lf; (lf = strchr(at, '\n')); at = lf + 1) {
		struct volume v;
		struct line l;

		if (line_parse_reply(at, (size_t)(lf - at), &l, NULL) == 0 &&
		    volume_from_record(&l, &v, NULL) == 0)
			volindex_add(&b, &v, 1, false);
	}
	if (volindex_write(&b, 1, fd, e) < 0 || fstat(fd, &st) < 0)
		return -1;
	volindex_builder_free(&b);
	return volindex_open(index, mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0),
	                     (size_t)st.st_size)
	               ? 0
	               : -1;
}

static int volume_operation(const char *file, const char *what, struct op *op, struct err *e)
{
	struct volindex index;
	struct known k;
	int rc = known_read(&k, file, op, e);

	if (rc == 0 && k.records.len)
		rc = index_of(&k.records, &index, e);
	op->index = rc == 0 && k.records.len ? &index : NULL;
	if (rc == 0)
		rc = volume_verb(&k, what, op, e);
	known_free(&k);
	return rc;
}

static uint64_t progress_calls;

static void count_progress(struct op *op, uint64_t done, uint64_t total)
{
	(void)op;
	if (done > total)
		abort();
	progress_calls++;
}

static int pool_operation(const char *file, const char *what, struct op *op, struct err *e)
{
	cleanup_buf struct buf xml = BUF_INIT;
	cleanup_pool_def struct pool_def d = { 0 };
	const struct backend *b;

	if (file_read(AT_FDCWD, file, POOL_XML_LIMIT, &xml, e) < 0 ||
	    pool_read(&d, xml.data, xml.len, file, e) < 0)
		return -1;
	b = backend_find(d.type);
	if (!b)
		return err_set(e, ERR_UNSUPPORTED, "no backend for this type");
	if (streq(what, "check"))
		return op_check(b, &d, op, e);
	if (streq(what, "sources"))
		return op_sources(b, op, e);
	if (streq(what, "refresh"))
		return op_refresh(b, &d, op, e);
	if (streq(what, "validate"))
		return b->validate ? b->validate(&d, e) : 0;
	if (streq(what, "start"))
		return b->start(&d, op, e);
	if (streq(what, "stop"))
		return b->stop(&d, op, e);
	if (streq(what, "build"))
		return b->build(&d, op, 0, e);
	return err_set(e, ERR_UNKNOWN_VERB, "no operation \"%s\"", what);
}

static int find(const char *spec, struct err *e)
{
	char path[PATH_MAX];
	dev_t dev;

	if (device_find(spec, path, sizeof(path), &dev, e) < 0)
		return -1;
	line_begin(&out, "-");
	line_str(&out, "path", path);
	line_fmt(&out, "dev", "%u:%u", major(dev), minor(dev));
	line_num(&out, "matches", (uint64_t)device_matches(spec, dev));
	line_num(&out, "ro", device_is_read_only(dev));
	line_end(&out);
	return 0;
}

static int content(const char *device, struct err *e)
{
	struct device_content c;
	char text[128];

	if (device_content(device, &c, e) < 0)
		return -1;
	line_begin(&out, "-");
	line_str(&out, "type", c.type);
	line_str(&out, "label", c.label);
	line_str(&out, "uuid", c.uuid);
	line_str(&out, "table", c.table);
	line_num(&out, "ambivalent", c.ambivalent);
	line_str(&out, "text", device_content_text(&c, text, sizeof(text)));
	line_end(&out);
	return 0;
}

/* An option of the volume operations, or one of their operands. */
static bool option(const char *word, const char **secret_dirs)
{
	static const struct {
		const char *name;
		uint64_t *number;
		const char **text;
	} numbers[] = {
		{ "offset=", &more.transfer.offset, NULL }, { "length=", &more.transfer.length, NULL },
		{ "report=", &more.report, NULL },          { "from=", NULL, &more.from },
		{ "frompool=", NULL, &more.frompool },
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const char *value = word + strlen(numbers[i].name);

		if (!starts_with(word, numbers[i].name))
			continue;
		if (numbers[i].text)
			*numbers[i].text = value;
		else
			*numbers[i].number = strtoull(value, NULL, 10);
		return true;
	}
	if (streq(word, "sparse"))
		return more.transfer.sparse = true;
	if (starts_with(word, "flags=")) {
		more.flags = (unsigned)strtoul(word + 6, NULL, 10);
		return true;
	}
	if (starts_with(word, "secrets=")) {
		secret_dirs[0] = word + 8;
		return true;
	}
	if (strchr(word, '=') || streq(word, "force") || streq(word, "own"))
		return false;
	more.operand[more.operand[0] != NULL] = word;
	return true;
}

int main(int argc, char **argv)
{
	cleanup_buf struct buf cache = BUF_INIT;
	struct volindex index = { .seed = 1 };
	const char *secret_dirs[2] = { "/nonexistent", NULL };
	struct op op = { .deadline = clock_ms() + SECONDS(30),
		         .run_dir = "/run",
		         .secret_dirs = secret_dirs,
		         .on_volume = print_volume,
		         .on_note = print_note,
		         .on_progress = count_progress,
		         .on_left_out = print_left_out };
	struct err e = { 0 };
	int rc;

	if (argc < 3) {
		fprintf(stderr, "usage: backend-op POOL.xml OPERATION [cache=FILE] [force] [timeout=MS] | "
		                "find SPEC | content DEVICE\n");
		return 2;
	}
	for (int i = 3; i < argc; i++) {
		if (option(argv[i], secret_dirs))
			continue;
		if (streq(argv[i], "force"))
			op.force = true;
		else if (streq(argv[i], "own"))
			op.own_devices = true;
		else if (starts_with(argv[i], "timeout="))
			op.deadline = clock_ms() + strtoull(argv[i] + 8, NULL, 10);
		else if (starts_with(argv[i], "cache=") &&
		         file_read(AT_FDCWD, argv[i] + 6, 64u * 1024 * 1024, &cache, &e) < 0)
			return 2;
	}
	if (cache.len && index_of(&cache, &index, &e) < 0)
		return 2;
	op.index = cache.len ? &index : NULL;
	op.seed = index.seed;
	if (streq(argv[1], "find"))
		rc = find(argv[2], &e);
	else if (streq(argv[1], "content"))
		rc = content(argv[2], &e);
	else if (starts_with(argv[2], "vol-"))
		rc = volume_operation(argv[1], argv[2], &op, &e);
	else
		rc = pool_operation(argv[1], argv[2], &op, &e);
	if (rc < 0)
		line_error(&out, &e);
	else
		buf_adds(&out, "OK\n");
	if (write(more.report ? (int)more.report : 1, out.data, out.len) != (ssize_t)out.len)
		return 2;
	buf_free(&out);
	return rc < 0;
}
