// SPDX-License-Identifier: Apache-2.0
#include "decide/ctx.h"

#include "snap.h"

static bool has_message(const struct snap *s, const char *part)
{
	for (size_t i = 0; i < cd_diag_count(s->diag); i++)
		if (strstr(cd_diag_get(s->diag, i)->text, part))
			return true;
	snap_messages(s);
	return false;
}

static const char *segment_of(const struct snap *s, const char *address)
{
	static char name[64];
	struct cd_addr a;
	uint32_t seg;
	struct cd_str n;

	cd_addr_parse(cd_str_from(address), &a);
	seg = cd_find_segment(s->s, &a);
	if (seg == CD_NIL)
		return "none";
	n = cd_snap_text(s->s, cd_snap_SEGMENTS(s->s)[seg].name);
	snprintf(name, sizeof(name), "%.*s", CD_STR_FMT(n));
	return name;
}

TEST(nested_prefixes_are_cut_by_the_innermost)
{
	struct snap s = {0};

	if (!snap_make(&s,
		       "version 1\n"
		       "segment z cidr 10.0.0.0/8, fd00::/16\n"
		       "segment y in z cidr 10.20.0.0/16, fd00:1::/32\n"
		       "segment x in y cidr 10.20.8.0/24, 10.20.255.255/32\n"
		       "segment w in z cidr 10.255.255.0/24\n"
		       "segment v cidr 255.255.255.255/32\n"))
		return;
	ok_eq_str(segment_of(&s, "9.255.255.255"), "none");
	ok_eq_str(segment_of(&s, "10.0.0.0"), "z");
	ok_eq_str(segment_of(&s, "10.19.255.255"), "z");
	ok_eq_str(segment_of(&s, "10.20.0.0"), "y");
	ok_eq_str(segment_of(&s, "10.20.7.255"), "y");
	ok_eq_str(segment_of(&s, "10.20.8.0"), "x");
	ok_eq_str(segment_of(&s, "10.20.8.255"), "x");
	ok_eq_str(segment_of(&s, "10.20.9.0"), "y");
	ok_eq_str(segment_of(&s, "10.20.255.254"), "y");
	ok_eq_str(segment_of(&s, "10.20.255.255"), "x");
	ok_eq_str(segment_of(&s, "10.21.0.0"), "z");
	ok_eq_str(segment_of(&s, "10.255.255.255"), "w");
	ok_eq_str(segment_of(&s, "11.0.0.0"), "none");
	ok_eq_str(segment_of(&s, "255.255.255.255"), "v");
	ok_eq_str(segment_of(&s, "fd00:1::1"), "y");
	ok_eq_str(segment_of(&s, "fd00:2::1"), "z");
	ok_eq_str(segment_of(&s, "fd01::"), "none");
	snap_done(&s);
}

static const char feeds[] = "version 1\nfeed f file \"/f\"\n"
			    "app a\n  tcp 192.0.2.77:1\n"
			    "deny \"d\" from any to any when src.ip in feed f\n"
			    "deny \"n\" from any to category f\n"
			    "allow \"x\" from any to any\n";

TEST(feeds)
{
	struct snap s = {
		.feed = "# heading\n\nip,comment\n198.51.100.0/24, x\r\n"
			"198.51.101.0/24 # joins\n  2001:db8::/32;y\n"
			"\"203.0.113.9\",z\nBad.Example.com\n*.evil.example\n"};

	if (!snap_make(&s, feeds))
		return;
	ok_eq_uint(cd_diag_count(s.diag), 0);
	ok_eq_uint(cd_snap_FEEDS(s.s)[0].spans.n4, 2);
	ok_decides(
		&s,
		"{'kind':'packet','subject':'host','src.ip':'198.51.101.255','dst.ip':'1.1.1.1','dst.port':1,'proto':'tcp'}",
		"deny DENY_RULE d | src.ip not in feed f (198.51.101.255)");
	ok_decides(
		&s,
		"{'kind':'packet','subject':'host','src.ip':'198.51.102.0','dst.ip':'1.1.1.1','dst.port':1,'proto':'tcp'}",
		"allow ALLOWED x");
	ok_decides(
		&s,
		"{'kind':'name','subject':'host','src.ip':'1.1.1.1','dst.name':'bad.example.com'}",
		"deny DENY_RULE n | dst.name not category f (bad.example.com)");
	ok_decides(
		&s,
		"{'kind':'name','subject':'host','src.ip':'1.1.1.1','dst.name':'a.b.evil.example'}",
		"deny DENY_RULE n | dst.name not category f (a.b.evil.example)");
	ok_decides(
		&s,
		"{'kind':'name','subject':'host','src.ip':'1.1.1.1','dst.name':'evil.example'}",
		"allow ALLOWED x");
	snap_done(&s);
}

/* Which feeds in report mode a request meets, newest
 * row first, as "fg". */
