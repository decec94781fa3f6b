// SPDX-License-Identifier: Apache-2.0
/*
 * usage: guard_decide allow|challenge|deny
 *
 * Decides one fixed request COUNT times against 200 rules for one app and
 * prints COUNT; run under callgrind by the script `decide`. Prints nothing
 * when the verdict is not the one that was asked for.
 */
#include <cordon/policy.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define COUNT 200
#define RULES 200
#define GROUPS 40

static void print_policy(struct cd_buf *b)
{
	cd_buf_puts(b,
		    "version 1\n"
		    "posture ok = device.managed and device.encrypted\n"
		    "app a\n  url https://a.example.com\n"
		    "  upstream http://10.0.0.1:80\n"
		    "deny \"risk\" from people to any when risk.user = high\n");
	for (int i = 1; i < RULES; i++)
		cd_buf_printf(
			b,
			"allow \"r%03d\" from group g%d on ok to app a\n"
			"  when mfa.age < %dh and geo.country in DE, AT\n",
			i, i % GROUPS, 1 + i % 12);
}

static void fill(struct cd_request *r, struct cd_name groups[20], bool member)
{
	static char names[20][8];

	cd_request_init(r);
	r->kind = CD_KIND_HTTP;
	for (int i = 0; i < 20; i++) {
		snprintf(names[i], sizeof(names[i]), "%c%d", member ? 'g' : 'x',
			 i);
		groups[i] = cd_name_make(cd_str_from(names[i]));
	}
	cd_request_set_int(r, CD_ATTR_SUBJECT, CD_SUBJECT_PERSON);
	cd_request_set_int(r, CD_ATTR_TIME, INT64_C(1795460189000000000));
	cd_request_set_str(r, CD_ATTR_USER_NAME, CD_STR("ann"));
	cd_request_set_names(r, CD_ATTR_USER_GROUPS, groups, 20);
	cd_request_set_int(r, CD_ATTR_RISK_USER, 1);
	cd_request_set_bool(r, CD_ATTR_DEVICE_MANAGED, true);
	cd_request_set_bool(r, CD_ATTR_DEVICE_ENCRYPTED, true);
	cd_request_set_str(r, CD_ATTR_GEO_COUNTRY, CD_STR("DE"));
	cd_request_set_str(r, CD_ATTR_APP, CD_STR("a"));
	cd_request_set_str(r, CD_ATTR_HTTP_METHOD, CD_STR("GET"));
	cd_request_set_str(r, CD_ATTR_HTTP_PATH, CD_STR("/"));
}

int main(int argc, char **argv)
{
	struct cd_source source = {.name = "guard.cordon"};
	const char *want = argc == 2 ? argv[1] : "";
	const struct cd_snapshot *s;
	struct cd_policy *policy = NULL;
	struct cd_name groups[20];
	struct cd_request r;
	struct cd_buf text;
	void *image = NULL;
	size_t size = 0;

	cd_buf_init(&text, 1 << 20);
	print_policy(&text);
	source.text = cd_buf_get(&text);
	if (cd_policy_parse(&source, 1, NULL, &policy) ||
	    cd_policy_compile(policy, NULL, NULL, &image, &size) ||
	    cd_snapshot_open(image, size, &s))
		return 1;
	fill(&r, groups, strcmp(want, "deny") != 0);
	cd_request_set_int(&r, CD_ATTR_MFA_AGE,
			   strcmp(want, "allow") ? 50 * 3600 : 60);
	for (int i = 0; i < COUNT; i++) {
		struct cd_decision d = cd_decide(s, &r);

		if (strcmp(cd_verdict_name((enum cd_verdict)d.verdict), want))
			return 1;
	}
	printf("%d\n", COUNT);
	return 0;
}
