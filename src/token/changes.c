/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: the header is signed, the header holds the hash of the records.
 * cd_changes_verify() looks at every record's form before the caller applies
 * the first, so that no batch is ever half applied.
 */
#include "token/change.h"

static bool audience_ok(struct cd_str s)
{
	if (cd_str_equal(s, CD_STR("*")))
		return true;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '.' || c == '_' ||
		      c == '-'))
			return false;
	}
	return s.len > 0 && s.len <= CD_CHANGE_AUDIENCE;
}

int cd_changes_header(uint64_t first, uint64_t last, struct cd_str audience,
		      struct cd_str records, uint32_t count,
		      uint8_t ret_header[CD_CHANGE_SIGNED])
{
	uint8_t hash[CD_SHA256_SIZE];
	struct cd_buf b;
	int r;

	if (first > last || !audience_ok(audience))
		return -EINVAL;
	if (records.len > CD_CHANGE_BATCH_MAX)
		return CD_E_LIMIT;
	cd_sha256(records.ptr, records.len, hash);
	cd_buf_init(&b, CD_CHANGE_SIGNED);
	cd_buf_puts(&b, CD_CHANGE_MAGIC);
	cd_buf_u64(&b, first);
	cd_buf_u64(&b, last);
	cd_buf_u32(&b, (uint32_t)records.len);
	cd_buf_u32(&b, count);
	cd_buf_put(&b, hash, sizeof(hash));
	cd_buf_str(&b, audience);
	cd_buf_extend(&b, CD_CHANGE_AUDIENCE - audience.len);
	r = b.err;
	if (r == 0) {
		cd_assert(b.len == CD_CHANGE_SIGNED);
		memcpy(ret_header, b.data, CD_CHANGE_SIGNED);
	}
	cd_buf_done(&b);
	return r;
}

static int read_audience(struct cd_reader *r, struct cd_changes *b)
{
	struct cd_str s = cd_read_bytes(r, CD_CHANGE_AUDIENCE);
	size_t len = s.len ? strnlen(s.ptr, s.len) : 0;

	for (size_t i = len; i < s.len; i++)
		if (s.ptr[i])
			return CD_E_CORRUPT;
	if (!audience_ok(cd_str_make(s.ptr, len)))
		return CD_E_CORRUPT;
	memcpy(b->audience, s.ptr, len);
	return 0;
}

/* Header and extent; *ret_used is set even before the records are looked at. */
static int read_header(struct cd_str bytes, struct cd_changes *b,
		       size_t *ret_used)
{
	struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);
	struct cd_str hash;

	if (!cd_str_equal(cd_read_bytes(&r, 8), CD_STR(CD_CHANGE_MAGIC)))
		return CD_E_CORRUPT;
	b->first = cd_read_u64(&r);
	b->last = cd_read_u64(&r);
	b->bytes = cd_read_u32(&r);
	b->count = cd_read_u32(&r);
	hash = cd_read_bytes(&r, CD_SHA256_SIZE);
	if (r.err || b->first > b->last || b->bytes > CD_CHANGE_BATCH_MAX)
		return CD_E_CORRUPT;
	memcpy(b->hash, hash.ptr, hash.len);
	if (read_audience(&r, b) < 0)
		return CD_E_CORRUPT;
	cd_read_bytes(&r, CD_ED25519_SIGNATURE);
	b->records = cd_read_bytes(&r, b->bytes);
	if (r.err)
		return CD_E_CORRUPT;
	*ret_used = CD_CHANGE_HEADER + b->bytes;
	return 0;
}

/* Records ascend within first..last; those of a resync share one number. */
static int check_records(const struct cd_changes *b)
{
	struct cd_reader r = cd_reader_make(b->records.ptr, b->records.len);
	uint64_t seq = b->first;
	struct cd_change c;
	uint32_t n = 0;

	while (cd_reader_left(&r) > 0) {
		if (cd_change_decode(&r, &c) < 0 || c.seq < seq ||
		    c.seq > b->last || n == b->count)
			return CD_E_CORRUPT;
		seq = b->first == b->last ? c.seq : c.seq + 1;
		n++;
	}
	return n == b->count ? 0 : CD_E_CORRUPT;
}

static int check_hash(const struct cd_changes *b)
{
	uint8_t hash[CD_SHA256_SIZE];

	cd_sha256(b->records.ptr, b->records.len, hash);
	return cd_equal_ct(hash, b->hash, sizeof(hash)) ? 0 : CD_E_CORRUPT;
}

int cd_changes_decode(struct cd_str bytes, struct cd_changes *ret,
		      size_t *ret_used)
{
	struct cd_changes b = {0};
	size_t used;
	int r = read_header(bytes, &b, &used);

	if (r == 0)
		r = check_hash(&b);
	if (r == 0)
		r = check_records(&b);
	if (r < 0)
		return r;
	*ret = b;
	*ret_used = used;
	return 0;
}

int cd_changes_verify(struct cd_str bytes, const struct cd_public_key *key,
		      struct cd_str audience, struct cd_changes *ret,
		      size_t *ret_used)
{
	struct cd_changes b = {0};
	struct cd_str to;
	size_t used;
	int r = read_header(bytes, &b, &used);

	if (r < 0)
		return r;
	if (cd_ed25519_verify(key, cd_str_make(bytes.ptr, CD_CHANGE_SIGNED),
			      (const uint8_t *)bytes.ptr + CD_CHANGE_SIGNED))
		return CD_E_SIGNATURE;
	to = cd_str_from(b.audience);
	if (!cd_str_equal(to, audience) && !cd_str_equal(to, CD_STR("*")))
		return CD_E_SIGNATURE;
	return cd_changes_decode(bytes, ret, ret_used);
}
