/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu-img's command lines, made from a volume definition: the same images as libvirt's lines make.
 */
#include "volumes/image/qemu_img.h"

#include <inttypes.h>
#include <stdio.h>
#include "base/contract.h"
#include "base/util.h"

/* The volume formats that qemu-img can make, by its own names. */
/* clang-format off */
static const struct qemu_format {
	const char *word, *driver;
	bool backing;
} formats[] = {
	{ "raw",   "raw",   false },
	{ "iso",   "raw",   false },
	{ "qcow2", "qcow2", true },
	{ "qcow",  "qcow",  true },
	{ "qed",   "qed",   true },
	{ "vmdk",  "vmdk",  true },
	{ "vdi",   "vdi",   false },
	{ "vpc",   "vpc",   false },
};
/* clang-format on */

/* NULL: no format that qemu-img can make here. A definition without one means raw. */
static const struct qemu_format *format_find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (streq(formats[i].word, word ? word : "raw"))
			return &formats[i];
	return NULL;
}

/* ---- words ---- */

void qemu_img_words_free(struct qemu_img_words *w)
{
	arena_free(&w->arena);
	*w = (struct qemu_img_words){ 0 };
}

/* Add one argument, copied. Too many of them, or no memory, are noted, and said at the end by check_words().
 */
static void add_word(struct qemu_img_words *w, const char *word)
{
	if (!word || w->n + 1 >= ARRAY_LEN(w->argv))
		w->arena.failed = true;
	else
		w->argv[w->n++] = arena_strdup(&w->arena, word);
}

/* Add what the buffer holds, and free it. */
static void add_buf(struct qemu_img_words *w, struct buf *b)
{
	if (b->failed)
		w->arena.failed = true;
	add_word(w, buf_str(b));
	buf_free(b);
}

/* Nothing is looked for in $PATH here: "qemu-img" is found when it is run. */
static void begin_words(struct qemu_img_words *w, const char *verb)
{
	*w = (struct qemu_img_words){ 0 };
	add_word(w, "qemu-img");
	add_word(w, verb);
}

/* Was there memory, and room, for every word? Asked once at the end. On failure the words are freed. */
static int check_words(struct qemu_img_words *w, struct err *e)
{
	if (!w->arena.failed)
		return 0;
	qemu_img_words_free(w);
	return err_set(e, ERR_NO_MEMORY, "cannot run qemu-img: out of memory");
}

/* "NAME=VALUE" of a comma-separated list; a comma of the value is doubled. */
static void option(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "%s%s=", b->len ? "," : "", name);
	for (; *value; value++)
		buf_adds(b, *value == ',' ? ",," : (char[]){ *value, '\0' });
}

/* "--object secret,id=…,file=…": the passphrase's pipe is named by the path that it has in the tool's jail.
 * It is read to its end when the option is. */
static void add_secret(struct qemu_img_words *w, const char *id, const char *path)
{
	struct buf b = BUF_INIT;

	if (!path)
		return;
	buf_adds(&b, "secret");
	option(&b, "id", id);
	option(&b, "file", path);
	add_word(w, "--object");
	add_buf(w, &b);
}

#define TO_ID   "new-image"
#define FROM_ID "old-image"

/* The format's name in QEMU: an encrypted raw volume is a format of its own. */
static const char *driver_of(const struct qemu_img_file *f)
{
	const char *driver = format_find(f->format)->driver;

	return f->luks && streq(driver, "raw") ? "luks" : driver;
}

/* A path that needs no escaping in JSON: ours never do. */
static bool needs_no_escape(const struct qemu_img_file *f)
{
	return !f || (!strpbrk(f->path, "\"\\") && needs_no_escape(f->backing));
}

/* The file is described as JSON. Only there a backing file can be said to be none, or another one, whatever
 * the header names. */
static void print_json(struct buf *b, const struct qemu_img_file *f, const char *id)
{
	const char *driver = driver_of(f);

	buf_printf(b, "{\"driver\":\"%s\",\"file\":{\"driver\":\"%s\",\"filename\":\"%s\"}", driver,
	           f->block ? "host_device" : "file", f->path);
	if (f->luks && f->secret)
		buf_printf(b, ",\"%skey-secret\":\"%s\"", streq(driver, "luks") ? "" : "encrypt.", id);
	if (format_find(f->format)->backing) {
		buf_adds(b, ",\"backing\":");
		/* A format that can have a backing file and is given none is told so: "null" keeps qemu-img
		 * from opening what the header names. */
		if (f->backing)
			print_json(b, f->backing, id);
		else
			buf_adds(b, "null");
	}
	buf_addc(b, '}');
}

