/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's own documents: read, printed, compared. One case a document, and one line "# DIRECTORY: N passed, N failed".
 * They lie beside the checkout (../shared, or POOLINIT_SHARED); tests/golden/stricter lists where we differ on purpose.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/def.h"
#include "pool/image.h"
#include "pool/secret.h"
#include "pool/volume.h"
#include "pool/xml.h"

static char root[1024];     /* …/conformance */
static int passed, failed, all_failed;

static void verdict(bool good, const char *kind, const char *name)
{
	printf("%s - %s: %s\n", good ? "ok" : "not ok", kind, name);
	*(good ? &passed : &failed) += 1;
}

static void summary(const char *directory)
{
	printf("# %s: %d passed, %d failed\n", directory, passed, failed);
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

static void show_difference(const char *got, const char *want)
{
	size_t same = 0;

	while (got[same] && got[same] == want[same])
		same++;
	printf("# differs at byte %zu: \"%.60s\" instead of \"%.60s\"\n", same, got + same, want + same);
}

/* Printed form of a document; the UUID is taken from `uuid_of` where the document has none. False: refused. */
static bool printed(const struct buf *in, const char *name, const struct buf *uuid_of, struct buf *out, struct err *e)
{
	struct pool_def d, other;

	buf_reset(out);
	if (pool_read(&d, buf_str(in), in->len, name, e) < 0)
		return false;
	if (!d.uuid_given && uuid_of && pool_read(&other, buf_str(uuid_of), uuid_of->len, name, e) == 0) {
		d.uuid = other.uuid;
		pool_def_free(&other);
	}
	pool_print(&d, out);
	pool_def_free(&d);
	return true;
}

/* ---- equal in meaning: whatever the one says, the other says too ---- */

static bool same_text(const xmlNode *a, const xmlNode *b)
{
	xmlChar *x = xmlNodeGetContent(a), *y = xmlNodeGetContent(b);
	bool same = x && y && xmlStrcmp(x, y) == 0;

	xmlFree(x);
	xmlFree(y);
	return same;
}

static bool contained(const xmlNode *in, const xmlNode *out);

static bool children_contained(const xmlNode *in, const xmlNode *out)
{
	bool leaf = true;

	for (const xmlNode *i = in->children; i; i = i->next) {
		const xmlNode *o = out->children;

		if (i->type != XML_ELEMENT_NODE)
			continue;
		leaf = false;
		while (o && !contained(i, o))
			o = o->next;
		if (!o) {
			printf("# <%s> is missing or different\n", (const char *)i->name);
			return false;
		}
	}
	return !leaf || same_text(in, out);
}

static bool contained(const xmlNode *in, const xmlNode *out)
{
	if (out->type != XML_ELEMENT_NODE || xmlStrcmp(in->name, out->name) != 0)
		return false;
	for (const xmlAttr *a = in->properties; a; a = a->next) {
		xmlChar *x = xmlGetProp(in, a->name), *y = xmlGetProp(out, a->name);
		bool same = x && y && xmlStrcmp(x, y) == 0;

		xmlFree(x);
		xmlFree(y);
		if (!same)
			return false;
	}
	return children_contained(in, out);
}

static bool means_the_same(const struct buf *in, const struct buf *out)
{
	xmlDoc *a = xmlReadMemory(buf_str(in), (int)in->len, NULL, NULL, 0), *b = xmlReadMemory(buf_str(out), (int)out->len, NULL, NULL, 0);
	bool same = a && b && contained(xmlDocGetRootElement(a), xmlDocGetRootElement(b));

	xmlFreeDoc(a);
	xmlFreeDoc(b);
	return same;
}

/* ---- libvirt's grammar, where libxml2 can read it: our own static build of it cannot ---- */

#ifdef LIBXML_SCHEMAS_ENABLED
static xmlRelaxNG *pool_grammar;

static xmlRelaxNG *grammar_open(const char *name)
{
	char path[PATH_MAX];
	xmlRelaxNGParserCtxt *ctxt;
	xmlRelaxNG *grammar;

	snprintf(path, sizeof(path), "%s/schemas/%s", root, name);
	ctxt = xmlRelaxNGNewParserCtxt(path);
	grammar = ctxt ? xmlRelaxNGParse(ctxt) : NULL;
	xmlRelaxNGFreeParserCtxt(ctxt);
	return grammar;
}

static bool is_valid(const struct buf *text)
{
	xmlDoc *doc = xmlReadMemory(buf_str(text), (int)text->len, NULL, NULL, 0);
	xmlRelaxNGValidCtxt *ctxt = xmlRelaxNGNewValidCtxt(pool_grammar);
	bool valid = doc && ctxt && xmlRelaxNGValidateDoc(ctxt, doc) == 0;

	xmlRelaxNGFreeValidCtxt(ctxt);
	xmlFreeDoc(doc);
	return valid;
}

static void grammar_load(void)
{
	pool_grammar = grammar_open("storagepool.rng");
	verdict(pool_grammar != NULL, "schemas", "storagepool.rng");
}

static void grammar_free(void)
{
	xmlRelaxNGFree(pool_grammar);
	xmlRelaxNGCleanupTypes();
}
#else
static void grammar_load(void)
{
	printf("# no grammar in this build\n");
}

static bool is_valid(const struct buf *text)
{
	return text->len > 0;
}

static void grammar_free(void)
{
}
#endif

/* ---- directories ---- */

static int names(const char *dir, struct dirent ***list)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, dir);
	return scandir(path, list, NULL, alphasort);
}

