/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Definitions on disk, laid out as libvirt lays out /etc/libvirt: storage/NAME.xml,
 * storage/autostart/NAME.xml (a link, or any file of that name, for media without links), secrets/UUID.xml
 * and .base64. Without a storage/ the directory itself takes its place (flat layout). Blocking: for workers
 * and for `poolinit plan`.
 */
#ifndef POOLINIT_SUPERVISOR_CONFIG_CONFIG_H
#define POOLINIT_SUPERVISOR_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "pool/def.h"

/* Of one directory: definitions, or autostart marks; and bytes of all its definitions, which are held in
 * memory together. What is met at reading is met at accepting as well: config_keep() and
 * config_mark_autostart() refuse with ERR_LIMIT what config_load() would leave out. */
#define CONFIG_FILES_LIMIT 8192
#define CONFIG_MIB_LIMIT   16
#define CONFIG_BYTES_LIMIT (CONFIG_MIB_LIMIT * 1024 * 1024)

/* What was found: a pool, or what is wrong with a file. Valid during the call only. */
struct config_item {
	const struct pool_def *def; /* NULL: a problem */
	bool autostart;
	const char *origin; /* file name, "(command line)" … */
	const struct err *problem;
	struct buf xml, key; /* def written out, and what its source is known by: see config_print() */
};
typedef void config_item_fn(const struct config_item *item, void *arg);

/* Files, read but not yet parsed, so that the parser can be closed in first. Unreadable and oversized files
 * carry their error. */
struct config_file {
	struct config_file *next;
	char *origin, *name, *text;
	size_t len;
	struct err *error;
	bool defines; /* a pool, though perhaps not the one that is used */
	bool later;   /* it holds a pool that has a file of its own name: that one is asked first */
};
/* of_file: a file has that name, and the mark is that one's, which takes it if it defines a pool. Otherwise
 * it is that of the pool of that name. */
struct config_mark {
	struct config_mark *next;
	bool used, of_file;
	char name[];
};
struct config_secret;
struct config_files {
	struct config_file *first, **last;
	size_t bytes; /* of all texts */
	struct config_mark *marks;
	bool may_mark_others;       /* a mark for a pool that is defined elsewhere is no problem */
	bool absent, may_be_absent; /* the directory is not there; which is a problem, unless it may be so */
	char *dir;
	char *cut; /* the first name of those that were left out, or NULL */
	struct config_secret *secrets, **last_secret;
};

/* All *.xml of a configuration directory, and the names in its autostart/. A directory that is not there
 * holds nothing (config_parse() says so). `as` is what origins call the directory (a device that is mounted
 * only for the moment); NULL: its own name. Beyond the limits above the first by name are read, and an item
 * with a problem says which ones are not. */
int config_load(const char *dir, const char *as, struct config_files *out, struct err *e);
/* Parse what was loaded, in the order of file names. Of several files with one pool name that is used which
 * bears it, NAME.xml, or else the first; each other one is a problem that names both, and so is a mark that
 * marks nothing. */
void config_parse(const struct config_files *files, config_item_fn *fn, void *arg);
/* Free what was loaded; it is empty afterwards. */
void config_files_free(struct config_files *files);
/* Their parts for DIR/secrets. Items are problems only: a file that is no secret, or not named after it, two
 * for one use, a value that is none. */
int config_secrets_load(const char *dir, const char *as, struct config_files *out, struct err *e);
void config_secrets_parse(const struct config_files *files, config_item_fn *fn, void *arg);
void config_secrets_free(struct config_files *files);

/* Both in one, for plan: this process is not closed in, and reads files that its user can read anyway. */
int config_read_directory(const char *dir, bool may_be_absent, config_item_fn *fn, void *arg, struct err *e);
/* One document from elsewhere (command line, bootconfig); its pool is an autostart pool if `autostart`. A
 * pool without a uuid gets one that depends on its name only, here and in all the above: it is the same at
 * every boot. */
void config_read_text(const char *xml, size_t len, const char *origin, bool autostart, config_item_fn *fn,
                      void *arg);
/* Write out item->def, as it travels to the supervisor; config_item_free() releases that. It has its limits:
 * names and paths are one line, and a document may be longer when it is written out. ERR_TOO_LONG. The
 * functions above have done this already. It depends on the definition alone, so that what was accepted from
 * one place is accepted from any: `origin` is for the message. */
int config_print(struct config_item *item, struct err *e);
void config_item_free(struct config_item *item);

/* Copy secrets/ of a configuration directory to `to` (made, 0700; files 0600). None there is success. One
 * that cannot be copied does not keep the others back: e tells of the first such. */
int config_copy_secrets(const char *dir, const char *to, struct err *e);

/* Remove from `copies` the secrets that DIR/secrets has, too: those there count from now on. */
void config_drop_copies(const char *dir, const char *copies);

/* Keep, change and forget a definition in a configuration directory. `file` is where it came from, or NULL
 * for the directory's own NAME.xml. ERR_READ_ONLY, ERR_NO_SPACE, ERR_DENIED, ERR_LIMIT tell why it could not
 * be kept; nothing is changed then. */
int config_keep(const char *dir, const char *name, const char *file, const char *xml, struct err *e);
int config_forget(const char *dir, const char *name, const char *file, struct err *e);
int config_mark_autostart(const char *dir, const char *name, const char *file, bool on, struct err *e);
/* Does any file of the directory define the pool? The process is closed in by it: for the last that a worker
 * does. */
bool config_defines(const char *dir, const char *pool);
/* Remove what one of these left when its process was killed. Not while another is under way. */
void config_sweep(const char *dir);
/* Where config_keep() has put NAME.xml. */
void config_definition_path(const char *dir, const char *name, char *out, size_t size);

#define POOL_PREFIX "pool:"
/* "DEVICE[:/path]" or "pool:NAME/path": what is mounted (cut off at the size), and the directory in it, in
 * `where`'s text. (place.c) */
void place_split(const char *where, char *device, size_t size, const char **path);

/* ---- what config.c, secrets.c and changing.c share ---- */
struct dirent;
/* An entry that is a definition by its name, for scandir(3). */
int config_is_definition(const struct dirent *d);
/* The same of a secret's two files. */
int config_is_secret(const struct dirent *d);
/* Where the definitions of a configuration directory are: DIR/storage, or DIR itself in the flat layout. */
void config_definitions_dir(const char *dir, char *out, size_t size);
/* Free what scandir(3) has given. */
void config_names_free(struct dirent **names, int n);

#endif
