/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzz target: the kernel command line, down to the values of ip= and BOOTIF=. Every name and value lies
 * inside the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/util.h"
#include "boot/cmdline.h"
#include "boot/net/ipparam.h"
#include "boot/parameters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
	char *begin;
	size_t size;
};

static void check_inside(const char *name, const char *value, void *arg)
{
	const struct text *t = arg;

	if (name < t->begin || name + strlen(name) > t->begin + t->size)
		abort();
	if (value && (value <= name || value + strlen(value) > t->begin + t->size))
		abort();
}

static char *copy(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text t = { copy(data, size), size };
	char *again = copy(data, size);
	struct parameters p;
	struct err e = { 0 };

	cmdline_split(t.begin, check_inside, &t);
	parameters_init(&p);
	parameters_from_cmdline(&p, again);
	for (size_t i = 0; i < p.ip.n; i++) {
		struct ip_param ip;

		ip_param_parse(p.ip.items[i], &ip, &e);
		if (ip.client.prefix > (ip.client.family == AF_INET6 ? 128U : 32U))
			abort();
	}
	unsigned char mac[6];
	if (p.bootif)
		(void)bootif_parse(p.bootif, mac, &e);
	parameters_free(&p);
	free(again);
	free(t.begin);
	return 0;
}
