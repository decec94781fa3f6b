/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames and the table of verbs.
 */
#include "token/broker_proto.h"

void cd_broker_put(struct cd_buf *out, uint16_t verb, uint16_t status,
		   struct cd_str body)
{
	if (body.len > CD_BROKER_BODY_MAX) {
		out->err = out->err ? out->err : CD_E_LIMIT;
		return;
	}
	cd_buf_u32(out, (uint32_t)body.len + 4);
	cd_buf_u16(out, verb);
	cd_buf_u16(out, status);
	cd_buf_str(out, body);
}

int cd_broker_take(struct cd_str bytes, struct cd_broker_frame *ret,
		   size_t *ret_used)
{
	struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);
	uint32_t len = cd_read_u32(&r);
	struct cd_broker_frame f;

	if (r.err)
		return 0;
	if (len < 4 || len > 4 + CD_BROKER_BODY_MAX)
		return CD_E_CORRUPT;
	if (cd_reader_left(&r) < len)
		return 0;
	f.verb = cd_read_u16(&r);
	f.status = cd_read_u16(&r);
	f.body = cd_read_bytes(&r, len - 4);
	*ret = f;
	*ret_used = 4 + (size_t)len;
	return 1;
}

void cd_broker_put_str(struct cd_buf *out, struct cd_str s)
{
	if (s.len > UINT16_MAX) {
		out->err = out->err ? out->err : CD_E_LIMIT;
		return;
	}
	cd_buf_u16(out, (uint16_t)s.len);
	cd_buf_str(out, s);
}

struct cd_str cd_broker_read_str(struct cd_reader *r)
{
	return cd_read_bytes(r, cd_read_u16(r));
}

const char *cd_verb_name(uint16_t verb)
{
	switch (verb) {
#define X(id, number, peers, burst, per_second) \
	case number:                            \
		return #id;
		CD_VERBS(X)
#undef X
	default:
		return "?";
	}
}

unsigned int cd_verb_peers(uint16_t verb)
{
	switch (verb) {
#define X(id, number, peers, burst, per_second) \
	case number:                            \
		return peers;
		CD_VERBS(X)
#undef X
	default:
		return 0;
	}
}

static const struct {
	const char *name;
	int err;
} statuses[] = {
	[CD_BROKER_OK] = {"OK", 0},
	[CD_BROKER_DENIED] = {"DENIED", CD_E_DENIED},
	[CD_BROKER_BAD] = {"BAD", -EINVAL},
	[CD_BROKER_BUSY] = {"BUSY", -EAGAIN},
	[CD_BROKER_REFUSED] = {"REFUSED", CD_E_DENIED},
	[CD_BROKER_INTERNAL] = {"INTERNAL", -EIO},
};

const char *cd_broker_status_name(uint16_t status)
{
	return status < CD_ARRAY_SIZE(statuses) ? statuses[status].name : "?";
}

int cd_broker_status_error(uint16_t status)
{
	return status < CD_ARRAY_SIZE(statuses) ? statuses[status].err :
						  CD_E_CORRUPT;
}
