/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Words that somebody has misspelt.
 */
#ifndef POOLINIT_BASE_WORD_H
#define POOLINIT_BASE_WORD_H

#include <stddef.h>

/* The word that was meant, of those that are offered one after the other: { .given = …, .best = WORD_NEAR },
 * then `near`, or NULL if none is like it. */
#define WORD_NEAR 3
struct word_guess {
	const char *given, *near;
	size_t best;
};
/* Offer one more word: it becomes the guess if none was nearer so far. The word must outlive the guess. */
void word_offer(struct word_guess *g, const char *word);

#endif