static const char *watched(const struct snap *s, const char *src,
			   const char *dst, const char *name)
{
	static char out[64];
	struct cd_request q;
	struct cd_decision d;
	struct cd_addr addr;

	out[0] = 0;
	cd_request_init(&q);
	q.kind = name ? CD_KIND_NAME : CD_KIND_PACKET;
	cd_request_set_int(&q, CD_ATTR_SUBJECT, CD_SUBJECT_HOST);
	if (src && cd_addr_parse(cd_str_from(src), &addr) == 0)
		cd_request_set_addr(&q, CD_ATTR_SRC_IP, addr);
	if (dst && cd_addr_parse(cd_str_from(dst), &addr) == 0)
		cd_request_set_addr(&q, CD_ATTR_DST_IP, addr);
	if (name)
		cd_request_set_str(&q, CD_ATTR_DST_NAME, cd_str_from(name));
	d = cd_decide(s->s, &q);
	for (unsigned int i = 0; i < d.n_watched; i++) {
		struct cd_str f = cd_feed_name(s->s, d.watched[i]);

		strncat(out, f.ptr, f.len);
	}
	return out;
}

static const char reported[] =
	"version 1\n"
	"feed a file \"/f\"\n"
	"feed b file \"/f\" mode report\n"
	"feed c file \"/f\" mode report\n"
	"feed d file \"/f\" mode report\n"
	"feed e file \"/f\" mode report\n"
	"deny \"a\" from any to any port tcp/22 when src.ip in feed a\n"
	"deny \"b\" from any to any when src.ip in feed b\n"
	"deny \"c\" from any to any when dst.ip in feed c\n"
	"deny \"d\" from any to category d\n"
	"allow \"x\" from any to any when src.ip not in feed b\n";

TEST(a_feed_in_report_mode_is_empty_and_watched)
{
	struct snap s = {.feed = "198.51.100.0/24\nbad.example.com\n"};

	if (!snap_make(&s, reported))
		return;
	ok_eq_uint(cd_snap_FEEDS_n(s.s), 9);
	ok_decides(
		&s,
		"{'kind':'packet','subject':'host','src.ip':'198.51.100.1','dst.ip':'198.51.100.2','dst.port':1,'proto':'tcp'}",
		"allow ALLOWED x");
	ok_decides(
		&s,
		"{'kind':'name','subject':'host','src.ip':'1.1.1.1','dst.name':'bad.example.com'}",
		"allow ALLOWED x");
	ok_eq_str(watched(&s, "198.51.100.1", "1.1.1.1", NULL), "b");
	ok_eq_str(watched(&s, "198.51.100.1", "198.51.100.9", NULL), "cb");
	ok_eq_str(watched(&s, "1.1.1.1", "198.51.100.9", NULL), "c");
	ok_eq_str(watched(&s, "1.1.1.1", "1.1.1.1", NULL), "");
	ok_eq_str(watched(&s, NULL, NULL, NULL), "");
	ok_eq_str(watched(&s, "1.1.1.1", NULL, "bad.example.com"), "d");
	ok_eq_str(watched(&s, "1.1.1.1", NULL, "good.example.com"), "");
	snap_done(&s);
}

static void ok_bad_feed(const char *text, const char *message)
{
	struct snap s = {.feed = text};

	ok_eq_int(snap_try(&s, feeds), CD_E_CHECK);
	ok_true(has_message(&s, message));
	snap_done(&s);
}

TEST(a_bad_line_of_a_feed_is_told_with_its_place)
{
	ok_bad_feed("# list\n192.0.2.1\n<html>\n", "/f:3: '<html>' is neither");
	ok_bad_feed("192.0.2.1\n192.0.2.1/33\n", "/f:2: ");
	ok_bad_feed("one word\n", "/f:1: 'one' is neither");
	ok_bad_feed("ip,note\nand,another\n", "/f:2: 'and'");
	ok_bad_feed("192.0.2.1\nip,note\n", "/f:2: 'ip'");
}

TEST(a_missing_feed_is_empty_and_told)
{
	struct snap s = {0};

	if (!snap_make(&s, feeds))
		return;
	ok_true(has_message(&s, "counts as empty"));
	ok_eq_uint(cd_diag_errors(s.diag), 0);
	snap_done(&s);
}

/* n rules to one app, and one to any. */
static void many_rules(struct cd_buf *b, unsigned int n)
{
	cd_buf_puts(b, "version 1\napp a\n  tcp a.internal:1\n"
		       "allow \"any\" from any to any\n");
	for (unsigned int i = 1; i < n; i++)
		cd_buf_printf(b, "allow \"r%u\" from group g%u to app a\n", i,
			      i);
}

