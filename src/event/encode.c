/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a record. An enforcement point does this for every decision, into
 * memory it has already: no allocation, no failure, one pass. Room for the
 * TRUNCATED field is kept back from the start, so that a record that lost
 * something can always say so.
 */
#include <endian.h>

#include "event/event.h"

#define FIELD_HEADER 4
#define RESERVE (FIELD_HEADER + 1)
#define TEXT_MIN 8 /* less room than this is not worth a cut text */

/* n <= 8, and where it is a constant one store. */
static inline void store_le(unsigned char *p, uint64_t v, size_t n)
{
	v = htole64(v);
	memcpy(p, &v, n);
}

/* Milliseconds of 2020-01-01 since 1970. */
#define EPOCH_MS INT64_C(1577836800000)

uint64_t cd_event_id_next(struct cd_event_ids *ids, int64_t ts_ns)
{
	int64_t ms = ts_ns / 1000000 - EPOCH_MS;
	uint64_t slot = ids->slot & 0x3ffu;
	uint64_t id = (ms > 0 ? (uint64_t)ms : 0) << 22 | slot << 12;

	if (id <= ids->last) {
		/* same millisecond, or the clock went back: count on */
		id = ids->last + 1;
		if ((id >> 12 & 0x3ff) != slot)
			id = ((id >> 22) + 1) << 22 | slot << 12;
	}
	ids->last = id;
	return id;
}

void cd_event_begin(struct cd_event_encoder *e, void *memory, size_t size,
		    enum cd_event_class event_class, uint64_t id, int64_t ts_ns)
{
	cd_assert(size >= 64);
	*e = (struct cd_event_encoder){
		.p = memory,
		.len = CD_EVENT_HEADER_SIZE,
		.cap = CD_MIN(size, (size_t)CD_EVENT_MAX),
	};
	store_le(e->p + 4, (uint64_t)event_class, 2);
	store_le(e->p + 6, CD_EVENT_VERSION, 2);
	store_le(e->p + 8, id, 8);
	store_le(e->p + 16, (uint64_t)ts_ns, 8);
}

/* Bytes that a field's value may still have. */
static size_t room(const struct cd_event_encoder *e)
{
	size_t used = e->len + FIELD_HEADER + RESERVE;

	return used < e->cap ? e->cap - used : 0;
}

/* Has a field of n bytes room? Of one without any, its header has to fit. */
static bool fits(const struct cd_event_encoder *e, size_t n)
{
	return n <= CD_EVENT_MAX &&
	       e->len + FIELD_HEADER + n + RESERVE <= e->cap;
}

/* A field of n bytes, its header written; NULL when it does not fit. */
static unsigned char *field(struct cd_event_encoder *e, unsigned int id,
			    size_t n)
{
	unsigned char *p = e->p + e->len;

	if (!fits(e, n)) {
		e->truncated = true;
		return NULL;
	}
	store_le(p, id, 2);
	store_le(p + 2, n, 2);
	e->len += FIELD_HEADER + n;
	return p + FIELD_HEADER;
}

/* The longest prefix of at most max bytes that ends between characters. */
static struct cd_str cut(struct cd_str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && ((unsigned char)s.ptr[max] & 0xc0) == 0x80)
		max--;
	return cd_str_make(s.ptr, max);
}

/* Text behind `prefix` bytes that the caller fills. */
static unsigned char *text(struct cd_event_encoder *e, unsigned int id,
			   size_t prefix, struct cd_str s)
{
	size_t max = room(e);
	struct cd_str t;
	unsigned char *p;

	max = max > prefix ? CD_MIN(max - prefix, (size_t)CD_EVENT_TEXT_MAX) :
			     0;
	t = cut(s, max);
	if (t.len < s.len) {
		e->truncated = true;
		if (max < TEXT_MIN)
			return NULL;
	}
	p = field(e, id, prefix + t.len);
	if (p && t.len)
		memcpy(p + prefix, t.ptr, t.len);
	return p;
}

void cd_event_put_str(struct cd_event_encoder *e, enum cd_event_field f,
		      struct cd_str s)
{
	(void)text(e, f, 0, s);
}

void cd_event_puts(struct cd_event_encoder *e, enum cd_event_field f,
		   const char *z)
{
	if (z)
		(void)text(e, f, 0, cd_str_from(z));
}

void cd_event_put_num(struct cd_event_encoder *e, enum cd_event_field f,
		      uint64_t n)
{
	size_t size = n <= 0xff ? 1 : n <= 0xffff ? 2 : n <= 0xffffffff ? 4 : 8;
	unsigned char *p = field(e, f, size);

	if (!p)
		return;
	switch (size) {
	case 1:
		store_le(p, n, 1);
		break;
	case 2:
		store_le(p, n, 2);
		break;
	case 4:
		store_le(p, n, 4);
		break;
	default:
		store_le(p, n, 8);
	}
}

static size_t addr_size(const struct cd_addr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}

void cd_event_put_addr(struct cd_event_encoder *e, enum cd_event_field f,
		       const struct cd_addr *addr)
{
	size_t n = addr_size(addr);
	unsigned char *p = n ? field(e, f, n) : NULL;

	if (p)
		memcpy(p, addr->bytes, n);
}

void cd_event_put_bytes(struct cd_event_encoder *e, enum cd_event_field f,
			const void *bytes, size_t len)
{
	unsigned char *p = len <= 64 ? field(e, f, len) : NULL;

	if (p && len)
		memcpy(p, bytes, len);
	else if (!p)
		e->truncated = true;
}

/* ---- lists: u16 length and bytes, again and again -----------------------*/

