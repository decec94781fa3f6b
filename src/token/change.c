/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoder and decoder of change records, and batches of them. One validator
 * (valid()) stands on both sides, so that what we write we also read, and a
 * field out of range never leaves this file in either direction.
 */
#include "token/change.h"

#define SEQ_KIND_VERSION 12 /* bytes of a record that `length` counts first */
#define VERSION 1
#define ATTR_STRING 1

/* ---- validity ---- */

/* Names reach list-valued headers, logs and certificates: no control bytes. */
static bool name_ok(struct cd_str s, size_t min)
{
	if (s.len < min || s.len > CD_CHANGE_NAME_MAX || !cd_utf8_is_valid(s))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return false;
	return true;
}

static bool subject_ok(const struct cd_change_subject *s)
{
	if (s->id == 0 || !name_ok(s->name, 1) || s->risk > 3 ||
	    s->best_factor < -1 || s->best_factor > 3 ||
	    (s->flags & ~CD_CHANGE_SUBJECT_DISABLED) ||
	    s->n_groups > CD_CHANGE_GROUPS_MAX)
		return false;
	for (size_t i = 0; i < s->n_groups; i++)
		if (!name_ok(s->groups[i], 1) ||
		    (i && cd_str_compare(s->groups[i - 1], s->groups[i]) >= 0))
			return false;
	return true;
}

static bool session_ok(const struct cd_change_session *s)
{
	return s->id && s->subject && s->mfa_kind <= 3 && s->created > 0 &&
	       s->auth_time > 0 && s->mfa_time >= 0 && s->expires > 0 &&
	       ((s->kind == CD_SESSION_APP && name_ok(s->app, 1)) ||
		(s->kind == CD_SESSION_CERT && name_ok(s->app, 0)));
}

static bool attr_ok(const struct cd_change_attr *a)
{
	if (a->attr >= CD_ATTR_COUNT || a->vouched_at <= 0)
		return false;
	return a->is_string ? a->i == 0 && name_ok(a->s, 0) :
			      a->s.len == 0 && a->i >= 0;
}

static bool device_ok(const struct cd_change_device *d)
{
	if (d->id == 0 || !name_ok(d->name, 1) ||
	    d->n_attrs > CD_CHANGE_ATTRS_MAX)
		return false;
	for (size_t i = 0; i < d->n_attrs; i++)
		if (!attr_ok(&d->attrs[i]) ||
		    (i && d->attrs[i - 1].attr >= d->attrs[i].attr))
			return false;
	return true;
}

static bool valid(const struct cd_change *c)
{
	switch (c->kind) {
	case CD_RECORD_SUBJECT:
		return subject_ok(&c->u.subject);
	case CD_RECORD_SESSION:
		return session_ok(&c->u.session);
	case CD_RECORD_SESSION_END:
		return c->u.session_end.id && c->u.session_end.why >= 1 &&
		       c->u.session_end.why <= CD_END_REPLACED;
	case CD_RECORD_DEVICE:
		return device_ok(&c->u.device);
	case CD_RECORD_SUBJECT_GONE:
	case CD_RECORD_DEVICE_GONE:
		return c->u.gone != 0;
	case CD_RECORD_BUNDLE:
		return c->u.bundle.serial && c->u.bundle.size;
	case CD_RECORD_RESYNC_BEGIN:
	case CD_RECORD_RESYNC_END:
		return true;
	default:
		return false;
	}
}

/* ---- encode ---- */

static void put_str(struct cd_buf *out, struct cd_str s)
{
	cd_buf_u16(out, (uint16_t)s.len);
	cd_buf_str(out, s);
}

static void put_subject(const struct cd_change_subject *s, struct cd_buf *out)
{
	cd_buf_u64(out, s->id);
	cd_buf_u64(out, s->epoch);
	put_str(out, s->name);
	cd_buf_u8(out, s->risk);
	cd_buf_u8(out, (uint8_t)s->best_factor);
	cd_buf_u8(out, s->flags);
	cd_buf_u16(out, s->n_groups);
	for (size_t i = 0; i < s->n_groups; i++)
		put_str(out, s->groups[i]);
}

