/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Contracts in a program that is built small: demand() checks nothing there, require() everything.
 */
#define CONTRACTS_FEW

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/contract.h"
#include "check.h"

static int asked; /* how often a condition was evaluated */

static int is_even(int n)
{
	asked++;
	return n % 2 == 0;
}

static int half_demanded(int n, struct err *e)
{
	demand(is_even(n), e);
	return n / 2;
}

static int half_demanded_bare(int n)
{
	demand_or(is_even(n), -1);
	return n / 2;
}

static int half_required(int n)
{
	require_or(is_even(n), -1);
	return n / 2;
}

static void a_demand_is_neither_checked_nor_evaluated(void)
{
	struct err e = { 0 };

	asked = 0;
	CHECK_INT(half_demanded(3, &e), 1);
	CHECK_INT(half_demanded_bare(3), 1);
	CHECK_INT(asked, 0);
	CHECK_INT(e.class, ERR_NONE);
}

static void a_requirement_is_checked(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		half_required(3);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	RUN(a_demand_is_neither_checked_nor_evaluated);
	RUN(a_requirement_is_checked);
	return check_done();
}
