// SPDX-License-Identifier: Apache-2.0
#include "snap.h"

#include "snapshot/layout.h"

static const char small[] =
	"version 1\n"
	"segment corp cidr 10.0.0.0/8, fd00:1::/48\n"
	"segment prod in corp cidr 10.20.0.0/16\n"
	"hosts db where tier=db and not env=test\n"
	"domains updates *.debian.org\n"
	"feed bad file \"/f\"\n"
	"group leads = user ann, group sre\n"
	"posture ok = device.managed and device.os_age < 30d\n"
	"app pay\n  url https://pay.example.com\n  upstream http://10.20.4.7:8080\n"
	"allow \"a\" from group leads on ok to app pay method GET path \"/api/*\"\n"
	"  when (mfa.age < 12h or not geo.country in DE, AT) and user.name like \"a*\"\n"
	"  with max 4h\n"
	"allow \"b\" from any to hosts db, domains updates, segment prod service https\n"
	"  when time in mon-fri 07:00-19:00 Europe/Berlin and approval by group leads 2\n"
	"deny \"c\" from people to any when src.ip in feed bad or src.ip in 192.0.2.0/24\n";

static bool compile_small(struct snap *s, const char *text)
{
	*s = (struct snap){.feed = "198.51.100.0/24\nbad.example.com\n"};
	return snap_make(s, text);
}

TEST(opens_what_it_knows_and_nothing_else)
{
	struct snap s;
	const struct cd_snapshot *out = NULL;
	uint64_t copy[512];
	struct cd_snapshot *h = (void *)copy;

	if (!compile_small(&s, small) || !ok_true(s.size > sizeof(copy)))
		return;
	ok_eq_int(cd_snapshot_open(s.image, s.size - 1, &out), CD_E_CORRUPT);
	ok_eq_int(cd_snapshot_open((char *)s.image + 1, 100, &out), -EINVAL);
	ok_eq_int(cd_snapshot_open(NULL, 0, &out), -EINVAL);
	ok_eq_int(cd_snapshot_open(s.image, 11, &out), CD_E_CORRUPT);
	memcpy(copy, s.image, sizeof(copy));
	h->version = CD_SNAPSHOT_VERSION + 1;
	ok_eq_int(cd_snapshot_open(copy, sizeof(copy), &out), CD_E_VERSION);
	h->version = 0;
	ok_eq_int(cd_snapshot_open(copy, sizeof(copy), &out), CD_E_CORRUPT);
	ok_true(out == NULL);
	snap_done(&s);
}

TEST(equal_policies_give_equal_bytes)
{
	static const char shuffled[] =
		"version 1\n"
		"deny \"c\" from people to any when src.ip in feed bad or src.ip in 192.0.2.0/24\n"
		"group leads = group sre, user ann # the same members\n"
		"allow \"b\" from any to hosts db, domains updates, segment prod service https\n"
		"  when time in mon-fri 07:00-19:00 Europe/Berlin and approval by group leads 2\n"
		"app pay\n\n  url https://pay.example.com\n  upstream http://10.20.4.7:8080\n"
		"allow \"a\" from group leads on ok to app pay method GET path \"/api/*\"\n"
		"  when (mfa.age < 12h or not geo.country in DE, AT) and user.name like \"a*\"\n"
		"  with max 4h\n"
		"posture ok = device.managed and device.os_age < 30d\n"
		"feed bad file \"/f\"\n"
		"domains updates *.debian.org\n"
		"hosts db where tier=db and not env=test\n"
		"segment prod in corp cidr 10.20.0.0/16\n"
		"segment corp cidr 10.0.0.0/8, fd00:1::/48\n";
	struct snap a, b, c;

	if (!compile_small(&a, small) || !compile_small(&b, small) ||
	    !compile_small(&c, shuffled))
		return;
	ok_mem(b.image, b.size, a.image, a.size);
	ok_eq_uint(c.size, a.size);
	note("%zu bytes", a.size);
	snap_done(&a);
	snap_done(&b);
	snap_done(&c);
}

