/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors of docs/protocol: each page's blocks "```vector NAME" hold the
 * hexadecimal bytes that the code makes from the inputs the page names. With
 * CORDON_VECTORS set the bytes are printed, for a page that is new.
 */
#include "tap.h"

#include <ctype.h>

#include <unistd.h>

#include "controller/api.h"
#include "controller/journal_nodes.h"
#include "controller/segment.h"
#include "event/batch.h"
#include "event/frame.h"
#include "shm/ring.h"
#include "sys/file.h"
#include "token/broker_proto.h"
#include "token/bundle.h"
#include "token/change.h"
#include "token/jwt.h"
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

static void put_change(struct cd_buf *b, struct cd_change *c, uint64_t seq,
		       uint16_t kind)
{
	c->seq = seq;
	c->kind = kind;
	ok_eq_int(cd_change_encode(c, b), 0);
	memset(c, 0, sizeof(*c));
}

/* One of each kind that the batch has not. */
static void put_other_kinds(struct cd_buf *b)
{
	static struct cd_change c;

	c.u.gone = 17;
	put_change(b, &c, 7, CD_RECORD_SUBJECT_GONE);
	c.u.session = (struct cd_change_session){.id = 100,
						 .subject = 18,
						 .device = 4,
						 .kind = CD_SESSION_APP,
						 .mfa_kind = 2,
						 .app = CD_STR("payroll"),
						 .created = 1700000000,
						 .auth_time = 1700000001,
						 .mfa_time = 1700000002,
						 .idle = 3600,
						 .expires = 1700043200};
	memset(c.u.session.key, 0xcd, 32);
	put_change(b, &c, 8, CD_RECORD_SESSION);
	c.u.device.id = 4;
	c.u.device.epoch = 3;
	c.u.device.name = CD_STR("laptop-7");
	c.u.device.n_attrs = 2;
	c.u.device.attrs[0] = (struct cd_change_attr){
		CD_ATTR_DEVICE_MANAGED, false, 1, CD_STR_NULL, 1700000000};
	c.u.device.attrs[1] = (struct cd_change_attr){
		CD_ATTR_DEVICE_OS, true, 0, CD_STR("debian"), 1700000000};
	put_change(b, &c, 9, CD_RECORD_DEVICE);
	c.u.gone = 4;
	put_change(b, &c, 10, CD_RECORD_DEVICE_GONE);
	c.u.bundle.serial = 7;
	c.u.bundle.size = 4110;
	memset(c.u.bundle.hash, 0xef, 32);
	put_change(b, &c, 11, CD_RECORD_BUNDLE);
	c.u.nonce = 0x1122334455667788;
	put_change(b, &c, 12, CD_RECORD_RESYNC_BEGIN);
	c.u.count = 2;
	put_change(b, &c, 12, CD_RECORD_RESYNC_END);
}

