/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * timeline --svg: the boot as a chart. A row for each moment that is not a pool's, and one for each pool: a
 * bar for each stretch of its way, and in words what it waited for.
 *
 * The picture is WIDTH units wide, so that all of it is whole numbers. What comes from elsewhere is text
 * between two tags, and nothing else: a word of a server that is newer than this program has no bar.
 */
#include "poolctl/parts.h"

#include "base/util.h"
#include "pool/xml.h"

#define WIDTH  10000
#define MARGIN 2000 /* for the words of what begins in the middle */
#define ROW    240

/* A line of the timeline. */
struct point {
	uint64_t ms;
	const char *what;
	const char *pool, *waits; /* or NULL */
	struct point *next;       /* the pool's next one, or NULL */
	bool later;               /* it has one before */
};

struct chart {
	struct buf *out;
	struct arena arena;
	struct point *points;
	size_t n;
	uint64_t begin, end, now; /* what of it is drawn, and when it was asked for; ms */
	unsigned y;
};

/* clang-format off */
/* The phases that have a bar; the first of them are those on the way to active. */
static const struct { const char *what, *colour; } bars[] = {
	{ "checking", "cbe" }, { "waiting",  "fd7" }, { "starting", "8cf" }, { "retrying", "fa8" },
	{ "active",   "beb" }, { "degraded", "fe4" }, { "hung",     "f77" }, { "failed",   "f77" },
	{ "stopping", "ccc" },
};
/* clang-format on */
#define ON_THE_WAY 4

/* The number of its bar; that of their end if it has none. */
static size_t bar_of(const char *what)
{
	size_t i = 0;

	while (i < ARRAY_LEN(bars) && !streq(bars[i].what, what))
		i++;
	return i;
}

static unsigned place(const struct chart *c, uint64_t ms)
{
	ms = ms < c->end ? ms : c->end;
	return (unsigned)((ms - c->begin) * WIDTH / (c->end - c->begin));
}

static int by_pool(const void *a, const void *b)
{
	const struct point *p = *(struct point *const *)a, *q = *(struct point *const *)b;
	int rc = strcmp(p->pool, q->pool);

	if (rc == 0)
		rc = p < q ? -1 : 1;
	return rc;
}

/* Those of each pool lead from one to the next. */
static void link_points(struct chart *c)
{
	struct point **sorted = arena_alloc(&c->arena, (c->n + 1) * sizeof(void *));
	size_t n = 0;

	for (size_t i = 0; sorted && i < c->n; i++)
		if (c->points[i].pool)
			sorted[n++] = &c->points[i];
	if (n)
		qsort(sorted, n, sizeof(void *), by_pool);
	for (size_t i = 1; i < n; i++)
		if (streq(sorted[i]->pool, sorted[i - 1]->pool)) {
			sorted[i - 1]->next = sorted[i];
			sorted[i]->later = true;
		}
}

static uint64_t stretch_end(const struct chart *c, const struct point *p)
{
	return p->next ? p->next->ms : c->now;
}

/* Is it the line with which a row begins? */
static bool has_row(const struct chart *c, const struct point *p)
{
	return p->ms <= c->end && !p->later;
}

/* Text that may be any bytes. */
static void add_text(struct chart *c, const char *text)
{
	xml_escape(c->out, table_safe(&c->arena, text));
}

static void add_time(struct chart *c, uint64_t ms)
{
	buf_printf(c->out, " %llu.%03llu s", (unsigned long long)(ms / 1000),
	           (unsigned long long)(ms % 1000));
}

static void add_rect(struct chart *c, size_t bar, unsigned x, unsigned width)
{
	buf_printf(c->out, "<rect fill='#%s' x='%u' y='%u' width='%u' height='%u'/>\n", bars[bar].colour, x,
	           c->y, width, ROW - 40);
}

/* The text is on the side of x where it has room; </text> is the caller's. */
static void begin_text(struct chart *c, unsigned x)
{
	bool left = x > WIDTH / 2;

	buf_printf(c->out, "<text x='%u' y='%u'%s>", left ? x - 40 : x + 40, c->y + ROW - 90,
	           left ? " text-anchor='end'" : "");
}

/* A line downward from where we are. */
static void add_line(struct chart *c, const char *colour, unsigned x, size_t height)
{
	buf_printf(c->out, "<path stroke='#%s' stroke-width='12' d='M%u %uv%zu'/>\n", colour, x, c->y,
	           height);
}

static void end_row(struct chart *c)
{
	buf_adds(c->out, "</text>\n");
	c->y += ROW;
}

