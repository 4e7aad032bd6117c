/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the scsi backend have in common: scsi.c (the operations), adapter.c (which SCSI host a
 * definition means), vport.c (virtual Fibre Channel ports). `sys` is "/sys", or a test's own tree.
 *
 * Facts: storage.html, "SCSI volume pools"; kernel Documentation/scsi/scsi_fc_transport.rst (NPIV).
 */
#ifndef POOLINIT_BACKENDS_SCSI_SCSI_H
#define POOLINIT_BACKENDS_SCSI_SCSI_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "pool/def.h"

/* ---- adapter.c ---- */

/* The number in "host5", "scsi_host5" or "fc_host5"; -1: that is no name of a SCSI host. */
int scsi_host_number(const char *name);
/* The SCSI host that an adapter means, or -1: it is not there now. */
int scsi_adapter_host(const char *sys, const struct pool_adapter *a);
/* The adapter in words: "host5", "the SCSI host 1 of PCI device 0000:00:1f.2", "the port 2101…". Returns
 * out. */
const char *scsi_adapter_text(const struct pool_adapter *a, char *out, size_t size);

/* A world wide name's 16 digits in lower case, without "0x". */
#define WWN_TEXT 17
/* Write those digits to out; false: it is none. */
bool fc_wwn(const char *text, char out[WWN_TEXT]);
/* The Fibre Channel host whose node and port names are these, or -1. NULL stands for any. */
int fc_host_find(const char *sys, const char *wwnn, const char *wwpn);
/* What the port is doing, in the kernel's word: "Online", "Linkdown"; "" for a host that is not Fibre
 * Channel. */
void fc_port_state(const char *sys, int host, char *out, size_t size);

/* ---- vport.c ---- */

/* The physical port that a virtual one was made on: its host's number; -1: this host is no virtual port. */
int fc_vport_parent(const char *sys, int host);
/* The host on which to make the adapter's virtual port: the one that it names, by name, world wide names or
 * fabric, or else the first that is online and has room. -1 with e: ERR_WAIT_DEVICE, it is not there or its
 * link is down; ERR_LIMIT, it has no room; ERR_UNSUPPORTED, it cannot have virtual ports at all. */
int fc_parent_choose(const char *sys, const struct pool_adapter *a, struct err *e);
/* Make the adapter's virtual port on a host, or take it away. The kernel returns when it has asked the
 * adapter to. */
int fc_vport_make(const char *sys, int parent, const struct pool_adapter *a, struct err *e);
int fc_vport_remove(const char *sys, int parent, const struct pool_adapter *a, struct err *e);

#endif
