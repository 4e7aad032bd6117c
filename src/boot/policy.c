/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Boot policy: required pools have until their deadline, others until nothing moves any more.
 *
 * The verdict is a function of the pools, the policy and the time, without any state: tests can ask it
 * anything, and asking it twice gives the same answer. It says when time alone may change it, which is the
 * only timer that a boot needs.
 */
#include "base/contract.h"
#include "base/util.h"
#include "boot/policy.h"

#define REASON_BYTES 160 /* of each pool in the one line */

/* A degraded pool can be used: boot does not wait for the rest of it. */
static bool is_usable(const struct pool *p)
{
	return p->phase == PHASE_ACTIVE || p->phase == PHASE_DEGRADED;
}

/* Required by the command line or by the pool's own <boot>. */
static bool policy_requires(const struct policy *policy, const struct pool *p)
{
	for (size_t i = 0; i < policy->nrequire; i++)
		if (streq(policy->require[i], p->name))
			return true;
	return p->def.boot.require == 1;
}

/* A pool's own timeout, or everybody's, counted from when boot began. A sum that would overflow is "never".
 */
static uint64_t deadline_of(const struct policy *policy, const struct pool *p)
{
	uint64_t timeout = p->def.boot.timeout_ms ? p->def.boot.timeout_ms : policy->timeout;

	return timeout > NEVER - policy->began ? NEVER : policy->began + timeout;
}

/* When did something last move forward? */
static uint64_t last_progress(const struct policy *policy, const struct pool *pools)
{
	uint64_t last = policy->began;

	for (const struct pool *p = pools; p; p = p->next) {
		if (p->want.active && p->times.wanted > last)
			last = p->times.wanted;
		if (is_usable(p) && p->times.active > last)
			last = p->times.active;
	}
	return last;
}

bool policy_next_name(const char **list, char out[POLICY_NAME])
{
	demand_or(list && *list, false);

	size_t len;

	*list += strspn(*list, ",");
	len = strcspn(*list, ",");

	if (!len || len >= POLICY_NAME)
		return false;
	memcpy(out, *list, len);
	out[len] = '\0';
	*list += len;
	return true;
}

bool policy_is_defined(const struct pool *pools, const char *name)
{
	demand_or(name, false);
	while (pools && !streq(pools->name, name))
		pools = pools->next;
	return pools != NULL;
}

/* ---- the verdict ---- */

/* Something may still change until `until`. */
static void pending(struct verdict *v, uint64_t until)
{
	v->done = false;
	if (until < v->look_again)
		v->look_again = until;
}

/* Count a required pool that will not be there, and remember the most drastic of what is to be done about
 * such pools. */
static void missing(struct verdict *v, const struct policy *policy, enum onfail own)
{
	/* From least to most drastic: a pool whose loss means "power off" is not overruled by one that means
	 * "go on". */
	static const int rank[] = {
		[ONFAIL_UNSET] = 0,  [ONFAIL_CONTINUE] = 0, [ONFAIL_SHELL] = 1,
		[ONFAIL_REBOOT] = 2, [ONFAIL_POWEROFF] = 3,
	};
	enum onfail action = own != ONFAIL_UNSET ? own : policy->onfail;

	v->missing++;
	if (rank[action] > rank[v->action])
		v->action = action;
}

/* Why a pool has failed decides whether it is waited for: a definition that is wrong, a server that refuses
 * us and a build that cannot do it stay what they are. What a device holds, what is in the way and whether a
 * secret has a value may change until the deadline. */
static bool is_final(const struct pool *p)
{
	static const enum err_class may_change[] = {
		ERR_WRONG_FORMAT, ERR_READ_ONLY, ERR_CONFLICT,  ERR_EXISTS,
		ERR_STATE,        ERR_NO_SECRET, ERR_NO_VOLUME, ERR_NO_POOL,
	};

	for (size_t i = 0; i < ARRAY_LEN(may_change); i++)
		if (p->reason.class == may_change[i])
			return false;
	return p->phase == PHASE_FAILED;
}

/* A required pool that is not there: boot waits for it until its deadline, unless it has failed for good. */
static void judge_required(struct verdict *v, const struct policy *policy, const struct pool *p, uint64_t now)
{
	uint64_t deadline = deadline_of(policy, p);

	if (!is_final(p) && now < deadline)
		pending(v, deadline);
	else
		missing(v, policy, p->def.boot.onfail);
}

/* On its way at this moment, for the first time or after an event: its outcome is worth waiting for, however
 * slow the machine. One that is only tried again is not. */
static bool is_moving(const struct pool *p)
{
	if (p->phase == PHASE_WAITING && !p->tries.due)
		return p->reason.waits_for && starts_with(p->reason.waits_for, "service=");
	return p->tries.due || p->phase == PHASE_CHECKING ||
	       (p->phase == PHASE_STARTING && p->tries.attempts == 0);
}

