/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of records: a fixed header and the records as they are.
 */
#include "event/batch.h"

static bool is_node_name(struct cd_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '.' || c == '-' ||
		      c == '_'))
			return false;
	}
	return s.len > 0;
}

static bool node_parse(struct cd_str field, struct cd_str *ret)
{
	size_t n = strnlen(field.ptr, field.len);

	for (size_t i = n; i < field.len; i++)
		if (field.ptr[i])
			return false;
	*ret = cd_str_make(field.ptr, n);
	return is_node_name(*ret);
}

int cd_batch_decode_header(struct cd_str bytes, struct cd_batch *ret_batch)
{
	struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);
	struct cd_batch b = {.bytes = bytes};
	uint32_t magic, size;
	uint16_t version;

	if (bytes.len < CD_BATCH_HEADER_SIZE || bytes.len > CD_BATCH_MAX)
		return CD_E_CORRUPT;
	magic = cd_read_u32(&r);
	version = cd_read_u16(&r);
	(void)cd_read_u16(&r);
	b.epoch = cd_read_u64(&r);
	b.first = cd_read_u64(&r);
	b.count = cd_read_u32(&r);
	size = cd_read_u32(&r);
	b.drops = cd_read_u64(&r);
	if (magic != CD_BATCH_MAGIC)
		return CD_E_CORRUPT;
	if (version > CD_BATCH_VERSION)
		return CD_E_VERSION;
	if (!node_parse(cd_read_bytes(&r, CD_BATCH_NODE_SIZE), &b.node) ||
	    size != cd_reader_left(&r) || b.first > UINT64_MAX - b.count)
		return CD_E_CORRUPT;
	b.records = cd_read_bytes(&r, size);
	*ret_batch = b;
	return 0;
}

int cd_batch_decode(struct cd_str bytes, struct cd_batch *ret_batch)
{
	struct cd_batch b;
	struct cd_event event;
	struct cd_str rest;
	uint32_t n = 0;
	int r = cd_batch_decode_header(bytes, &b);

	if (r)
		return r;
	for (rest = b.records; rest.len > 0; n++)
		if (cd_event_decode(rest, &event, &rest))
			return CD_E_CORRUPT;
	if (n != b.count)
		return CD_E_CORRUPT;
	*ret_batch = b;
	return 0;
}

void cd_batch_begin(struct cd_batch_writer *w, struct cd_buf *out,
		    struct cd_str node, uint64_t epoch, uint64_t first)
{
	char *p;

	cd_assert(is_node_name(node) && node.len <= CD_BATCH_NODE_SIZE);
	*w = (struct cd_batch_writer){.out = out, .start = out->len};
	cd_buf_u32(out, CD_BATCH_MAGIC);
	cd_buf_u16(out, CD_BATCH_VERSION);
	cd_buf_u16(out, 0);
	cd_buf_u64(out, epoch);
	cd_buf_u64(out, first);
	cd_buf_u32(out, 0); /* count, bytes, drops: at the end */
	cd_buf_u32(out, 0);
	cd_buf_u64(out, 0);
	p = cd_buf_extend(out, CD_BATCH_NODE_SIZE);
	if (p)
		memcpy(p, node.ptr, node.len);
}

int cd_batch_add(struct cd_batch_writer *w, struct cd_str record)
{
	struct cd_event event;

	if (cd_event_decode(record, &event, NULL) ||
	    event.record.len != record.len)
		return CD_E_CORRUPT;
	if (w->out->len - w->start + record.len > CD_BATCH_MAX)
		return CD_E_LIMIT;
	cd_buf_str(w->out, record);
	if (w->out->err)
		return w->out->err;
	w->count++;
	return 0;
}

static void store_le(char *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(v >> (8 * i));
}

int cd_batch_end(struct cd_batch_writer *w, uint64_t drops)
{
	char *p = w->out->data + w->start;

	if (w->out->err)
		return w->out->err;
	store_le(p + 24, w->count, 4);
	store_le(p + 28, w->out->len - w->start - CD_BATCH_HEADER_SIZE, 4);
	store_le(p + 32, drops, 8);
	return 0;
}
