// SPDX-License-Identifier: Apache-2.0
/*
 * Text -> tree -> text, and text -> tree -> JSON -> tree -> text: nothing is
 * lost and a second time changes nothing.
 */
#include "policy_text.h"

static const char *const files[] = {
	"tests/case/example.cordon",
	"tests/case/example-asserts.cordon",
	"tests/case/everything.cordon",
};

/* JSON without what formatting may move: comments and empty lines. */
static char *json_of(const struct cd_policy *policy)
{
	char *json = NULL;
	size_t len = 0;

	for (uint32_t i = 0; i < policy->files[0].n_items; i++) {
		policy->files[0].items[i]->blank_before = false;
		policy->files[0].items[i]->n_comments = 0;
	}
	policy->files[0].n_end = 0;
	ok_eq_int(cd_policy_to_json(policy, &json, &len), 0);
	return json;
}

static void check_format(struct cd_str text)
{
	struct cd_policy *a cd_auto(cd_policy_free) = parse_text(text);
	struct cd_policy *b cd_auto(cd_policy_free) = NULL;
	char *once cd_auto(cd_freep) = NULL, *twice cd_auto(cd_freep) = NULL;
	char *ja cd_auto(cd_freep) = NULL, *jb cd_auto(cd_freep) = NULL;

	if (!a)
		return;
	once = format_text(a);
	b = parse_z(once);
	if (!b) {
		note("formatted: %s", once);
		return;
	}
	twice = format_text(b);
	ok_eq_str(twice, once);
	ja = json_of(a);
	jb = json_of(b);
	ok_eq_str(jb, ja);
}

static struct cd_policy *from_json(const char *json)
{
	struct cd_policy *policy = NULL;
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;

	ok_eq_int(cd_diag_new(&diag), 0);
	if (!ok_eq_int(cd_policy_from_json(cd_str_from(json), diag, &policy),
		       0))
		say_messages(diag);
	return policy;
}

static void check_json(struct cd_str text)
{
	struct cd_policy *a cd_auto(cd_policy_free) = parse_text(text);
	struct cd_policy *b cd_auto(cd_policy_free) = NULL;
	struct cd_policy *c cd_auto(cd_policy_free) = NULL;
	char *json cd_auto(cd_freep) = NULL, *fixed cd_auto(cd_freep) = NULL;
	char *again cd_auto(cd_freep) = NULL;
	char *ta cd_auto(cd_freep) = NULL, *tb cd_auto(cd_freep) = NULL;
	size_t len;

	if (!a || !ok_eq_int(cd_policy_to_json(a, &json, &len), 0))
		return;
	b = from_json(json);
	if (!b)
		return;
	ta = format_text(a);
	tb = format_text(b);
	ok_eq_str(tb, ta);
	/* From here on the layout is canonical: JSON is a fixed point. b borrows
	 * from json, which therefore stays. */
	ok_eq_int(cd_policy_to_json(b, &fixed, &len), 0);
	c = from_json(fixed);
	if (!c)
		return;
	ok_eq_int(cd_policy_to_json(c, &again, &len), 0);
	ok_eq_str(again, fixed);
}

TEST(files_survive_formatting)
{
	for (size_t i = 0; i < CD_ARRAY_SIZE(files); i++) {
		size_t len = 0;
		char *text cd_auto(cd_freep) = read_source(files[i], &len);

		check_format(cd_str_make(text, len));
	}
}

TEST(files_survive_json)
{
	for (size_t i = 0; i < CD_ARRAY_SIZE(files); i++) {
		size_t len = 0;
		char *text cd_auto(cd_freep) = read_source(files[i], &len);

		check_json(cd_str_make(text, len));
	}
}

/* Texts whose parts would be taken for something else without quotes. */
TEST(names_and_values_keep_their_quotes)
{
	static const char *const texts[] = {
		"allow \"x\" from user \"to\", group \"a b\", user \"from\" to any\n",
		"allow \"x\" from user \"\xc3\xa9\" on \"change\" to app \"on\"\n",
		"allow \"a \\\"b\\\" \\\\\" from any to any when dst.name in \"feed\"\n",
		"allow \"x\" from any to any when user.name in \"and\", \"a,b\"\n",
		"allow \"x\" from any to any when user.name like \"*#*\"\n",
		"test \"x\" given user.groups=\"posture\", a to hosts h expect deny\n",
		"test \"x\" given src.labels=\"app=x\" to hosts h expect deny\n",
		"hosts h where \"a b=c\" or a=\"b c\" or not (x=y and not z=1)\n",
		"allow \"x\" from any to any when src.labels has \"a=b=c\"\n",
		"allow \"x\" from any to any when src.ip in ::/0, ::ffff:1.2.3.4\n",
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(texts); i++) {
		check_format(cd_str_from(texts[i]));
		check_json(cd_str_from(texts[i]));
	}
}