/* Call check for each *.xml of a directory. */
static void each(const char *dir, void (*check)(const char *name, const struct buf *in))
{
	struct dirent **list;
	int n = names(dir, &list);
	struct buf in = BUF_INIT;

	for (int i = 0; i < n; i++) {
		const char *dot = strrchr(list[i]->d_name, '.');

		if (dot && streq(dot, ".xml") && load(&in, dir, list[i]->d_name))
			check(list[i]->d_name, &in);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	buf_free(&in);
	verdict(passed + failed > 0, dir, "has documents");
	summary(dir);
}

static void xml2xml(const char *name, const struct buf *in)
{
	struct buf want = BUF_INIT, got = BUF_INIT;
	struct err e = { 0 };
	bool good = load(&want, "storagepoolxml2xmlout", name) && printed(in, name, NULL, &got, &e);

	if (!good)
		printf("# %s\n", e.message);
	else if (!streq(buf_str(&got), buf_str(&want)))
		show_difference(buf_str(&got), buf_str(&want)), good = false;
	verdict(good, "storagepoolxml2xml", name);
	verdict(is_valid(&got), "printed form is valid for libvirt", name);
	if (printed(&want, name, NULL, &got, &e))
		verdict(streq(buf_str(&got), buf_str(&want)), "printed form is read back as itself", name);
	buf_free(&want);
	buf_free(&got);
}

static void documented(const char *name, const struct buf *in)
{
	struct buf got = BUF_INIT, again = BUF_INIT;
	struct err e = { 0 };

	if (strstr(name, "-volume"))
		return;                         /* what vol-dumpxml says; no definition */
	if (!printed(in, name, NULL, &got, &e)) {
		printf("# %s\n", e.message);
		verdict(false, "documented", name);
	} else {
		verdict(means_the_same(in, &got), "documented", name);
		if (is_valid(in))         /* libvirt's grammar knows one device of a zpool, the specification shows two */
			verdict(is_valid(&got), "printed form is valid for libvirt", name);
		verdict(printed(&got, name, NULL, &again, &e) && streq(buf_str(&got), buf_str(&again)), "printed form is read back as itself", name);
	}
	buf_free(&got);
	buf_free(&again);
}

static void secret(const char *name, const struct buf *in)
{
	struct buf got = BUF_INIT;
	struct secret_def s;
	struct err e = { 0 };

	if (secret_read(&s, buf_str(in), in->len, name, &e) == 0) {
		secret_print(&s, &got);
		secret_def_free(&s);
	}
	if (!streq(buf_str(&got), buf_str(in)))
		show_difference(buf_str(&got), buf_str(in));
	verdict(streq(buf_str(&got), buf_str(in)), "secretxml2xml", name);
	buf_free(&got);
}

/* ---- the matrix: what a live libvirt said ---- */

static bool is_deliberate(const struct buf *stricter, const char *name)
{
	char line[128];

	snprintf(line, sizeof(line), "\n%s: ", name);
	return strstr(buf_str(stricter), line) != NULL;
}

static void matrix_case(const char *name, bool accepted, const struct buf *stricter)
{
	struct buf in = BUF_INIT, want = BUF_INIT, got = BUF_INIT;
	struct err e = { 0 };
	char file[PATH_MAX], place[PATH_MAX];
	bool ours, good;

	snprintf(file, sizeof(file), "%s.xml", name);
	snprintf(place, sizeof(place), "%s:", name);
	if (!load(&in, "empirical/pool-xml", file)) {
		verdict(false, "matrix", name);
		return;
	}
	snprintf(file, sizeof(file), "%s.dumpxml", name);
	load(&want, "empirical/pool-xml", file);
	ours = printed(&in, name, &want, &got, &e);
	good = ours == (accepted != is_deliberate(stricter, name));
	if (ours && good && want.len > 0) {
		while (want.len > 1 && want.data[want.len - 2] == '\n')         /* virsh adds an empty line */
			want.data[--want.len] = '\0';
		good = streq(buf_str(&got), buf_str(&want));
		if (!good)
			show_difference(buf_str(&got), buf_str(&want));
	}
	if (!ours)      /* names the source and a line, and says something */
		good = good && starts_with(e.message, place) && atoi(e.message + strlen(place)) > 0 && strlen(e.message) > strlen(place) + 10;
	if (!good)
		printf("# libvirt %s it, we %s it: %s\n", accepted ? "accepts" : "refuses", ours ? "accept" : "refuse", e.message);
	verdict(good, "matrix", name);
	buf_free(&in);
	buf_free(&want);
	buf_free(&got);
}

static void matrix(void)
{
	struct buf table = BUF_INIT, stricter = BUF_INIT;
	char *line, *rest;
	int deliberate = 0;

	if (file_read(AT_FDCWD, "tests/golden/stricter", 1 << 16, &stricter, NULL) < 0)
		verdict(false, "matrix", "tests/golden/stricter can be read (run from the top of the checkout)");
	if (!load(&table, "empirical", "poolmatrix.tsv"))
		verdict(false, "matrix", "poolmatrix.tsv can be read");
	rest = table.data;
	while ((line = strsep(&rest, "\n"))) {
		char *name = strsep(&line, "\t"), *said = strsep(&line, "\t");

		if (!said)
			continue;
		deliberate += is_deliberate(&stricter, name);
		matrix_case(name, streq(said, "ACCEPT"), &stricter);
	}
	verdict(deliberate <= 8, "matrix", "at most eight deliberate differences");
	buf_free(&table);
	buf_free(&stricter);
	summary("empirical/pool-xml");
}

/* ---- images: one block "key: value" lines an image, empty line between ---- */

struct expected { char file[256], backing[512], backing_format[64], format[32]; unsigned long long capacity; };

static void image_case(const struct expected *x, const char *from)
{
	struct buf head = BUF_INIT;
	struct image i;
	char label[700];
	const char *backing = streq(x->backing, "<null>") ? "" : x->backing;
	const char *format = x->backing_format[0] == '<' || !*backing ? "" : x->backing_format;

	if (!x->file[0] || !x->capacity || streq(x->format, "raw") || !load(&head, "virstoragetestdata/images", x->file)) {
		buf_free(&head);
		return;                         /* made while libvirt's own test runs, or read with a format that is forced on it */
	}
	image_probe((const unsigned char *)buf_str(&head), head.len < IMAGE_HEADER_BYTES ? head.len : IMAGE_HEADER_BYTES, head.len, &i);
	snprintf(label, sizeof(label), "%s in %s", x->file, from);
	if (i.problem[0])
		printf("# %s\n", i.problem);
	verdict(streq(i.format, x->format) && i.capacity == x->capacity && streq(i.backing, backing) && streq(i.backing_format, format) &&
	        !i.encryption && !i.problem[0], "image", label);
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
			snprintf(x.file, sizeof(x.file), "%s", images ? images + strlen("virstoragetestdata/images/") : "");
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

/* libxml2's validator prints its reasons; ours are in the case's name. */
__attribute__((format(printf, 2, 3)))
static void silent(void *arg, const char *fmt, ...)
{
	(void)arg;
	(void)fmt;
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
	xmlSetGenericErrorFunc(NULL, silent);
	grammar_load();
	each("storagepoolxml2xmlin", xml2xml);
	each("documented", documented);
	each("secretxml2xmlin", secret);
	matrix();
	images();
	grammar_free();
	xmlCleanupParser();
	return all_failed ? 1 : 0;
}
