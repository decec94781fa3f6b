// SPDX-License-Identifier: Apache-2.0
/*
 * Policy text: parsed, checked, formatted. What parses must format, the
 * formatted text must parse and format to itself.
 */
#include <cordon/policy.h>

#include <stdlib.h>

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *format(const struct cd_policy *policy, struct cd_str *ret)
{
	char *text;
	size_t len;

	if (cd_policy_format(policy, 0, &text, &len))
		return NULL;
	*ret = cd_str_make(text, len);
	return text;
}

/* Formatted text is a fixed point. */
static void again(struct cd_str text)
{
	struct cd_policy *policy cd_auto(cd_policy_free) = NULL;
	char *twice cd_auto(cd_freep) = NULL;
	struct cd_source source = {"formatted", text};
	struct cd_str formatted;

	cd_assert(cd_policy_parse(&source, 1, NULL, &policy) == 0);
	twice = format(policy, &formatted);
	cd_assert(twice && cd_str_equal(formatted, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_policy *policy cd_auto(cd_policy_free) = NULL;
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	char *text cd_auto(cd_freep) = NULL;
	struct cd_source source = {"fuzz", cd_str_make(data, size)};
	struct cd_str formatted;
	int err;

	if (cd_diag_new(&diag))
		return 0;
	err = cd_policy_parse(&source, 1, diag, &policy);
	cd_assert((err == 0) == (policy != NULL));
	cd_assert(err == 0 || cd_diag_errors(diag) > 0);
	if (err)
		return 0;
	err = cd_policy_check(policy, NULL, diag);
	cd_assert((err == 0) == (cd_diag_errors(diag) == 0));
	text = format(policy, &formatted);
	if (text)
		again(formatted);
	return 0;
}
