// SPDX-License-Identifier: Apache-2.0
/*
 * The policy's front end without memory: parse, check, format, JSON there and
 * back. Each failure comes back as -ENOMEM, with no policy and no leak.
 */
#include "oom.h"

#include <cordon/policy.h>

#include "base/str.h"

static const char text[] =
	"version 1 # one\n"
	"segment a cidr 10.0.0.0/8, fd00::/8\n"
	"segment b in a cidr 10.1.0.0/16\n"
	"group g = user a, user b, group h\n"
	"posture p = device.managed and device.os_age < 3d\n"
	"app x\n"
	"  url https://X.example.com\n"
	"  upstream http://a, http://b, http://c\n"
	"  # in between\n"
	"  headers A \"b \\\" c\"\n"
	"allow \"r\" from group g on p to app x when risk.user = low and\n"
	"  (geo.country in DE, AT or src.ip in 10.0.0.0/8) # end\n"
	"test \"t\" given user.groups=a, b to app x expect allow\n";

static const struct cd_source source = {"t", {text, sizeof(text) - 1}};

TEST(parse_and_check)
{
	OOM_EACH(n) {
		struct cd_policy *policy = NULL;
		int err = cd_policy_parse(&source, 1, NULL, &policy);

		if (!err)
			err = cd_policy_check(policy, NULL, NULL);
		ok_eq_int(err, oom_failed() ? -ENOMEM : 0);
		cd_policy_free(&policy);
		ok_true(n < OOM_RUNS);
	}
}

/* Without memory for messages an error is an error still. */
TEST(errors_and_their_messages)
{
	OOM_EACH(n) {
		struct cd_source bad = {"t", CD_STR("allow \"x\" form any\n"
						    "segment a cidr x\n")};
		struct cd_policy *policy = NULL;
		struct cd_diag *diag = NULL;
		int err = cd_diag_new(&diag);

		if (!err)
			err = cd_policy_parse(&bad, 1, diag, &policy);
		ok_true(err == CD_E_SYNTAX || (oom_failed() && err == -ENOMEM));
		ok_true(policy == NULL);
		cd_diag_free(&diag);
		ok_true(n < OOM_RUNS);
	}
}

TEST(format)
{
	struct cd_policy *policy = NULL;

	ok_eq_int(cd_policy_parse(&source, 1, NULL, &policy), 0);
	OOM_EACH(n) {
		char *out = NULL;
		size_t len = 0;
		int err = cd_policy_format(policy, 0, &out, &len);

		ok_eq_int(err, oom_failed() ? -ENOMEM : 0);
		ok_true((out != NULL) == (err == 0));
		free(out);
		ok_true(n < OOM_RUNS);
	}
	cd_policy_free(&policy);
}

TEST(to_json_and_back)
{
	struct cd_policy *policy = NULL;

	ok_eq_int(cd_policy_parse(&source, 1, NULL, &policy), 0);
	OOM_EACH(n) {
		struct cd_policy *back = NULL;
		char *json = NULL;
		size_t len = 0;
		int err = cd_policy_to_json(policy, &json, &len);

		if (!err)
			err = cd_policy_from_json(cd_str_make(json, len), NULL,
						  &back);
		ok_eq_int(err, oom_failed() ? -ENOMEM : 0);
		ok_true((back != NULL) == (err == 0));
		free(json);
		cd_policy_free(&back);
		ok_true(n < OOM_RUNS);
	}
	cd_policy_free(&policy);
}
