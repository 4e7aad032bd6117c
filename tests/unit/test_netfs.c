/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * netfs without a server: what the kernel would be asked, which mounts are ours, what is refused before
 * anything is tried, in which order hosts are. The file under test is included for its static functions. Real
 * servers: tests/qemu.
 */
#include "backends/netfs/mount.c"
#include "check.h"

static struct pool_option own[4];
static struct pool_host hosts[2];

static struct pool_def definition(const char *format, const char *host, const char *dir)
{
	hosts[0] = (struct pool_host){ .name = host };
	memset(own, 0, sizeof(own));
	return (struct pool_def){ .type = POOL_NETFS,
		                  .target.path = "/nowhere/netfs",
		                  .mount_options = own,
		                  .source = { .format = format, .hosts = hosts, .nhosts = 1, .dir = dir } };
}

static void option(struct pool_def *d, const char *name)
{
	own[d->nmount_options++].name = name;
}

/* ---- which mounts are ours ---- */

static bool ours(const struct pool_def *d, const char *fstype, const char *source)
{
	return netfs_is_mount(d, &(struct mount_entry){ .fstype = (char *)(uintptr_t)fstype,
	                                                .source = (char *)(uintptr_t)source });
}

static void recognises_its_source_however_it_is_spelt(void)
{
	struct pool_def d = definition("nfs", "nas", "/srv/images");

	CHECK(ours(&d, "nfs", "nas:/srv/images") && ours(&d, "nfs4", "nas:/srv/images") &&
	      ours(&d, "nfs4", "nas:/srv/images/"));
	d = definition("auto", "2001:db8::7", "/srv/");
	CHECK(ours(&d, "nfs4", "[2001:db8::7]:/srv") && ours(&d, "nfs4", "2001:db8::7:/srv"));
	d = definition("cifs", "nas", "/share");
	CHECK(ours(&d, "cifs", "//nas/share") && ours(&d, "cifs", "//nas/share/"));
	d = definition("nfs", "one", "/x");
	hosts[1].name = "two";
	d.source.nhosts = 2;
	CHECK(ours(&d, "nfs", "two:/x"));
}

static void another_source_or_filesystem_is_not_ours(void)
{
	struct pool_def d = definition("nfs", "nas", "/srv/images");

	CHECK(!ours(&d, "nfs", "nas:/srv/image") && !ours(&d, "nfs", "nas:/srv/images2") &&
	      !ours(&d, "nfs", "nas2:/srv/images"));
	CHECK(!ours(&d, "nfs", "nas:/srv") && !ours(&d, "nfs", "") &&
	      !ours(&d, "nfs", "nas:/srv/images/sub"));
	CHECK(!ours(&d, "tmpfs", "nas:/srv/images") && !ours(&d, "cifs", "//nas/srv/images"));
	d = definition("cifs", "nas", "share");
	CHECK(!ours(&d, "nfs", "//nas/share") && !ours(&d, "cifs", "//nas/share2"));
	d = definition("glusterfs", "nas", "/share");
	CHECK(!ours(&d, "nfs4", "nas:/share") && !ours(&d, "cifs", "//nas/share"));
	CHECK(ours(&d, "fuse.glusterfs", "nas:share") && ours(&d, "fuse.glusterfs", "2001:db8::7:/share"));
	CHECK(!ours(&d, "fuse.glusterfs", "nas:share/sub") && !ours(&d, "fuse.glusterfs", "nas:xshare") &&
	      !ours(&d, "fuse.glusterfs", "share") && !ours(&d, "fuse.glusterfs", "") &&
	      !ours(&d, "fuse.glusterfs", "nas/share") && !ours(&d, "fuse.glusterfs", "/share"));
	d = definition("glusterfs", "nas", "share/a:b");
	CHECK(ours(&d, "fuse.glusterfs", "nas:share/a:b") && !ours(&d, "fuse.glusterfs", "nas:share"));
}

static void auto_knows_the_mounts_of_what_its_source_can_be(void)
{
	struct pool_def d = definition("auto", "nas", "/share");

	CHECK(ours(&d, "nfs4", "nas:/share") && ours(&d, "cifs", "//nas/share"));
	CHECK(!ours(&d, "cifs", "nas:/share") && !ours(&d, "nfs", "//nas/share"));
	d.source.protocol = "4.2"; /* a share has none */
	CHECK(ours(&d, "nfs4", "nas:/share") && !ours(&d, "cifs", "//nas/share"));
	d = definition("auto", "nas", "share"); /* no path of NFS */
	CHECK(!ours(&d, "nfs4", "nas:share") && ours(&d, "smb3", "//nas/share"));
}

