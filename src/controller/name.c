/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of people, groups and devices. On its own, so that whoever reads
 * names from strangers needs nothing of the directory.
 */
#include "controller/people.h"

bool cd_name_is_valid(struct cd_str name)
{
	size_t i;

	for (i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!alnum && (!i || !c || !strchr("._@+-", c)))
			return false;
	}
	return name.len > 0 && name.len <= CD_NAME_MAX;
}
