/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Contracts: who may end ends; who may not refuses, and says so in the log.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/log.h"
#include "base/util.h"
#include "check.h"
#include "log_text.h"

static int half(int n, struct err *e)
{
	require(n % 2 == 0, e);
	return n / 2;
}

static int third(int n, struct err *e)
{
	demand(n % 3 == 0, e);
	return n / 3;
}

static int fourth(int n)
{
	demand_or(n % 4 == 0, -1);
	return n / 4;
}

static void to_log(const void *where)
{
	log_error(LF_BOOT, CONTRACT_TEXT, where);
}

static int signal_of_child(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		half(3, NULL);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void one_that_holds_changes_nothing(void)
{
	struct err e = { 0 };

	CHECK_INT(half(4, &e), 2);
	CHECK_INT(e.class, ERR_NONE);
}

static void a_worker_that_breaks_one_ends(void)
{
	CHECK_INT(signal_of_child(), SIGABRT);
}

static void a_guarded_process_refuses_and_logs(void)
{
	cleanup_buf struct buf log = BUF_INIT;
	struct err e = { 0 };

	contract_guard(to_log);
	CHECK_INT(half(3, &e), -1);
	CHECK_INT(e.class, ERR_INTERNAL);
	log_text(&log, 0);
	CHECK(strstr(buf_str(&log), "a mistake in poolinit") != NULL);
}

static void a_demand_is_checked_in_this_build(void)
{
	struct err e = { 0 };

	CHECK_INT(third(9, &e), 3);
	CHECK_INT(third(4, &e), -1);
	CHECK_INT(e.class, ERR_INTERNAL);
	CHECK_INT(fourth(8), 2);
	CHECK_INT(fourth(9), -1);
}

static void the_child_of_a_guarded_process_ends(void)
{
	CHECK_INT(signal_of_child(), SIGABRT);
}

int main(void)
{
	RUN(one_that_holds_changes_nothing);
	RUN(a_worker_that_breaks_one_ends);
	RUN(a_guarded_process_refuses_and_logs);
	RUN(a_demand_is_checked_in_this_build);
	RUN(the_child_of_a_guarded_process_ends);
	return check_done();
}