static void put_session(const struct cd_change_session *s, struct cd_buf *out)
{
	cd_buf_u64(out, s->id);
	cd_buf_put(out, s->key, sizeof(s->key));
	cd_buf_u64(out, s->subject);
	cd_buf_u64(out, s->device);
	cd_buf_u8(out, s->kind);
	cd_buf_u8(out, s->mfa_kind);
	put_str(out, s->app);
	cd_buf_u64(out, (uint64_t)s->created);
	cd_buf_u64(out, (uint64_t)s->auth_time);
	cd_buf_u64(out, (uint64_t)s->mfa_time);
	cd_buf_u32(out, s->idle);
	cd_buf_u64(out, (uint64_t)s->expires);
}

static void put_device(const struct cd_change_device *d, struct cd_buf *out)
{
	cd_buf_u64(out, d->id);
	cd_buf_u64(out, d->epoch);
	put_str(out, d->name);
	cd_buf_u16(out, d->n_attrs);
	for (size_t i = 0; i < d->n_attrs; i++) {
		const struct cd_change_attr *a = &d->attrs[i];

		cd_buf_u16(out, a->attr);
		cd_buf_u8(out, a->is_string ? ATTR_STRING : 0);
		cd_buf_u64(out, (uint64_t)a->vouched_at);
		if (a->is_string)
			put_str(out, a->s);
		else
			cd_buf_u64(out, (uint64_t)a->i);
	}
}

static void put_body(const struct cd_change *c, struct cd_buf *out)
{
	switch (c->kind) {
	case CD_RECORD_SUBJECT:
		put_subject(&c->u.subject, out);
		break;
	case CD_RECORD_SESSION:
		put_session(&c->u.session, out);
		break;
	case CD_RECORD_SESSION_END:
		cd_buf_u64(out, c->u.session_end.id);
		cd_buf_put(out, c->u.session_end.key, CD_SHA256_SIZE);
		cd_buf_u8(out, c->u.session_end.why);
		break;
	case CD_RECORD_DEVICE:
		put_device(&c->u.device, out);
		break;
	case CD_RECORD_SUBJECT_GONE:
	case CD_RECORD_DEVICE_GONE:
		cd_buf_u64(out, c->u.gone);
		break;
	case CD_RECORD_BUNDLE:
		cd_buf_u64(out, c->u.bundle.serial);
		cd_buf_u64(out, c->u.bundle.size);
		cd_buf_put(out, c->u.bundle.hash, CD_SHA256_SIZE);
		break;
	case CD_RECORD_RESYNC_BEGIN:
		cd_buf_u64(out, c->u.nonce);
		break;
	case CD_RECORD_RESYNC_END:
		cd_buf_u64(out, c->u.count);
		break;
	}
}

int cd_change_encode(const struct cd_change *c, struct cd_buf *out)
{
	size_t start = out->len;
	uint32_t len;

	if (!valid(c))
		return -EINVAL;
	cd_buf_u32(out, 0);
	cd_buf_u64(out, c->seq);
	cd_buf_u16(out, c->kind);
	cd_buf_u16(out, VERSION);
	put_body(c, out);
	if (out->err)
		return out->err;
	cd_assert(out->len - start <= CD_CHANGE_RECORD_MAX);
	len = (uint32_t)(out->len - start - 4);
	for (size_t i = 0; i < 4; i++)
		out->data[start + i] = (char)(len >> (8 * i));
	return 0;
}

/* ---- decode ---- */

static struct cd_str get_str(struct cd_reader *r)
{
	return cd_read_bytes(r, cd_read_u16(r));
}

static void get_hash(struct cd_reader *r, uint8_t ret[CD_SHA256_SIZE])
{
	struct cd_str s = cd_read_bytes(r, CD_SHA256_SIZE);

	if (s.len)
		memcpy(ret, s.ptr, s.len);
}

static void get_subject(struct cd_reader *r, struct cd_change_subject *s)
{
	s->id = cd_read_u64(r);
	s->epoch = cd_read_u64(r);
	s->name = get_str(r);
	s->risk = cd_read_u8(r);
	s->best_factor = (int8_t)cd_read_u8(r);
	s->flags = cd_read_u8(r);
	s->n_groups = cd_read_u16(r);
	if (s->n_groups > CD_CHANGE_GROUPS_MAX) {
		r->err = true;
		return;
	}
	for (size_t i = 0; i < s->n_groups; i++)
		s->groups[i] = get_str(r);
}

