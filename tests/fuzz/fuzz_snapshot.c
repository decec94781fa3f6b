/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy image with arbitrary edits, or arbitrary bytes as an image: what
 * passes the check is decided on and read. The image is compiled here, so that
 * it always has the layout of this build. An input that begins with 'E' is a
 * list of edits (offset in two bytes, byte to exclusive-or), one with 'F' the
 * same of a policy whose app has more lines; any other is the image.
 */
#include <cordon/policy.h>

#include <stdlib.h>

#include "base/base.h"
#include "base/str.h"
#include "snapshot/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define POLICY                                                                            \
	"version 1\n"                                                                     \
	"segment corp cidr 10.0.0.0/8, fd00:1::/48\n"                                     \
	"segment prod in corp cidr 10.20.0.0/16\n"                                        \
	"hosts db where tier=db and not env=test\n"                                       \
	"domains updates *.debian.org\n"                                                  \
	"feed bad file \"/f\"\n"                                                          \
	"group leads = user ann, group sre\n"                                             \
	"posture ok = device.managed and device.os_age < 30d\n"                           \
	"app pay\n  url https://pay.example.com\n  upstream http://10.20.4.7:8080\n"      \
	"allow \"a\" from group leads on ok to app pay method GET path \"/api/*\"\n"      \
	"  when (mfa.age < 12h or not geo.country in DE, AT) and user.name like \"a*\"\n" \
	"  with max 4h\n"                                                                 \
	"allow \"b\" from any to hosts db, domains updates, segment prod service https\n" \
	"  when time in mon-fri 07:00-19:00 UTC and approval by group leads 2\n"          \
	"deny \"c\" from people to any when src.ip in feed bad or src.ip in 192.0.2.0/24\n"

static const char *const texts[] = {
	POLICY,
	POLICY "app wiki\n  url https://wiki.example.com\n"
	       "  upstream http://10.20.4.8:8080, http://10.20.4.9:8080\n"
	       "  health /ok\n  timeout 30s\n",
};

static struct image {
	void *bytes;
	size_t size;
} images[CD_ARRAY_SIZE(texts)];

static int no_feed(void *ctx, struct cd_str location, char **ret, size_t *len)
{
	(void)ctx;
	(void)location;
	*ret = cd_str_dup(CD_STR("198.51.100.0/24\nbad.example.com\n"));
	*len = 32;
	return *ret ? 0 : -ENOMEM;
}

static void make_image(const char *text, struct image *image)
{
	struct cd_source source = {"fuzz.cordon", cd_str_from(text)};
	struct cd_loader loader = {.feed = no_feed};
	struct cd_policy *policy = NULL;

	cd_assert(cd_policy_parse(&source, 1, NULL, &policy) == 0);
	cd_assert(cd_policy_compile(policy, &loader, NULL, &image->bytes,
				    &image->size) == 0);
	cd_policy_free(&policy);
}

static void fill(struct cd_request *r, unsigned int i, struct cd_name *names,
		 struct cd_label *label)
{
	struct cd_addr in = {4, {10, 20, 4, 7}}, out = {6, {0xfd, 0, 0, 1}};

	cd_request_init(r);
	r->kind = i % 8 < 7 ? (uint8_t)(1u << i % 8 >> 1) : 0;
	if (i % 3)
		cd_request_set_int(r, CD_ATTR_SUBJECT, 1 << i % 3);
	cd_request_set_int(r, CD_ATTR_TIME, INT64_C(1795460189000000000));
	cd_request_set_str(r, CD_ATTR_USER_NAME, CD_STR("ann"));
	cd_request_set_names(r, CD_ATTR_USER_GROUPS, names, 1);
	cd_request_set_names(r, CD_ATTR_APPROVAL, names, 1);
	cd_request_set_addr(r, CD_ATTR_SRC_IP, i & 1 ? in : out);
	cd_request_set_addr(r, CD_ATTR_DST_IP, in);
	cd_request_set_int(r, CD_ATTR_DST_PORT, i & 4 ? 8080 : 443);
	cd_request_set_int(r, CD_ATTR_PROTO, 6);
	cd_request_set_labels(r, CD_ATTR_DST_LABELS, label, 1);
	cd_request_set_str(r, CD_ATTR_DST_NAME, CD_STR("deb.debian.org"));
	cd_request_set_str(r, CD_ATTR_HTTP_METHOD, CD_STR("GET"));
	cd_request_set_str(r, CD_ATTR_HTTP_PATH, CD_STR("/api/x"));
	cd_request_set_str(r, CD_ATTR_GEO_COUNTRY, CD_STR("DE"));
	cd_request_set_bool(r, CD_ATTR_DEVICE_MANAGED, true);
	cd_request_set_int(r, CD_ATTR_DEVICE_OS_AGE, 86400);
	cd_request_set_int(r, CD_ATTR_MFA_AGE, i * 10000);
	if (i & 2)
		cd_request_set_str(r, CD_ATTR_APP, CD_STR("pay"));
}

