/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors of docs/protocol: each page's blocks "```vector NAME" hold the
 * hexadecimal bytes that the code makes from the inputs the page names. With
 * CORDON_VECTORS set the bytes are printed, for a page that is new.
 */
#include "tap.h"

#include <ctype.h>

#include "sys/file.h"
#include "token/broker_proto.h"
#include "token/bundle.h"
#include "token/change.h"
#include "token/seal.h"
#include "token/token.h"
#include "token/trust.h"

static void print_hex(const char *name, struct cd_str s)
{
	printf("# ```vector %s\n# ", name);
	for (size_t i = 0; i < s.len; i++)
		printf("%02x%s", (unsigned char)s.ptr[i],
		       i % 32 == 31 && i + 1 < s.len ? "\n# " : "");
	printf("\n# ```\n");
}

/* The bytes of a vector on a page. */
static void read_vector(const char *page, const char *name, struct cd_buf *out)
{
	const char *source = getenv("CORDON_SOURCE");
	char path[512], mark[64], *text = NULL, *p, *end;
	size_t len = 0;
	unsigned int byte;

	snprintf(path, sizeof(path), "%s/docs/protocol/%s",
		 source ? source : ".", page);
	snprintf(mark, sizeof(mark), "```vector %s\n", name);
	cd_buf_init(out, 65536);
	if (!ok_eq_int(cd_file_read(path, 1u << 20, &text, &len), 0))
		return;
	p = strstr(text, mark);
	end = p ? strstr(p + strlen(mark), "```") : NULL;
	if (!end)
		fail("%s has no vector %s", page, name);
	for (p = end ? p + strlen(mark) : NULL; p && p < end;) {
		if (isspace((unsigned char)*p)) {
			p++;
			continue;
		}
		if (!ok_true(sscanf(p, "%2x", &byte) == 1))
			break;
		cd_buf_u8(out, (uint8_t)byte);
		p += 2;
	}
	free(text);
}

static void check(const char *page, const char *name, struct cd_str got)
{
	struct cd_buf want;

	if (getenv("CORDON_VECTORS"))
		print_hex(name, got);
	read_vector(page, name, &want);
	ok_mem(got.ptr, got.len, want.data, want.len);
	cd_buf_done(&want);
}

/* A key whose seed is 32 times one byte. */
static struct cd_sign_key *key_of(unsigned char byte)
{
	struct cd_secret *seed cd_auto(cd_secret_free) = NULL;
	struct cd_sign_key *k = NULL;

	cd_assert(cd_secret_new(CD_ED25519_SEED, &seed) == 0);
	memset(cd_secret_bytes(seed), byte, CD_ED25519_SEED);
	cd_assert(cd_sign_key_from_seed(seed, &k) == 0);
	return k;
}

TEST(token)
{
	uint8_t key[CD_TOKEN_KEY];

	ok_eq_int(cd_token_key(CD_STR("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
				      "Hh8"),
			       key),
		  0);
	check("token.md", "key", cd_str_make(key, sizeof(key)));
}

TEST(bundle)
{
	struct cd_sign_key *k cd_auto(cd_sign_key_free) = key_of(1);
	struct cd_bundle_header h = {.serial = 7,
				     .not_before = 1700000000,
				     .not_after = 1700028800,
				     .snapshot_size = 14,
				     .confirm_by = 1700000300,
				     .audience = "local"};
	struct cd_bundle_expect e = {.audience = CD_STR("local"),
				     .last_serial = 6,
				     .now = 1700000001};
	char bytes[CD_BUNDLE_HEADER + 14];

	memcpy(bytes + CD_BUNDLE_HEADER, "snapshot image", 14);
	cd_sha256("snapshot image", 14, h.hash);
	ok_eq_int(cd_bundle_encode(&h, (uint8_t *)bytes), 0);
	ok_eq_int(cd_ed25519_sign(k, cd_str_make(bytes, CD_BUNDLE_SIGNED),
				  (uint8_t *)bytes + CD_BUNDLE_AT_SIGNATURE),
		  0);
	cd_sign_key_public(k, &e.key);
	ok_eq_int(cd_bundle_verify(cd_str_make(bytes, sizeof(bytes)), &e, NULL,
				   &h),
		  0);
	check("bundle.md", "public", cd_str_make(e.key.bytes, 32));
	check("bundle.md", "header", cd_str_make(bytes, CD_BUNDLE_AT_PADDING));
}

