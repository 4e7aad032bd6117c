/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The log's messages as text, for tests that look for what was said.
 */
#ifndef POOLINIT_TESTS_LOG_TEXT_H
#define POOLINIT_TESTS_LOG_TEXT_H

#include "base/line.h"
#include "base/log.h"

static void log_text_add(void *arg, const struct log_entry *m)
{
	struct buf *out = arg;

	line_begin(out, "-");
	line_num(out, "seq", m->seq);
	line_num(out, "ts", m->ts);
	line_str(out, "level", m->level);
	line_str(out, "facility", m->facility);
	line_str(out, "text", m->text);
	line_end(out);
}

/* As records "- seq= ts= level= facility= text=", those after `since`. */
static inline void log_text(struct buf *out, uint64_t since)
{
	log_each(since, log_text_add, out);
}

#endif
