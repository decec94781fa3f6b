/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hints for the last message of a diagnosis, about a word that is none of
 * `words` (they end with NULL).
 */
#ifndef CD_POLICY_SUGGEST_H
#define CD_POLICY_SUGGEST_H

#include <cordon/types.h>

/* "did you mean ...?" when one of the words is near. Returns whether one is. */
bool cd_suggest_near(struct cd_diag *diag, struct cd_str got,
		     const char *const *words);
/* The near one, or all of them. */
void cd_suggest_word(struct cd_diag *diag, struct cd_str got,
		     const char *const *words);

#endif