static void get_session(struct cd_reader *r, struct cd_change_session *s)
{
	s->id = cd_read_u64(r);
	get_hash(r, s->key);
	s->subject = cd_read_u64(r);
	s->device = cd_read_u64(r);
	s->kind = cd_read_u8(r);
	s->mfa_kind = cd_read_u8(r);
	s->app = get_str(r);
	s->created = (int64_t)cd_read_u64(r);
	s->auth_time = (int64_t)cd_read_u64(r);
	s->mfa_time = (int64_t)cd_read_u64(r);
	s->idle = cd_read_u32(r);
	s->expires = (int64_t)cd_read_u64(r);
}

static void get_attr(struct cd_reader *r, struct cd_change_attr *a)
{
	uint8_t form;

	a->attr = cd_read_u16(r);
	form = cd_read_u8(r);
	a->vouched_at = (int64_t)cd_read_u64(r);
	a->is_string = form == ATTR_STRING;
	if (form > ATTR_STRING)
		r->err = true;
	else if (a->is_string)
		a->s = get_str(r);
	else
		a->i = (int64_t)cd_read_u64(r);
}

static void get_device(struct cd_reader *r, struct cd_change_device *d)
{
	d->id = cd_read_u64(r);
	d->epoch = cd_read_u64(r);
	d->name = get_str(r);
	d->n_attrs = cd_read_u16(r);
	if (d->n_attrs > CD_CHANGE_ATTRS_MAX) {
		r->err = true;
		return;
	}
	for (size_t i = 0; i < d->n_attrs; i++)
		get_attr(r, &d->attrs[i]);
}

/* False for a kind that this program does not know. */
static bool get_body(struct cd_reader *r, struct cd_change *c)
{
	switch (c->kind) {
	case CD_RECORD_SUBJECT:
		get_subject(r, &c->u.subject);
		return true;
	case CD_RECORD_SESSION:
		get_session(r, &c->u.session);
		return true;
	case CD_RECORD_SESSION_END:
		c->u.session_end.id = cd_read_u64(r);
		get_hash(r, c->u.session_end.key);
		c->u.session_end.why = cd_read_u8(r);
		return true;
	case CD_RECORD_DEVICE:
		get_device(r, &c->u.device);
		return true;
	case CD_RECORD_SUBJECT_GONE:
	case CD_RECORD_DEVICE_GONE:
		c->u.gone = cd_read_u64(r);
		return true;
	case CD_RECORD_BUNDLE:
		c->u.bundle.serial = cd_read_u64(r);
		c->u.bundle.size = cd_read_u64(r);
		get_hash(r, c->u.bundle.hash);
		return true;
	case CD_RECORD_RESYNC_BEGIN:
		c->u.nonce = cd_read_u64(r);
		return true;
	case CD_RECORD_RESYNC_END:
		c->u.count = cd_read_u64(r);
		return true;
	default:
		return false;
	}
}

int cd_change_decode(struct cd_reader *r, struct cd_change *ret)
{
	uint32_t len = cd_read_u32(r);
	struct cd_reader body;
	struct cd_str bytes;

	if (r->err || len < SEQ_KIND_VERSION || len > CD_CHANGE_RECORD_MAX - 4)
		return CD_E_CORRUPT;
	bytes = cd_read_bytes(r, len);
	if (r->err)
		return CD_E_CORRUPT;
	body = cd_reader_make(bytes.ptr, bytes.len);
	memset(ret, 0, sizeof(*ret));
	ret->seq = cd_read_u64(&body);
	ret->kind = cd_read_u16(&body);
	ret->version = cd_read_u16(&body);
	if (ret->version == 0)
		return CD_E_CORRUPT;
	if (!get_body(&body, ret))
		return ret->kind ? 0 : CD_E_CORRUPT;
	if (body.err || (ret->version == VERSION && cd_reader_left(&body)))
		return CD_E_CORRUPT;
	return valid(ret) ? 0 : CD_E_CORRUPT;
}
