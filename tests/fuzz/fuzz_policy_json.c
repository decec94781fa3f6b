// SPDX-License-Identifier: Apache-2.0
/*
 * Policies as JSON. What is accepted must go to JSON and come back as the
 * same text.
 */
#include <cordon/policy.h>

#include <stdlib.h>

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_text(const struct cd_policy *a, const struct cd_policy *b,
		      size_t file)
{
	char *x cd_auto(cd_freep) = NULL, *y cd_auto(cd_freep) = NULL;
	size_t nx, ny;

	if (cd_policy_format(a, file, &x, &nx))
		return;
	cd_assert(cd_policy_format(b, file, &y, &ny) == 0);
	cd_assert(cd_str_equal(cd_str_make(x, nx), cd_str_make(y, ny)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_policy *policy cd_auto(cd_policy_free) = NULL;
	struct cd_policy *back cd_auto(cd_policy_free) = NULL;
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	char *json cd_auto(cd_freep) = NULL;
	size_t len;
	int err;

	if (cd_diag_new(&diag))
		return 0;
	err = cd_policy_from_json(cd_str_make(data, size), diag, &policy);
	cd_assert((err == 0) == (policy != NULL));
	cd_assert(err == 0 || cd_diag_errors(diag) > 0);
	if (err || cd_policy_to_json(policy, &json, &len))
		return 0;
	cd_assert(cd_policy_from_json(cd_str_make(json, len), diag, &back) ==
		  0);
	for (size_t i = 0; i < 4; i++)
		same_text(policy, back, i);
	return 0;
}
