/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LVM's lock daemon. LVM talks to it by itself (use_lvmlockd); here is what has to be known before, whether
 * it answers, and after, what its refusals mean.
 */
#include "backends/logical/lockd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "backends/logical/lvm.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"

#define SOCKET        "/run/lvm/lvmlockd.socket"
#define ANSWER_WITHIN SECONDS(3)
#define NOT_STARTED                                                                                          \
	"its lockspace is not started here: vgchange --lockstart starts it, and lvmlockctl --dump says why " \
	"that fails"
#define STUCK "the lvmlockd that runs here does not answer: look at it, and start it anew with --adopt 1"

/* Lock types, as metadata have them, and the programs that are needed beside lvmlockd. */
static const struct manager {
	const char *type, *programs;
} managers[] = {
	{ "sanlock", "sanlock" },
	{ "dlm", "corosync, dlm_controld" },
	{ "idm", "seagate_ilm" },
};

static const struct manager *find_manager(const struct lvm_label *group)
{
	for (size_t i = 0; i < ARRAY_LEN(managers); i++)
		if (streq(managers[i].type, group->lock_type))
			return &managers[i];
	return NULL;
}

bool lockd_keeps(const struct lvm_label *group)
{
	return find_manager(group) != NULL;
}

/* ---- does it answer? ---- */

static int reach(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;

	int why = errno; /* EAGAIN: it is there, and has not let in those before us */

	close(fd);
	errno = why;
	return -1;
}

/* Say what each client of LVM's daemons says first. */
static bool says_hello(int fd)
{
	static const char hello[] = "request=\"hello\"\n\n##\n";
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t until = clock_ms() + ANSWER_WITHIN;
	char reply[256];
	int n;

	if (send(fd, hello, sizeof(hello) - 1, MSG_NOSIGNAL) != sizeof(hello) - 1)
		return false;
	while ((n = poll(&p, 1, clock_until(until))) < 0 && errno == EINTR)
		;
	return n > 0 && recv(fd, reply, sizeof(reply), 0) > 0;
}

enum answer { ABSENT, SILENT, ANSWERS };

static enum answer lockd_answer(void)
{
	cleanup_close int fd = reach();

	if (fd < 0)
		return errno == EAGAIN ? SILENT : ABSENT;
	return says_hello(fd) ? ANSWERS : SILENT;
}

bool lockd_lacks(const struct lvm_label *group, char *out, size_t size)
{
	const struct manager *m = find_manager(group);
	enum answer is = m ? lockd_answer() : ANSWERS;

	out[0] = '\0';
	if (is == SILENT)
		snprintf(out, size, "it is shared by hosts that lock it (%s), and " STUCK, m->type);
	else if (is == ABSENT)
		snprintf(out, size,
		         "it is shared by hosts that lock it (%s), and no lvmlockd runs here that would get "
		         "its locks: start %s and lvmlockd",
		         m->type, m->programs);
	return is != ANSWERS;
}

int lockd_is_not_stuck(struct err *e)
{
	return lockd_answer() == SILENT ? err_set(e, ERR_TIMEOUT, STUCK) : 0;
}

void lockd_left(const char *vg, const struct group *g, struct op *op)
{
	if (g->shared && lockd_answer() != ANSWERS)
		op_note(op,
		        "the locks of volume group \"%s\" stay with this host, as no lvmlockd answers that "
		        "would give them back: one that is started with --adopt 1 may",
		        vg);
}

/* ---- what LVM says of it ---- */

/* LVM's words, and what they mean. */
static const struct lock_refusal {
	const char *words;
	enum err_class class;
	const char *text;
} refusals[] = {
	{ "ocked by other host", ERR_BUSY,
	  "another host has the locks of its volumes: stop the pool there, or deactivate them" },
	{ "held by other host", ERR_BUSY, "another host is changing the group" },
	{ "not stopped on other hosts", ERR_BUSY,
	  "other hosts have its lockspace: vgchange --lockstop there gives it up" },
	{ "lock start in progress", ERR_TIMEOUT, "its lockspace is being started, which may take minutes" },
	{ "lockspace is starting", ERR_TIMEOUT, "its lockspace is being started, which may take minutes" },
	{ "due to failed lock", ERR_STORAGE, NOT_STARTED },
	{ "lockspace is inactive", ERR_STORAGE, NOT_STARTED },
	{ "lvmlockd.socket", ERR_STORAGE, "no lvmlockd runs here, which has its locks: start it" },
	{ "host_id", ERR_STORAGE,
	  "this host needs a number of its own, host_id in lvmlocal.conf or lvmlockd --host-id" },
	{ "lock manager", ERR_STORAGE, "start the lock manager, which lvmlockd does not find" },
};

int lockd_explain(struct err *e)
{
	char said[300];

	for (size_t i = 0; e && i < ARRAY_LEN(refusals); i++)
		if (strstr(e->message, refusals[i].words)) {
			snprintf(said, sizeof(said), "%.299s", e->message);
			return err_set(e, refusals[i].class, "%s (LVM: %s)", refusals[i].text, said);
		}
	return -1;
}