/* About ten lines from top to bottom, at round numbers. */
static void draw_scale(struct chart *c, size_t rows)
{
	uint64_t step = 1;

	for (unsigned i = 1; (c->end - c->begin) / step > 10; i++)
		step = i % 3 == 2 ? step * 5 / 2 : step * 2; /* 1, 2, 5, 10 … */
	for (uint64_t ms = (c->begin + step - 1) / step * step; ms <= c->end; ms += step) {
		add_line(c, "ccc", place(c, ms), rows * ROW);
		begin_text(c, place(c, ms));
		add_time(c, ms);
		buf_adds(c->out, "</text>\n");
	}
	c->y += ROW;
}

static void draw_moment(struct chart *c, const struct point *p)
{
	add_line(c, "000", place(c, p->ms), ROW);
	begin_text(c, place(c, p->ms));
	add_text(c, p->what);
	add_time(c, p->ms);
	end_row(c);
}

static void draw_pool(struct chart *c, const struct point *first)
{
	for (const struct point *p = first; p; p = p->next) {
		size_t bar = bar_of(p->what);
		unsigned x = place(c, p->ms), to = place(c, stretch_end(c, p));

		if (bar < ARRAY_LEN(bars) && to > x)
			add_rect(c, bar, x, to - x);
	}
	begin_text(c, place(c, first->ms));
	add_text(c, first->pool);
	for (const struct point *p = first; p; p = p->next) {
		if (bar_of(p->what) >= ON_THE_WAY || stretch_end(c, p) <= p->ms)
			continue;
		buf_printf(c->out, ", %s", p->what);
		add_time(c, stretch_end(c, p) - p->ms);
		if (p->waits) {
			buf_adds(c->out, " for ");
			add_text(c, p->waits);
		}
	}
	end_row(c);
}

static void draw_chart(struct chart *c)
{
	size_t rows = 2;

	for (size_t i = 0; i < c->n; i++)
		rows += has_row(c, &c->points[i]);
	buf_printf(c->out,
	           "<svg xmlns='http://www.w3.org/2000/svg' width='%u' height='%zu' viewBox='0 0 %u %zu' "
	           "font-family='sans-serif' font-size='140'>\n<rect fill='#fff' width='100%%' "
	           "height='100%%'/>\n",
	           (WIDTH + MARGIN) / 10, rows * ROW / 10, WIDTH + MARGIN, rows * ROW);
	draw_scale(c, rows);
	for (size_t i = 0; i < c->n; i++)
		if (has_row(c, &c->points[i]) && !c->points[i].pool)
			draw_moment(c, &c->points[i]);
	for (size_t i = 0; i < c->n; i++)
		if (has_row(c, &c->points[i]) && c->points[i].pool)
			draw_pool(c, &c->points[i]);
	for (size_t i = 0; i < ARRAY_LEN(bars); i++) {
		add_rect(c, i, (unsigned)i * 1100, 1050);
		buf_printf(c->out, "<text x='%zu' y='%u'>%s</text>\n", i * 1100, c->y + ROW - 90,
		           bars[i].what);
	}
	buf_adds(c->out, "</svg>\n");
}

/* What is drawn ends a while after the boot; what pools did much later would leave no room for it. It begins
 * with the kernel, unless poolinit is a service that came long after it. */
static int choose_span(struct chart *c, struct err *e)
{
	bool ready = false;

	c->end = c->now + 1;
	for (size_t i = 0; i < c->n; i++) {
		ready |= streq(c->points[i].what, "ready");
		if (!c->points[i].pool && ready)
			c->end = c->points[i].ms + 1;
	}
	if (c->n && !streq(c->points[0].what, "kernel") && c->points[0].ms > c->end / 2)
		c->begin = c->points[0].ms;
	if (c->end <= c->begin || c->end > UINT64_MAX / WIDTH / 10)
		return err_set(e, ERR_SYNTAX, "the server's timeline makes no sense");
	c->end += ready ? (c->end - c->begin) / 3 : 0;
	return 0;
}

int print_chart(const struct page *p)
{
	struct chart c = { .out = p->out,
		           .n = p->reply->nrecords,
		           .now = line_u64(&p->reply->final, "now", 0) };
	struct line l;
	int rc = 0;

	c.points = arena_alloc(&c.arena, (c.n + 1) * sizeof(*c.points));
	for (size_t i = 0; c.points && rc == 0 && i < c.n; i++) {
		rc = reply_record(p->reply, i, &l, p->e);
		c.points[i] = (struct point){ .ms = line_u64(&l, "ms", 0),
			                      .what = record_get(&l, "what"),
			                      .pool = line_get(&l, "pool"),
			                      .waits = line_get(&l, "waits") };
	}
	if (rc == 0 && c.points)
		rc = choose_span(&c, p->e);
	if (rc == 0 && c.points) {
		link_points(&c);
		draw_chart(&c);
	}
	if (rc == 0 && c.arena.failed)
		rc = err_set(p->e, ERR_NO_MEMORY, "out of memory");
	arena_free(&c.arena);
	return rc;
}