static void decide(const struct cd_snapshot *s, unsigned int i)
{
	struct cd_name names[1] = {cd_name_make(CD_STR("sre"))};
	struct cd_label label = {cd_name_make(CD_STR("tier")),
				 cd_name_make(CD_STR("db"))};
	struct cd_request r;
	struct cd_decision d;
	char out[128];

	fill(&r, i, names, &label);
	d = cd_decide(s, &r);
	cd_assert(d.verdict <= CD_ALLOW && d.reason < CD_REASON_COUNT);
	cd_assert(d.n_failed <= CD_FAILED_MAX);
	for (unsigned int k = 0; k < d.n_failed; k++) {
		cd_assert(cd_failure_need(s, &d.failed[k], i & 1, out,
					  sizeof(out)) < sizeof(out));
		cd_assert(cd_failure_have(s, &r, &d.failed[k], i & 1, out,
					  sizeof(out)) < sizeof(out));
	}
	(void)cd_rule_name(s, d.rule);
}

/* Text of an image lies in it, every byte of it. */
static void inside(const struct cd_snapshot *s, struct cd_str text)
{
	const char *base = (const char *)s;

	cd_assert(text.len <= cd_snapshot_size(s));
	if (text.len)
		cd_assert(text.ptr >= base &&
			  text.ptr + text.len <= base + cd_snapshot_size(s));
}

/* Does a string of the image say that it names this app, or its host? A look
 * at all of them: an image of any content may name an app anything, and its
 * table of slots may miss what is there, but finds nothing else. */
static bool says(const struct cd_snapshot *s, struct cd_str text, uint32_t app,
		 bool host)
{
	const struct cd_snap_str *strs = cd_snap_STRS(s);

	for (uint32_t i = 0; i < cd_snap_STRS_n(s); i++)
		if ((host ? strs[i].app_host : strs[i].app) == app &&
		    cd_str_equal(cd_snap_text(s, i), text))
			return true;
	return false;
}

static void by_name(const struct cd_snapshot *s, struct cd_str name)
{
	struct cd_app app;

	if (cd_snapshot_app_by_name(s, name, &app))
		cd_assert(app.index < cd_snapshot_app_count(s) &&
			  says(s, name, app.index, false));
}

static void by_host(const struct cd_snapshot *s, struct cd_str host)
{
	struct cd_app app;

	if (cd_snapshot_app_by_host(s, host, &app))
		cd_assert(app.index < cd_snapshot_app_count(s) &&
			  says(s, host, app.index, true));
}

/* What gateways ask beside the decision. Nothing is found past the end. */
static void ask_app(const struct cd_snapshot *s, uint32_t i)
{
	struct cd_upstream u;
	struct cd_app app;
	struct cd_str text;

	cd_assert(cd_snapshot_app(s, i, &app) && app.index == i);
	inside(s, app.name);
	inside(s, app.url);
	inside(s, app.host);
	for (uint32_t k = 0; k < app.n_upstreams && k < 8; k++) {
		cd_assert(cd_snapshot_upstream(s, i, k, &u));
		inside(s, u.host);
	}
	cd_assert(!cd_snapshot_upstream(s, i, app.n_upstreams, &u));
	by_name(s, app.name);
	by_host(s, app.host);
	if (cd_snapshot_app_setting(s, i, CD_STR("timeout"), &text))
		inside(s, text);
	(void)cd_snapshot_app_setting(s, i, CD_STR("no such line"), &text);
}

static void ask(const struct cd_snapshot *s)
{
	uint32_t n = cd_snapshot_app_count(s);
	struct cd_upstream u;
	struct cd_app app;
	struct cd_str text;

	for (uint32_t i = 0; i < n && i < 64; i++)
		ask_app(s, i);
	cd_assert(!cd_snapshot_app(s, n, &app));
	cd_assert(!cd_snapshot_upstream(s, n, 0, &u));
	cd_assert(!cd_snapshot_app_setting(s, n, CD_STR("timeout"), &text));
	by_name(s, CD_STR("no such app"));
	by_host(s, CD_STR("pay.example.com"));
	n = cd_snapshot_rule_count(s);
	for (uint32_t i = 0; i < n && i < 64; i++)
		inside(s, cd_rule_name(s, i));
	cd_assert(cd_rule_name(s, n).len == 0);
}

static void use(const void *bytes, size_t size)
{
	const struct cd_snapshot *s;

	/* words are read where they stand: an image begins at one */
	cd_assert(cd_snapshot_open((const char *)bytes + 1, size, &s) ==
		  -EINVAL);
	if (cd_snapshot_open(bytes, size, &s) || cd_snapshot_check(s, NULL))
		return;
	cd_assert(cd_snapshot_size(s) == size);
	for (unsigned int i = 0; i < 16; i++)
		decide(s, i);
	ask(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct image *image = images;
	unsigned char *copy;

	if (!images[0].bytes)
		for (size_t i = 0; i < CD_ARRAY_SIZE(texts); i++)
			make_image(texts[i], &images[i]);
	if (size == 0 || (data[0] != 'E' && data[0] != 'F')) {
		copy = malloc(size + 8);
		cd_assert(copy);
		memcpy(copy, data, size);
		use(copy, size);
		free(copy);
		return 0;
	}
	image += data[0] == 'F';
	copy = malloc(image->size + 1);
	cd_assert(copy);
	memcpy(copy, image->bytes, image->size);
	for (size_t i = 1; i + 2 < size; i += 3)
		copy[(data[i] | (size_t)data[i + 1] << 8) % image->size] ^=
			data[i + 2];
	use(copy, image->size);
	free(copy);
	return 0;
}
