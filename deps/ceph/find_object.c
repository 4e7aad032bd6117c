// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Debian's libgcc_eh asks the C library where the unwind tables of an address are, by a function that glibc has since 2.35 and musl has not.
// In a static program there is one answer, the program's own. Facts: glibc's manual, "Dynamic Linker Introspection"; its <dlfcn.h> has the struct.
#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>

struct found {
	unsigned long long flags;
	void *map_start, *map_end;
	struct link_map *link_map;
	void *eh_frame; // .eh_frame_hdr
	unsigned long long reserved[7];
};

static int take_tables(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct found *f = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
			f->eh_frame = (void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	return 1; // the program itself comes first, and is all there is
}

int _dl_find_object(void *address, struct found *f)
{
	(void)address;
	*f = (struct found){ .map_end = (void *)-1 };
	dl_iterate_phdr(take_tables, f);
	return f->eh_frame ? 0 : -1;
}
