/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pages are made of: forms, targets of redirects, escaping, cookies.
 */
#include "tap.h"

#include "controller/form.h"
#include "controller/html.h"
#include "controller/redirect.h"
#include "sys/httpd.h"

static const char *field(const char *body, const char *name, int *ret)
{
	static char value[200];
	struct cd_form form;

	*ret = cd_form_parse(&form, cd_str_from(body));
	snprintf(value, sizeof(value), "%s", cd_form_get(&form, name));
	cd_form_done(&form);
	return value;
}

TEST(forms)
{
	static const struct {
		const char *body, *name, *value;
		int result;
	} rows[] = {
		{"a=1&b=2", "b", "2", 0},
		{"a=1&b=2", "c", "", 0},
		{"a=x+y%20z%26%3d", "a", "x y z&=", 0},
		{"a=%C3%A4", "a", "\xc3\xa4", 0},
		{"a", "a", "", 0},
		{"&&a=1&", "a", "1", 0},
		{"a=b=c", "a", "b=c", 0},
		{"%61=1", "a", "1", 0},
		{"", "a", "", 0},
		{"a=%", "a", "", -EINVAL},
		{"a=%4", "a", "", -EINVAL},
		{"a=%zz", "a", "", -EINVAL},
		{"a=%00", "a", "", -EINVAL},
		/* given twice: which one was checked? */
		{"a=1&a=2", "a", "1", -EINVAL},
		{"a=1&%61=2", "a", "1", -EINVAL},
	};
	size_t i;
	int r;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		const char *value = field(rows[i].body, rows[i].name, &r);

		if (r != rows[i].result || (!r && strcmp(value, rows[i].value)))
			fail("%s: %d, %s=\"%s\"", rows[i].body, r, rows[i].name,
			     value);
	}
}

TEST(a_form_has_few_fields)
{
	struct cd_buf b cd_auto(cd_buf_done);
	struct cd_form form;
	int i;

	cd_buf_init(&b, 4096);
	for (i = 0; i < CD_FORM_FIELDS; i++)
		cd_buf_printf(&b, "f%d=x&", i);
	ok_eq_int(cd_form_parse(&form, cd_buf_get(&b)), 0);
	cd_form_done(&form);
	cd_buf_puts(&b, "more=x");
	ok_eq_int(cd_form_parse(&form, cd_buf_get(&b)), CD_E_LIMIT);
	cd_form_done(&form);
}

TEST(targets)
{
	static const struct {
		const char *target;
		bool safe;
	} rows[] = {
		{"/", true},
		{"/graph?g0.expr=up&x=%2F%2F", true},
		{"/a/b#c", true},
		{"/a//b", true},
		{"", false},
		{"graph", false},
		{"https://evil.example/", false},
		{"//evil.example/", false},
		{"/\\evil.example/", false},
		{"/a\\b", false},
		{"\\/evil.example", false},
		{"/\t/evil.example", false},
		{"/a b", false},
		{"/a\r\nSet-Cookie: x=1", false},
		{"/\x80", false},
		{"javascript:alert(1)", false},
		{"/.cordon/start?app=x", false},
		{"/.cordonish", false},
		{"/./.cordon/signout", false},
		{"/x/%2e%2E/.cordon/signout", false},
		{"/.%2e/a", false},
		{"/a/..", false},
		{"/a/...", true},
		{"/a/.b/%2e%2e%2e?../..#./", true},
	};
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++)
		if (cd_target_is_safe(cd_str_from(rows[i].target)) !=
		    rows[i].safe)
			fail("%s is %s", rows[i].target,
			     rows[i].safe ? "refused" : "accepted");
	ok_true(cd_str_equal(cd_target_or_root(CD_STR("//x")), CD_STR("/")));
	ok_true(cd_str_equal(cd_target_or_root(CD_STR_NULL), CD_STR("/")));
}

TEST(a_target_has_a_length)
{
	char text[CD_TARGET_MAX + 2];

	memset(text, 'a', sizeof(text));
	text[0] = '/';
	ok_true(cd_target_is_safe(cd_str_make(text, CD_TARGET_MAX)));
	ok_false(cd_target_is_safe(cd_str_make(text, CD_TARGET_MAX + 1)));
}

TEST(hosts)
{
	char host[32];

	ok_true(cd_url_host(CD_STR("https://Local.Example:8443/x"), host,
			    sizeof(host)));
	ok_eq_str(host, "local.example");
	ok_true(cd_url_host(CD_STR("https://a"), host, sizeof(host)));
	ok_false(cd_url_host(CD_STR("http://a"), host, sizeof(host)));
	ok_false(cd_url_host(CD_STR("https://"), host, sizeof(host)));
	ok_false(cd_url_host(CD_STR("https://a b"), host, sizeof(host)));
	ok_false(cd_url_host(CD_STR("https://u@a"), host, sizeof(host)));
	ok_false(cd_host_of(CD_STR("a-name-that-does-not-fit-in-there.example"),
			    host, sizeof(host)));
}

static const char *shown(const char *value)
{
	static char text[200];
	struct cd_buf b;

	cd_buf_init(&b, 1000);
	cd_html(&b, "<p title=\"%s\">", value);
	snprintf(text, sizeof(text), "%s", b.data);
	cd_buf_done(&b);
	return text;
}

TEST(values_are_escaped)
{
	ok_eq_str(shown("alice"), "<p title=\"alice\">");
	ok_eq_str(shown("<script>"), "<p title=\"&lt;script&gt;\">");
	ok_eq_str(shown("\" onload=\"x"),
		  "<p title=\"&quot; onload=&quot;x\">");
	ok_eq_str(shown("' & '"), "<p title=\"&#39; &amp; &#39;\">");
	ok_eq_str(shown("a\x01\n\x7f"
			"b"),
		  "<p title=\"ab\">");
	ok_eq_str(shown("100%s%n"), "<p title=\"100%s%n\">");
	ok_eq_str(shown(NULL), "<p title=\"\">");
}

TEST(templates)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, 1000);
	cd_html(&b, "%d %S %u 5%%", (int64_t)-3, CD_STR("a<b"),
		CD_STR("/x y?&\xff"));
	ok_eq_str(b.data, "-3 a&lt;b /x%20y%3F%26%FF 5%");
}

TEST(cookies)
{
	static const struct {
		const char *header, *name, *value;
	} rows[] = {
		{"a=1; b=2", "b", "2"},
		{"a=1;b=2", "b", "2"},
		{"xa=1; a=2", "a", "2"},
		{"a=1; a=2", "a", "1"},
		{"a=", "a", ""},
		{"b=1; a", "a", NULL},
		{"", "a", NULL},
		{"a=x=y", "a", "x=y"},
		{"__Host-cordon-auth=1; __Host-cordon=2", "__Host-cordon", "2"},
	};
	struct cd_str v;
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		bool found = cd_cookie_find(cd_str_from(rows[i].header),
					    cd_str_from(rows[i].name), &v);

		if (found != !!rows[i].value ||
		    (found && !cd_str_equal(v, cd_str_from(rows[i].value))))
			fail("%s in \"%s\"", rows[i].name, rows[i].header);
	}
}
