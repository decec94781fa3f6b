/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that come as text. */
#include "base/arena.h"
#include "base/str.h"
#include "decide/input.h"
#include "tap.h"

static struct cd_arena *arena;
static char error[CD_INPUT_ERROR_MAX];

static int parse(const char *line, struct cd_request *r)
{
	error[0] = 0;
	cd_arena_free(&arena);
	if (cd_arena_new(1 << 20, &arena))
		return -ENOMEM;
	return cd_input_json(cd_str_from(line), arena, r, error);
}

TEST(every_absent_key_is_unknown)
{
	struct cd_request r;

	ok_eq_int(parse("{}", &r), 0);
	ok_eq_int(r.kind, 0);
	ok_eq_int(r.best_factor, -1);
	for (int a = 0; a < CD_ATTR_COUNT; a++)
		ok_eq_int(r.v[a].state, CD_UNKNOWN);
}

TEST(values_of_every_type)
{
	struct cd_request r;

	if (!ok_eq_int(
		    parse("{\"subject\":\"person\",\"user.name\":\"alice\","
			  "\"user.groups\":[\"ops\",\"finance\"],"
			  "\"device.managed\":true,\"device.encrypted\":\"no\","
			  "\"device.os_age\":\"12d\",\"mfa.age\":90,"
			  "\"mfa.kind\":\"totp\",\"risk.user\":\"medium\","
			  "\"geo.country\":\"de\",\"src.ip\":\"2001:db8::1\","
			  "\"src.labels\":{\"tier\":\"web\"},"
			  "\"dst.port\":5432,\"proto\":\"tcp\","
			  "\"dst.name\":\"Deb.Debian.ORG.\","
			  "\"time\":\"2026-11-23T10:00:00+01:00\","
			  "\"approval\":[\"bob\"],\"http.path\":\"/a\\u0062\"}",
			  &r),
		    0)) {
		note("%s", error);
		return;
	}
	ok_eq_int(r.v[CD_ATTR_SUBJECT].u.i, CD_SUBJECT_PERSON);
	ok_eq_int(r.v[CD_ATTR_USER_GROUPS].n, 2);
	ok_true(cd_str_equal(r.v[CD_ATTR_USER_GROUPS].u.set[1].s,
			     CD_STR("finance")));
	ok_true(r.v[CD_ATTR_USER_GROUPS].u.set[1].hash ==
		cd_str_hash(CD_STR("finance")));
	ok_true(r.v[CD_ATTR_DEVICE_MANAGED].u.b);
	ok_false(r.v[CD_ATTR_DEVICE_ENCRYPTED].u.b);
	ok_eq_int(r.v[CD_ATTR_DEVICE_ENCRYPTED].state, CD_KNOWN);
	ok_eq_int(r.v[CD_ATTR_DEVICE_OS_AGE].u.i, 12 * 86400);
	ok_eq_int(r.v[CD_ATTR_MFA_AGE].u.i, 90);
	ok_eq_int(r.v[CD_ATTR_RISK_USER].u.i, 2);
	ok_true(cd_str_equal(r.v[CD_ATTR_GEO_COUNTRY].u.s.s, CD_STR("DE")));
	ok_eq_int(r.v[CD_ATTR_SRC_IP].u.addr.family, 6);
	ok_true(cd_str_equal(r.v[CD_ATTR_SRC_LABELS].u.labels[0].value.s,
			     CD_STR("web")));
	ok_true(cd_str_equal(r.v[CD_ATTR_DST_NAME].u.s.s,
			     CD_STR("deb.debian.org")));
	ok_true(cd_str_equal(r.v[CD_ATTR_HTTP_PATH].u.s.s, CD_STR("/ab")));
	ok_eq_int(r.v[CD_ATTR_TIME].u.i / 1000000000, 1795424400);
	ok_eq_int(r.kind, 0);
}

/* The gateway answers others with 400. */
TEST(a_path_that_is_not_forwarded_is_unknown)
{
	static const char *const bad[] = {
		"",	   "api",	"/api/../x", "/api/.",
		"/api//x", "/%2e%2e/x", "/a;b",	     "/a\\\\b",
	};
	static const char *const good[] = {"/",	   "/a/",	"/a b/c?d",
					   "/50%", "/\xc3\xa9", "/a..b/.c"};
	struct cd_request r;

	for (size_t i = 0; i < CD_ARRAY_SIZE(good) + CD_ARRAY_SIZE(bad); i++) {
		bool is_good = i < CD_ARRAY_SIZE(good);
		const char *path = is_good ? good[i] :
					     bad[i - CD_ARRAY_SIZE(good)];
		char line[100];

		snprintf(line, sizeof(line), "{\"http.path\":\"%s\"}", path);
		ok_eq_int(parse(line, &r), 0);
		if (!ok_eq_int(r.v[CD_ATTR_HTTP_PATH].state,
			       is_good ? CD_KNOWN : CD_UNKNOWN))
			note("%s: %s", path, error);
	}
}

