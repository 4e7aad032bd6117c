/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In place of service.c in a program none of whose pool types has a companion: there is nothing to start, and
 * nothing to end.
 */
#include "supervisor/companions/companions.h"

int service_need(struct supervisor *s, const struct service *svc, const struct pool *p, struct err *e)
{
	(void)s, (void)svc, (void)p, (void)e;
	return 0;
}

bool service_called(struct pool *p, const struct err *e)
{
	(void)p, (void)e;
	return false;
}

void service_release(const struct pool *p)
{
	(void)p;
}

bool service_at(const struct supervisor *s, size_t i, struct service_view *v)
{
	(void)s, (void)i, (void)v;
	return false;
}

void services_stop(struct supervisor *s)
{
	(void)s;
}

bool services_gone(const struct supervisor *s)
{
	(void)s;
	return true;
}

bool services_pack(const struct supervisor *s, const char *root, bool systemd)
{
	(void)s, (void)root, (void)systemd;
	return false;
}

void services_follow_root(struct supervisor *s)
{
	(void)s;
}

void supervisor_let_go(struct supervisor *s, const struct letting_go *l)
{
	(void)s, (void)l;
}

void services_free(struct supervisor *s)
{
	(void)s;
}