TEST(more_candidates_than_a_decision_may_visit)
{
	struct cd_buf text;
	struct snap s = {0};

	cd_buf_init(&text, 1 << 20);
	many_rules(&text, CD_MAX_CANDIDATES);
	ok_eq_int(snap_try(&s, text.data), 0);
	snap_done(&s);
	cd_buf_clear(&text);
	many_rules(&text, CD_MAX_CANDIDATES + 1);
	ok_eq_int(snap_try(&s, text.data), CD_E_LIMIT);
	ok_true(has_message(&s, "257 rules can decide about app a"));
	ok_true(has_message(&s, "\"any\", \"r1\""));
	snap_done(&s);
	cd_buf_done(&text);
}

TEST(postures_that_grow_without_bound)
{
	struct cd_buf text;
	struct snap s = {0};

	cd_buf_init(&text, 1 << 20);
	cd_buf_puts(
		&text,
		"version 1\nposture p0 = device.managed and device.encrypted\n");
	for (int i = 1; i < 14; i++)
		cd_buf_printf(&text, "posture p%d = p%d or not p%d\n", i, i - 1,
			      i - 1);
	cd_buf_puts(&text, "app a\n  tcp a.internal:1\n"
			   "allow \"x\" from any on p13 to app a\n");
	ok_true(snap_try(&s, text.data) < 0);
	ok_true(has_message(&s, "more than 256 parts"));
	snap_done(&s);
	cd_buf_done(&text);
}

TEST(a_zone_that_is_not_there)
{
	struct snap s = {0};

	ok_true(snap_try(
			&s,
			"version 1\napp a\n  tcp a.internal:1\n"
			"allow \"x\" from any to app a when time in mon 07:00-19:00 Europe/Atlantis\n") <
		0);
	ok_true(cd_diag_errors(s.diag) > 0);
	ok_true(s.image == NULL);
	snap_done(&s);
}

TEST(two_apps_of_one_host)
{
	struct snap s = {0};

	ok_true(snap_try(
			&s,
			"version 1\n"
			"app a\n  url https://x.example.com\n  upstream http://10.0.0.1:1\n"
			"app b\n  url https://x.example.com\n  upstream http://10.0.0.2:1\n") <
		0);
	ok_true(cd_diag_errors(s.diag) > 0);
	snap_done(&s);
}

/* Which rules a request to the app can meet by where its upstream lies. */
TEST(denies_reach_an_app_through_its_upstream)
{
	struct snap s = {0};

	if (!snap_make(&s, "version 1\n"
			   "segment corp cidr 10.0.0.0/8\n"
			   "segment pci in corp cidr 10.1.0.0/16\n"
			   "app a\n  tcp 10.1.0.1:1\n"
			   "app b\n  tcp 10.2.0.1:1\n"
			   "app c\n  tcp 10.1.0.2:1, 10.2.0.2:1\n"
			   "app d\n  tcp 203.0.113.1:1\n"
			   "allow \"x\" from any to any\n"
			   "deny \"no pci\" from any to segment pci\n"
			   "deny \"not out\" from any to internet\n"))
		return;
	ok_decides(&s, "{'subject':'host','app':'a'}",
		   "deny DENY_RULE no pci | dst.ip not segment pci (10.1.0.1)");
	ok_decides(&s, "{'subject':'host','app':'b'}", "allow ALLOWED x");
	ok_decides(
		&s, "{'subject':'host','app':'c'}",
		"deny DENY_UNKNOWN no pci | dst.ip not segment pci (10.1.0.2, 10.2.0.2)");
	ok_decides(
		&s, "{'subject':'host','app':'d'}",
		"deny DENY_RULE not out | dst.ip not internet (203.0.113.1)");
	snap_done(&s);
}

TEST(globs)
{
	static const struct {
		const char *pattern, *text;
		bool path, match;
	} rows[] = {
		{"/api/*", "/api", true, true},
		{"/api/*", "/api/", true, true},
		{"/api/*", "/api/x/y", true, true},
		{"/api/*", "/apix", true, false},
		{"/*", "/", true, true},
		{"/*", "/a/b", true, true},
		{"/a/*/c", "/a/b/c", true, true},
		{"/a/*/c", "/a/b/b/c", true, false},
		{"/a/*/c", "/a//c", true, false},
		{"/a/b*.txt", "/a/b1.txt", true, true},
		{"/a", "/a/", true, false},
		{"/a/", "/a/", true, true},
		{"a*", "abc", false, true},
		{"*c", "abc", false, true},
		{"a*c", "ac", false, true},
		{"a*b*c", "aXbYc", false, true},
		{"a*b*c", "acb", false, false},
		{"*", "", false, true},
		{"ab*ba", "aba", false, false},
		{"abc", "abcd", false, false},
		{"*aab*", "aaab", false, true},
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		struct cd_str p = cd_str_from(rows[i].pattern);
		struct cd_str t = cd_str_from(rows[i].text);

		if ((rows[i].path ? cd_path_match(p, t) :
				    cd_glob_match(p, t)) != rows[i].match)
			fail("%s %s", rows[i].pattern, rows[i].text);
	}
}
