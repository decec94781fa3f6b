// SPDX-License-Identifier: Apache-2.0
#include <cordon/version.h>

#include "tap.h"

TEST(version_is_three_numbers)
{
	unsigned major, minor, patch;
	char rest;

	ok_eq_int(sscanf(cd_version(), "%u.%u.%u%c", &major, &minor, &patch,
			 &rest),
		  3);
}