void policy_judge(const struct policy *policy, const struct pool *pools, bool read, uint64_t now,
                  struct verdict *v)
{
	demand_or(policy && v, );

	uint64_t settled = last_progress(policy, pools) + POLICY_SETTLE;
	uint64_t deadline = policy->timeout > NEVER - policy->began ? NEVER : policy->began + policy->timeout;
	bool moving = false;

	for (const struct pool *p = pools; p; p = p->next)
		moving |= p->want.active && is_moving(p);
	*v = (struct verdict){ .done = true, .look_again = NEVER, .action = ONFAIL_CONTINUE };
	if (!read && now < deadline)
		pending(v, deadline);
	for (const struct pool *p = pools; p; p = p->next) {
		v->wanted += p->want.active;
		v->active += p->want.active && is_usable(p);
		if (is_usable(p))
			continue;
		if (policy_requires(policy, p))
			judge_required(v, policy, p, now);
		/* Nobody requires it: worth waiting for only while something moves, and a little longer. */
		else if (p->want.active && p->phase != PHASE_FAILED && now < deadline &&
		         !policy->needs_root && (moving || now < settled))
			pending(v, moving || settled > deadline ? deadline : settled);
	}
	for (size_t i = 0; read && i < policy->nrequire; i++)
		if (!policy_is_defined(pools, policy->require[i]))
			missing(v, policy, ONFAIL_UNSET);
	if (policy->root_failed)
		missing(v, policy, ONFAIL_UNSET);
	else if (policy->no_root)
		pending(v, NEVER);
}

/* ---- what people see ---- */

/* Why it is not there: its reason, else what it waits for, else how far it is. */
static void add_pool_reason(struct buf *out, const struct pool *p)
{
	const char *reason = p->reason.waits_for && *p->reason.waits_for ? p->reason.waits_for
	                                                                 : phase_word(p->phase);
	size_t len;

	if (p->reason.text && *p->reason.text)
		reason = p->reason.text;
	len = strlen(reason);
	buf_printf(out, " (%.*s%s)", REASON_BYTES, reason, len > REASON_BYTES ? "…" : "");
}

/* What is said of a pool in this phase. NULL: nothing, it is as it ought to be. Those that are on their way
 * wait. */
static const char *phase_trouble(enum phase phase)
{
	static const char *const words[PHASES] = {
		[PHASE_DEGRADED] = "degraded", [PHASE_HUNG] = "hung", [PHASE_FAILED] = "failed"
	};

	if (phase == PHASE_ACTIVE)
		return NULL;
	return words[phase] ? words[phase] : "waiting";
}

/* ", WORD: a (why), b (why)" of the wanted or required pools of which that word is said. */
static void add_pools(const struct policy *policy, const struct pool *pools, const char *word,
                      struct buf *out)
{
	bool first = true;

	for (const struct pool *p = pools; p; p = p->next) {
		if ((!p->want.active && !policy_requires(policy, p)) ||
		    !streq_null(phase_trouble(p->phase), word))
			continue;
		buf_printf(out, "%s%s%s%s", first ? ", " : "", first ? word : "", first ? ": " : ", ",
		           p->name);
		add_pool_reason(out, p);
		first = false;
	}
}

void policy_line(const struct policy *policy, const struct pool *pools, uint64_t now, struct buf *out)
{
	demand_or(policy && out, );

	static const char *const words[] = { "degraded", "hung", "waiting", "failed" };
	uint64_t until = now;
	size_t active = 0;
	struct verdict v;
	bool first = true;

	policy_judge(policy, pools, true, now, &v);
	if (v.wanted && v.active == v.wanted)
		until = last_progress(policy, pools);
	for (const struct pool *p = pools; p; p = p->next)
		active += p->want.active && p->phase == PHASE_ACTIVE;
	buf_printf(out, "pools %zu/%zu active in %llu ms", active, v.wanted,
	           (unsigned long long)(until - policy->began));
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		add_pools(policy, pools, words[i], out);
	for (size_t i = 0; i < policy->nrequire; i++) {
		if (policy_is_defined(pools, policy->require[i]))
			continue;
		buf_printf(out, "%s%s", first ? ", required but not defined: " : ", ", policy->require[i]);
		first = false;
	}
	if (policy->no_root)
		buf_printf(out, ", no root: %s", policy->no_root);
}

const char *policy_state(const struct policy *policy, const struct pool *pools, bool over, bool problems,
                         uint64_t now)
{
	struct verdict v = { 0 };

	if (!over)
		return "starting";
	policy_judge(policy, pools, true, now, &v);
	if (v.missing)
		return "failed";
	for (const struct pool *p = pools; p; p = p->next)
		problems |= p->want.active && p->phase == PHASE_DEGRADED;
	return problems || v.active < v.wanted ? "degraded" : "ready";
}
