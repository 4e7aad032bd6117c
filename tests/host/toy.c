/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * toy: a pool type as a newcomer would add it, for tests/host/toy-type. It takes the XML of a type that
 * nothing else here can start: a directory whose files are volumes, which is "there" while a companion
 * program of the pool's own holds a pipe open.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backends/backend.h"
#include "base/util.h"
#include "volumes/directory/list.h"
#include "volumes/file/volume.h"

static const char *pipe_of(const struct pool_def *d, const struct op *op, char path[256])
{
	snprintf(path, 256, "%.150s/toy-%.90s", op->run_dir, d->source.name);
	return path;
}

/* To whoever holds the pipe; -1: nobody does. */
static int pipe_open(const struct pool_def *d, const struct op *op, int how)
{
	char path[256];

	return open(pipe_of(d, op, path), O_WRONLY | O_CLOEXEC | how);
}

static bool is_held(const struct pool_def *d, const struct op *op)
{
	cleanup_close int fd = pipe_open(d, op, O_NONBLOCK);

	return fd >= 0;
}

/* ---- the companion ---- */

static int toyd_prepare(const struct pool_def *d, struct op *op, struct err *e)
{
	char path[256];

	if (is_held(d, op))
		return 1;
	if (mkfifo(pipe_of(d, op, path), 0600) < 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make %s", path);
	return 0;
}

static int toyd_command(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	char path[256];
	const char *const argv[] = { "/run/test/toyd", d->source.name, pipe_of(d, op, path) };

	(void)e;
	for (size_t i = 0; i < ARRAY_LEN(argv); i++)
		buf_add(words, argv[i], strlen(argv[i]) + 1);
	return 0;
}

/* The opening waits for it. */
static int toyd_ready(const struct pool_def *d, struct op *op, struct err *e)
{
	cleanup_close int fd = pipe_open(d, op, 0);

	return fd < 0 ? err_sys(e, errno, "toyd does not answer") : 0;
}

static const struct service toyd = {
	.name = "toyd", .prepare = toyd_prepare, .command = toyd_command, .ready = toyd_ready
};

/* ---- operations ---- */

static int toy_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                     struct err *e)
{
	(void)detail, (void)e;
	*state = is_held(d, op) ? STATE_ACTIVE : STATE_INACTIVE;
	return 0;
}

static int toy_start(const struct pool_def *d, struct op *op, struct err *e)
{
	return is_held(d, op) ? 0 : err_set(e, ERR_STORAGE, "nobody holds the pipe of %s", d->source.name);
}

/* It ends the companion, whoever has started it. */
static int toy_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	cleanup_close int fd = pipe_open(d, op, O_NONBLOCK);

	return fd < 0 || write(fd, "end\n", 4) == 4 ? 0 : err_sys(e, errno, "cannot end toyd");
}

const struct backend toy_backend = {
	.type = POOL_VSTORAGE,
	.summary = "a directory with a companion; volumes are its files",
	.needs = "toy",
	.image = IMAGE("toy", "toy-modules", "~more-toys", "toyd"),
	.service = &toyd,
	.check = toy_check,
	.start = toy_start,
	.stop = toy_stop,
	.refresh = files_refresh,
	.vol_create = file_vol_create,
	.vol_delete = file_vol_delete,
	.vol_open = file_vol_open,
};