/* An image as one argument. On failure the words are freed. */
static int add_json(struct qemu_img_words *w, const struct qemu_img_file *f, const char *id, struct err *e)
{
	struct buf b = BUF_INIT;

	for (const struct qemu_img_file *x = f; x; x = x->backing)
		if (!format_find(x->format)) {
			qemu_img_words_free(w);
			return err_set(e, ERR_UNSUPPORTED, "a volume of format \"%s\" cannot be used here",
			               x->format);
		}
	if (!needs_no_escape(f)) {
		qemu_img_words_free(w);
		return err_set(e, ERR_INVALID, "the path %s cannot be given to qemu-img", f->path);
	}
	buf_adds(&b, "json:");
	print_json(&b, f, id);
	add_buf(w, &b);
	return 0;
}

/* ---- what a definition asks for ---- */

static bool is_encrypted(const struct volume_def *v)
{
	return v->encryption.format != NULL;
}

/* What qemu-img can encrypt. It takes one key for a new image, so that a second secret would be dropped
 * silently. */
static int check_encryption(const struct volume_def *v, const struct qemu_format *f, struct err *e)
{
	const struct volume_encryption *c = &v->encryption;

	if (!is_encrypted(v))
		return 0;
	if (!streq(c->format, "luks"))
		return err_set(e, ERR_UNSUPPORTED,
		               "volumes with encryption format \"%s\" cannot be made: only \"luks\" can",
		               c->format);
	if (!streq(f->driver, "raw") && !streq(f->driver, "qcow2"))
		return err_set(e, ERR_UNSUPPORTED, "a %s volume cannot be encrypted: raw and qcow2 can",
		               f->word);
	if (c->nsecrets != 1)
		return err_set(e, ERR_INVALID, "an encrypted volume needs exactly one secret, not %zu",
		               c->nsecrets);
	return 0;
}

int qemu_img_check(const struct volume_def *v, unsigned flags, struct err *e)
{
	const struct qemu_format *f = format_find(v->format);

	if (!f)
		return err_set(e, ERR_UNSUPPORTED, "volumes of format \"%s\" cannot be made, only used",
		               v->format);
	if ((v->lazy_refcounts || v->extended_l2) && v->compat && streq(v->compat, "0.10"))
		return err_set(e, ERR_INVALID,
		               "volumes of compat 0.10 have no features: they need compat 1.1");
	if (v->data_file)
		return err_set(e, ERR_UNSUPPORTED, "volumes with an external data file cannot be made");
	if (v->backing.given && !f->backing)
		return err_set(e, ERR_UNSUPPORTED, "a %s volume cannot have a backing file", f->word);
	if ((flags & VOL_PREALLOC_METADATA) && !streq(f->driver, "qcow2"))
		return err_set(e, ERR_UNSUPPORTED,
		               "metadata can be preallocated in qcow2 volumes only, not in %s ones", f->word);
	if ((flags & VOL_PREALLOC_METADATA) && v->backing.given)
		return err_set(e, ERR_UNSUPPORTED,
		               "metadata cannot be preallocated in a volume with a backing file");
	return check_encryption(v, f, e);
}

/* Options of LUKS: plain for a raw volume, which is a format of its own, with the prefix "encrypt." for
 * qcow2. The cipher's name has its bits in it (aes-256). */
static void encryption_options(const struct volume_def *v, bool raw, struct buf *b)
{
	const struct volume_encryption *c = &v->encryption;
	const char *prefix = raw ? "" : "encrypt.";
	const struct {
		const char *name, *value;
	} options[] = {
		{ "cipher-mode", c->cipher.mode },
		{ "hash-alg", c->cipher.hash },
		{ "ivgen-alg", c->ivgen.name },
		{ "ivgen-hash-alg", c->ivgen.hash },
	};
	char name[40], cipher[80];

	if (!raw)
		option(b, "encrypt.format", "luks");
	snprintf(name, sizeof(name), "%skey-secret", prefix);
	option(b, name, TO_ID);
	if (!c->cipher.name)
		return;
	snprintf(name, sizeof(name), "%scipher-alg", prefix);
	snprintf(cipher, sizeof(cipher), "%s-%u", c->cipher.name, c->cipher.size);
	option(b, name, cipher);
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		snprintf(name, sizeof(name), "%s%s", prefix, options[i].name);
		if (options[i].value)
			option(b, name, options[i].value);
	}
}