/* ---- what the kernel is asked ---- */

static int request(struct netfs_request *q, const struct pool_def *d, struct err *e)
{
	static const char *const nowhere[] = { "/nowhere", NULL };
	bool cifs = d->source.format && streq(d->source.format, "cifs");

	return netfs_request_make(q, d, cifs ? NETFS_CIFS : NETFS_NFS, nowhere, e);
}

static const char *asked(const struct pool_def *d, const char *version, const char *address, int port)
{
	static char text[1024];
	struct address a = { .family = strchr(address, ':') ? AF_INET6 : AF_INET, .port = port };
	cleanup_buf struct buf b = BUF_INIT;
	struct netfs_request q;
	struct err e = { 0 };

	snprintf(a.text, sizeof(a.text), "%s", address);
	snprintf(text, sizeof(text), "(refused)");
	if (request(&q, d, &e) == 0)
		for (size_t i = 0; i < ARRAY_LEN(ways); i++)
			if (is_wanted(&q, &ways[i]) && (!version || streq_null(ways[i].version, version))) {
				options_print(&q, &ways[i], &a, &b);
				snprintf(text, sizeof(text), "%s", buf_str(&b));
				break;
			}
	netfs_request_free(&q);
	return text;
}

static void asks_with_a_numeric_address_and_one_version(void)
{
	struct pool_def d = definition("auto", "nas", "/srv");

	CHECK_STR(asked(&d, "4.2", "127.0.0.1", 2049), "vers=4.2,addr=127.0.0.1,clientaddr=127.0.0.1");
	CHECK_STR(asked(&d, "3", "192.0.2.7", 2049), "vers=3,nolock,addr=192.0.2.7");
	CHECK_STR(asked(&d, "3", "2001:db8::7", 2049), "vers=3,nolock,addr=2001:db8::7");
	CHECK_STR(asked(&d, "3", "192.0.2.7", 20490), "vers=3,nolock,addr=192.0.2.7,port=20490");
	option(&d, "soft");
	option(&d, "port=20490");
	CHECK_STR(asked(&d, "3", "192.0.2.7", 20490), "vers=3,nolock,addr=192.0.2.7,soft,port=20490");
	/* the host's counts */
	CHECK_STR(asked(&d, "3", "192.0.2.7", 7), "vers=3,nolock,addr=192.0.2.7,soft,port=20490,port=7");
	CHECK_STR(asked(&d, "3", "192.0.2.7", 2049),
	          "vers=3,nolock,addr=192.0.2.7,soft,port=20490,port=2049");
}

static void the_words_of_mount_come_before_the_other_options(void)
{
	struct pool_def d = definition("nfs", "nas", "/srv");

	d.mount_words = " nconnect=4\n soft timeo=100\tretrans=2 ro ";
	option(&d, "noatime");
	CHECK_STR(asked(&d, "3", "192.0.2.7", 2049),
	          "vers=3,nolock,addr=192.0.2.7,nconnect=4,soft,timeo=100,retrans=2,ro,noatime");
	d.mount_words = "port=77";
	CHECK_STR(asked(&d, "3", "192.0.2.7", 77), "vers=3,nolock,addr=192.0.2.7,noatime,port=77");
	d = definition("cifs", "nas", "share");
	d.mount_words = "user=al domain=OFFICE vers=3.1.1 seal hard";
	CHECK_STR(asked(&d, NULL, "192.0.2.7", 445),
	          "ip=192.0.2.7,user=\"al\",domain=\"OFFICE\",vers=3.1.1,seal,hard");
	d.mount_words = "soft";
	CHECK_STR(asked(&d, NULL, "192.0.2.7", 445), "ip=192.0.2.7,soft,user=guest,guest");
}

