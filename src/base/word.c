/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Words that somebody has misspelt.
 */
#include <stdbool.h>
#include <string.h>
#include "base/word.h"

#include "base/contract.h"

/* How many letters have to change? Good enough for a hint. */
static size_t distance(const char *a, const char *b)
{
	size_t same = 0, la = strlen(a), lb = strlen(b), shorter = la < lb ? la : lb, tail = 0;

	while (same < shorter && a[same] == b[same])
		same++;
	while (tail < shorter - same && a[la - 1 - tail] == b[lb - 1 - tail])
		tail++;
	return (la > lb ? la : lb) - same - tail;
}

void word_offer(struct word_guess *g, const char *word)
{
	demand_or(g->given && word, );

	size_t d = distance(g->given, word);

	if (d >= g->best)
		return;
	g->best = d;
	g->near = word;
}