/* Everything that goes after -o. */
static void add_options(struct qemu_img_words *w, const struct volume_def *v, unsigned flags, bool creating)
{
	const struct qemu_format *f = format_find(v->format);
	bool qcow2 = streq(f->driver, "qcow2");
	struct buf b = BUF_INIT;
	char number[24];

	if (creating && v->backing.given && v->backing.format)
		option(&b, "backing_fmt", v->backing.format);
	if (creating && is_encrypted(v))
		encryption_options(v, streq(f->driver, "raw"), &b);
	if (flags & VOL_PREALLOC_METADATA)
		option(&b, "preallocation", v->capacity > v->allocation ? "metadata" : "falloc");
	if (v->nocow)
		option(&b, "nocow", "on");
	if (v->compat || qcow2)
		option(&b, "compat", v->compat ? v->compat : "1.1");
	if (v->cluster_size) {
		snprintf(number, sizeof(number), "%llu", (unsigned long long)v->cluster_size);
		option(&b, "cluster_size", number);
	}
	if (v->lazy_refcounts)
		buf_printf(&b, "%slazy_refcounts", b.len ? "," : "");
	if (v->extended_l2)
		option(&b, "extended_l2", "on");
	if (b.len == 0)
		return;
	add_word(w, "-o");
	add_buf(w, &b);
}

/* ---- the three lines ---- */

int qemu_img_create_words(struct qemu_img_words *w, const struct volume_def *v, unsigned flags,
                          const struct qemu_img_file *to, struct err *e)
{
	demand(w && to->path, e);

	char size[32];

	if (qemu_img_check(v, flags, e) < 0)
		return -1;
	begin_words(w, "create");
	add_word(w, "-f");
	add_word(w, is_encrypted(v) && !streq(format_find(v->format)->driver, "qcow2")
	                    ? "luks"
	                    : format_find(v->format)->driver);
	if (v->backing.given) {
		add_word(w, "-u"); /* the backing file is named, not opened */
		add_word(w, "-b");
		add_word(w, v->backing.path);
	}
	if (is_encrypted(v))
		add_secret(w, TO_ID, to->secret);
	add_options(w, v, flags, true);
	add_word(w, to->path);
	/* In KiB, rounded up, as libvirt gives it: the line is to be the same. */
	if (v->capacity || !v->backing.given) {
		snprintf(size, sizeof(size), "%" PRIu64 "K", v->capacity / 1024 + (v->capacity % 1024 != 0));
		add_word(w, size);
	}
	return check_words(w, e);
}

int qemu_img_convert_words(struct qemu_img_words *w, const struct volume_def *v, unsigned flags,
                           const struct qemu_img_file *from, const struct qemu_img_file *to, struct err *e)
{
	demand(w && from->path && to->path, e);

	const struct qemu_img_file target = {
		.path = to->path, .format = v->format, .luks = is_encrypted(v), .secret = to->secret
	};
	bool encrypted = from->luks || is_encrypted(v);

	if (qemu_img_check(v, flags, e) < 0)
		return -1;
	if (!format_find(from->format))
		return err_set(e, ERR_UNSUPPORTED, "a volume of format \"%s\" cannot be converted",
		               from->format);
	begin_words(w, "convert");
	if (encrypted) {
		/* -n: the target is there, and only its content is written. */
		add_word(w, "-n");
		add_secret(w, TO_ID, is_encrypted(v) ? to->secret : NULL);
		add_secret(w, FROM_ID, from->luks ? from->secret : NULL);
	}
	add_word(w, "-O");
	add_word(w, driver_of(&target));
	if (!encrypted)
		add_options(w, v, flags, false);
	if (add_json(w, from, FROM_ID, e) < 0)
		return -1;
	if (!encrypted)
		add_word(w, to->path); /* it makes the image there itself */
	else if (add_json(w, &target, TO_ID, e) < 0)
		return -1;
	return check_words(w, e);
}

int qemu_img_resize_words(struct qemu_img_words *w, const struct qemu_img_file *image, uint64_t capacity,
                          bool shrink, struct err *e)
{
	demand(w && image->path, e);

	char size[32];

	if (!format_find(image->format))
		return err_set(e, ERR_UNSUPPORTED, "a volume of format \"%s\" cannot be resized",
		               image->format);
	begin_words(w, "resize");
	if (shrink)
		add_word(w, "--shrink");
	if (image->luks)
		add_secret(w, TO_ID, image->secret);
	if (add_json(w, image, TO_ID, e) < 0)
		return -1;
	snprintf(size, sizeof(size), "%" PRIu64, (capacity + 511) / 512 * 512);
	add_word(w, size);
	return check_words(w, e);
}
