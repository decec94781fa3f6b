// SPDX-License-Identifier: Apache-2.0
/* What the parser makes of texts that are right: trees, lists, commas. */
#include "policy_text.h"

TEST(commas_continue_the_innermost_list)
{
	struct cd_policy *p cd_auto(cd_policy_free) = parse_z(
		"allow \"x\" from group a, hosts b except user c, user d on e\n"
		"  to app f method GET, HEAD path \"/x\", app g method POST,\n"
		"    hosts h except app i service j, k\n"
		"  when geo.country in DE, AT and risk.user in low, high\n");
	const struct cd_ast_rule *r;

	if (!p)
		return;
	r = cd_ast_rule(p, 0);
	ok_eq_uint(r->from.n_items, 2);
	ok_eq_uint(r->from.n_except, 2);
	ok_true(cd_str_equal(r->from.posture.s, CD_STR("e")));
	ok_eq_uint(r->to.n_items, 3);
	ok_eq_uint(r->to.items[0].n_methods, 2);
	ok_true(cd_str_equal(r->to.items[0].path.s, CD_STR("/x")));
	ok_eq_uint(r->to.items[1].n_methods, 1);
	ok_eq_int(r->to.items[2].kind, CD_OBJ_HOSTS);
	ok_eq_uint(r->to.n_except, 1);
	ok_eq_uint(r->to.n_services, 2);
	ok_eq_int(r->when->kind, CD_COND_AND);
	ok_eq_uint(r->when->n_kids, 2);
	ok_eq_uint(r->when->kids[0]->n_values, 2);
	ok_eq_int(r->when->kids[1]->values[1].i, 3);
}

TEST(not_binds_tighter_than_and_than_or)
{
	struct cd_policy *p cd_auto(cd_policy_free) = parse_z(
		"allow \"x\" from any to any when device.managed or not "
		"device.encrypted and mfa.age < 1h or risk.user = low\n");
	const struct cd_ast_cond *c;

	if (!p)
		return;
	c = cd_ast_rule(p, 0)->when;
	ok_eq_int(c->kind, CD_COND_OR);
	ok_eq_uint(c->n_kids, 3);
	ok_eq_int(c->kids[0]->kind, CD_COND_BOOL);
	ok_eq_int(c->kids[1]->kind, CD_COND_AND);
	ok_eq_int(c->kids[1]->kids[0]->kind, CD_COND_NOT);
	ok_eq_int(c->kids[1]->kids[1]->attr, CD_ATTR_MFA_AGE);
	ok_eq_int(c->kids[1]->kids[1]->values[0].i, 3600);
	ok_eq_int(c->kids[2]->op, CD_OP_EQ);
}

TEST(nested_lists_of_one_operator_are_one)
{
	struct cd_policy *p cd_auto(cd_policy_free) = parse_z(
		"hosts h where (a=b and (c=d and e=f)) and (g=h or i=j)\n");

	if (!p)
		return;
	ok_eq_int(cd_ast_hosts(p, 0)->where->kind, CD_COND_AND);
	ok_eq_uint(cd_ast_hosts(p, 0)->where->n_kids, 4);
	ok_eq_int(cd_ast_hosts(p, 0)->where->kids[3]->kind, CD_COND_OR);
}

TEST(on_change_is_not_a_posture)
{
	struct cd_policy *p cd_auto(cd_policy_free) =
		parse_z("allow \"x\" from any to any on change drain 5m\n"
			"allow \"y\" from any on \"change\" to any\n");

	if (!p)
		return;
	ok_true(cd_ast_rule(p, 0)->from.posture.s.ptr == NULL);
	ok_true(cd_ast_rule(p, 0)->on_change_given);
	ok_eq_int(cd_ast_rule(p, 0)->on_change, CD_CHANGE_DRAIN);
	ok_eq_uint(cd_ast_rule(p, 0)->drain, 300);
	ok_true(cd_str_equal(cd_ast_rule(p, 1)->from.posture.s,
			     CD_STR("change")));
}

TEST(values_of_a_test_end_at_the_next_attribute)
{
	struct cd_policy *p cd_auto(cd_policy_free) = parse_z(
		"test \"t\" given user.groups=a, b, posture p, posture q,\n"
		"  src.labels=app=x, env=prod, app=y, user.name=z,\n"
		"  approval=bob, \"posture\"\n"
		"  to hosts h expect allow by \"r\"\n");
	const struct cd_ast_test *t;

	if (!p)
		return;
	t = cd_ast_test(p, 0);
	ok_eq_uint(t->n_given, 7);
	ok_eq_uint(t->given[0].n_values, 2);
	ok_true(cd_str_equal(t->given[1].posture.s, CD_STR("p")));
	ok_eq_uint(t->given[3].n_values, 2);
	ok_true(cd_str_equal(t->given[3].values[0].s, CD_STR("app")));
	ok_eq_int(t->given[4].attr, CD_ATTR_APP);
	ok_eq_uint(t->given[6].n_values, 2);
	ok_eq_int(t->expect, CD_ALLOW);
	ok_true(cd_str_equal(t->by.s, CD_STR("r")));
}

TEST(times_dates_and_hours)
{
	struct cd_policy *p cd_auto(cd_policy_free) = parse_z(
		"allow \"x\" from any to any\n"
		"  when time in fri-mon,wed 22:00-00:00 UTC\n"
		"  until 1970-01-01\n"
		"test \"t\" given risk.user=low at 1970-01-01T01:00:00+01:00\n"
		"  to hosts h expect deny\n");
	const struct cd_ast_rule *r;

	if (!p)
		return;
	r = cd_ast_rule(p, 0);
	ok_eq_uint(r->when->days, 0x75);
	ok_eq_uint(r->when->from, 22 * 60);
	ok_eq_uint(r->when->to, 1440);
	ok_eq_int(r->until, 86400);
	ok_true(cd_ast_test(p, 0)->at_given);
	ok_eq_int(cd_ast_test(p, 0)->at, 0);
}