/* Adds one element to the list field that began at *p; false: no room. */
static bool element(struct cd_event_encoder *e, struct cd_str s)
{
	unsigned char *p = e->p + e->len;

	if (s.len > CD_EVENT_TEXT_MAX || e->len + 2 + s.len + RESERVE > e->cap)
		return false;
	store_le(p, s.len, 2);
	if (s.len)
		memcpy(p + 2, s.ptr, s.len);
	e->len += 2 + s.len;
	return true;
}

/* Closes the list field whose value began at offset `start`. */
static void list_end(struct cd_event_encoder *e, size_t start)
{
	store_le(e->p + start - 2, e->len - start, 2);
}

static void names(struct cd_event_encoder *e, size_t start,
		  const struct cd_name *list, size_t n)
{
	size_t i = 0;

	while (i < n && i < CD_EVENT_NAMES_MAX && element(e, list[i].s))
		i++;
	if (i < n)
		e->truncated = true;
	list_end(e, start);
}

void cd_event_put_names(struct cd_event_encoder *e, enum cd_event_field f,
			const struct cd_name *list, size_t n)
{
	if (field(e, f, 0))
		names(e, e->len, list, n);
}

void cd_event_put_failed(struct cd_event_encoder *e, struct cd_str attr,
			 struct cd_str need, struct cd_str have)
{
	const struct cd_str parts[] = {attr, need, have};
	size_t begin = e->len, start;

	if (!field(e, CD_EVENT_F_FAILED, 0))
		return;
	start = e->len;
	for (size_t i = 0; i < CD_ARRAY_SIZE(parts); i++)
		if (!element(e, cut(parts[i], 256))) {
			e->len = begin; /* the whole of it or nothing */
			e->truncated = true;
			return;
		}
	list_end(e, start);
}

void cd_event_put_report(struct cd_event_encoder *e, struct cd_str rule,
			 enum cd_verdict verdict)
{
	unsigned char *p = text(e, CD_EVENT_F_REPORT, 1, rule);

	if (p)
		p[0] = (unsigned char)verdict;
}

void cd_event_put_obligations(struct cd_event_encoder *e,
			      const struct cd_obligations *o)
{
	unsigned int flags = (unsigned int)o->record |
			     (unsigned int)o->record_required << 1 |
			     (unsigned int)o->no_clipboard << 2 |
			     (unsigned int)o->no_upload << 3 |
			     (unsigned int)o->no_download << 4;
	unsigned char *p;

	if (!flags && !o->max && !o->rate_count)
		return;
	p = field(e, CD_EVENT_F_OBLIGATIONS, 13);
	if (!p)
		return;
	p[0] = (unsigned char)flags;
	store_le(p + 1, o->max, 4);
	store_le(p + 5, o->rate_count, 4);
	store_le(p + 9, o->rate_period, 4);
}

/* ---- inputs: u32 age, then the value by its registry type ---------------*/

static unsigned char *input(struct cd_event_encoder *e, enum cd_attr a,
			    const struct cd_value *v, size_t n)
{
	unsigned char *p = field(e, CD_EVENT_INPUT_BASE + a, 4 + n);

	if (p)
		store_le(p, v->age, 4);
	return p ? p + 4 : NULL;
}

static void input_labels(struct cd_event_encoder *e,
			 const struct cd_label *labels, size_t n)
{
	size_t start = e->len - 4, i = 0;

	for (; i < n && i < CD_EVENT_NAMES_MAX; i++) {
		size_t before = e->len;

		if (!element(e, labels[i].key.s) ||
		    !element(e, labels[i].value.s)) {
			e->len = before;
			break;
		}
	}
	if (i < n)
		e->truncated = true;
	list_end(e, start);
}

static void put_input(struct cd_event_encoder *e, enum cd_attr a,
		      const struct cd_value *v)
{
	unsigned char *p;

	switch (cd_attr_get(a)->type) {
	case CD_T_BOOL:
		p = input(e, a, v, 1);
		if (p)
			p[0] = v->u.b;
		break;
	case CD_T_ADDR:
		p = input(e, a, v, addr_size(&v->u.addr));
		if (p)
			memcpy(p, v->u.addr.bytes, addr_size(&v->u.addr));
		break;
	case CD_T_SET:
	case CD_T_APPROVERS:
		if (input(e, a, v, 0))
			names(e, e->len - 4, v->u.set, v->n);
		break;
	case CD_T_LABELS:
		if (input(e, a, v, 0))
			input_labels(e, v->u.labels, v->n);
		break;
	case CD_T_STRING:
	case CD_T_COUNTRY:
	case CD_T_NAME:
	case CD_T_PATH:
	case CD_T_METHOD:
	case CD_T_APP:
		p = text(e, CD_EVENT_INPUT_BASE + a, 4, v->u.s.s);
		if (p)
			store_le(p, v->age, 4);
		break;
	default:
		p = input(e, a, v, 8);
		if (p)
			store_le(p, (uint64_t)v->u.i, 8);
	}
}

void cd_event_put_inputs(struct cd_event_encoder *e,
			 const struct cd_request *request)
{
	for (unsigned int a = 0; a < CD_ATTR_COUNT; a++)
		if (request->v[a].state == CD_KNOWN)
			put_input(e, (enum cd_attr)a, &request->v[a]);
}

size_t cd_event_end(struct cd_event_encoder *e)
{
	if (e->truncated) {
		unsigned char *p = e->p + e->len;

		store_le(p, CD_EVENT_F_TRUNCATED, 2);
		store_le(p + 2, 1, 2);
		p[4] = 1;
		e->len += RESERVE;
	}
	store_le(e->p, e->len, 4);
	return e->len;
}
