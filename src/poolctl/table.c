/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tables, laid out to the column as virsh does: a space before each row, three between columns, a dashed line
 * below the titles.
 *
 * Widths are counted in characters, and a cell is printed as it is except for what a terminal would take for
 * a command. Nothing is wrapped or cut: a table that is piped into a program is whole.
 */
#include "poolctl/parts.h"

#include "base/contract.h"
#include "base/utf8.h"
#include "base/util.h"
#include "pool/size.h"

void table_begin(struct table *t, const char *const *titles, size_t columns)
{
	demand_or(titles && columns > 0, );
	*t = (struct table){ .titles = titles, .columns = columns };
}

const char **table_row(struct table *t)
{
	demand_or(t->columns > 0, NULL);
	if (t->rows == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		const char **more = realloc(t->cells, room * t->columns * sizeof(*more));

		if (!more) {
			t->failed = true;
			return NULL;
		}
		t->cells = more;
		t->room = room;
	}
	const char **row = t->cells + t->rows++ * t->columns;
	for (size_t i = 0; i < t->columns; i++)
		row[i] = NULL;
	return row;
}

void table_free(struct table *t)
{
	free(t->cells);
	arena_free(&t->arena);
}

/* Characters, not bytes: what a terminal shows. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* Is the character at text one that a terminal may be shown? *len is its length, and 1 for a byte that is
 * none. */
static bool is_safe(const char *text, size_t left, size_t *len)
{
	*len = utf8_len(text, left);
	if (*len && !utf8_is_hidden(text, *len))
		return true;
	*len = *len ? *len : 1;
	return false;
}

const char *table_safe(struct arena *a, const char *text)
{
	demand_or(a && text, "?");

	size_t left = strlen(text), n;
	const char *at = text + utf8_plain(text, left);
	struct buf out = BUF_INIT;
	const char *copy;

	left -= (size_t)(at - text);
	while (left && is_safe(at, left, &n)) {
		at += n;
		left -= n;
	}
	if (!left)
		return text;
	buf_add(&out, text, (size_t)(at - text));
	for (; left; at += n, left -= n) {
		if (is_safe(at, left, &n))
			buf_add(&out, at, n);
		else
			for (size_t i = 0; i < n; i++)
				buf_printf(&out, "\\x%02x", (unsigned char)at[i]);
	}
	copy = out.failed ? NULL : arena_strdup(a, buf_str(&out));
	buf_free(&out);
	return copy ? copy : "?";
}

const char *table_size(struct arena *a, const struct line *l, const char *key)
{
	demand_or(l && key, NULL);

	const char *unit;
	double value;

	if (!line_has(l, key))
		return NULL;
	size_human(line_u64(l, key, 0), &value, &unit);
	return arena_printf(a, "%.2f %s", value, unit);
}

/* Every column is as wide as its widest cell, and three more; the last one is not filled up. */
static void print_row(const struct table *t, const char *const *row, const size_t *widths, struct buf *out)
{
	for (size_t i = 0; i < t->columns; i++) {
		buf_addc(out, ' ');
		buf_adds(out, row[i]);
		if (i + 1 < t->columns)
			for (size_t n = width(row[i]); n < widths[i] + 2; n++)
				buf_addc(out, ' ');
	}
	buf_addc(out, '\n');
}

int table_print(struct table *t, bool heading, struct buf *out, struct err *e)
{
	demand(t->columns > 0 && out, e);

	size_t total = 0, *widths = calloc(t->columns, sizeof(*widths));

	if (!widths || t->failed || t->arena.failed) {
		free(widths);
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	for (size_t i = 0; i < t->columns && heading; i++)
		widths[i] = width(t->titles[i]);
	for (size_t i = 0; i < t->rows * t->columns; i++) {
		size_t column = i % t->columns;

		t->cells[i] = t->cells[i] ? table_safe(&t->arena, t->cells[i]) : "-";
		if (width(t->cells[i]) > widths[column])
			widths[column] = width(t->cells[i]);
	}
	if (heading) {
		print_row(t, t->titles, widths, out);
		for (size_t i = 0; i < t->columns; i++)
			total += widths[i] + 3;
		while (total--)
			buf_addc(out, '-');
		buf_addc(out, '\n');
	}
	for (size_t i = 0; i < t->rows; i++)
		print_row(t, t->cells + i * t->columns, widths, out);
	free(widths);
	return out->failed ? err_set(e, ERR_NO_MEMORY, "out of memory") : 0;
}
