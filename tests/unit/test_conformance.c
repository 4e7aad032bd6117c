/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's own documents, where they are not about XML (that is tests/conformance/run): image headers, what
 * is mounted, qemu-img's arguments. One line a directory, with counts, and one for each case that failed.
 * They lie beside the checkout (../shared, or POOLINIT_SHARED). The files that decide what is mounted are
 * included for their static functions.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/mounted.h"
#include "volumes/image/qemu_img.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/def.h"
#include "pool/image/image.h"
#include "pool/voldef.h"

#include "backends/fs.c"
#include "backends/netfs/mount.c"

static char root[1024]; /* …/conformance */
static int passed, failed, all_failed;

static void verdict(bool good, const char *kind, const char *name)
{
	if (!good)
		printf("not ok - %s: %s\n", kind, name);
	*(good ? &passed : &failed) += 1;
}

static void summary(const char *directory)
{
	printf("%s - %s: %d passed, %d failed\n", failed ? "not ok" : "ok", directory, passed, failed);
	all_failed += failed;
	passed = failed = 0;
}

/* The file's text, or false. b is emptied first. */
static bool load(struct buf *b, const char *dir, const char *name)
{
	char path[PATH_MAX];

	buf_reset(b);
	snprintf(path, sizeof(path), "%s/%s/%s", root, dir, name);
	return file_read(AT_FDCWD, path, 16 << 20, b, NULL) == 0;
}

/* ---- directories ---- */

static int names(const char *dir, struct dirent ***list)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, dir);
	return scandir(path, list, NULL, alphasort);
}

/* ---- images: one block "key: value" lines an image, empty line between ---- */

struct expected {
	char file[256], backing[512], backing_format[64], format[32];
	unsigned long long capacity;
};

static void image_case(const struct expected *x, const char *from)
{
	struct buf head = BUF_INIT;
	struct image i;
	char label[700];
	const char *backing = streq(x->backing, "<null>") ? "" : x->backing;
	const char *format = x->backing_format[0] == '<' || !*backing ? "" : x->backing_format;

	if (!x->file[0] || !x->capacity || streq(x->format, "raw") ||
	    !load(&head, "virstoragetestdata/images", x->file)) {
		buf_free(&head);
		return; /* made while libvirt's own test runs, or read with a format that is forced on it */
	}
	image_probe((const unsigned char *)buf_str(&head),
	            head.len < IMAGE_HEADER_BYTES ? head.len : IMAGE_HEADER_BYTES, head.len, &i);
	snprintf(label, sizeof(label), "%s in %s", x->file, from);
	if (i.problem[0])
		printf("# %s\n", i.problem);
	verdict(streq(i.format, x->format) && i.capacity == x->capacity && streq(i.backing, backing) &&
	                streq(i.backing_format, format) && !i.encryption && !i.problem[0],
	        "image", label);
	buf_free(&head);
}

static void image_file(const char *name, char *text)
{
	struct expected x = { 0 };
	char *line;

	while ((line = strsep(&text, "\n"))) {
		const char *images = strstr(line, "virstoragetestdata/images/");

		if (starts_with(line, "path:")) {
			image_case(&x, name);
			memset(&x, 0, sizeof(x));
			snprintf(x.file, sizeof(x.file), "%s",
			         images ? images + strlen("virstoragetestdata/images/") : "");
		}
		sscanf(line, "backingStoreRaw: %511s", x.backing);
		sscanf(line, "backingStoreRawFormat: %63[^(]", x.backing_format);
		sscanf(line, "capacity: %llu", &x.capacity);
		sscanf(line, "format:%31s", x.format);
		if (starts_with(line, "dataFileStoreSource"))
			break;
	}
	image_case(&x, name);
}

