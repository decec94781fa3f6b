/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order of verification: form, version, signature, and only then what the
 * signed fields say: nothing unsigned is believed, not even a serial number
 * that would be refused anyway.
 */
#include "token/bundle.h"

static bool zeros(struct cd_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i])
			return false;
	return true;
}

static bool audience_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || strchr("._-", c);
}

/* "*", or a name without blanks, commas or anything a list could split. */
static bool audience_ok(struct cd_str s)
{
	if (cd_str_equal(s, CD_STR("*")))
		return true;
	for (size_t i = 0; i < s.len; i++)
		if (!s.ptr[i] || !audience_char(s.ptr[i]))
			return false;
	return s.len > 0 && s.len <= CD_BUNDLE_AUDIENCE;
}

static void put_bytes(struct cd_buf *b, const void *p, size_t len, size_t room)
{
	void *at = cd_buf_extend(b, room);

	if (at && len)
		memcpy(at, p, len);
}

static bool times_ok(const struct cd_bundle_header *h)
{
	return h->not_after > h->not_before && h->confirm_by >= 0 &&
	       (!h->confirm_by || h->confirm_by > h->not_before);
}

int cd_bundle_encode(const struct cd_bundle_header *h,
		     uint8_t ret_bytes[CD_BUNDLE_HEADER])
{
	struct cd_str audience = cd_str_make(
		h->audience, strnlen(h->audience, sizeof(h->audience)));
	struct cd_buf b;
	int r;

	if (!audience_ok(audience) || h->serial == 0 || !times_ok(h) ||
	    h->snapshot_size == 0 || h->snapshot_size > CD_BUNDLE_IMAGE_MAX)
		return -EINVAL;
	cd_buf_init(&b, CD_BUNDLE_HEADER);
	cd_buf_puts(&b, CD_BUNDLE_MAGIC);
	cd_buf_u32(&b, CD_BUNDLE_VERSION);
	cd_buf_u32(&b, CD_BUNDLE_HEADER);
	cd_buf_u64(&b, h->serial);
	cd_buf_u64(&b, (uint64_t)h->not_before);
	cd_buf_u64(&b, (uint64_t)h->not_after);
	cd_buf_put(&b, h->hash, sizeof(h->hash));
	put_bytes(&b, audience.ptr, audience.len, CD_BUNDLE_AUDIENCE);
	cd_buf_u64(&b, h->snapshot_size);
	cd_buf_u64(&b, (uint64_t)h->confirm_by);
	cd_buf_put(&b, h->signature, sizeof(h->signature));
	cd_buf_extend(&b, CD_BUNDLE_HEADER - CD_BUNDLE_AT_PADDING);
	r = b.err;
	if (r == 0) {
		cd_assert(b.len == CD_BUNDLE_HEADER);
		memcpy(ret_bytes, b.data, CD_BUNDLE_HEADER);
	}
	cd_buf_done(&b);
	return r;
}

/* NUL padded text into a C string; false when bytes follow the first NUL. */
static bool read_audience(struct cd_reader *r, char ret[CD_BUNDLE_AUDIENCE + 1])
{
	struct cd_str s = cd_read_bytes(r, CD_BUNDLE_AUDIENCE);
	size_t len = s.len ? strnlen(s.ptr, s.len) : 0;

	if (!zeros(cd_str_make(s.ptr + len, s.len - len)) ||
	    !audience_ok(cd_str_make(s.ptr, len)))
		return false;
	memcpy(ret, s.ptr, len);
	ret[len] = 0;
	return true;
}

static int read_prefix(struct cd_reader *r)
{
	struct cd_str magic = cd_read_bytes(r, 8);
	uint32_t version = cd_read_u32(r), size = cd_read_u32(r);

	if (r->err || !cd_str_equal(magic, CD_STR(CD_BUNDLE_MAGIC)))
		return CD_E_CORRUPT;
	if (version > CD_BUNDLE_VERSION)
		return CD_E_VERSION;
	return version == CD_BUNDLE_VERSION && size == CD_BUNDLE_HEADER ?
		       0 :
		       CD_E_CORRUPT;
}