static void words_that_are_wrong_are_told(void)
{
	static const struct {
		const char *words, *said;
	} cases[] = {
		{ "nconect=4", "\"nconect\": there are ro, rw, soft" },
		{ "password=hidden", "\"password\": there are" },
		{ "secret=hidden user=a", "not the UUID" },
		{ "nconnect", "needs a value" },
		{ "nconnect=", "from 1 to 16" },
		{ "nconnect=0", "from 1 to 16" },
		{ "nconnect=17", "from 1 to 16" },
		{ "nconnect=-1", "from 1 to 16" },
		{ "nconnect=4x", "from 1 to 16" },
		{ "nconnect=+4", "from 1 to 16" },
		{ "nconnect=99999999999999999999", "from 1 to 16" },
		{ "nconnect=2 nconnect=3", "twice" },
		{ "timeo=0", "from 1 to 6000" },
		{ "timeo=60s", "from 1 to 6000" },
		{ "retrans=101", "from 1 to 100" },
		{ "port=65536", "from 1 to 65535" },
		{ "soft hard", "both soft and hard" },
		{ "rw ro", "both rw and ro" },
		{ "soft=yes", "has no value" },
		{ "SOFT", "has no word" },
		{ "=", "has no word" },
		{ "soft,ro", "has no word" },
		{ "nconnect=4 seal", "of CIFS alone" },
		{ "seal nconnect=4", "of NFS alone" },
		{ "vers=4.2", "none of 2.0" },
		{ "vers=1.0", "none of 2.0" },
		{ "user=", "is empty" },
		{ "user=a\"b", "'\"'" },
		{ "secret=x user=a", "not the UUID" },
		{ "secret=2ec115d7-3a88-3ceb-bc12-0ac909a6fd87", "not the user" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct netfs_words w;
		struct err e = { 0 };

		CHECK(netfs_words_read(cases[i].words, &w, &e) < 0 && err_is(&e, ERR_INVALID));
		if (!strstr(e.message, cases[i].said) || strstr(e.message, "hidden")) {
			printf("# \"%s\": %s\n", cases[i].words, e.message);
			check_case_failed = 1;
		}
		netfs_words_free(&w);
	}
}

static void words_and_source_leave_a_protocol(void)
{
	static const struct {
		const char *format, *dir, *version, *words;
		unsigned set;
		const char *said;
	} cases[] = {
		{ "auto", "/x", NULL, NULL, NETFS_ANY, NULL },
		{ "auto", "x", NULL, NULL, NETFS_FOR(NETFS_CIFS) | NETFS_FOR(NETFS_GLUSTER), NULL },
		{ "auto", "/-x", NULL, NULL, NETFS_FOR(NETFS_NFS) | NETFS_FOR(NETFS_CIFS), NULL },
		{ "auto", "/x", "4", NULL, NETFS_FOR(NETFS_NFS), NULL },
		{ "auto", "/x", NULL, "ro", NETFS_ANY, NULL },
		{ "auto", "/x", NULL, "soft", NETFS_FOR(NETFS_NFS) | NETFS_FOR(NETFS_CIFS), NULL },
		{ "auto", "/x", NULL, "nconnect=2", NETFS_FOR(NETFS_NFS), NULL },
		{ "auto", "/x", NULL, "user=a", NETFS_FOR(NETFS_CIFS), NULL },
		{ "nfs", "/x", NULL, NULL, NETFS_FOR(NETFS_NFS), NULL },
		{ "cifs", "/x", NULL, NULL, NETFS_FOR(NETFS_CIFS), NULL },
		{ "auto", "x", "4", NULL, 0, "absolute path" },
		{ "nfs", "x", NULL, NULL, 0, "absolute path" },
		{ "cifs", "x", "3", NULL, 0, "<protocol>" },
		{ "nfs", "/x", NULL, "user=a", 0, "words of CIFS" },
		{ "cifs", "x", NULL, "nconnect=2", 0, "words of NFS" },
		{ "auto", "x", NULL, "timeo=2", 0, "words of NFS" },
		{ "nfs", "/x", NULL, "sofd", 0, "has no word" },
		{ "glusterfs", "x", NULL, NULL, NETFS_FOR(NETFS_GLUSTER), NULL },
		{ "glusterfs", "/x/y", NULL, "ro port=7", NETFS_FOR(NETFS_GLUSTER), NULL },
		{ "glusterfs", "/x/../y", NULL, NULL, 0, "VOLUME/DIRECTORY" },
		{ "glusterfs", "/", NULL, NULL, 0, "VOLUME/DIRECTORY" },
		{ "glusterfs", "-x", NULL, NULL, 0, "VOLUME/DIRECTORY" },
		{ "glusterfs", "x", "4", NULL, 0, "<protocol>" },
		{ "glusterfs", "x", NULL, "soft", 0, "words of NFS and CIFS" },
		{ "sshfs", "x", NULL, NULL, 0, "sshfs" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pool_def d = definition(cases[i].format, "nas", cases[i].dir);
		struct err e = { 0 };
		unsigned set = 0;

		d.source.protocol = cases[i].version;
		d.mount_words = cases[i].words;
		if (!cases[i].said) {
			CHECK(netfs_protocols(&d, &set, &e) == 0);
			CHECK_INT(set, cases[i].set);
		} else {
			CHECK(netfs_protocols(&d, &set, &e) < 0 && strstr(e.message, cases[i].said));
		}
	}
}

static void the_host_that_answered_comes_first(void)
{
	static const struct {
		size_t known;
		bool answered;
		const char *order;
	} cases[] = { { 3, true, "012" }, { 3, false, "012" }, { 0, true, "012" },  { 1, true, "102" },
		      { 2, true, "201" }, { 0, false, "120" }, { 1, false, "021" }, { 2, false, "012" } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char order[4] = "";

		for (size_t h = 0; h < 3; h++)
			order[h] = (char)('0' + host_at(h, 3, cases[i].known, cases[i].answered));
		CHECK_STR(order, cases[i].order);
	}
}

static void a_guest_that_is_refused_does_not_end_what_nfs_can_wait_for(void)
{
	struct err refused = { .class = ERR_AUTH }, absent = { .class = ERR_WAIT_SERVER };
	struct start s = { .set = NETFS_ANY };

	s.requests[NETFS_CIFS].guest = true;
	CHECK(!is_rejection(&s, NETFS_CIFS, &refused));
	net_also(&absent, &refused);
	CHECK(err_is(&absent, ERR_WAIT_SERVER));
	CHECK(!is_rejection(&s, NETFS_NFS, &refused));
	s.set = NETFS_FOR(NETFS_CIFS);
	CHECK(is_rejection(&s, NETFS_CIFS, &refused) && !is_rejection(&s, NETFS_CIFS, &absent));
	s.set = NETFS_ANY;
	s.requests[NETFS_CIFS].guest = false; /* an account may be locked */
	CHECK(is_rejection(&s, NETFS_CIFS, &refused));
}

static void a_version_given_is_the_only_one(void)
{
	static const struct {
		const char *given;
		unsigned tried;
	} cases[] = { { "3", 1 }, { "4", 3 }, { "4.1", 1 }, { NULL, 4 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pool_def d = definition("nfs", "nas", "/srv");
		struct netfs_request q;
		struct err e = { 0 };
		unsigned n = 0;

		d.source.protocol = cases[i].given;
		CHECK(request(&q, &d, &e) == 0);
		for (size_t v = 0; v < ARRAY_LEN(ways); v++)
			n += is_wanted(&q, &ways[v]);
		CHECK_INT(n, cases[i].tried);
		netfs_request_free(&q);
	}
	struct pool_def d = definition("nfs", "nas", "/srv");

	option(&d, "nfsvers=3");
	CHECK_STR(asked(&d, NULL, "192.0.2.7", 2049), "vers=3,nolock,addr=192.0.2.7,nfsvers=3");
}

static void a_cifs_guest_has_a_name(void)
{
	struct pool_def d = definition("cifs", "nas", "share");

	CHECK_STR(asked(&d, NULL, "192.0.2.7", 445), "ip=192.0.2.7,user=guest,guest");
	option(&d, "user=alice");
	CHECK_STR(asked(&d, NULL, "192.0.2.7", 445), "ip=192.0.2.7,user=alice");
	d = definition("cifs", "nas", "share");
	option(&d, "seal");
	CHECK_STR(asked(&d, NULL, "192.0.2.7", 445), "(refused)"); /* it has no key */
	d = definition("cifs", "nas", "share");
	option(&d, "sec=none");
	CHECK_STR(asked(&d, NULL, "192.0.2.7", 4450), "ip=192.0.2.7,sec=none,port=4450");
}

static void a_cifs_password_travels_apart(void)
{
	struct pool_def d = definition("cifs", "nas", "share");
	char longest[300] = "pass=";
	struct netfs_request q;
	struct err e = { 0 };

	option(&d, "user=alice");
	option(&d, "pass=ge,heim=\"x");
	option(&d, "passive");
	CHECK(request(&q, &d, &e) == 0);
	CHECK_STR(q.password, "ge,heim=\"x");
	netfs_request_free(&q);
	CHECK_STR(asked(&d, NULL, "192.0.2.7", 445), "ip=192.0.2.7,user=alice,passive");
	memset(longest + 5, 'x', sizeof(longest) - 6);
	own[1].name = longest;
	CHECK(request(&q, &d, &e) < 0 && err_is(&e, ERR_INVALID) && !strstr(e.message, "xxx"));
	netfs_request_free(&q);
}

static void cifs_credentials_come_from_their_file(void)
{
	struct pool_def d = definition("cifs", "nas", "share");
	char file[] = "/tmp/test_netfs.XXXXXX", name[64];
	int fd = mkstemp(file);
	struct netfs_request q;
	struct err e = { 0 };

	CHECK(write(fd, "username=al,ice\r\npassword=ge,h=eim\n\n# x\ndomain=OFFICE\n", 54) == 54);
	snprintf(name, sizeof(name), "credentials=%s", file);
	option(&d, name);
	CHECK(request(&q, &d, &e) == 0);
	CHECK_STR(q.password, "ge,h=eim");
	CHECK_STR(buf_str(&q.own), ",user=\"al,ice\",domain=\"OFFICE\"");
	netfs_request_free(&q);
	CHECK_STR(q.password, "");
	CHECK_STR(asked(&d, NULL, "192.0.2.7", 445), "ip=192.0.2.7,user=\"al,ice\",domain=\"OFFICE\"");
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(request(&q, &d, &e) == 0 && !q.password[0]);
	netfs_request_free(&q);
	close(fd);
	unlink(file);
	CHECK(request(&q, &d, &e) < 0);
	CHECK(strstr(e.message, "cannot read the credentials") == e.message);
	netfs_request_free(&q);
}

/* ---- what is refused ---- */

static int start(const struct pool_def *d, struct err *e)
{
	struct op op = { .deadline = clock_ms() + SECONDS(10) };

	*e = (struct err){ 0 };
	return netfs_backend.start(d, &op, e);
}

static void refuses_what_it_cannot_do(void)
{
	struct pool_def d = definition("sshfs", "nas", "volume");
	struct err e;

	CHECK(start(&d, &e) < 0 && err_is(&e, ERR_UNSUPPORTED) && strstr(e.message, "sshfs"));
	d = definition("nfs", "nas", NULL);
	CHECK(start(&d, &e) < 0 && err_is(&e, ERR_INVALID));
	d = definition("nfs", "127.0.0.1", "/srv");
	d.source.protocol = "2";
	CHECK(start(&d, &e) < 0 && err_is(&e, ERR_INVALID) && strstr(e.message, "\"2\""));
	d.source.protocol = "4.9999999999999999999999";
	CHECK(start(&d, &e) < 0 && err_is(&e, ERR_INVALID));
}

static void a_server_that_is_not_there_is_waited_for(void)
{
	struct pool_def d = definition("nfs", "127.0.0.1", "/srv");
	struct err e;

	option(&d, "port=1");
	CHECK(start(&d, &e) < 0 && err_is(&e, ERR_WAIT_SERVER));
	CHECK_STR(e.waits_for, "server=127.0.0.1:1");
	d = definition("nfs", "nobody.invalid", "/srv");
	CHECK(start(&d, &e) < 0 && err_is(&e, ERR_WAIT_NETWORK));
	CHECK_STR(e.waits_for, "network");
	/* the second host is tried, and its trouble is told */
	hosts[1] = (struct pool_host){ .name = "::1", .port = 1 };
	d.source.nhosts = 2;
	CHECK(start(&d, &e) < 0 && (strstr(e.message, "[::1]:1") || strstr(e.message, "::1")));
}

int main(void)
{
	RUN(recognises_its_source_however_it_is_spelt);
	RUN(another_source_or_filesystem_is_not_ours);
	RUN(asks_with_a_numeric_address_and_one_version);
	RUN(auto_knows_the_mounts_of_what_its_source_can_be);
	RUN(the_words_of_mount_come_before_the_other_options);
	RUN(words_that_are_wrong_are_told);
	RUN(words_and_source_leave_a_protocol);
	RUN(the_host_that_answered_comes_first);
	RUN(a_guest_that_is_refused_does_not_end_what_nfs_can_wait_for);
	RUN(a_version_given_is_the_only_one);
	RUN(a_cifs_guest_has_a_name);
	RUN(a_cifs_password_travels_apart);
	RUN(cifs_credentials_come_from_their_file);
	RUN(refuses_what_it_cannot_do);
	RUN(a_server_that_is_not_there_is_waited_for);
	return check_done();
}
