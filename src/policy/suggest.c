/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/suggest.h"

#include <stdio.h>

#include "base/str.h"

bool cd_suggest_near(struct cd_diag *diag, struct cd_str got,
		     const char *const *words)
{
	unsigned int best = got.len < 4 ? 2 : 3;
	const char *nearest = NULL;

	for (; *words; words++) {
		unsigned int d =
			cd_str_distance(got, cd_str_from(*words), best);

		if (d < best) {
			best = d;
			nearest = *words;
		}
	}
	if (nearest)
		cd_diag_hint(diag, "did you mean '%s'?", nearest);
	return nearest;
}

void cd_suggest_word(struct cd_diag *diag, struct cd_str got,
		     const char *const *words)
{
	char list[250] = "";

	if (cd_suggest_near(diag, got, words))
		return;
	for (size_t i = 0; words[i]; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
			 "%s%s", i ? ", " : "", words[i]);
	cd_diag_hint(diag, "one of %s", list);
}