static void images(void)
{
	struct dirent **list;
	int n = names("virstoragetestdata/out", &list);
	struct buf text = BUF_INIT;

	for (int i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.' && load(&text, "virstoragetestdata/out", list[i]->d_name))
			image_file(list[i]->d_name, text.data);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	buf_free(&text);
	verdict(passed >= 10, "image", "ten or more were found");
	summary("virstoragetestdata");
}

/* ---- command lines: "PROGRAM \ WORD \ WORD", one or more, in a file ---- */

/* The words of a file with one blank between them. */
static bool load_words(struct buf *out, const char *dir, const char *name)
{
	struct buf text = BUF_INIT;
	char *rest, *word;
	bool good = load(&text, dir, name);

	buf_reset(out);
	rest = text.data;
	while (good && (word = strsep(&rest, " \\\n")))
		if (*word)
			buf_printf(out, "%s%s", out->len ? " " : "", word);
	buf_free(&text);
	return good && out->len > 0;
}

static void commands(const char *dir, void (*check)(const char *name, const char *words), int at_least)
{
	struct dirent **list;
	int n = names(dir, &list);
	struct buf words = BUF_INIT;

	for (int i = 0; i < n; i++) {
		if (ends_with(list[i]->d_name, ".argv")) {
			bool good = load_words(&words, dir, list[i]->d_name);

			list[i]->d_name[strlen(list[i]->d_name) - strlen(".argv")] = '\0';
			if (good)
				check(list[i]->d_name, buf_str(&words));
			else
				verdict(false, dir, list[i]->d_name);
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	buf_free(&words);
	verdict(passed + failed >= at_least, dir, "most were found");
	summary(dir);
}

/* ---- mounting: the same source by the same filesystem at the same place, with every option of the
 * definition's own ---- */

/* What we would give the kernel, as the same words. mount_make() adds nodev, nosuid and noexec by itself
 * (test_mount.c), and the kernel resolves no names, so the address stands among the options: both are left
 * out here. */
static bool our_mount(const struct pool_def *d, struct buf *out)
{
	struct buf source = BUF_INIT, options = BUF_INIT;
	const char *fstype;
	struct netfs_request q = { 0 };

	if (d->type == POOL_FS) {
		const struct filesystem *f = by_format(d->source.format);

		if (!f)
			return false;
		fstype = f->format;
		buf_adds(&source, device_of(d));
		mount_options(d, &options);
	} else {
		unsigned set;

		if (netfs_protocols(d, &set, NULL) < 0 ||
		    netfs_request_make(&q, d, set & NETFS_FOR(NETFS_NFS) ? NETFS_NFS : NETFS_CIFS, NULL,
		                       NULL) < 0)
			return false;
		fstype = first_wanted(&q)->fstype;
		protocols[q.protocol].print(d->source.hosts[0].name, d->source.dir, &source);
		if (d->source.protocol)
			buf_printf(&options, "nfsvers=%s", q.version);
		buf_printf(&options, "%s", buf_str(&q.own) + (options.len == 0 && q.own.len > 0));
	}
	buf_reset(out);
	buf_printf(out, "mount%s%s -t %s %s %s", options.len ? " -o " : "", buf_str(&options), fstype,
	           buf_str(&source), d->target.path);
	netfs_request_free(&q);
	buf_free(&source);
	buf_free(&options);
	return !out->failed;
}

/* libvirt's line in the same words. A guest needs a name in the kernel's own cifs. */
static void their_mount(const struct pool_def *d, const char *words, struct buf *out)
{
	static const char secure[] = "nodev,nosuid,noexec";
	const char *options = strstr(words, "-o ") ? strstr(words, "-o ") + 3 : "",
		   *end = options + strcspn(options, " ");
	const char *type = strstr(words, "-t ") ? strstr(words, "-t ") : "-t nfs ";

	if (starts_with(options, secure))
		options += strlen(secure) + (options[strlen(secure)] == ',');
	buf_printf(out, "mount%s%s%.*s ", end > options ? " -o " : "",
	           end > options && starts_with(options, "guest") ? "user=guest," : "",
	           (int)(end > options ? end - options : 0), options);
	buf_printf(out, "%.*s ", (int)(3 + strcspn(type + 3, " ")), type);
	buf_printf(out, "%s",
	           strstr(words, d->type == POOL_FS ? device_of(d)
	                         : d->source.format && streq(d->source.format, "cifs")
	                                 ? "//"
	                                 : d->source.hosts[0].name));
}

static void mount_case(const char *name, const char *words)
{
	static const char *const platforms[] = { "-linux", "-freebsd" };
	struct buf xml = BUF_INIT, ours = BUF_INIT, theirs = BUF_INIT;
	char file[300];
	struct pool_def d = { 0 };
	struct err e = { 0 };
	bool good;

	if (ends_with(name, "-freebsd"))
		return;
	snprintf(file, sizeof(file), "%s", name);
	for (size_t i = 0; i < ARRAY_LEN(platforms); i++)
		if (ends_with(file, platforms[i]))
			file[strlen(file) - strlen(platforms[i])] = '\0';
	snprintf(file + strlen(file), sizeof(file) - strlen(file), ".xml");
	good = load(&xml, "storagepoolxml2xmlin", file);
	if (!good) {
		buf_free(&xml);
		return; /* the command line is here, the document is not */
	}
	good = pool_read(&d, buf_str(&xml), xml.len, file, &e) == 0;
	if (good && d.type == POOL_LOGICAL) {
		good = starts_with(words, "vgchange -aly ") &&
		       streq(words + strlen("vgchange -aly "), d.source.name);
	} else if (good && d.source.format && streq(d.source.format, "glusterfs")) {
		/* not in this build, which says so */
		good = netfs_backend.validate(&d, &e) < 0 && err_is(&e, ERR_UNSUPPORTED);
	} else if (good) {
		their_mount(&d, words, &theirs);
		good = our_mount(&d, &ours) && streq(buf_str(&ours), buf_str(&theirs));
	}
	if (!good)
		printf("# %s\n# ours:   %s\n# theirs: %s\n", e.message, buf_str(&ours), buf_str(&theirs));
	verdict(good, "storagepoolxml2argvdata", name);
	pool_def_free(&d);
	buf_free(&xml);
	buf_free(&ours);
	buf_free(&theirs);
}

/* ---- qemu-img ---- */

/* Which volume libvirt made from which, for each of its command lines. A document that is not here is one of
 * these. */
static const struct {
	const char *name, *xml;
} volumes[] = {
	{ "vol-file", "<volume><name>sparse.img</name><capacity unit='TiB'>1</capacity><allocation "
	              "unit='bytes'>0</allocation><target><path>/var/lib/libvirt/images/sparse.img</path></"
	              "target></volume>" },
	{ "vol-luks",
	  "<volume><name>LuksDemo.img</name><capacity "
	  "unit='G'>5</capacity><target><path>/var/lib/libvirt/images/LuksDemo.img</path><encryption "
	  "format='luks'><secret type='passphrase' usage='u'/></encryption></target></volume>" },
	{ "vol-luks-cipher",
	  "<volume><name>LuksDemo.img</name><capacity "
	  "unit='G'>5</capacity><target><path>/var/lib/libvirt/images/LuksDemo.img</path><encryption "
	  "format='luks'><secret type='passphrase' usage='u'/><cipher name='serpent' size='256' mode='cbc' "
	  "hash='sha256'/><ivgen name='plain64' hash='sha256'/></encryption></target></volume>" },
	{ "vol-luks-convert",
	  "<volume><name>OtherDemo.img</name><capacity "
	  "unit='G'>5</capacity><target><path>/var/lib/libvirt/images/OtherDemo.img</path><encryption "
	  "format='luks'><secret type='passphrase' usage='u'/></encryption></target></volume>" },
	{ "vol-qcow2-nocapacity", "<volume><name>OtherDemo.img</name><target><path>/var/lib/libvirt/images/"
	                          "OtherDemo.img</path><format type='qcow2'/></target></volume>" },
	{ "vol-qcow2-zerocapacity",
	  "<volume><name>OtherDemo.img</name><capacity>0</capacity><target><path>/var/lib/libvirt/images/"
	  "OtherDemo.img</path><format type='qcow2'/></target></volume>" },
};

static const struct {
	const char *name, *volume, *from;
	bool preallocate;
} lines[] = {
	{ "iso", "vol-file-iso", NULL, false },
	{ "iso-input", "vol-file", "vol-file-iso", false },
	{ "logical-from-qcow2", "vol-logical", "vol-qcow2-nobacking", false },
	{ "luks", "vol-luks", NULL, false },
	{ "luks-cipher", "vol-luks-cipher", NULL, false },
	{ "luks-convert", "vol-luks-convert", "vol-file", false },
	{ "luks-convert-encrypt", "vol-luks", "vol-luks-convert", false },
	{ "luks-convert-encrypt2fileraw", "vol-file", "vol-luks-convert", false },
	{ "luks-convert-qcow2", "vol-luks-convert", "vol-qcow2-nobacking", false },
	{ "qcow2-1.1", "vol-qcow2-1.1", NULL, false },
	{ "qcow2-clusterSize", "vol-qcow2-clusterSize", NULL, false },
	{ "qcow2-compat", "vol-qcow2", NULL, false },
	{ "qcow2-from-logical-compat", "vol-qcow2-nobacking", "vol-logical", false },
	{ "qcow2-lazy", "vol-qcow2-lazy", NULL, false },
	{ "qcow2-luks", "vol-qcow2-luks", NULL, false },
	{ "qcow2-luks-convert-encrypt", "vol-qcow2-luks", "vol-qcow2-luks-convert", false },
	{ "qcow2-luks-convert-encrypt2fileraw", "vol-file", "vol-qcow2-luks-convert", false },
	{ "qcow2-nobacking-convert-prealloc-compat", "vol-qcow2-nobacking", "vol-file", true },
	{ "qcow2-nobacking-prealloc-compat", "vol-qcow2-nobacking", NULL, true },
	{ "qcow2-nocapacity", "vol-qcow2-nocapacity-backing", NULL, false },
	{ "qcow2-nocapacity-convert-prealloc", "vol-qcow2-nocapacity", "vol-file", true },
	{ "qcow2-nocow-compat", "vol-qcow2-nocow", NULL, false },
	{ "qcow2-zerocapacity", "vol-qcow2-zerocapacity", NULL, false },
};

static bool load_volume(const char *name, struct volume_def *d)
{
	const struct pool_def dir = { .type = POOL_DIR }, logical = { .type = POOL_LOGICAL };
	struct buf xml = BUF_INIT;
	struct err e = { 0 };
	char file[300];
	int rc;

	snprintf(file, sizeof(file), "%s.xml", name);
	if (!load(&xml, "storagevolxml2xmlin", file))
		for (size_t i = 0; i < ARRAY_LEN(volumes); i++)
			if (streq(volumes[i].name, name))
				buf_adds(&xml, volumes[i].xml);
	rc = volume_def_read(d, buf_str(&xml), xml.len, file,
	                     starts_with(name, "vol-logical") ? &logical : &dir, VOLUME_FOR_CREATE_FROM, &e);
	if (rc < 0)
		printf("# %s\n", e.message);
	buf_free(&xml);
	return rc == 0;
}

static bool is_luks(const struct volume_def *d)
{
	return d->encryption.format && streq(d->encryption.format, "luks");
}

static void add_words(struct qemu_img_words *w, struct buf *out)
{
	for (size_t i = 0; i < w->n; i++)
		/* ours does not open the backing file to see whether it is there */
		if (!streq(w->argv[i], "-u"))
			buf_printf(out, "%s%s", out->len ? " " : "", w->argv[i]);
	qemu_img_words_free(w);
}

/* The text behind a key of one of our images, up to the next quote. */
static void add_value(const char *json, const char *before, const char *key, const char *after,
                      struct buf *out)
{
	const char *at = strstr(json, key);

	if (at) {
		at += strlen(key);
		buf_printf(out, "%s%.*s%s", before, (int)strcspn(at, "\""), at, after);
	}
}

/* Ours are JSON, where it can be said that there is no backing file; libvirt's are a path behind "-f FORMAT",
 * or a list of options. */
static void add_convert_words(struct qemu_img_words *w, struct buf *out)
{
	bool encrypted = streq(w->argv[2], "-n");
	size_t i = 2;

	while (!starts_with(w->argv[i], "json:"))
		i++;
	buf_printf(out, "%sqemu-img convert%s", out->len ? " " : "", encrypted ? " --image-opts" : "");
	if (!encrypted)
		add_value(w->argv[i], " -f ", "{\"driver\":\"", "", out);
	for (i = 2; i < w->n; i++) {
		const char *word = w->argv[i];

		if (encrypted && streq(word, "-O")) {
			i++;
		} else if (!starts_with(word, "json:")) {
			buf_printf(out, " %s%s", word, streq(word, "-n") ? " --target-image-opts" : "");
		} else if (encrypted) {
			add_value(word, " driver=", "{\"driver\":\"", ",", out);
			add_value(word, "file.filename=", "\"filename\":\"", "", out);
			add_value(word, ",key-secret=", "\"key-secret\":\"", "", out);
			add_value(word, ",encrypt.key-secret=", "\"encrypt.key-secret\":\"", "", out);
		} else {
			add_value(word, " ", "\"filename\":\"", "", out);
		}
	}
	qemu_img_words_free(w);
}

/* With encryption on either side the volume is made first and filled then; else one line does both. What is
 * made from another volume has that volume's content and no backing file. */
static bool our_lines(struct volume_def *d, const struct volume_def *from, bool preallocate, struct buf *out,
                      struct err *e)
{
	const struct qemu_img_file target = {
		.path = d->path, .format = d->format, .luks = is_luks(d), .secret = "/path/to/secretFile"
	};
	unsigned flags = preallocate ? VOL_PREALLOC_METADATA : 0;
	struct qemu_img_words w;

	d->backing.given = d->backing.given && !from;
	if (!from || is_luks(d) || is_luks(from)) {
		if (qemu_img_create_words(&w, d, flags, &target, e) < 0)
			return false;
		add_words(&w, out);
	}
	if (from) {
		const struct qemu_img_file input = { .path = from->path,
			                             .format = from->format,
			                             .luks = is_luks(from),
			                             .secret = "/path/to/inputSecretFile" };

		if (qemu_img_convert_words(&w, d, flags, &input, &target, e) < 0)
			return false;
		add_convert_words(&w, out);
	}
	return true;
}

/* Secrets are called after the volume there, and after what they are for here. */
static void rename_secrets(const char *words, const char *volume, const char *ours, struct buf *out)
{
	char theirs[300];
	const char *at;

	snprintf(theirs, sizeof(theirs), "%s_encrypt0", volume);
	buf_reset(out);
	for (; (at = strstr(words, theirs)); words = at + strlen(theirs))
		buf_printf(out, "%.*s%s", (int)(at - words), words, ours);
	buf_adds(out, words);
}

static void qemu_img_line(size_t i, const char *words)
{
	struct buf ours = BUF_INIT, named = BUF_INIT, theirs = BUF_INIT;
	struct volume_def d = { 0 }, from = { 0 };
	struct err e = { 0 };
	bool good = load_volume(lines[i].volume, &d) && (!lines[i].from || load_volume(lines[i].from, &from));

	good = good && our_lines(&d, lines[i].from ? &from : NULL, lines[i].preallocate, &ours, &e);
	rename_secrets(words, good ? d.name : "", "new-image", &named);
	rename_secrets(buf_str(&named), from.name ? from.name : "\n", "old-image", &theirs);
	good = good && streq(buf_str(&ours), buf_str(&theirs));
	if (!good)
		printf("# %s\n# ours:   %s\n# theirs: %s\n", e.message, buf_str(&ours), buf_str(&theirs));
	verdict(good, "storagevolxml2argvdata", lines[i].name);
	volume_def_free(&d);
	volume_def_free(&from);
	buf_free(&ours);
	buf_free(&named);
	buf_free(&theirs);
}

static void qemu_img_case(const char *name, const char *words)
{
	size_t i = 0;

	while (i < ARRAY_LEN(lines) && !streq(lines[i].name, name))
		i++;
	if (i < ARRAY_LEN(lines))
		qemu_img_line(i, words);
	else
		verdict(false, "storagevolxml2argvdata: which volume is it for?", name);
}

/* Two that libvirt refuses as well. */
static void qemu_img_refusals(void)
{
	static const char *const refused[] = { "vol-qcow2-0.10-lazy", "vol-qcow2-encryption" };

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const struct qemu_img_file target = { .path = "/p" };
		struct qemu_img_words w = { 0 };
		struct volume_def d = { 0 };
		struct err e = { 0 };

		verdict(load_volume(refused[i], &d) && qemu_img_create_words(&w, &d, 0, &target, &e) < 0 &&
		                e.message[0],
		        "refused, as by libvirt", refused[i]);
		qemu_img_words_free(&w);
		volume_def_free(&d);
	}
}

int main(void)
{
	const char *shared = getenv("POOLINIT_SHARED");
	struct stat st;

	snprintf(root, sizeof(root), "%s/conformance", shared ? shared : "../shared");
	if (stat(root, &st) < 0) {
		printf("skip conformance: %s is not there\n", root);
		return 0;
	}
	images();
	commands("storagepoolxml2argvdata", mount_case, 8);
	qemu_img_refusals();
	commands("storagevolxml2argvdata", qemu_img_case, 16);
	return all_failed ? 1 : 0;
}