static void read_array(struct cd_reader *r, uint8_t *ret, size_t len)
{
	struct cd_str s = cd_read_bytes(r, len);

	if (s.len)
		memcpy(ret, s.ptr, s.len);
}

int cd_bundle_decode(struct cd_str bytes, struct cd_bundle_header *ret)
{
	struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);
	struct cd_bundle_header h = {0};
	int err = read_prefix(&r);

	if (err < 0)
		return err;
	if (bytes.len < CD_BUNDLE_HEADER)
		return CD_E_CORRUPT;
	h.serial = cd_read_u64(&r);
	h.not_before = (int64_t)cd_read_u64(&r);
	h.not_after = (int64_t)cd_read_u64(&r);
	read_array(&r, h.hash, sizeof(h.hash));
	if (!read_audience(&r, h.audience))
		return CD_E_CORRUPT;
	h.snapshot_size = cd_read_u64(&r);
	h.confirm_by = (int64_t)cd_read_u64(&r);
	read_array(&r, h.signature, sizeof(h.signature));
	if (!zeros(cd_read_bytes(&r, CD_BUNDLE_HEADER - CD_BUNDLE_AT_PADDING)))
		return CD_E_CORRUPT;
	if (r.err || h.serial == 0 || !times_ok(&h) || h.snapshot_size == 0 ||
	    h.snapshot_size > CD_BUNDLE_IMAGE_MAX)
		return CD_E_CORRUPT;
	*ret = h;
	return 0;
}

static int refuse(struct cd_diag *diag, int err, const char *why)
{
	cd_diag_add(diag, CD_ERROR, NULL, 0, 0, "bundle refused: %s", why);
	return err;
}

/* What the signed fields say, against what this agent expects. */
static int check_fields(const struct cd_bundle_header *h,
			const struct cd_bundle_expect *e, struct cd_diag *diag)
{
	struct cd_str audience = cd_str_from(h->audience);

	if (!cd_str_equal(audience, e->audience) &&
	    !cd_str_equal(audience, CD_STR("*")))
		return refuse(diag, CD_E_SIGNATURE, "it is for another agent");
	if (h->serial <= e->last_serial)
		return refuse(diag, CD_E_SIGNATURE,
			      "its serial is not above the last one");
	if (h->not_after <= e->now)
		return refuse(diag, CD_E_EXPIRED, "it is past its not-after");
	if (h->confirm_by && h->confirm_by <= e->now)
		return refuse(diag, CD_E_EXPIRED, "its trial is over");
	return 0;
}

int cd_bundle_verify(struct cd_str bundle,
		     const struct cd_bundle_expect *expect,
		     struct cd_diag *diag, struct cd_bundle_header *ret)
{
	struct cd_bundle_header h;
	uint8_t hash[CD_SHA256_SIZE];
	struct cd_str image;
	int r = cd_bundle_decode(bundle, &h);

	if (r < 0)
		return refuse(diag, r,
			      r == CD_E_VERSION ?
				      "its version is newer than this program" :
				      "its header is malformed");
	if (cd_ed25519_verify(&expect->key,
			      cd_str_make(bundle.ptr, CD_BUNDLE_SIGNED),
			      h.signature) < 0)
		return refuse(diag, CD_E_SIGNATURE,
			      "its signature is not by the pinned key");
	r = check_fields(&h, expect, diag);
	if (r < 0)
		return r;
	image = cd_str_make(bundle.ptr + CD_BUNDLE_HEADER,
			    bundle.len - CD_BUNDLE_HEADER);
	if (image.len != h.snapshot_size)
		return refuse(diag, CD_E_CORRUPT, "its size is not as signed");
	cd_sha256(image.ptr, image.len, hash);
	if (!cd_equal_ct(hash, h.hash, sizeof(hash)))
		return refuse(diag, CD_E_CORRUPT, "its hash is not as signed");
	*ret = h;
	return 0;
}
