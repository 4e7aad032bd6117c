/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which of the kernel's events concern which pools.
 */
#include <poll.h>
#include <unistd.h>
#include "system/device.h"
#include "base/clock.h"
#include "check.h"
#include "fixture.h"
#include "supervisor/companions/companions.h"
#include "supervisor/index/index.h"
#include "supervisor/news/news.h"
#include "supervisor/steps/steps.h"

static const char san[] = "session3=in sda=0:0:1:2000 sdb=0:0:2:4000";
static const char group[] = " dm-0=root:8192 sda=there dm-11=home:16384 dm-2=there";

static bool concerns(const char *ground, const char *grows_by, const char *action, const char *subsystem,
                     const char *path)
{
	return ground_concerns(ground, grows_by,
	                       &(struct uevent){ .action = action, .subsystem = subsystem, .devpath = path });
}

static void the_path_of_a_disk_names_its_session(void)
{
	CHECK(concerns(san, NULL, "remove", "block",
	               "/devices/platform/host2/session3/target2:0:0/2:0:0:1/block/sda"));
	CHECK(concerns(san, NULL, "add", "block",
	               "/devices/platform/host2/session3/target2:0:0/2:0:0:9/block/sdx"));
	CHECK(concerns(san, NULL, "remove", "iscsi_session",
	               "/devices/platform/host2/session3/iscsi_session/session3"));
	CHECK(!concerns(san, NULL, "remove", "iscsi_session",
	                "/devices/platform/host2/session33/iscsi_session/session33"));
	CHECK(!concerns(san, NULL, "remove", "iscsi_session",
	                "/devices/platform/host2/session/iscsi_session/session"));
}

static void a_group_hears_of_its_disks_and_volumes(void)
{
	CHECK(concerns(group, "dm-", "remove", "block", "/devices/virtual/block/dm-11"));
	CHECK(concerns(group, "dm-", "remove", "block", "/devices/virtual/block/dm-2"));
	CHECK(concerns(group, "dm-", "remove", "block", "/devices/x/block/sda"));
	CHECK(!concerns(group, "dm-", "remove", "block", "/devices/virtual/block/dm-1"));
	CHECK(!concerns(group, "dm-", "change", "block", "/devices/x/block/sdb"));
	CHECK(!concerns(group, "dm-", "change", "block", "/devices/x/block/root"));
}

static void a_new_device_may_be_a_volume_of_the_group(void)
{
	CHECK(concerns(group, "dm-", "change", "block", "/devices/virtual/block/dm-7"));
	CHECK(concerns("", "dm-", "change", "block", "/devices/virtual/block/dm-7"));
	CHECK(!concerns(group, "dm-", "add", "block", "/devices/virtual/block/dm-7"));
	CHECK(!concerns(san, NULL, "change", "block", "/devices/virtual/block/dm-7"));
	CHECK(!concerns("", NULL, "remove", "block", "/devices/x/block/sda"));
}

/* Maps by their first change, disks that may be paths when they come. */
static void several_kinds_of_devices_may_be_a_pools(void)
{
	CHECK(concerns("", "dm- sd", "change", "block", "/devices/virtual/block/dm-7"));
	CHECK(concerns("", "dm- sd", "add", "block", "/devices/x/block/sdc"));
	CHECK(!concerns("", "dm- sd", "add", "block", "/devices/virtual/block/dm-7"));
	CHECK(!concerns("", "dm- sd", "change", "block", "/devices/x/block/sdc"));
	CHECK(!concerns("", "dm- sd", "add", "block", "/devices/x/block/vda"));
	CHECK(!concerns("", "dm- sd", "add", "scsi", "/devices/x/sdc"));
}

static void odd_paths_concern_nobody(void)
{
	CHECK(!concerns(san, "dm-", "change", "block", ""));
	CHECK(!concerns(san, "dm-", "change", "block", "/"));
	CHECK(!concerns(san, "dm-", "change", "block", "//"));
	CHECK(!concerns(san, NULL, "change", NULL, "/devices/session3=in"));
}