TEST(the_layout_is_this)
{
	struct cd_policy *p cd_auto(cd_policy_free) = parse_z(
		"# first\n\n\n# second\nversion 1 # v\n"
		"segment a cidr 10.0.0.0/8\n\n\nsegment b in a cidr 10.1.0.0/16\n"
		"app p # p\n url https://p\n # runs\n upstream http://q # x\n"
		"   # tail\n"
		"allow \"r\" from any # f1\n  # f2\n to app p until 2027-01-31\n"
		"   mode report owner \"me\"\n"
		"# end\n");
	char *text cd_auto(cd_freep) = NULL;

	if (!p)
		return;
	text = format_text(p);
	ok_eq_str(text, "# first\n"
			"\n"
			"# second\n"
			"version 1  # v\n"
			"segment a cidr 10.0.0.0/8\n"
			"\n"
			"segment b in a cidr 10.1.0.0/16\n"
			"\n"
			"app p  # p\n"
			"  url      https://p\n"
			"  # runs\n"
			"  upstream http://q  # x\n"
			"  # tail\n"
			"\n"
			"allow \"r\"\n"
			"  from any  # f1\n"
			"  # f2\n"
			"  to   app p\n"
			"  mode report\n"
			"  owner \"me\"\n"
			"  until 2027-01-31\n"
			"\n"
			"# end\n");
}

/* ---- JSON that is no policy -------------------------------------------- */
struct bad_json {
	const char *json;
	uint32_t line;
	const char *message;
};

#define STATEMENT(s) "{\"cordon\":1,\"files\":[{\"statements\":[\n" s "\n]}]}"
#define RULE(s)                                                             \
	STATEMENT("{\"kind\":\"rule\",\"name\":\"x\",\"effect\":\"allow\"," \
		  "\"from\":{\"items\":[{\"kind\":\"any\"}]},"              \
		  "\"to\":{\"items\":[{\"kind\":\"any\"}]}" s "}")

static const struct bad_json bad[] = {
	{"[]", 1, "a policy is an object"},
	{"{}", 1, "a policy has cordon and files"},
	{"{\"cordon\":2,\"files\":[]}", 1,
	 "this program reads version 1 of the JSON form"},
	{"{\"cordon\":1,\"cordon\":1,\"files\":[]}", 1,
	 "a policy has cordon and files, once each"},
	{"{\"cordon\":1,\"files\":[{}],\"x\":1}", 1,
	 "a policy has cordon and files, once each"},
	{"{\"cordon\":1,\"files\":[{\"x\":1}]}", 1,
	 "a file has name, statements and end, once each"},
	{STATEMENT("1"), 2, "a statement is an object"},
	{STATEMENT("{}"), 2, "a statement has a 'kind'"},
	{STATEMENT("{\"kind\":\"rul\"}"), 2, "'kind' is never 'rul'"},
	{STATEMENT("{\"kind\":\"version\",\"kind\":\"version\"}"), 2,
	 "'kind' is given twice"},
	{STATEMENT("{\"kind\":\"version\",\"x\":1}"), 2,
	 "there is no member 'x' here"},
	{STATEMENT("{\"kind\":\"group\",\"name\":\"g\"}"), 2,
	 "'members' is missing"},
	{STATEMENT("{\"kind\":\"service\",\"name\":\"g\",\"ports\":[\"tcp\"]}"),
	 2, "'ports' is never 'tcp'"},
	{STATEMENT("{\"kind\":\"service\",\"name\":\"g\",\"ports\":\"tcp/1\"}"),
	 2, "'ports' is a list"},
	{STATEMENT("{\"kind\":\"version\",\"name\":\"a\\nb\"}"), 2,
	 "'name' is one line"},
	{STATEMENT("{\"kind\":\"version\",\"name\":\"a\\u0007b\"}"), 2,
	 "'name': control character"},
	{STATEMENT("{\"kind\":\"version\",\"name\":1}"), 2,
	 "'name' is a string"},
	{STATEMENT("{\"kind\":\"version\",\"name\":\"lost\"}"), 2,
	 "this program reads version 1 of the policy language only"},
	{RULE(",\"canary\":256"), 2, "'canary' is a whole number up to 255"},
	{RULE(",\"canary\":1.5"), 2, "'canary' is a whole number up to 255"},
	{RULE(",\"canary\":5"), 2,
	 "this statement says something that the policy language has no form for"},
	{RULE(",\"when\":{\"kind\":\"and\"}"), 2,
	 "a condition of this statement is incomplete, or nested too deep"},
	{RULE(",\"when\":{\"kind\":\"compare\",\"values\":[\"1h\"]}"), 2,
	 "a condition of this statement is incomplete, or nested too deep"},
	{RULE(",\"when\":{\"kind\":\"bool\",\"attr\":\"x.y\"}"), 2,
	 "'attr' is never 'x.y'"},
	{RULE(",\"when\":{\"kind\":\"bool\",\"attr\":\"device.managed\","
	      "\"op\":\"<\"}"),
	 2,
	 "this statement says something that the policy language has no form for"},
	{RULE(",\"when\":{\"kind\":\"not\",\"of\":[]}"), 2,
	 "a condition of this statement is incomplete, or nested too deep"},
	{RULE(",\"until\":\"2027-02-30\""), 2, "'until' is never '2027-02-30'"},
	{RULE(",\"comments\":[{\"text\":\"x\"}]"), 2,
	 "expected 'from', found 'x'"},
	{RULE(",\"mode\":\"off\""), 2, "'mode' is never 'off'"},
	{"{\"cordon\":1,\"files\":[]} x", 1, NULL},
	{"{\"cordon\":1,", 1, NULL},
};

