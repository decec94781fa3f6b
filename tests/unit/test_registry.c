// SPDX-License-Identifier: Apache-2.0
#include <cordon/decide.h>

#include "base/str.h"

#include "tap.h"

TEST(rows_are_complete_and_found_by_name)
{
	for (unsigned int i = 0; i < CD_ATTR_COUNT; i++) {
		const struct cd_attr_row *row = cd_attr_get((enum cd_attr)i);

		ok_true(row->name && row->name[0]);
		ok_true(row->kinds && row->subjects);
		ok_true(row->doc && row->source);
		ok_true(cd_type_name(row->type));
		ok_eq_uint(cd_attr_find(cd_str_from(row->name)), i);
	}
	ok_eq_uint(cd_attr_find(CD_STR("mfa")), CD_ATTR_NONE);
	ok_eq_uint(cd_attr_find(CD_STR("")), CD_ATTR_NONE);
}

TEST(numbers_that_snapshots_hold_stay)
{
	ok_eq_uint(CD_ATTR_SUBJECT, 0);
	ok_eq_uint(CD_ATTR_USER_GROUPS, 3);
	ok_eq_uint(CD_ATTR_MFA_AGE, 11);
	ok_eq_uint(CD_ATTR_APPROVAL, 26);
}

TEST(near_misses)
{
	ok_eq_uint(cd_attr_nearest(CD_STR("mfa.agee")), CD_ATTR_MFA_AGE);
	ok_eq_uint(cd_attr_nearest(CD_STR("user.group")), CD_ATTR_USER_GROUPS);
	ok_eq_uint(cd_attr_nearest(CD_STR("http.pth")), CD_ATTR_HTTP_PATH);
	ok_eq_uint(cd_attr_nearest(CD_STR("weather")), CD_ATTR_NONE);
	ok_eq_uint(cd_attr_nearest(CD_STR("x")), CD_ATTR_NONE);
}

TEST(names)
{
	ok_eq_str(cd_verdict_name(CD_DENY), "deny");
	ok_eq_str(cd_verdict_name(CD_ASK), "request");
	ok_eq_str(cd_verdict_name(CD_CHALLENGE), "challenge");
	ok_eq_str(cd_verdict_name(CD_ALLOW), "allow");
	ok_eq_str(cd_reason_name(CD_REASON_DEFAULT_DENY), "DEFAULT_DENY");
	ok_eq_str(cd_reason_text(CD_REASON_SIGN_IN), "sign in first");
}

TEST(a_new_request_knows_nothing)
{
	struct cd_request r;

	cd_request_init(&r);
	for (unsigned int i = 0; i < CD_ATTR_COUNT; i++)
		ok_eq_uint(r.v[i].state, CD_UNKNOWN);
	ok_eq_uint(r.kind, 0);
	ok_eq_int(r.best_factor, -1);
	ok_eq_uint(r.capabilities, CD_CAN_ALL);
	cd_request_set_addr(&r, CD_ATTR_SRC_IP, (struct cd_addr){0});
	ok_eq_uint(r.v[CD_ATTR_SRC_IP].state, CD_UNKNOWN);
	cd_request_set_str(&r, CD_ATTR_USER_NAME, CD_STR("alice"));
	ok_eq_uint(r.v[CD_ATTR_USER_NAME].state, CD_KNOWN);
	ok_eq_uint(r.v[CD_ATTR_USER_NAME].u.s.hash,
		   cd_str_hash(CD_STR("alice")));
}