/* Some requests that reach every part of the small policy. */
static void decide_all(const struct cd_snapshot *s)
{
	static const struct cd_label labels[] = {
		{{CD_STR_INIT("tier"), 0}, {CD_STR_INIT("db"), 0}},
	};
	struct cd_name groups[1] = {cd_name_make(CD_STR("sre"))};
	struct cd_label own[1] = {{cd_name_make(labels[0].key.s),
				   cd_name_make(labels[0].value.s)}};
	struct cd_addr in = {4, {10, 20, 4, 7}};
	struct cd_addr out = {6, {0xfd, 0, 0, 1}};

	for (unsigned int i = 0; i < 16; i++) {
		struct cd_request r;
		struct cd_decision d;
		char text[128];

		cd_request_init(&r);
		r.kind = i % 8 < 7 ? (uint8_t)(1 << i % 8 >> 1) : 0;
		if (i % 3)
			cd_request_set_int(&r, CD_ATTR_SUBJECT, 1 << i % 3);
		cd_request_set_int(&r, CD_ATTR_TIME, 1795460189 * CD_NS_PER_S);
		cd_request_set_str(&r, CD_ATTR_USER_NAME, CD_STR("ann"));
		cd_request_set_names(&r, CD_ATTR_USER_GROUPS, groups, 1);
		cd_request_set_addr(&r, CD_ATTR_SRC_IP, i & 1 ? in : out);
		cd_request_set_addr(&r, CD_ATTR_DST_IP, in);
		cd_request_set_int(&r, CD_ATTR_DST_PORT, i & 4 ? 8080 : 443);
		cd_request_set_int(&r, CD_ATTR_PROTO, 6);
		cd_request_set_labels(&r, CD_ATTR_DST_LABELS, own, 1);
		cd_request_set_str(&r, CD_ATTR_DST_NAME,
				   CD_STR("deb.debian.org"));
		cd_request_set_str(&r, CD_ATTR_HTTP_METHOD, CD_STR("GET"));
		cd_request_set_str(&r, CD_ATTR_HTTP_PATH, CD_STR("/api/x"));
		cd_request_set_str(&r, CD_ATTR_GEO_COUNTRY, CD_STR("DE"));
		cd_request_set_bool(&r, CD_ATTR_DEVICE_MANAGED, true);
		cd_request_set_int(&r, CD_ATTR_DEVICE_OS_AGE, 86400);
		cd_request_set_int(&r, CD_ATTR_MFA_AGE, i * 10000);
		cd_request_set_names(&r, CD_ATTR_APPROVAL, groups, 1);
		if (i & 2)
			cd_request_set_str(&r, CD_ATTR_APP, CD_STR("pay"));
		d = cd_decide(s, &r);
		for (unsigned int k = 0; k < d.n_failed; k++) {
			cd_failure_need(s, &d.failed[k], CD_FOR_ADMIN, text,
					sizeof(text));
			cd_failure_have(s, &r, &d.failed[k], CD_FOR_ADMIN, text,
					sizeof(text));
		}
	}
}

static void walk_routes(const struct cd_snapshot *s)
{
	struct cd_app app;
	struct cd_upstream u;
	struct cd_str text;

	for (uint32_t i = 0; i <= cd_snapshot_app_count(s); i++) {
		if (!cd_snapshot_app(s, i, &app))
			continue;
		for (uint32_t k = 0; k < CD_MIN(app.n_upstreams, 100u); k++)
			cd_snapshot_upstream(s, i, k, &u);
		cd_snapshot_app_setting(s, i, CD_STR("upstream"), &text);
	}
	cd_snapshot_app_by_name(s, CD_STR("pay"), &app);
	cd_snapshot_app_by_host(s, CD_STR("pay.example.com"), &app);
	for (uint32_t i = 0; i < cd_snapshot_rule_count(s); i++)
		cd_rule_name(s, i);
}

/* Under the sanitizers this is the proof: whatever passes the check can be
 * decided on and read. */
