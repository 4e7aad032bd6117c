/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How often a root was booted since its system has last said that it is good (poolinit.tries=): one digit in
 * a file of the root's name in tries/, in the place that lasts. An update that does not come up is passed
 * over after a few boots, whatever it dies of. Where nothing can be counted the root is booted all the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "supervisor/config/registry.h"
#include "supervisor/requests/requests.h"

/* Open the directory with the counts, and say what that of the root is called there: "pool:sys/a" is
 * pool_sys_a. FAT has no names with most of these. */
static int open_tries(const char *dir, const char *root, char name[NAME_MAX + 1], struct err *e)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/tries", dir);
	snprintf(name, NAME_MAX + 1, "%s", root);
	for (char *at; (at = strpbrk(name, "/:\\*?\"<>|"));)
		*at = '_';
	if (file_mkdirs_kept(path, 0700, e) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "cannot open %s", path) : fd;
}

static bool is_any(const char *name)
{
	return *name;
}

static int count_try(const char *dir, const char *root, unsigned most, struct err *e)
{
	char name[NAME_MAX + 1], digit[4] = "0";
	cleanup_close int tries = open_tries(dir, root, name, e);

	if (tries < 0)
		return -1;
	file_sweep(tries, is_any);
	if (file_read_line(tries, name, digit, sizeof(digit)) <= 0 || *digit < '0' || *digit > '9')
		*digit = '0'; /* damaged */
	if (*digit >= '0' + (int)most)
		return err_set(e, ERR_STATE, "it was booted %c times, and no system on it has said boot-good",
		               *digit);
	++*digit;
	return file_replace(tries, name, digit, 1, 0600, e);
}

int tries_count(struct supervisor *s, struct worker_io *io, const char *root, unsigned most, struct err *e)
{
	demand(s && io && root, e);

	cleanup_close int here = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	const char *dir = s->place && here >= 0 ? place_enter(s, io) : NULL;
	struct err why = { 0 };
	bool refused = false;

	if (!dir)
		err_set(&why, ERR_STATE, "there is no place that lasts");
	else
		refused = count_try(dir, root, most, &why) < 0 && err_is(&why, ERR_STATE);
	if (here >= 0 && setns(here, CLONE_NEWNS) < 0)
		return err_sys(e, errno, "cannot go back to where the root is mounted");
	if (refused) {
		*e = why;
	} else if (why.class) {
		err_wrap(&why, ERR_KEEP, "this boot is not counted");
		worker_send_note(io, why.message);
	}
	return refused ? -1 : 0;
}

/* ---- boot-good ---- */

/* Is it one of the list, letter for letter? Its count is found by its text alone. */
static bool is_in_root_list(const char *list, const char *root)
{
	size_t len = strlen(root);

	if (!len || strchr(root, ','))
		return false;
	while (strncmp(list, root, len) != 0 || (list[len] && list[len] != ',')) {
		list += strcspn(list, ",");
		if (!*list++)
			return false;
	}
	return true;
}

static int work_good(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	const char *dir = r->sup->place ? place_enter(r->sup, io) : NULL;
	char name[NAME_MAX + 1];

	if (!dir)
		return err_set(e, ERR_STATE, "boot-good: there is no place that lasts (poolinit.config=)");
	cleanup_close int tries = open_tries(dir, r->which, name, e);
	return tries < 0 ? -1 : file_remove(tries, name, e);
}

static void begin_good(struct request *r)
{
	struct err e = { 0 };

	if (request_write(r, "boot-good", work_good, request_end, &e) < 0)
		request_end(r, &e);
}

void supervisor_roots(struct supervisor *s, const char *roots)
{
	s->roots = roots;
}

void supervisor_booted(struct supervisor *s, const char *root)
{
	demand_or(s && root, );
	s->root = root;
}

int supervisor_boot_good(struct supervisor *s, const char *root, struct waiter *w, struct err *e)
{
	demand(s && w, e);

	struct request *r;

	if (!root)
		root = s->root;
	if (!root)
		return err_set(e, ERR_STATE,
		               "boot-good: say which root, as root= has it: this poolinit has "
		               "booted none");
	if (!s->roots || !is_in_root_list(s->roots, root))
		return err_set(e, ERR_INVALID, "boot-good: \"%.200s\" is no root: write it as root= has it",
		               root);
	r = request_new(s, NULL, w, e);
	if (!r)
		return -1;
	r->which = strdup(root);
	if (!r->which) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return request_refuse(r);
	}
	request_change(r, begin_good);
	return 0;
}