TEST(obligations_and_modes)
{
	struct cd_policy *p cd_auto(cd_policy_free) = parse_z(
		"allow \"x\" from any to any mode canary 5% owner \"o\"\n"
		"  with max 4h, record required, rate 100/1m, no upload\n"
		"  reason \"say \\\"why\\\"\"\n");
	const struct cd_ast_rule *r;

	if (!p)
		return;
	r = cd_ast_rule(p, 0);
	ok_true(r->has_obligations && r->with.record_required);
	ok_true(r->with.no_upload && !r->with.no_download);
	ok_eq_uint(r->with.max, 4 * 3600);
	ok_eq_uint(r->with.rate_count, 100);
	ok_eq_uint(r->with.rate_period, 60);
	ok_eq_int(r->mode, CD_MODE_CANARY);
	ok_eq_uint(r->canary, 5);
	ok_true(cd_str_equal(r->reason.s, CD_STR("say \"why\"")));
}

TEST(apps_say_where_they_run)
{
	struct cd_policy *p cd_auto(cd_policy_free) =
		parse_z("app a\n"
			"  url https://A.example.com:8443/\n"
			"  upstream https://10.0.0.1, https://[fd00::1]:444,\n"
			"    https://Back.internal\n"
			"app b\n"
			"  tcp x:1 via c\n"
			"  url tls://b.example.com\n"
			"app c\n"
			"  ssh 10.0.0.5 as root\n");
	const struct cd_ast_app *a;

	if (!p)
		return;
	a = cd_ast_app(p, 0);
	ok_eq_int(a->kind, CD_APP_HTTP);
	ok_true(cd_str_equal(a->url, CD_STR("https://a.example.com:8443")));
	ok_true(cd_str_equal(a->url_host, CD_STR("a.example.com")));
	ok_eq_uint(a->url_port, 8443);
	ok_eq_uint(a->n_upstreams, 3);
	ok_eq_uint(a->upstreams[0].port, 443);
	ok_eq_uint(a->upstreams[0].addr.family, 4);
	ok_eq_uint(a->upstreams[1].port, 444);
	ok_eq_uint(a->upstreams[1].addr.family, 6);
	ok_true(a->upstreams[1].tls);
	ok_true(cd_str_equal(a->upstreams[2].host, CD_STR("back.internal")));
	ok_eq_int(cd_ast_app(p, 1)->kind, CD_APP_TCP);
	ok_true(cd_str_equal(cd_ast_app(p, 1)->via, CD_STR("c")));
	ok_true(cd_str_equal(cd_ast_app(p, 1)->url_host,
			     CD_STR("b.example.com")));
	ok_eq_uint(cd_ast_app(p, 2)->upstreams[0].port, 22);
	ok_true(cd_str_equal(cd_ast_app(p, 2)->user, CD_STR("root")));
}

TEST(names_are_found_by_kind)
{
	struct cd_policy *p cd_auto(cd_policy_free) =
		parse_z("group x = user a\n"
			"service x tcp/1, udp/2\n"
			"posture x = device.managed\n"
			"posture x = device.encrypted\n");
	uint32_t n = 0;

	if (!p)
		return;
	ok_true(cd_ast_find(p, CD_AST_GROUP, CD_STR("x")) ==
		&cd_ast_group(p, 0)->head);
	ok_true(cd_ast_find(p, CD_AST_POSTURE, CD_STR("x")) ==
		&cd_ast_posture(p, 0)->head);
	ok_true(cd_ast_find(p, CD_AST_APP, CD_STR("x")) == NULL);
	ok_eq_uint(cd_ast_posture(p, 1)->head.number, 1);
	ok_true(cd_ast_service_ports(p, CD_STR("x"), &n));
	ok_eq_uint(n, 2);
	ok_true(cd_ast_service_ports(p, CD_STR("dns"), &n));
	ok_eq_uint(n, 2);
	ok_true(cd_ast_service_ports(p, CD_STR("nope"), &n) == NULL);
}

TEST(carriage_returns_and_empty_files_are_fine)
{
	struct cd_policy *a cd_auto(cd_policy_free) = parse_z("");
	struct cd_policy *b cd_auto(cd_policy_free) = parse_z("# only this");
	struct cd_policy *c cd_auto(cd_policy_free) =
		parse_z("version 1\r\n\r\nsegment a\r\n  cidr 10.0.0.0/8\r\n");

	if (!a || !b || !c)
		return;
	ok_eq_uint(a->files[0].n_items, 0);
	ok_eq_uint(b->files[0].n_end, 1);
	ok_eq_uint(c->files[0].n_items, 2);
	ok_true(c->files[0].items[1]->blank_before);
}

TEST(conditions_print_as_they_are_meant)
{
	struct cd_policy *p cd_auto(cd_policy_free) = parse_z(
		"allow \"x\" from any to any when not (risk.user = high "
		"or mfa.age > 90m) and geo.country in DE, AT\n");
	struct cd_buf out cd_auto(cd_buf_done);

	cd_buf_init(&out, 1000);
	if (!p)
		return;
	cd_ast_print_cond(&out, cd_ast_rule(p, 0)->when);
	ok_eq_str(out.data, "not (risk.user = high or mfa.age > 90m) and "
			    "geo.country in DE, AT");
}
