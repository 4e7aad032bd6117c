/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * UUIDs: all spellings that libvirt reads, and none of the others.
 */
#include "base/util.h"
#include "check.h"
#include "base/uuid.h"

static const char canonical[] = "00112233-4455-6677-8899-aabbccddeeff";

static void spellings_that_are_read(void)
{
	static const char *const good[] = { canonical,
		                            "00112233445566778899aabbccddeeff",
		                            "00112233-4455-6677-8899-AABBCCDDEEFF",
		                            " \t\n00112233-4455-6677-8899-aabbccddeeff\n ",
		                            "00-11-22-33-44-55-66-77-88-99-aa-bb-cc-dd-ee-ff",
		                            "00 11--22 - 33445566778899aabbccddeeff" };
	char text[UUID_TEXT];
	struct uuid u;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK(uuid_read(good[i], &u));
		CHECK_STR(uuid_print(&u, text), canonical);
	}
	CHECK(uuid_read("00000000-0000-0000-0000-000000000000", &u));
}

static void spellings_that_are_refused(void)
{
	static const char *const bad[] = { "",
		                           " ",
		                           "0",
		                           "00112233-4455-6677-8899-aabbccddeef",
		                           "00112233-4455-6677-8899-aabbccddeefff",
		                           "0-0112233-4455-6677-8899-aabbccddeeff",
		                           "-00112233-4455-6677-8899-aabbccddeeff",
		                           "00112233-4455-6677-8899-aabbccddeeff-",
		                           "g0112233-4455-6677-8899-aabbccddeeff",
		                           "{00112233-4455-6677-8899-aabbccddeeff}",
		                           "00112233_4455_6677_8899_aabbccddeeff" };
	struct uuid u = { .b = { 42 } };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (uuid_read(bad[i], &u))
			printf("# accepted: \"%s\"\n", bad[i]);
		CHECK(!uuid_read(bad[i], &u));
	}
	CHECK_INT(u.b[0], 42); /* left alone */
}

static void new_ones_are_random_and_of_version_4(void)
{
	struct uuid u[64];

	for (size_t i = 0; i < ARRAY_LEN(u); i++) {
		uuid_make(&u[i]);
		CHECK_INT(u[i].b[6] >> 4, 4);
		CHECK_INT(u[i].b[8] >> 6, 2);
		for (size_t k = 0; k < i; k++)
			CHECK(!uuid_equal(&u[i], &u[k]));
	}
}

static void a_name_always_gives_the_same(void)
{
	struct uuid a, b, c;
	char text[UUID_TEXT];

	uuid_from_text("vmstore", &a);
	uuid_from_text("vmstore", &b);
	uuid_from_text("vmstorf", &c);
	CHECK(uuid_equal(&a, &b));
	CHECK(!uuid_equal(&a, &c));
	CHECK_INT(uuid_print(&a, text)[14], '8');
}

int main(void)
{
	RUN(a_name_always_gives_the_same);
	RUN(spellings_that_are_read);
	RUN(spellings_that_are_refused);
	RUN(new_ones_are_random_and_of_version_4);
	return check_done();
}