TEST(json_that_is_no_policy_is_refused)
{
	for (size_t i = 0; i < CD_ARRAY_SIZE(bad); i++) {
		struct cd_policy *policy = NULL;
		struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
		bool refused;
		int err;

		ok_eq_int(cd_diag_new(&diag), 0);
		err = cd_policy_from_json(cd_str_from(bad[i].json), diag,
					  &policy);
		refused = ok_eq_int(err, CD_E_SYNTAX);
		refused = ok_true(!policy) && refused;
		refused = ok_true(cd_diag_count(diag) > 0) && refused;
		if (!refused) {
			note("about: %s", bad[i].json);
			continue;
		}
		if (bad[i].message &&
		    !ok_eq_str(cd_diag_get(diag, 0)->text, bad[i].message))
			note("about: %s", bad[i].json);
	}
}

TEST(json_that_is_nearly_right_is_told_what_would_be)
{
	static const char *const rows[][2] = {
		{STATEMENT("{\"kind\":\"ruel\"}"), "did you mean 'rule'?"},
		{STATEMENT("{\"kind\":\"group\",\"nmae\":\"g\"}"),
		 "did you mean 'name'?"},
		{RULE(",\"mode\":\"off\""), "one of enforce, report, canary"},
		{RULE(",\"when\":{\"kind\":\"bool\",\"attr\":\"mfa.aeg\"}"),
		 "did you mean 'mfa.age'?"},
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		struct cd_policy *policy = NULL;
		struct cd_diag *diag cd_auto(cd_diag_free) = NULL;

		ok_eq_int(cd_diag_new(&diag), 0);
		ok_eq_int(cd_policy_from_json(cd_str_from(rows[i][0]), diag,
					      &policy),
			  CD_E_SYNTAX);
		ok_eq_str(cd_diag_get(diag, 0)->hint, rows[i][1]);
	}
}

/* A line of an app cannot smuggle in a statement or hide behind a comment. */
TEST(text_in_json_stays_text)
{
	static const char *const texts[] = {
		"block # x",
		"block\\nallow \\\"x\\\" from any to any",
		"block paranoia 1 allow",
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(texts); i++) {
		struct cd_policy *policy = NULL;
		char json[600];

		snprintf(json, sizeof(json),
			 STATEMENT("{\"kind\":\"app\",\"name\":\"a\","
				   "\"settings\":[{\"set\":\"url\",\"value\":"
				   "\"https://a\"},{\"set\":\"upstream\","
				   "\"value\":\"http://b\"},{\"set\":\"waf\","
				   "\"value\":\"%s\"}]}"),
			 texts[i]);
		ok_eq_int(cd_policy_from_json(cd_str_from(json), NULL, &policy),
			  CD_E_SYNTAX);
		ok_true(policy == NULL);
	}
}

TEST(kind_may_stand_anywhere)
{
	struct cd_policy *p cd_auto(cd_policy_free) = from_json(STATEMENT(
		"{\"name\":\"g\",\"members\":[{\"name\":\"a\",\"kind\":\"user\"}],"
		"\"kind\":\"group\"}"));
	char *text cd_auto(cd_freep) = NULL;

	if (!p)
		return;
	text = format_text(p);
	ok_eq_str(text, "group g = user a\n");
}
