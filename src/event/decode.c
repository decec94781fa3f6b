/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading records that anybody may have written: every length is checked once
 * by cd_event_decode(), after which walking over the fields cannot fail.
 */
#include "event/value.h"

/* Do the fields' lengths fill the bytes exactly? */
static bool fields_fit(struct cd_str fields)
{
	struct cd_reader r = cd_reader_make(fields.ptr, fields.len);

	while (cd_reader_left(&r) > 0) {
		(void)cd_read_u16(&r);
		(void)cd_read_bytes(&r, cd_read_u16(&r));
	}
	return !r.err;
}

int cd_event_decode(struct cd_str bytes, struct cd_event *ret_event,
		    struct cd_str *ret_rest)
{
	struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);
	uint32_t len = cd_read_u32(&r);
	struct cd_event e;

	if (r.err || len < CD_EVENT_HEADER_SIZE || len > CD_EVENT_MAX ||
	    len > bytes.len)
		return CD_E_CORRUPT;
	e.event_class = cd_read_u16(&r);
	e.version = cd_read_u16(&r);
	e.id = cd_read_u64(&r);
	e.ts = (int64_t)cd_read_u64(&r);
	e.fields = cd_read_bytes(&r, len - CD_EVENT_HEADER_SIZE);
	e.record = cd_str_make(bytes.ptr, len);
	if (r.err || !fields_fit(e.fields))
		return CD_E_CORRUPT;
	*ret_event = e;
	if (ret_rest)
		*ret_rest = cd_str_make(bytes.ptr + len, bytes.len - len);
	return 0;
}

bool cd_event_next(const struct cd_event *event, size_t *at,
		   unsigned int *ret_field, struct cd_str *ret_bytes)
{
	struct cd_reader r;
	struct cd_str bytes;
	unsigned int field;

	if (*at >= event->fields.len)
		return false;
	r = cd_reader_make(event->fields.ptr + *at, event->fields.len - *at);
	field = cd_read_u16(&r);
	bytes = cd_read_bytes(&r, cd_read_u16(&r));
	if (r.err)
		return false;
	*at = event->fields.len - cd_reader_left(&r);
	*ret_field = field;
	*ret_bytes = bytes;
	return true;
}

/* "a, b" or "k=v, k=v": lists for people. */
static size_t list_text(const struct cd_event_value *v, char *out, size_t size)
{
	struct cd_reader r = cd_reader_make(v->bytes.ptr, v->bytes.len);
	bool pairs = v->type != CD_EVENT_T_NAMES;
	struct cd_str s;
	size_t n = 0;

	for (size_t i = 0; cd_event_element(&r, &s); i++) {
		const char *sep = i == 0 ? "" : pairs && i % 2 ? "=" : ", ";
		size_t sep_len = strlen(sep);

		if (n + sep_len + s.len >= size)
			break;
		memcpy(out + n, sep, sep_len);
		if (s.len)
			memcpy(out + n + sep_len, s.ptr, s.len);
		n += sep_len + s.len;
	}
	out[n] = 0;
	return n;
}

size_t cd_event_text(const struct cd_event *event, unsigned int field,
		     char *out, size_t size, bool *ret_has)
{
	struct cd_event_value v;
	bool has = cd_event_value_find(event, field, &v);

	out[0] = 0;
	if (ret_has)
		*ret_has = has;
	if (!has)
		return 0;
	return cd_event_is_list(v.type) ? list_text(&v, out, size) :
					  cd_event_scalar(&v, out, size);
}

bool cd_event_has(const struct cd_event *event, unsigned int field,
		  struct cd_str s)
{
	char text[CD_EVENT_TEXT_MAX + 1];
	struct cd_event_value v;
	struct cd_reader r;
	struct cd_str one;

	if (!cd_event_value_find(event, field, &v))
		return false;
	if (v.type != CD_EVENT_T_NAMES) {
		size_t n =
			cd_event_text(event, field, text, sizeof(text), NULL);

		return cd_str_equal(cd_str_make(text, n), s);
	}
	r = cd_reader_make(v.bytes.ptr, v.bytes.len);
	while (cd_event_element(&r, &one))
		if (cd_str_equal(one, s))
			return true;
	return false;
}
