// SPDX-License-Identifier: Apache-2.0
#include "base/addr.h"

#include "tap.h"

static struct cd_addr addr(const char *s)
{
	struct cd_addr a = {0};

	cd_addr_parse(cd_str_from(s), &a);
	return a;
}

TEST(addresses_round_trip)
{
	static const char *const same[][2] = {
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"203.0.113.5", "203.0.113.5"},
		{"::", "::"},
		{"::1", "::1"},
		{"1::", "1::"},
		{"2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"2001:db8::1:0:0:1", "2001:db8::1:0:0:1"},
		{"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
		{"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
		{"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
		{"::ffff:10.1.2.3", "10.1.2.3"},
		{"::ffff:a01:203", "10.1.2.3"},
	};
	char out[CD_ADDR_SIZE];

	for (size_t i = 0; i < CD_ARRAY_SIZE(same); i++) {
		struct cd_addr a = addr(same[i][0]);

		cd_addr_format(&a, out, sizeof(out));
		ok_eq_str(out, same[i][1]);
	}
}

TEST(addresses_refused)
{
	static const char *const bad[] = {
		"",
		"1.2.3",
		"1.2.3.4.5",
		"1.2.3.256",
		"01.2.3.4",
		"1.2.3.",
		" 1.2.3.4",
		"1.2.3.4 ",
		"1.2.3.-4",
		":",
		":::",
		"1:2:3",
		"1::2::3",
		":1::",
		"1:::2",
		"1:2:3:4:5:6:7:8:9",
		"12345::",
		"g::",
		"fe80::1%eth0",
		"1:2:3:4:5:6:7:1.2.3.4",
		"1.2.3.4::",
		"::1.2.3",
		"1:2:3:4:5:6:7:8::",
		"1:2:3:4:5:6:7:",
	};
	struct cd_addr a = {.family = 9};

	for (size_t i = 0; i < CD_ARRAY_SIZE(bad); i++)
		if (cd_addr_parse(cd_str_from(bad[i]), &a) == 0 ||
		    a.family != 9)
			fail("accepted %s", bad[i]);
}

TEST(format_cuts_to_size)
{
	struct cd_addr a = addr("10.20.30.40");
	char tiny[4];

	ok_eq_uint(cd_addr_format(&a, tiny, sizeof(tiny)), 3);
	ok_eq_str(tiny, "10.");
}

TEST(global_unicast)
{
	static const char *const yes[] = {"8.8.8.8",	  "203.0.113.5",
					  "198.51.100.1", "192.0.2.1",
					  "100.128.0.1",  "172.32.0.1",
					  "2001:db8::1",  "3fff::1"};
	static const char *const no[] = {
		"0.1.2.3",   "10.0.0.1",	"100.64.0.1",
		"127.0.0.1", "169.254.1.1",	"172.31.255.255",
		"192.0.0.9", "192.168.1.1",	"198.19.0.1",
		"224.0.0.1", "255.255.255.255", "::1",
		"::",	     "fe80::1",		"fd00::1",
		"ff02::1",   "::ffff:10.0.0.1", "4000::1"};

	for (size_t i = 0; i < CD_ARRAY_SIZE(yes); i++) {
		struct cd_addr a = addr(yes[i]);

		if (!cd_addr_is_global(&a))
			fail("%s", yes[i]);
	}
	for (size_t i = 0; i < CD_ARRAY_SIZE(no); i++) {
		struct cd_addr a = addr(no[i]);

		if (cd_addr_is_global(&a))
			fail("%s", no[i]);
	}
	ok_false(cd_addr_is_global(&(struct cd_addr){0}));
}

TEST(order_and_successor)
{
	struct cd_addr a = addr("10.0.0.255"), b = addr("10.0.1.0"), n;

	ok_true(cd_addr_compare(&a, &b) < 0);
	ok_true(cd_addr_next(&a, &n));
	ok_eq_int(cd_addr_compare(&n, &b), 0);
	a = addr("255.255.255.255");
	ok_false(cd_addr_next(&a, &n));
	b = addr("::");
	ok_true(cd_addr_compare(&a, &b) < 0);
	a = addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	ok_false(cd_addr_next(&a, &n));
}

TEST(prefixes)
{
	struct cd_prefix p;
	struct cd_addr a, first, last;
	char out[CD_ADDR_SIZE];

	ok_eq_int(cd_prefix_parse(CD_STR("10.20.8.0/21"), &p), 0);
	ok_true(cd_prefix_is_exact(&p));
	a = addr("10.20.15.255");
	ok_true(cd_prefix_has(&p, &a));
	last = cd_prefix_last(&p);
	ok_eq_int(cd_addr_compare(&a, &last), 0);
	a = addr("10.20.16.0");
	ok_false(cd_prefix_has(&p, &a));
	ok_eq_int(cd_prefix_parse(CD_STR("10.20.9.0/21"), &p), 0);
	ok_false(cd_prefix_is_exact(&p));
	first = cd_prefix_first(&p);
	cd_addr_format(&first, out, sizeof(out));
	ok_eq_str(out, "10.20.8.0");
	ok_eq_int(cd_prefix_parse(CD_STR("::ffff:10.0.0.0/104"), &p), 0);
	ok_eq_int(p.addr.family, 4);
	ok_eq_int(p.len, 8);
	ok_eq_int(cd_prefix_parse(CD_STR("0.0.0.0/0"), &p), 0);
	a = addr("::1");
	ok_false(cd_prefix_has(&p, &a));
	ok_eq_int(cd_prefix_parse(CD_STR("10.1.2.3"), &p), 0);
	ok_eq_int(p.len, 32);
}

TEST(prefixes_refused)
{
	static const char *const bad[] = {"10.0.0.0/33",   "10.0.0.0/",
					  "10.0.0.0/-1",   "10.0.0.0/08",
					  "::/129",	   "/8",
					  "::ffff:0:0/95", "10.0.0.0/8/8",
					  "10.0.0.0/0008"};
	struct cd_prefix p;

	for (size_t i = 0; i < CD_ARRAY_SIZE(bad); i++)
		if (cd_prefix_parse(cd_str_from(bad[i]), &p) == 0)
			fail("accepted %s", bad[i]);
}