TEST(change_kinds)
{
	struct cd_buf records cd_auto(cd_buf_done), page;
	static struct cd_change c;
	unsigned int kinds = 0;
	struct cd_reader r;

	cd_buf_init(&records, 4096);
	put_other_kinds(&records);
	check("change.md", "kinds", cd_buf_get(&records));
	read_vector("change.md", "kinds", &page);
	r = cd_reader_make(page.data, page.len);
	while (cd_reader_left(&r) && cd_change_decode(&r, &c) == 0)
		kinds |= 1u << c.kind;
	ok_eq_uint(kinds, 1u << CD_RECORD_SUBJECT_GONE |
				  1u << CD_RECORD_SESSION |
				  1u << CD_RECORD_DEVICE |
				  1u << CD_RECORD_DEVICE_GONE |
				  1u << CD_RECORD_BUNDLE |
				  1u << CD_RECORD_RESYNC_BEGIN |
				  1u << CD_RECORD_RESYNC_END);
	cd_buf_done(&page);
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

/* A block of text of a page, without its last line end; heap. */
static char *read_block(const char *page, const char *name)
{
	const char *source = getenv("CORDON_SOURCE");
	char path[512], mark[64], *text = NULL, *p, *end, *block;
	size_t len = 0;

	snprintf(path, sizeof(path), "%s/docs/protocol/%s",
		 source ? source : ".", page);
	snprintf(mark, sizeof(mark), "```%s\n", name);
	if (!ok_eq_int(cd_file_read(path, 1u << 20, &text, &len), 0))
		return NULL;
	p = strstr(text, mark);
	end = p ? strstr(p + strlen(mark), "\n```") : NULL;
	if (!end)
		fail("%s has no block %s", page, name);
	block = end ? strndup(p + strlen(mark),
			      (size_t)(end - p) - strlen(mark)) :
		      NULL;
	free(text);
	return block;
}

/* An assertion has a random jti: the page's is verified, not made. */
TEST(assertion)
{
	struct cd_sign_key *k cd_auto(cd_sign_key_free) = key_of(3);
	struct cd_str groups[] = {CD_STR("finance")};
	struct cd_assertion a = {.iss = CD_STR("https://auth.example.com"),
				 .sub = CD_STR("alice"),
				 .aud = CD_STR("payroll"),
				 .groups = groups,
				 .n_groups = 1,
				 .iat = 1700000000};
	struct cd_jwt_expect e = {.iss = a.iss,
				  .aud = a.aud,
				  .typ = CD_STR("cordon-assertion+jwt")};
	struct cd_public_key pub;
	struct cd_jwks *set = NULL;
	struct cd_jwt *jwt = NULL;
	struct cd_buf b;
	char *text;

	if (getenv("CORDON_VECTORS")) {
		cd_buf_init(&b, 4096);
		ok_eq_int(cd_assertion_sign(k, &a, &b), 0);
		printf("# %s\n", cd_buf_get(&b).ptr);
		cd_buf_done(&b);
	}
	cd_sign_key_public(k, &pub);
	ok_eq_int(cd_jwks_from_public(&pub, &set), 0);
	text = read_block("token.md", "jwt");
	for (e.now = 1700000000; text && e.now <= 1700000600; e.now += 600) {
		int r = cd_jwt_verify(cd_str_from(text), set, &e, &jwt);

		ok_eq_int(r, e.now == 1700000000 ? 0 : CD_E_EXPIRED);
		if (r == 0) {
			ok_true(cd_str_equal(jwt->sub, a.sub));
			ok_eq_int(jwt->exp, a.iat + CD_ASSERTION_LIFE);
		}
		cd_jwt_free(&jwt);
	}
	e.now = 1700000000;
	e.aud = CD_STR("wiki");
	ok_true(text && cd_jwt_verify(cd_str_from(text), set, &e, &jwt) < 0);
	free(text);
	cd_jwks_free(&set);
}

/* The page's example of an error is one. */
TEST(api_error)
{
	char *text = read_block("api.md", "json"), why[200] = "";
	json_t *v = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) :
			   NULL;

	ok_true(v && cd_schema_check("Error", v, why, sizeof(why)));
	ok_eq_str(why, "");
	json_decref(v);
	free(text);
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

/* ---- events --------------------------------------------------------------*/

#define AT INT64_C(1700000000000000000)

static size_t put_record(unsigned char *out, size_t size)
{
	const struct cd_addr src = {4, {192, 0, 2, 7}};
	struct cd_event_encoder e;

	cd_event_begin(&e, out, size, CD_EVENT_DECISION, 7, AT);
	cd_event_put_num(&e, CD_EVENT_F_VERDICT, CD_DENY);
	cd_event_puts(&e, CD_EVENT_F_RULE, "vendors");
	cd_event_puts(&e, CD_EVENT_F_USER, "bob");
	cd_event_puts(&e, CD_EVENT_F_APP, "payroll");
	cd_event_put_addr(&e, CD_EVENT_F_SRC_IP, &src);
	cd_event_put_failed(&e, CD_STR("mfa.age"), CD_STR("< 12h"),
			    CD_STR("13h"));
	return cd_event_end(&e);
}

TEST(event_record)
{
	unsigned char bytes[CD_EVENT_MAX];
	size_t n = put_record(bytes, sizeof(bytes));
	struct cd_event event;
	struct cd_buf page;

	check("event.md", "record", cd_str_make(bytes, n));
	read_vector("event.md", "record", &page);
	ok_eq_int(cd_event_decode(cd_buf_get(&page), &event, NULL), 0);
	ok_eq_int(event.ts, AT);
	ok_true(cd_event_has(&event, CD_EVENT_F_USER, CD_STR("bob")));
	ok_true(cd_event_has(&event, CD_EVENT_F_SRC_IP, CD_STR("192.0.2.7")));
	cd_buf_done(&page);
}

TEST(event_batch)
{
	unsigned char bytes[CD_EVENT_MAX];
	struct cd_str record =
		cd_str_make(bytes, put_record(bytes, sizeof(bytes)));
	struct cd_batch_writer w;
	struct cd_batch batch;
	struct cd_buf b, page;

	cd_buf_init(&b, CD_BATCH_MAX);
	cd_batch_begin(&w, &b, CD_STR("gw1"), AT, 40);
	ok_eq_int(cd_batch_add(&w, record), 0);
	ok_eq_int(cd_batch_add(&w, record), 0);
	ok_eq_int(cd_batch_end(&w, 3), 0);
	check("event.md", "batch", cd_buf_get(&b));
	read_vector("event.md", "batch", &page);
	ok_eq_int(cd_batch_decode(cd_buf_get(&page), &batch), 0);
	ok_eq_uint(batch.count, 2);
	ok_eq_uint(batch.first, 40);
	ok_eq_uint(batch.drops, 3);
	cd_buf_done(&page);
	cd_buf_done(&b);
}

TEST(event_frame)
{
	unsigned char bytes[CD_FRAME_HEADER_SIZE + 5];
	struct cd_str payload = CD_STR("hello"), got;
	struct cd_buf page;

	cd_frame_header(64, payload, bytes);
	memcpy(bytes + CD_FRAME_HEADER_SIZE, payload.ptr, payload.len);
	check("event.md", "frame", cd_str_make(bytes, sizeof(bytes)));
	read_vector("event.md", "frame", &page);
	ok_eq_int(cd_frame_decode(64, cd_buf_get(&page), &got), 0);
	ok_true(cd_str_equal(got, payload));
	ok_eq_int(cd_frame_decode(72, cd_buf_get(&page), &got), CD_E_CORRUPT);
	cd_buf_done(&page);
}

static void scratch(char dir[64])
{
	strcpy(dir, "/tmp/cordon-protocol-XXXXXX");
	cd_assert(mkdtemp(dir));
}

TEST(journal_segment)
{
	char dir[64], path[128], bytes[CD_SEGMENT_HEADER_SIZE];
	struct cd_nodes nodes = {.list = NULL};
	struct cd_buf b;
	bool made;
	int fd = -1;

	scratch(dir);
	ok_eq_int(cd_segment_create(dir, 4096, AT, &fd), 0);
	ok_true(pread(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
	check("event.md", "segment", cd_str_make(bytes, sizeof(bytes)));
	close(fd);
	cd_segment_path(dir, 4096, path, sizeof(path));
	ok_eq_str(path + strlen(dir), "/00000000000000004096.cj");
	unlink(path);
	rmdir(dir);
	ok_eq_int(cd_nodes_get(&nodes, CD_STR("gw1"), &made), 0);
	nodes.list[0].epoch = AT;
	nodes.list[0].next = 42;
	cd_buf_init(&b, 4096);
	cd_nodes_encode(&nodes, &b);
	check("event.md", "nodes", cd_buf_get(&b));
	cd_buf_done(&b);
	cd_nodes_done(&nodes);
}

TEST(event_ring)
{
	char dir[64], path[128], *bytes = NULL;
	struct cd_ring *ring = NULL;
	struct cd_ring_header h;
	size_t len = 0;

	scratch(dir);
	snprintf(path, sizeof(path), "%s/0", dir);
	ok_eq_int(cd_ring_create(path, CD_RING_SIZE_MIN, 0600), 0);
	ok_eq_int(cd_ring_open(path, &ring), 0);
	ok_true(cd_ring_put(ring, "hello", 5));
	cd_ring_close(&ring);
	ok_eq_int(cd_file_read(path, 1u << 20, &bytes, &len), 0);
	ok_eq_uint(len, CD_RING_HEADER_SIZE + CD_RING_SIZE_MIN);
	memcpy(&h, bytes, sizeof(h));
	ok_mem(bytes, 8, "CODDRNG1", 8);
	ok_eq_uint(h.size, CD_RING_SIZE_MIN);
	ok_eq_uint(bytes[64], 16);
	ok_eq_uint(offsetof(struct cd_ring_header, head), 64);
	ok_eq_uint(offsetof(struct cd_ring_header, drops), 72);
	ok_eq_uint(offsetof(struct cd_ring_header, records), 80);
	ok_eq_uint(offsetof(struct cd_ring_header, producer_pid), 88);
	ok_eq_uint(offsetof(struct cd_ring_header, tail), 128);
	check("event.md", "ring", cd_str_make(bytes + CD_RING_HEADER_SIZE, 16));
	free(bytes);
	unlink(path);
	rmdir(dir);
}
