/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * backend-op: run one operation of a backend as a worker would, without a supervisor, and print what it reports in the line grammar.
 *
 *     backend-op POOL.xml check|start|stop|build|refresh|validate [cache=FILE] [force] [timeout=MS]
 *     backend-op find SPEC | content DEVICE
 *
 * Ends with "OK …" (status 0) or "ERR …" (status 1). A refresh ends with the microseconds it took; records are not sorted.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include "backends/backend.h"
#include "backends/device.h"
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

static int pool_operation(const char *file, const char *what, struct op *op, struct err *e)
{
	cleanup_buf struct buf xml = BUF_INIT;
	cleanup_pool_def struct pool_def d = { 0 };
	const struct backend *b;

	if (file_read(AT_FDCWD, file, POOL_XML_LIMIT, &xml, e) < 0 || pool_read(&d, xml.data, xml.len, file, e) < 0)
		return -1;
	b = backend_find(d.type);
	if (!b)
		return err_set(e, ERR_UNSUPPORTED, "no backend for this type");
	if (streq(what, "check"))
		return op_check(b, &d, op, e);
	if (streq(what, "refresh"))
		return op_refresh(b, &d, op, e);
	if (streq(what, "validate"))
		return b->validate ? b->validate(&d, e) : 0;
	if (streq(what, "start"))
		return b->start(&d, op, e);
	if (streq(what, "stop"))
		return b->stop(&d, op, e);
	if (streq(what, "build"))
		return b->build(&d, op, e);
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

int main(int argc, char **argv)
{
	cleanup_buf struct buf cache = BUF_INIT;
	struct op op = { .deadline = clock_ms() + SECONDS(30), .run_dir = "/run", .on_volume = print_volume, .on_note = print_note };
	struct err e = { 0 };
	int rc;

	if (argc < 3) {
		fprintf(stderr, "usage: backend-op POOL.xml OPERATION [cache=FILE] [force] [timeout=MS] | find SPEC | content DEVICE\n");
		return 2;
	}
	for (int i = 3; i < argc; i++) {
		if (streq(argv[i], "force"))
			op.force = true;
		else if (starts_with(argv[i], "timeout="))
			op.deadline = clock_ms() + strtoull(argv[i] + 8, NULL, 10);
		else if (starts_with(argv[i], "cache=") && file_read(AT_FDCWD, argv[i] + 6, 64u * 1024 * 1024, &cache, &e) < 0)
			return 2;
	}
	op.cache = cache.data;
	op.cache_len = cache.len;
	if (streq(argv[1], "find"))
		rc = find(argv[2], &e);
	else if (streq(argv[1], "content"))
		rc = content(argv[2], &e);
	else
		rc = pool_operation(argv[1], argv[2], &op, &e);
	if (rc < 0)
		line_error(&out, &e);
	else
		buf_adds(&out, "OK\n");
	fwrite(out.data, 1, out.len, stdout);
	buf_free(&out);
	return rc < 0;
}