static void put_records(struct cd_buf *b)
{
	static struct cd_change c;

	c.seq = 5;
	c.kind = CD_RECORD_SUBJECT;
	c.u.subject = (struct cd_change_subject){.id = 17,
						 .epoch = 2,
						 .name = CD_STR("alice"),
						 .risk = 1,
						 .best_factor = 2,
						 .n_groups = 1,
						 .groups = {CD_STR("finance")}};
	ok_eq_int(cd_change_encode(&c, b), 0);
	memset(&c, 0, sizeof(c));
	c.seq = 6;
	c.kind = CD_RECORD_SESSION_END;
	c.u.session_end.id = 99;
	memset(c.u.session_end.key, 0xab, 32);
	c.u.session_end.why = CD_END_REVOKED;
	ok_eq_int(cd_change_encode(&c, b), 0);
}

TEST(change)
{
	struct cd_sign_key *k cd_auto(cd_sign_key_free) = key_of(2);
	struct cd_buf records cd_auto(cd_buf_done), batch cd_auto(cd_buf_done);
	uint8_t head[CD_CHANGE_HEADER];
	struct cd_public_key pub;
	struct cd_changes c;
	size_t used;

	cd_buf_init(&records, 4096);
	cd_buf_init(&batch, 4096);
	put_records(&records);
	ok_eq_int(cd_changes_header(5, 6, CD_STR("local"), cd_buf_get(&records),
				    2, head),
		  0);
	ok_eq_int(cd_ed25519_sign(k, cd_str_make(head, CD_CHANGE_SIGNED),
				  head + CD_CHANGE_SIGNED),
		  0);
	cd_buf_put(&batch, head, sizeof(head));
	cd_buf_str(&batch, cd_buf_get(&records));
	cd_sign_key_public(k, &pub);
	ok_eq_int(cd_changes_verify(cd_buf_get(&batch), &pub, CD_STR("local"),
				    &c, &used),
		  0);
	check("change.md", "public", cd_str_make(pub.bytes, 32));
	check("change.md", "batch", cd_buf_get(&batch));
}

TEST(broker)
{
	struct cd_buf body cd_auto(cd_buf_done), out cd_auto(cd_buf_done);

	cd_buf_init(&body, 4096);
	cd_buf_init(&out, 4096);
	cd_broker_put_str(&body, CD_STR("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGx"
					"wdHh8"));
	cd_broker_put_str(&body, CD_STR("payroll"));
	cd_broker_put(&out, CD_VERB_ASSERT, 0, cd_buf_get(&body));
	check("broker.md", "assert", cd_buf_get(&out));
	cd_buf_clear(&out);
	cd_broker_put(&out, CD_VERB_ASSERT, CD_BROKER_REFUSED, CD_STR_NULL);
	check("broker.md", "refused", cd_buf_get(&out));
}

/* A sealed value has a random nonce: the page's is opened, not made. */
TEST(sealed)
{
	struct cd_secret *key cd_auto(cd_secret_free) = NULL;
	struct cd_secret *plain cd_auto(cd_secret_free) = NULL;
	struct cd_buf b cd_auto(cd_buf_done);

	ok_eq_int(cd_secret_new(CD_SEAL_KEY, &key), 0);
	memset(cd_secret_bytes(key), 3, CD_SEAL_KEY);
	if (getenv("CORDON_VECTORS")) {
		cd_buf_init(&b, 4096);
		ok_eq_int(cd_seal(key, CD_STR("oidc"), CD_STR("provider:1"),
				  CD_STR("hello"), &b),
			  0);
		print_hex("sealed", cd_buf_get(&b));
		cd_buf_done(&b);
	}
	read_vector("token.md", "sealed", &b);
	ok_eq_int(cd_unseal(key, CD_STR("oidc"), CD_STR("provider:1"),
			    cd_buf_get(&b), &plain),
		  0);
	ok_true(plain && cd_secret_equal_bytes(plain, CD_STR("hello")));
}

TEST(trust)
{
	const char *source = getenv("CORDON_SOURCE");
	struct cd_sign_key *a cd_auto(cd_sign_key_free) = key_of(1);
	struct cd_sign_key *b cd_auto(cd_sign_key_free) = key_of(2);
	struct cd_sign_key *c cd_auto(cd_sign_key_free) = key_of(3);
	struct cd_buf text cd_auto(cd_buf_done);
	struct cd_trust t;
	char path[512], *page = NULL;
	size_t len = 0;

	cd_sign_key_public(a, &t.bundle);
	cd_sign_key_public(b, &t.changes);
	cd_sign_key_public(c, &t.assertion);
	cd_buf_init(&text, CD_TRUST_MAX);
	cd_trust_put(&t, &text);
	if (getenv("CORDON_VECTORS"))
		printf("%s", text.data);
	snprintf(path, sizeof(path), "%s/docs/protocol/token.md",
		 source ? source : ".");
	ok_eq_int(cd_file_read(path, 1u << 20, &page, &len), 0);
	ok_true(page && strstr(page, text.data) != NULL);
	free(page);
}