/* Of those that have it, those that are up. */
static void a_companion_that_tells_has_its_pools_looked_at(void)
{
	struct loop loop;
	struct supervisor s = { .loop = &loop };
	struct pool logical = {
		.sup = &s, .type = POOL_LOGICAL, .life.ground = strdup(group), .phase = PHASE_ACTIVE
	};
	struct pool waits = { .sup = &s,
		              .next = &logical,
		              .type = POOL_ISCSI,
		              .life.ground = strdup(san),
		              .phase = PHASE_RETRYING };
	struct pool sick = { .sup = &s,
		             .next = &waits,
		             .type = POOL_ISCSI,
		             .life.ground = strdup(san),
		             .phase = PHASE_DEGRADED };
	struct pool well = { .sup = &s,
		             .next = &sick,
		             .type = POOL_ISCSI,
		             .life.ground = strdup(san),
		             .phase = PHASE_ACTIVE };
	struct err e = { 0 };

	CHECK_INT(loop_init(&loop, &e), 0);
	s.pools = &well;
	supervisor_service_tells(&s, backend_find(POOL_ISCSI)->service);
	CHECK(well.volumes.touches && sick.volumes.touches && !waits.volumes.touches &&
	      !logical.volumes.touches);
	for (struct pool *p = &well; p; p = p->next) {
		touch_drop(p);
		free(p->life.ground);
	}
	loop_close(&loop);
}

static char answers[PATH_MAX];

/* A device that answers when this file is there. */
static void wait_for_answer(const char *node, void *arg)
{
	(void)node, (void)arg;
	while (access(answers, F_OK) < 0)
		poll(NULL, 0, 10);
}

/* The same pools: of those that are degraded, something may have been missing that is there now. */
static void a_late_answer_has_what_is_degraded_looked_at(void)
{
	char dir[PATH_MAX], nothing[8] = "";
	const char *node = "/dev/silent";
	struct loop loop;
	struct supervisor s = { .loop = &loop };
	struct pool sick = {
		.sup = &s, .type = POOL_ISCSI, .life.ground = strdup(san), .phase = PHASE_DEGRADED
	};
	struct pool well = { .sup = &s,
		             .next = &sick,
		             .type = POOL_ISCSI,
		             .life.ground = strdup(san),
		             .phase = PHASE_ACTIVE };
	struct err why = { 0 }, e = { 0 };
	struct device_questions q = { .nodes = &node,
		                      .n = 1,
		                      .fn = wait_for_answer,
		                      .args = nothing,
		                      .size = sizeof(nothing),
		                      .whys = &why,
		                      .patience = 50 };

	fixture_make(dir);
	snprintf(answers, sizeof(answers), "%.4000s/answers", dir);
	device_ask_keeps(dir);
	CHECK_INT(loop_init(&loop, &e), 0);
	s.pools = &well;
	ground_listen(&s);
	CHECK(device_ask_all(&q, &e) == 0 && why.class == ERR_STORAGE);
	loop_round(&loop, clock_ms());
	CHECK(!sick.volumes.touches);
	fixture(dir, "", "answers");
	for (uint64_t until = clock_ms() + SECONDS(20); !sick.volumes.touches && clock_ms() < until;)
		loop_round(&loop, until);
	CHECK(sick.volumes.touches && !well.volumes.touches);
	touch_drop(&sick);
	free(sick.life.ground);
	free(well.life.ground);
	watch_free(&s);
	loop_close(&loop);
	fixture_remove(dir);
}

static void the_pause_grows(void)
{
	CHECK(retry_pause(1) <= SECONDS(2));
	CHECK(retry_pause(4) >= SECONDS(7));
	CHECK(retry_pause(100) >= SECONDS(50) && retry_pause(100) <= SECONDS(70));
}

int main(void)
{
	RUN(the_path_of_a_disk_names_its_session);
	RUN(a_group_hears_of_its_disks_and_volumes);
	RUN(a_new_device_may_be_a_volume_of_the_group);
	RUN(several_kinds_of_devices_may_be_a_pools);
	RUN(odd_paths_concern_nobody);
	RUN(a_companion_that_tells_has_its_pools_looked_at);
	RUN(a_late_answer_has_what_is_degraded_looked_at);
	RUN(the_pause_grows);
	return check_done();
}
