/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Change records and batches: random records survive the round trip, bytes
 * that were touched never do.
 */
#include "tap.h"

#include <stdlib.h>

#include "token/change.h"
#include "token/random.h"

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t rnd(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static char names[400][24];

static struct cd_str name(size_t i)
{
	snprintf(names[i], sizeof(names[i]), "n%03zu-\xc3\xa9%u", i,
		 (unsigned int)rnd(1000));
	return cd_str_from(names[i]);
}

static void random_subject(struct cd_change_subject *s)
{
	s->id = 1 + rnd(UINT64_MAX);
	s->epoch = rnd(UINT64_MAX);
	s->name = name(399);
	s->risk = (uint8_t)rnd(4);
	s->best_factor = (int8_t)((int)rnd(5) - 1);
	s->flags = (uint8_t)rnd(2);
	s->n_groups = (uint16_t)rnd(CD_CHANGE_GROUPS_MAX + 1);
	for (size_t i = 0; i < s->n_groups; i++)
		s->groups[i] = name(i);
}

static void random_session(struct cd_change_session *s)
{
	s->id = 1 + rnd(UINT64_MAX);
	cd_random(s->key, sizeof(s->key));
	s->subject = 1 + rnd(99);
	s->device = rnd(9);
	s->kind = rnd(2) ? CD_SESSION_APP : CD_SESSION_CERT;
	s->mfa_kind = (uint8_t)rnd(4);
	s->app = s->kind == CD_SESSION_APP ? name(0) : CD_STR_NULL;
	s->created = 1 + (int64_t)rnd(1u << 31);
	s->auth_time = 1 + (int64_t)rnd(1u << 31);
	s->mfa_time = (int64_t)rnd(1u << 31);
	s->idle = (uint32_t)rnd(1u << 31);
	s->expires = 1 + (int64_t)rnd(1u << 31);
}

static void random_device(struct cd_change_device *d)
{
	uint16_t attr = 0;

	d->id = 1 + rnd(99);
	d->epoch = rnd(99);
	d->name = name(0);
	for (d->n_attrs = 0; d->n_attrs < 8; d->n_attrs++) {
		struct cd_change_attr *a = &d->attrs[d->n_attrs];

		a->attr = attr++;
		a->is_string = rnd(2);
		a->vouched_at = 1 + (int64_t)rnd(1u << 31);
		if (a->is_string)
			a->s = name(1u + d->n_attrs);
		else
			a->i = (int64_t)rnd(1u << 31);
	}
}

static void random_change(struct cd_change *c)
{
	memset(c, 0, sizeof(*c));
	c->seq = rnd(UINT64_MAX);
	c->kind = (uint16_t)(1 + rnd(CD_RECORD_RESYNC_END));
	switch (c->kind) {
	case CD_RECORD_SUBJECT:
		random_subject(&c->u.subject);
		break;
	case CD_RECORD_SESSION:
		random_session(&c->u.session);
		break;
	case CD_RECORD_DEVICE:
		random_device(&c->u.device);
		break;
	case CD_RECORD_SESSION_END:
		c->u.session_end.id = 1 + rnd(99);
		cd_random(c->u.session_end.key, 32);
		c->u.session_end.why = (uint8_t)(1 + rnd(4));
		break;
	case CD_RECORD_BUNDLE:
		c->u.bundle.serial = 1 + rnd(99);
		c->u.bundle.size = 1 + rnd(99);
		cd_random(c->u.bundle.hash, 32);
		break;
	default:
		c->u.gone = 1 + rnd(99);
	}
}

static bool same_subject(const struct cd_change_subject *a,
			 const struct cd_change_subject *b)
{
	for (size_t i = 0; i < a->n_groups; i++)
		if (!cd_str_equal(a->groups[i], b->groups[i]))
			return false;
	return a->id == b->id && a->epoch == b->epoch &&
	       cd_str_equal(a->name, b->name) && a->risk == b->risk &&
	       a->best_factor == b->best_factor && a->flags == b->flags &&
	       a->n_groups == b->n_groups;
}

/* The round trip of a round trip: equal records have equal bytes. */
TEST(change_round_trip)
{
	unsigned int kinds[CD_RECORD_RESYNC_END + 1] = {0};
	static struct cd_change c, back;

	for (int i = 0; i < 3000; i++) {
		struct cd_buf a cd_auto(cd_buf_done), b cd_auto(cd_buf_done);
		struct cd_reader r;

		cd_buf_init(&a, CD_CHANGE_RECORD_MAX);
		cd_buf_init(&b, CD_CHANGE_RECORD_MAX);
		random_change(&c);
		kinds[c.kind]++;
		if (!ok_eq_int(cd_change_encode(&c, &a), 0))
			return;
		r = cd_reader_make(a.data, a.len);
		if (!ok_eq_int(cd_change_decode(&r, &back), 0))
			return;
		ok_eq_uint(cd_reader_left(&r), 0);
		ok_eq_uint(back.seq, c.seq);
		ok_eq_uint(back.kind, c.kind);
		if (c.kind == CD_RECORD_SUBJECT)
			ok_true(same_subject(&c.u.subject, &back.u.subject));
		ok_eq_int(cd_change_encode(&back, &b), 0);
		ok_mem(a.data, a.len, b.data, b.len);
	}
	for (int k = 1; k <= CD_RECORD_RESYNC_END; k++)
		ok_true(kinds[k] > 200);
}

TEST(change_truncated_is_refused)
{
	static struct cd_change c, back;

	for (int i = 0; i < 60; i++) {
		struct cd_buf a cd_auto(cd_buf_done);

		cd_buf_init(&a, CD_CHANGE_RECORD_MAX);
		random_change(&c);
		cd_change_encode(&c, &a);
		for (size_t n = 0; n < a.len; n += 1 + n / 40) {
			struct cd_reader r = cd_reader_make(a.data, n);

			ok_true(cd_change_decode(&r, &back) < 0);
			/* and with a length that agrees with the cut */
			if (n < 4)
				continue;
			uint32_t len = (uint32_t)n - 4;
			struct cd_buf cut cd_auto(cd_buf_done);

			cd_buf_init(&cut, CD_CHANGE_RECORD_MAX);
			cd_buf_u32(&cut, len);
			cd_buf_put(&cut, a.data + 4, len);
			r = cd_reader_make(cut.data, cut.len);
			ok_true(cd_change_decode(&r, &back) < 0);
		}
	}
}

TEST(change_ranges)
{
	struct cd_buf b cd_auto(cd_buf_done);
	static struct cd_change c;

	cd_buf_init(&b, 4096);
	c.kind = CD_RECORD_SUBJECT;
	c.u.subject =
		(struct cd_change_subject){.id = 1, .name = CD_STR("al\nice")};
	ok_eq_int(cd_change_encode(&c, &b), -EINVAL);
	c.u.subject.name = CD_STR("alice");
	ok_eq_int(cd_change_encode(&c, &b), 0);
	c.u.subject.n_groups = 2;
	c.u.subject.groups[0] = CD_STR("b");
	c.u.subject.groups[1] = CD_STR("a"); /* not sorted */
	ok_eq_int(cd_change_encode(&c, &b), -EINVAL);
	c.u.subject.groups[1] = CD_STR("b"); /* twice */
	ok_eq_int(cd_change_encode(&c, &b), -EINVAL);
	c.u.subject.groups[1] = CD_STR("c");
	ok_eq_int(cd_change_encode(&c, &b), 0);
	c.u.subject.risk = 4;
	ok_eq_int(cd_change_encode(&c, &b), -EINVAL);
	c.kind = 77;
	ok_eq_int(cd_change_encode(&c, &b), -EINVAL);
}

static void put_record(struct cd_buf *b, uint64_t seq, uint16_t kind,
		       uint16_t version, struct cd_str body)
{
	cd_buf_u32(b, (uint32_t)(12 + body.len));
	cd_buf_u64(b, seq);
	cd_buf_u16(b, kind);
	cd_buf_u16(b, version);
	cd_buf_str(b, body);
}

TEST(change_newer_versions_and_kinds)
{
	struct cd_buf b cd_auto(cd_buf_done);
	struct cd_reader r;
	struct cd_change c;

	cd_buf_init(&b, 4096);
	put_record(&b, 1, CD_RECORD_DEVICE_GONE, 2,
		   CD_STR("\1\0\0\0\0\0\0\0more"));
	put_record(&b, 2, 999, 1, CD_STR("what is this"));
	put_record(&b, 3, CD_RECORD_DEVICE_GONE, 1,
		   CD_STR("\1\0\0\0\0\0\0\0more"));
	r = cd_reader_make(b.data, b.len);
	ok_eq_int(cd_change_decode(&r, &c), 0);
	ok_eq_uint(c.u.gone, 1);
	ok_eq_int(cd_change_decode(&r, &c), 0);
	ok_eq_uint(c.kind, 999);
	ok_eq_int(cd_change_decode(&r, &c), CD_E_CORRUPT);
}

/* ---- batches ---- */

struct made {
	struct cd_sign_key *key;
	struct cd_public_key pub;
	struct cd_buf bytes;
};

static void make(struct made *m, uint64_t first, uint64_t last,
		 const uint64_t *seqs, uint32_t n, const char *audience)
{
	struct cd_buf rec cd_auto(cd_buf_done);
	uint8_t head[CD_CHANGE_HEADER];

	cd_buf_init(&rec, 4096);
	cd_buf_init(&m->bytes, 8192);
	for (uint32_t i = 0; i < n; i++)
		put_record(&rec, seqs[i], CD_RECORD_DEVICE_GONE, 1,
			   CD_STR("\1\0\0\0\0\0\0\0"));
	ok_eq_int(cd_sign_key_new(&m->key), 0);
	cd_sign_key_public(m->key, &m->pub);
	ok_eq_int(cd_changes_header(first, last, cd_str_from(audience),
				    cd_buf_get(&rec), n, head),
		  0);
	ok_eq_int(cd_ed25519_sign(m->key, cd_str_make(head, CD_CHANGE_SIGNED),
				  head + CD_CHANGE_SIGNED),
		  0);
	cd_buf_put(&m->bytes, head, sizeof(head));
	cd_buf_str(&m->bytes, cd_buf_get(&rec));
}

static int verify(struct made *m, struct cd_changes *b, size_t *used)
{
	return cd_changes_verify(cd_buf_get(&m->bytes), &m->pub, CD_STR("gw1"),
				 b, used);
}

static void unmake(struct made *m)
{
	cd_sign_key_free(&m->key);
	cd_buf_done(&m->bytes);
}

TEST(batch_round_trip_and_flipped_bits)
{
	static const uint64_t seqs[] = {5, 6, 9};
	struct cd_changes b;
	struct made m;
	size_t used = 0;

	make(&m, 4, 9, seqs, 3, "gw1");
	ok_eq_int(verify(&m, &b, &used), 0);
	ok_eq_uint(b.first, 4);
	ok_eq_uint(b.last, 9);
	ok_eq_uint(b.count, 3);
	ok_eq_uint(used, m.bytes.len);
	for (size_t i = 0; i < m.bytes.len * 8; i++) {
		m.bytes.data[i / 8] ^= (char)(1 << i % 8);
		ok_true(verify(&m, &b, &used) < 0);
		m.bytes.data[i / 8] ^= (char)(1 << i % 8);
	}
	cd_buf_puts(&m.bytes, "the next batch");
	ok_eq_int(verify(&m, &b, &used), 0);
	ok_eq_uint(used, m.bytes.len - 14);
	unmake(&m);
}

TEST(batch_order_count_audience)
{
	static const uint64_t twice[] = {5, 5}, back[] = {6, 5},
			      beyond[] = {10}, before[] = {3};
	struct cd_changes b;
	struct made m;
	size_t used;

	make(&m, 4, 9, twice, 2, "gw1");
	ok_eq_int(verify(&m, &b, &used), CD_E_CORRUPT);
	unmake(&m);
	make(&m, 4, 9, back, 2, "*");
	ok_eq_int(verify(&m, &b, &used), CD_E_CORRUPT);
	unmake(&m);
	make(&m, 4, 9, beyond, 1, "*");
	ok_eq_int(verify(&m, &b, &used), CD_E_CORRUPT);
	unmake(&m);
	make(&m, 4, 9, before, 1, "*");
	ok_eq_int(verify(&m, &b, &used), CD_E_CORRUPT);
	unmake(&m);
	make(&m, 5, 5, twice, 2, "*"); /* a resync's records share one */
	ok_eq_int(verify(&m, &b, &used), 0);
	unmake(&m);
	make(&m, 4, 9, beyond, 0, "*"); /* nothing in it for us */
	ok_eq_int(verify(&m, &b, &used), 0);
	unmake(&m);
	make(&m, 4, 9, beyond, 0, "gw2");
	ok_eq_int(verify(&m, &b, &used), CD_E_SIGNATURE);
	unmake(&m);
}
