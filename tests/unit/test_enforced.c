// SPDX-License-Identifier: Apache-2.0
/*
 * What the language says and this version does not do is told at its place,
 * and checking still succeeds; what is enforced is not.
 */
#include "policy_text.h"

struct idle {
	const char *text;
	uint32_t line, column;
	const char *says; /* begin of the one message; NULL: none */
};

#define WEB "app a\n  url https://a\n  upstream http://10.0.0.1\n"
#define OPEN "allow \"x\" from any to app a\n"

static const struct idle idles[] = {
	{WEB "  waf report\n" OPEN, 4, 3, "the waf is not enforced"},
	{WEB "  waf block paranoia 2\n" OPEN, 4, 3, "the waf is not enforced"},
	{WEB "  waf off\n" OPEN, 0, 0, NULL},
	{WEB "  limit 1/1m\n" OPEN, 4, 3, "limit is not enforced"},
	{WEB "  via munich\n" OPEN, 4, 3, "via is not enforced"},
	{"app a\n  tcp 10.0.0.1:1 via m\n" OPEN, 2, 3, "via is not enforced"},
	{WEB "  body 1k\n  timeout 1m\n  headers Server off\n  data secret\n"
	     "  health / every 1m\n" OPEN,
	 0, 0, NULL},
	{"app a\n  tcp b.test:1\n  health tcp\n" OPEN, 0, 0, NULL},
	{"app a\n  tcp b.test:1\n" OPEN, 0, 0, NULL},
	{"app a\n  udp 10.0.0.1:1\n" OPEN, 2, 3, "no gateway of this version"},
	{"app a\n  ssh 10.0.0.1 via m\n" OPEN, 2, 3,
	 "no gateway of this version"},
	{"app a\n  rdp 10.0.0.1\n" OPEN, 2, 3, "no gateway of this version"},
	{"allow \"x\" from any to any with max 1h\n", 0, 0, NULL},
	{"allow \"x\" from any to any with record\n", 1, 32,
	 "record is not enforced"},
	{"allow \"x\" from any to any with record required\n", 1, 32,
	 "no enforcement point of this version can keep this obligation"},
	{"allow \"x\" from any to any with record, rate 1/1m\n", 1, 32,
	 "no enforcement point of this version can keep this obligation"},
	{"allow \"x\" from any to any with no upload\n", 1, 32,
	 "no enforcement point of this version can keep this obligation"},
	{"allow \"x\" from any to any when mfa.age < 1h or\n"
	 "  approval by group g 2\n",
	 2, 3, "nobody can approve anything"},
	{"allow \"x\" from any to any when not geo.country = DE\n", 1, 36,
	 "no enforcement point of this version knows this attribute: here it never"},
	{"deny \"x\" from any to any when geo.country = DE\n", 1, 31,
	 "no enforcement point of this version knows this attribute: here it counts"},
	{"allow \"x\" from any to internet\n", 1, 23,
	 "no enforcement point of this version sees connections"},
	{"domains d x.org\nallow \"x\" from any to domains d\n", 2, 23,
	 "no enforcement point of this version sees connections"},
	{"domains d x.org\ndeny \"x\" from any to domains d\n", 0, 0, NULL},
	{"deny \"x\" from any to internet when src.ip in 10.0.0.0/8\n", 0, 0,
	 NULL},
	{"group l = user a, user b\n"
	 "allow \"x\" from any to any when approval by group l 2\n",
	 2, 32, "nobody can approve anything"},
	{"allow \"x\" from service-account s to any when device.managed\n", 1,
	 16, "no enforcement point of this version recognises hosts"},
	{"segment s cidr 10.0.0.0/8 fail open\n", 1, 9, "fail is not enforced"},
	{"segment s cidr 10.0.0.0/8 interface eth0\n", 1, 37,
	 "interface is not enforced"},
};

static struct cd_diag *check(const char *text)
{
	struct cd_source source = {"t", cd_str_from(text)};
	struct cd_policy *policy cd_auto(cd_policy_free) = NULL;
	struct cd_diag *diag = NULL;

	ok_eq_int(cd_diag_new(&diag), 0);
	ok_eq_int(cd_policy_parse(&source, 1, diag, &policy), 0);
	if (policy)
		ok_eq_int(cd_policy_check(policy, NULL, diag), 0);
	return diag;
}

static void check_idle(const struct idle *i)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = check(i->text);
	const struct cd_message *m = cd_diag_get(diag, 0);
	bool same;

	same = ok_eq_uint(cd_diag_count(diag), i->says ? 1 : 0);
	if (same && i->says) {
		same = ok_eq_int(m->severity, CD_WARNING);
		same &= ok_true(cd_str_has_prefix(cd_str_from(m->text),
						  cd_str_from(i->says)));
		same &= ok_eq_uint(m->line, i->line);
		same &= ok_eq_uint(m->column, i->column);
	}
	if (!same) {
		note("about: %s", i->text);
		say_messages(diag);
	}
}

TEST(each_is_told_once_at_its_place)
{
	for (size_t i = 0; i < CD_ARRAY_SIZE(idles); i++)
		check_idle(&idles[i]);
}

TEST(many_of_a_kind_are_counted)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct cd_buf text cd_auto(cd_buf_done);

	cd_buf_init(&text, 1 << 16);
	for (int i = 0; i < 10; i++)
		cd_buf_printf(&text,
			      "allow \"%d\" from any to any with record\n", i);
	cd_buf_char(&text, '\0');
	diag = check(text.data);
	if (!ok_eq_uint(cd_diag_count(diag), 4))
		return;
	ok_eq_uint(cd_diag_get(diag, 2)->line, 3);
	ok_eq_uint(cd_diag_get(diag, 3)->line, 4);
	ok_eq_str(
		cd_diag_get(diag, 3)->text,
		"record is not enforced in this version: what this rule allows is not recorded (here and 6 times more)");
}

TEST(the_example_of_the_manual_passes)
{
	size_t len = 0;
	char *text = read_source("tests/case/example.cordon", &len);
	struct cd_diag *diag;

	if (!text)
		return;
	text[len] = '\0';
	diag = check(text);
	ok_eq_uint(cd_diag_errors(diag), 0);
	/* fail; waf, via, ssh; two objects; geo.country, record; approval,
	 * record required; and an app that no rule names */
	ok_eq_uint(cd_diag_warnings(diag), 11);
	say_messages(diag);
	cd_diag_free(&diag);
	free(text);
}
