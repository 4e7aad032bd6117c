/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A device's first bytes as a physical volume. A first byte that is odd has the checksums made right, so that
 * what is behind them is reached.
 */
#include "backends/logical/lvm_label.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct disk {
	uint8_t *bytes;
	size_t len;
};

static ssize_t read_disk(void *arg, void *data, size_t len, uint64_t at)
{
	struct disk *d = arg;
	size_t n = at < d->len ? (size_t)least(len, d->len - at) : 0;

	if (len % LVM_BLOCK || at % LVM_BLOCK || (uintptr_t)data % LVM_BLOCK)
		abort();
	memcpy(data, d->bytes + (n ? at : 0), n);
	return (ssize_t)n;
}

static void number_put(uint8_t *p, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(n >> 8 * i);
}

/* Label in the second sector, area at 4096: as pvcreate makes them. */
static void checksums_put(uint8_t *bytes, size_t len)
{
	uint64_t text, size;

	if (len < LVM_BLOCK + AREA_HEADER)
		return;
	number_put(bytes + SECTOR + LABEL_SUM,
	           checksum(bytes + SECTOR + LABEL_SUMMED, SECTOR - LABEL_SUMMED));
	text = number_at(bytes + LVM_BLOCK + AREA_TEXT, 8);
	size = number_at(bytes + LVM_BLOCK + AREA_TEXT + 8, 8);
	if (text < len - LVM_BLOCK && size <= len - LVM_BLOCK - text)
		number_put(bytes + LVM_BLOCK + AREA_TEXT + 16, checksum(bytes + LVM_BLOCK + text, size));
	number_put(bytes + LVM_BLOCK, checksum(bytes + LVM_BLOCK + 4, AREA_HEADER - 4));
}

static void is_text(const char *text, size_t size)
{
	if (!memchr(text, '\0', size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lvm_label label;
	struct disk d = { malloc(size ? size : 1), size ? size - 1 : 0 };

	if (!d.bytes)
		return 0;
	if (size)
		memcpy(d.bytes, data + 1, d.len);
	if (size && data[0] & 1)
		checksums_put(d.bytes, d.len);
	lvm_label_read(read_disk, &d, &label);
	is_text(label.problem, sizeof(label.problem));
	is_text(label.pv, sizeof(label.pv));
	is_text(label.vg, sizeof(label.vg));
	is_text(label.name, sizeof(label.name));
	is_text(label.system_id, sizeof(label.system_id));
	is_text(label.lock_type, sizeof(label.lock_type));
	/* What belongs to a group has its name, and no complaint. */
	if (label.pvs > LVM_MEMBERS || (label.vg[0] && (!label.name[0] || !label.pvs || label.problem[0])))
		abort();
	free(d.bytes);
	return 0;
}
