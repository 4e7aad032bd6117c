/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is read of open-iscsi: messages, records, the file with the initiator's name. The first byte chooses.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "backends/iscsi/iscsi.h"
#include "pool/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void messages(const char *text)
{
	char out[64];
	struct err e = { 0 };

	iscsi_reason(text, out, sizeof(out));
	if (strlen(out) >= sizeof(out) || strchr(out, '\n'))
		abort();
	iscsi_failure(99, text, "login", &e);
	if (strchr(e.message, '\n'))
		abort();
}

/* Whatever the record was, afterwards each setting is there once, as its last word. */
static void record(const char *text)
{
	static const char *const settings[] = { "node.session.auth.password", "pw", NULL };
	static const char want[] = "node.session.auth.password = pw\n";
	struct buf out = BUF_INIT;

	iscsi_record_edit(text, settings, &out);
	if (!out.failed &&
	    (out.len < strlen(want) || strcmp(buf_str(&out) + out.len - strlen(want), want) != 0))
		abort();
	buf_free(&out);
}

static void initiator(const char *text)
{
	char name[224];

	if (iscsi_initiator_parse(text, name, sizeof(name)) && !check_iqn(name))
		abort();
}

static void targets(const char *text)
{
	const struct pool_def source = { .type = POOL_ISCSI };
	struct op op = { 0 };
	struct buf out = BUF_INIT;
	char *copy = strdup(text);

	if (copy)
		iscsi_targets(&source, copy, &op, &out);
	free(copy);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const char *) = { messages, record, initiator, targets };
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	readers[data[0] % 4](text);
	free(text);
	return 0;
}