TEST(null_says_there_is_none_and_age_makes_stale)
{
	struct cd_request r;

	ok_eq_int(parse("{\"app\":null,\"device.managed\":"
			"{\"value\":true,\"age\":\"2h\"}}",
			&r),
		  0);
	ok_eq_int(r.v[CD_ATTR_APP].state, CD_ABSENT);
	ok_eq_int(r.v[CD_ATTR_DEVICE_MANAGED].age, 7200);
	ok_true(r.v[CD_ATTR_DEVICE_MANAGED].u.b);
	ok_eq_int(parse("{\"device.os_age\":{\"age\":7,\"value\":9}}", &r), 0);
	ok_eq_int(r.v[CD_ATTR_DEVICE_OS_AGE].age, 7);
	ok_eq_int(r.v[CD_ATTR_DEVICE_OS_AGE].u.i, 9);
}

TEST(bad_lines_say_what_is_wrong_and_change_nothing)
{
	static const struct {
		const char *line, *error;
	} rows[] = {
		{"", "column 1: "},
		{"[]", "a request is an object"},
		{"{\"mfa.agee\":1}",
		 "unknown attribute 'mfa.agee' (did you mean 'mfa.age'?)"},
		{"{\"zzzzzzzz\":1}", "unknown attribute 'zzzzzzzz'"},
		{"{\"mfa.age\":\"12x\"}", "mfa.age: '12x' is not a"},
		{"{\"mfa.age\":-1}", "mfa.age: '-1' is not a"},
		{"{\"dst.port\":65536}", "dst.port: '65536' is not a"},
		{"{\"src.ip\":\"10.0.0\"}", "src.ip: '10.0.0' is not a"},
		{"{\"risk.user\":\"awful\"}", "risk.user: 'awful' is not a"},
		{"{\"user.name\":[\"a\"]}", "user.name: a list is not a"},
		{"{\"user.groups\":[1]}",
		 "user.groups: a list of others is not a list of names"},
		{"{\"user.groups\":[\"a\",[\"b\"]]}", "user.groups: a list"},
		{"{\"src.labels\":{\"a\":1}}",
		 "src.labels: the value of 'a' is not a string"},
		{"{\"src.labels\":{\"a\":\"b\",\"c\":\"d\",\"a\":\"b\"}}",
		 "src.labels: 'a' is given twice"},
		{"{\"src.labels\":\"a=b\"}",
		 "src.labels: 'a=b' is not an object such as"},
		{"{\"src.ip\":7}", "src.ip: a number is not an address"},
		{"{\"user.name\":7}", "user.name: a number is not a string"},
		{"{\"user.name\":true}", "user.name: true is not a string"},
		{"{\"user.groups\":7}",
		 "user.groups: a number is not a list of names"},
		{"{\"app\":false}", "app: false is not an app"},
		{"{\"subject\":1}", "subject: a number is not a subject"},
		{"{\"device.managed\":1}", "device.managed: a number is not a"},
		{"{\"user.name\":{\"a\":1}}",
		 "user.name: an object has \"value\" and \"age\", once"},
		{"{\"device.managed\":{\"value\":true,\"value\":false}}",
		 "device.managed: an object has"},
		{"{\"device.managed\":{\"value\":true,\"age\":\"x\"}}",
		 "device.managed: the age 'x' is not a duration"},
		{"{\"device.managed\":{\"value\":{\"value\":true}}}",
		 "device.managed: an object is not a"},
		{"{\"geo.country\":\"1!\"}", "geo.country: '1!' is not a"},
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		struct cd_request r;

		memset(&r, 0x55, sizeof(r));
		ok_eq_int(parse(rows[i].line, &r), -EINVAL);
		ok_eq_int(r.kind, 0x55);
		if (!ok_true(strncmp(error, rows[i].error,
				     strlen(rows[i].error)) == 0))
			note("%s: %s", rows[i].line, error);
	}
}

TEST(command_line_forms)
{
	struct cd_request r;

	cd_request_init(&r);
	cd_arena_free(&arena);
	ok_eq_int(cd_arena_new(1 << 20, &arena), 0);
	ok_eq_int(cd_input_text(&r, CD_ATTR_USER_GROUPS, CD_STR("finance, ops"),
				arena, error),
		  0);
	ok_eq_int(r.v[CD_ATTR_USER_GROUPS].n, 2);
	ok_eq_int(cd_input_text(&r, CD_ATTR_SRC_LABELS,
				CD_STR("tier=web, env=prod"), arena, error),
		  0);
	ok_eq_int(r.v[CD_ATTR_SRC_LABELS].n, 2);
	ok_eq_int(cd_input_text(&r, CD_ATTR_SRC_LABELS, CD_STR("web"), arena,
				error),
		  -EINVAL);
	ok_eq_int(cd_input_text(&r, CD_ATTR_RISK_USER, CD_STR(" high "), arena,
				error),
		  0);
	ok_eq_int(r.v[CD_ATTR_RISK_USER].u.i, 3);
	ok_eq_int(cd_input_text(&r, CD_ATTR_RISK_USER, CD_STR("unknown"), arena,
				error),
		  0);
	ok_eq_int(r.v[CD_ATTR_RISK_USER].state, CD_UNKNOWN);
	cd_arena_free(&arena);
}
