/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The words of <layout>, and what they are for lvcreate.
 */
#include "backends/logical/layout.h"

#include "base/util.h"
#include "check.h"

static struct volume_layout l;
static struct err e;

static int read_words(const char *text)
{
	e = (struct err){ 0 };
	return layout_read(text, &l, &e);
}

static void nothing_is_linear(void)
{
	CHECK_INT(read_words(NULL), 0);
	CHECK_INT(l.kind, LAYOUT_LINEAR);
	CHECK_INT(read_words("  \n"), 0);
	CHECK_INT(l.kind, LAYOUT_LINEAR);
}

static void each_kind_has_its_words(void)
{
	CHECK_INT(read_words("thin  pool=tp0 size=10G"), 0);
	CHECK_INT(l.kind, LAYOUT_THIN);
	CHECK_STR(l.pool, "tp0");
	CHECK(l.size == 10ull << 30);
	CHECK_INT(read_words("striped stripes=3 stripe-size=64K on=/dev/a,/dev/b,/dev/c"), 0);
	CHECK_INT(l.stripes, 3);
	CHECK_INT(l.stripe_size, 65536);
	CHECK_STR(l.on, "/dev/a,/dev/b,/dev/c");
	CHECK_INT(read_words("raid10\nmirrors=1"), 0);
	CHECK_INT(l.mirrors, 1);
	CHECK_INT(read_words("cache cache=/dev/fast size=1G"), 0);
	CHECK_STR(l.cache, "/dev/fast");
}

static void what_is_wrong_is_named(void)
{
	static const struct {
		const char *text, *said;
	} bad[] = {
		{ "weird", "weird" },
		{ "Linear", "Linear" },
		{ "linear stripes=2", "stripes=2" },
		{ "striped stripes", "stripes" },
		{ "striped stripes=0", "stripes=0" },
		{ "striped stripes=-1", "stripes=-1" },
		{ "striped stripes=129", "stripes=129" },
		{ "striped stripes=2x", "stripes=2x" },
		{ "striped strip=2", "strip=2" },
		{ "striped stripess=2", "stripess=2" },
		{ "striped =2", "=2" },
		{ "thin", "needs pool=" },
		{ "thin size=1G", "needs pool=" },
		{ "thin pool=", "no name" },
		{ "thin pool=-x", "-x" },
		{ "thin pool=a/b", "a/b" },
		{ "thin pool=tp size=many", "many" },
		{ "sparse", "needs size=" },
		{ "cache size=1G", "needs cache=" },
		{ "cache cache=/dev/a", "needs size=" },
		{ "striped strip=3", "it has stripes=, stripe-size=, on=" },
		{ "snapshot pool=tp", "it has size=, on=" },
		{ "linear size=1G", "it has on=" },
		{ "thin pool=-x", "letters, digits" },
		{ "raid1 stripes=2", "stripes=2" },
		{ "linear on=", "on=" },
		{ "linear on=--test", "on=--test" },
		{ "linear on=/dev/a,-an", "on=/dev/a,-an" },
		{ "raid1 on=@tag", "on=@tag" },
		{ "linear on=/dev/a,,/dev/b", "on=/dev/a,,/dev/b" },
		{ "linear on=/dev/a,", "on=/dev/a," },
		{ "vdo", "vdoformat" },
		{ "linear linear", "linear" },
		{ "raid1 mirrors=1 thin", "thin" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (read_words(bad[i].text) != -1 || !strstr(e.message, bad[i].said))
			printf("# %s: %s\n", bad[i].text, e.message);
		CHECK(e.class == ERR_INVALID || e.class == ERR_UNSUPPORTED);
		CHECK(strstr(e.message, bad[i].said) != NULL);
	}
}

static const char *line(const char *layout, const struct group *g, uint64_t capacity,
                        const struct group_volume *origin, const char *tag)
{
	static char text[2000];
	static struct layout_words w;

	w = (struct layout_words){ .n = 0 };
	text[0] = '\0';
	if (read_words(layout) < 0 || layout_words(&l, "vg", g, "name", capacity, origin, tag, &w, &e) < 0)
		return e.message;
	for (size_t i = 0; w.argv[i]; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "", w.argv[i]);
	return text;
}

static void they_become_words_of_lvcreate(void)
{
	const struct group_volume volumes[] = { { .name = "tp", .attr = "twi-aotz--" },
		                                { .name = "lv", .attr = "-wi-a-----", .size = 1 << 20 },
		                                { .name = "thin", .attr = "Vwi-aotz--", .thin = true } };
	const struct group g = {
		.volumes = volumes, .nvolumes = 3, .nodes = { "/dev/a", "/dev/b", NULL }, .members = 2
	};

	CHECK_STR(line(NULL, &g, 1000, NULL, NULL), "lvcreate -y -kn -n name --type linear -L 1024b vg");
	CHECK_STR(line("linear on=/dev/b,/dev/a", &g, 512, NULL, "tag"),
	          "lvcreate -y -kn -n name --type linear --addtag tag -L 512b vg /dev/b /dev/a");
	CHECK_STR(line("thin pool=tp", &g, 512, NULL, NULL),
	          "lvcreate -y -kn -n name --type thin -V 512b --thinpool tp vg");
	CHECK(strstr(line("thin pool=new size=1M", &g, 512, NULL, NULL), "no thin pool") != NULL); /* yet */
	CHECK(strstr(line("thin pool=new", &g, 512, NULL, NULL), "no thin pool \"new\"") != NULL);
	CHECK(strstr(line("thin pool=lv", &g, 512, NULL, NULL), "no thin pool") != NULL);
	CHECK_STR(line("snapshot", &g, 512, &volumes[1], NULL),
	          "lvcreate -y -kn -n name --type snapshot -L 1060864b -s vg/lv");
	CHECK_STR(line("snapshot size=4M", &g, 512, &volumes[1], NULL),
	          "lvcreate -y -kn -n name --type snapshot -L 4194304b -s vg/lv");
	CHECK_STR(line("snapshot", &g, 512, &volumes[2], NULL), "lvcreate -y -kn -n name -s vg/thin");
	CHECK_STR(line("cache cache=/dev/a size=1M", &g, 512, NULL, NULL),
	          "lvcreate -y -kn -n name --type cache -L 512b --cachedevice /dev/a --cachesize 1048576b vg "
	          "/dev/b");
	CHECK(strstr(line("cache cache=/dev/x size=1M", &g, 512, NULL, NULL), "/dev/x is not one") != NULL);
	CHECK_STR(line("raid5 stripes=2 stripe-size=64K", &g, 512, NULL, NULL),
	          "lvcreate -y -kn -n name --type raid5 -i 2 -I 65536b -L 512b vg");
}

/* The tag of a volume that is being filled would be the pool's, were both made by one command. */
static void a_thin_pool_is_made_by_itself(void)
{
	const struct group g = { .nodes = { "/dev/a", NULL }, .members = 1 };
	struct layout_words w = { .n = 0 };
	char text[500] = "";

	CHECK_INT(read_words("thin pool=new size=1M on=/dev/a"), 0);
	layout_pool_words(&l, "vg", &g, &w);
	for (size_t i = 0; w.argv[i]; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "", w.argv[i]);
	CHECK_STR(text, "lvcreate -y -n new --type thin-pool --addtag poolinit-pool -L 1048576b vg /dev/a");
}

int main(void)
{
	RUN(nothing_is_linear);
	RUN(each_kind_has_its_words);
	RUN(what_is_wrong_is_named);
	RUN(they_become_words_of_lvcreate);
	RUN(a_thin_pool_is_made_by_itself);
	return check_done();
}