TEST(no_damaged_byte_leads_outside)
{
	static const uint8_t flips[] = {0x01, 0x80, 0xff};
	struct snap s;
	uint8_t *bytes;
	size_t passed = 0, caught = 0;

	if (!compile_small(&s, small))
		return;
	decide_all(s.s);
	bytes = s.image;
	for (size_t i = 0; i < s.size; i++) {
		for (size_t k = 0; k < CD_ARRAY_SIZE(flips); k++) {
			const struct cd_snapshot *out;

			bytes[i] ^= flips[k];
			if (cd_snapshot_open(s.image, s.size, &out) == 0 &&
			    cd_snapshot_check(out, NULL) == 0) {
				passed++;
				decide_all(out);
				walk_routes(out);
			} else {
				caught++;
			}
			bytes[i] ^= flips[k];
		}
	}
	note("%zu flips caught, %zu harmless", caught, passed);
	ok_true(caught > s.size);
	ok_true(passed > 0);
	ok_eq_int(cd_snapshot_check(s.s, NULL), 0);
	snap_done(&s);
}

/* A chain of `not` as deep as the image has nodes. */
static int check_chain(struct snap *s, uint32_t depth)
{
	struct cd_snap_node *nodes =
		(void *)(uintptr_t)(const void *)cd_snap_NODES(s->s);
	uint32_t n = cd_snap_NODES_n(s->s);

	if (!ok_true(n > depth))
		return 0;
	for (uint32_t i = n - 1 - depth; i < n - 1; i++)
		nodes[i] = (struct cd_snap_node){.op = CD_NODE_NOT,
						 .end = n,
						 .same = i,
						 .attr = nodes[n - 1].attr};
	nodes[n - 1].same = n - 1;
	return cd_snapshot_check(s->s, NULL);
}

TEST(trees_are_no_deeper_than_their_bound)
{
	struct cd_buf text;
	struct snap s;

	cd_buf_init(&text, 1 << 16);
	cd_buf_puts(&text, "version 1\n");
	for (int i = 0; i < 200; i++)
		cd_buf_printf(
			&text,
			"allow \"r%d\" from any to any when mfa.age < %dm\n", i,
			i + 1);
	cd_buf_char(&text, 0);
	if (compile_small(&s, text.data)) {
		ok_eq_int(check_chain(&s, CD_SNAP_DEPTH), 0);
		ok_eq_int(check_chain(&s, CD_SNAP_DEPTH + 1), CD_E_CORRUPT);
		snap_done(&s);
	}
	cd_buf_done(&text);
}

TEST(routes)
{
	struct snap s = {0};
	struct cd_app app;
	struct cd_upstream u;
	struct cd_str text;

	if (!snap_make(&s,
		       "version 1\n"
		       "app pay\n  url https://pay.example.com:8443\n"
		       "  upstream https://10.0.0.1:1, https://b.internal:2\n"
		       "  waf block paranoia 1\n"
		       "app db\n  tcp db.internal:5432\n"))
		return;
	ok_eq_uint(cd_snapshot_app_count(s.s), 2);
	ok_true(cd_snapshot_app_by_host(s.s, CD_STR("pay.example.com"), &app));
	ok_true(cd_str_equal(app.name, CD_STR("pay")));
	ok_eq_uint(app.port, 8443);
	ok_eq_uint(app.n_upstreams, 2);
	ok_true(app.upstream_tls);
	ok_true(cd_snapshot_upstream(s.s, app.index, 1, &u));
	ok_true(cd_str_equal(u.host, CD_STR("b.internal")));
	ok_eq_uint(u.addr.family, 0);
	ok_eq_uint(u.port, 2);
	ok_false(cd_snapshot_upstream(s.s, app.index, 2, &u));
	ok_true(cd_snapshot_app_setting(s.s, app.index, CD_STR("waf"), &text));
	ok_true(cd_str_equal(text, CD_STR("block paranoia 1")));
	ok_false(
		cd_snapshot_app_setting(s.s, app.index, CD_STR("data"), &text));
	ok_true(cd_snapshot_app_by_name(s.s, CD_STR("db"), &app));
	ok_eq_uint(app.kind, CD_APP_TCP);
	ok_true(cd_str_equal(app.host, CD_STR("db.internal")));
	ok_false(cd_snapshot_app_by_name(s.s, CD_STR("waf"), &app));
	ok_false(cd_snapshot_app_by_host(s.s, CD_STR("pay"), &app));
	ok_false(cd_snapshot_app(s.s, 2, &app));
	ok_eq_uint(cd_rule_name(s.s, 0).len, 0);
	snap_done(&s);
}
