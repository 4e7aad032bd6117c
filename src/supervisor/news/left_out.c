/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Devices that a look at all of them has left out, because they do not answer, cannot be read or bring down
 * who reads them. They are no pool's problem: pools that do not need them are none the worse. Each look
 * replaces what the last one of its kind has said.
 */
#include "base/contract.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/news/news.h"

/* In the log once, when it begins. */
static void tell_new(const char *by, const char *lines, const char *before)
{
	for (const char *p = lines, *end; (end = strchr(p, '\n')); p = end + 1) {
		cleanup_free char *line = copy_bytes(p, (size_t)(end + 1 - p));

		if (line && !strstr(before, line)) {
			line[end - p] = '\0';
			log_warn(LF_DEVICE, "%s leaves out %s", by, line);
		}
	}
}

void left_out_take(struct supervisor *s, const struct line *l)
{
	const char *by = line_get(l, "left-out"), *lines = line_get(l, "devices");
	struct left_out **at = &s->left_out;

	if (!by || !lines)
		return;
	while (*at && !streq_null((*at)->by, by))
		at = &(*at)->next;
	if (!*at && *lines && (*at = calloc(1, sizeof(**at))))
		pool_set_text(&(*at)->by, by);
	if (!*at)
		return;
	tell_new(by, lines, (*at)->lines ? (*at)->lines : "");
	pool_set_text(&(*at)->lines, lines);
}

void left_out_each(const struct supervisor *s, void (*tell)(void *arg, const char *origin, const char *text),
                   void *arg)
{
	demand_or(tell, );
	for (const struct left_out *o = s->left_out; o; o = o->next)
		for (const char *p = o->lines, *end; p && (end = strchr(p, '\n')); p = end + 1) {
			cleanup_buf struct buf b = BUF_INIT;

			buf_add(&b, p, strcspn(p, ":\n"));
			size_t text = b.len + 1;
			buf_printf(&b, "%c%s leaves out %.*s", '\0', o->by, (int)(end - p), p);
			if (!b.failed)
				tell(arg, b.data, b.data + text);
		}
}

void left_out_free(struct supervisor *s)
{
	while (s->left_out) {
		struct left_out *o = s->left_out;

		s->left_out = o->next;
		free(o->by);
		free(o->lines);
		free(o);
	}
}
