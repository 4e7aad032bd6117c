/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the kernel command line and the boot configuration ask of us: the one table of parameters.
 */
#ifndef POOLINIT_BOOT_PARAMETERS_H
#define POOLINIT_BOOT_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"
#include "boot/root/roots.h"
#include "pool/def.h"

#define DEFAULT_BOOT_TIMEOUT SECONDS(90)

struct word_list {
	const char **items;
	size_t n;
};
struct inline_pool {
	const char *origin, *xml;
}; /* poolinit.pool=, poolinit.pool64=, poolinit.pool.NAME */
struct parameter_problem {
	const char *origin;
	struct err err;
};

/* What was asked for. Single values are those of the last one that was good; lists have all of them, in
 * order. */
struct parameters {
	struct arena arena;      /* all strings and lists live here */
	struct word_list config; /* poolinit.config=, in order */
	const char *place;       /* that one of them which changes are written to; or NULL */
	const char *autostart;   /* as supervisor_options.autostart; NULL: not given */
	struct word_list require;
	uint64_t timeout;   /* ms */
	enum onfail onfail; /* ONFAIL_UNSET: not given */
	const char *exec, *log;
	bool libvirt; /* the sockets of libvirt's daemons are ours, too */
	struct inline_pool *pools;
	size_t npools;
	struct word_list ip, nameserver; /* values of ip= and nameserver=, in order; network.h reads them */
	const char *bootif;
	bool root_elsewhere;    /* set before they are read: root= and its like are somebody else's */
	struct root_list roots; /* root=; n 0: not given, or none that can be taken */
	const char *root_given; /* its value, whatever it is; NULL: there is none */
	const char *rootfstype, *rootflags, *init;
	bool root_writable; /* rw, and no ro behind it */
	unsigned fsck;      /* of the root: 0: none, 1: if it needs one, 2: in any case */
	unsigned tries;     /* 0: they are not counted */
	const char *roothash,
		*verityhash; /* see root/verity.h; whatever roothash= says, it is not NULL then */
	bool root_overlay;   /* what is written to the root goes to memory, or to this directory of a pool: */
	struct root overlay; /* name NULL: memory; volume: the directory, NULL: the pool's own */
	struct parameter_problem *problems;
	size_t nproblems;
};

/* Set the defaults of all parameters; texts are taken from then on by the functions below. */
void parameters_init(struct parameters *p);
/* Free all texts and lists. Nothing that was taken from p may be used any more. */
void parameters_free(struct parameters *p);

/* Take the parameters out of a command line or of a boot configuration (both texts are changed). Names that
 * are not ours are passed over; an unknown poolinit.* name, and a value that does not fit, become problems
 * and change nothing. */
void parameters_from_cmdline(struct parameters *p, char *text);
void parameters_from_bootconfig(struct parameters *p, char *text);
/* First those of the image (/config/cmdline), then both of /proc: the boot configuration, and the command
 * line, which wins. A missing file is none. */
void parameters_from_proc(struct parameters *p);
/* Note what is wrong with a parameter: `origin` (command line, file) and the error. Boot goes on without it.
 */
void parameters_problem(struct parameters *p, const char *origin, const struct err *e);

/* The word for what is done about a missing pool: "continue" where nobody has said. Static storage. */
const char *onfail_word(enum onfail o);

#endif
