// SPDX-License-Identifier: Apache-2.0
/*
 * Lists of addresses and names that others publish: any text compiles into an
 * image that passes its check and can be decided on, and a rule about the list
 * holds for what a line of it says alone.
 */
#include <cordon/policy.h>

#include <stdlib.h>

#include "base/base.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "version 1\n"
			   "feed bad file \"/f\"\n"
			   "segment corp cidr 10.0.0.0/8\n"
			   "allow \"a\" from any to segment corp\n"
			   "deny \"b\" from any to any\n"
			   "  when src.ip in feed bad\n";

static int give(void *ctx, struct cd_str location, char **ret, size_t *len)
{
	const struct cd_str *feed = ctx;

	(void)location;
	*ret = malloc(feed->len + 1);
	cd_assert(*ret);
	if (feed->len)
		memcpy(*ret, feed->ptr, feed->len);
	*len = feed->len;
	return 0;
}

static void decide(const struct cd_snapshot *s, unsigned int i)
{
	struct cd_addr src = {4, {198, 51, 100, (uint8_t)(i * 85)}};
	struct cd_addr dst = {4, {10, 1, 2, 3}};
	struct cd_request r;
	struct cd_decision d;

	cd_request_init(&r);
	r.kind = CD_KIND_PACKET;
	cd_request_set_addr(&r, CD_ATTR_SRC_IP, src);
	cd_request_set_addr(&r, CD_ATTR_DST_IP, dst);
	cd_request_set_int(&r, CD_ATTR_DST_PORT, 443);
	cd_request_set_int(&r, CD_ATTR_PROTO, 6);
	d = cd_decide(s, &r);
	cd_assert(d.verdict <= CD_ALLOW && d.reason < CD_REASON_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cd_policy *policy;
	struct cd_source source = {"fuzz.cordon", cd_str_from(text)};
	struct cd_str feed = cd_str_make(data, size);
	struct cd_loader loader = {.ctx = &feed, .feed = give};
	const struct cd_snapshot *s;
	void *image = NULL;
	size_t len = 0;

	if (!policy)
		cd_assert(cd_policy_parse(&source, 1, NULL, &policy) == 0);
	if (cd_policy_compile(policy, &loader, NULL, &image, &len))
		return 0;
	cd_assert(cd_snapshot_open(image, len, &s) == 0);
	cd_assert(cd_snapshot_check(s, NULL) == 0);
	for (unsigned int i = 0; i < 4; i++)
		decide(s, i);
	free(image);
	return 0;
}
