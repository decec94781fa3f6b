/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of a record by their type. Whatever stands in the bytes, the text is
 * bounded and nothing is read past them.
 */
#include "event/value.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/time.h"

static enum cd_event_type type_of_attr(enum cd_attr a)
{
	switch (cd_attr_get(a)->type) {
	case CD_T_BOOL:
		return CD_EVENT_T_BOOL;
	case CD_T_DURATION:
		return CD_EVENT_T_DURATION;
	case CD_T_INT:
	case CD_T_PORT:
		return CD_EVENT_T_INT;
	case CD_T_RISK:
		return CD_EVENT_T_RISK;
	case CD_T_FACTOR:
		return CD_EVENT_T_FACTOR;
	case CD_T_PROTO:
		return CD_EVENT_T_PROTO;
	case CD_T_SUBJECT:
		return CD_EVENT_T_SUBJECT;
	case CD_T_TIME:
		return CD_EVENT_T_TIME;
	case CD_T_ADDR:
		return CD_EVENT_T_ADDR;
	case CD_T_SET:
	case CD_T_APPROVERS:
		return CD_EVENT_T_NAMES;
	case CD_T_LABELS:
		return CD_EVENT_T_LABELS;
	default:
		return CD_EVENT_T_STR;
	}
}

static bool length_fits(enum cd_event_type type, size_t n)
{
	switch (type) {
	case CD_EVENT_T_STR:
	case CD_EVENT_T_HEX:
	case CD_EVENT_T_NAMES:
	case CD_EVENT_T_LABELS:
	case CD_EVENT_T_FAILED:
		return true;
	case CD_EVENT_T_REPORT:
		return n >= 1;
	case CD_EVENT_T_ADDR:
		return n == 4 || n == 16;
	case CD_EVENT_T_OBLIGATIONS:
		return n == 13;
	default:
		return n >= 1 && n <= 8;
	}
}

bool cd_event_value_make(unsigned int field, struct cd_str bytes,
			 struct cd_event_value *ret)
{
	const struct cd_event_field_row *row = cd_event_field_get(field);
	struct cd_event_value v = {.bytes = bytes};

	if (row) {
		v.type = row->type;
	} else {
		struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);

		if (field < CD_EVENT_INPUT_BASE ||
		    field >= CD_EVENT_INPUT_BASE + CD_ATTR_COUNT)
			return false;
		v.age = cd_read_u32(&r);
		v.type = type_of_attr(
			(enum cd_attr)(field - CD_EVENT_INPUT_BASE));
		v.bytes = cd_read_bytes(&r, cd_reader_left(&r));
		if (r.err)
			return false;
	}
	if (!length_fits(v.type, v.bytes.len))
		return false;
	*ret = v;
	return true;
}

bool cd_event_value_find(const struct cd_event *event, unsigned int field,
			 struct cd_event_value *ret)
{
	const struct cd_event_field_row *row = cd_event_field_get(field);
	unsigned int alias = row && row->input != CD_ATTR_NONE ?
				     CD_EVENT_INPUT_BASE + row->input :
				     0;
	struct cd_event_value v;
	struct cd_str bytes;
	unsigned int id;
	bool found = false;
	size_t at = 0;

	while (cd_event_next(event, &at, &id, &bytes)) {
		if (id != field && (!alias || id != alias || found))
			continue;
		if (!cd_event_value_make(id, bytes, &v))
			continue;
		found = true;
		*ret = v;
		if (id == field)
			break;
	}
	return found;
}

bool cd_event_is_list(enum cd_event_type type)
{
	return type == CD_EVENT_T_NAMES || type == CD_EVENT_T_LABELS ||
	       type == CD_EVENT_T_FAILED;
}

bool cd_event_is_bare(enum cd_event_type type)
{
	return type == CD_EVENT_T_NUM || type == CD_EVENT_T_BOOL ||
	       type == CD_EVENT_T_INT;
}

uint64_t cd_event_value_num(const struct cd_event_value *v)
{
	uint64_t n = 0;

	for (size_t i = CD_MIN(v->bytes.len, (size_t)8); i > 0; i--)
		n = n << 8 | (unsigned char)v->bytes.ptr[i - 1];
	return n;
}

bool cd_event_element(struct cd_reader *r, struct cd_str *ret)
{
	struct cd_str s;

	if (cd_reader_left(r) == 0)
		return false;
	s = cd_read_bytes(r, cd_read_u16(r));
	if (r->err)
		return false;
	*ret = s;
	return true;
}

/* ---- text ---------------------------------------------------------------*/

static size_t copy(struct cd_str s, char *out, size_t size)
{
	size_t n = CD_MIN(s.len, size - 1);

	if (n)
		memcpy(out, s.ptr, n);
	out[n] = 0;
	return n;
}

static size_t hex(struct cd_str s, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len && n + 3 <= size; i++) {
		static const char digits[] = "0123456789abcdef";

		out[n++] = digits[(unsigned char)s.ptr[i] >> 4];
		out[n++] = digits[(unsigned char)s.ptr[i] & 15];
	}
	out[n] = 0;
	return n;
}

static const char *proto_name(uint64_t n)
{
	return n == 6  ? "tcp" :
	       n == 17 ? "udp" :
	       n == 1  ? "icmp" :
	       n == 58 ? "icmp6" :
			 NULL;
}

/* The name of an enumerated value, or NULL. */
static const char *value_name(enum cd_event_type type, uint64_t n)
{
	static const char *const risks[] = {NULL, "low", "medium", "high"};
	static const char *const factors[] = {"none", "password", "totp",
					      "webauthn"};

	switch (type) {
	case CD_EVENT_T_BOOL:
		return n ? "true" : "false";
	case CD_EVENT_T_VERDICT:
	case CD_EVENT_T_REPORT:
		return n <= CD_ALLOW ? cd_verdict_name((enum cd_verdict)n) :
				       NULL;
	case CD_EVENT_T_REASON:
		return n < CD_REASON_COUNT ? cd_reason_name((enum cd_reason)n) :
					     NULL;
	case CD_EVENT_T_SEVERITY:
		return cd_event_severity_name(n < 100 ? (unsigned int)n : 0);
	case CD_EVENT_T_OUTCOME:
		return cd_event_outcome_name(n < 100 ? (unsigned int)n : 0);
	case CD_EVENT_T_RISK:
		return n < CD_ARRAY_SIZE(risks) ? risks[n] : NULL;
	case CD_EVENT_T_FACTOR:
		return n < CD_ARRAY_SIZE(factors) ? factors[n] : NULL;
	case CD_EVENT_T_SUBJECT:
		return n == CD_SUBJECT_PERSON	 ? "person" :
		       n == CD_SUBJECT_ANONYMOUS ? "anonymous" :
		       n == CD_SUBJECT_HOST	 ? "host" :
						   NULL;
	case CD_EVENT_T_PROTO:
		return proto_name(n);
	default:
		return NULL;
	}
}

static size_t number(const struct cd_event_value *v, char *out, size_t size)
{
	uint64_t n = cd_event_value_num(v);
	const char *name = value_name(v->type, n);
	char text[48];
	size_t len;

	if (name)
		return copy(cd_str_from(name), out, size);
	if (v->type == CD_EVENT_T_TIME) {
		len = cd_rfc3339_format((int64_t)n, text, sizeof(text));
	} else if (v->type == CD_EVENT_T_DURATION && n <= INT64_MAX) {
		len = cd_duration_format((int64_t)n, text, sizeof(text));
	} else {
		bool minus = v->type == CD_EVENT_T_INT && (int64_t)n < 0;

		len = (size_t)snprintf(text, sizeof(text), "%s%" PRIu64,
				       minus ? "-" : "", minus ? 0 - n : n);
	}
	return copy(cd_str_make(text, len), out, size);
}

static size_t obligations(const struct cd_event_value *v, char *out,
			  size_t size)
{
	struct cd_reader r = cd_reader_make(v->bytes.ptr, v->bytes.len);
	unsigned int flags = cd_read_u8(&r);
	uint32_t max = cd_read_u32(&r), count = cd_read_u32(&r);
	uint32_t period = cd_read_u32(&r);
	static const char *const names[] = {"record", "record required",
					    "no clipboard", "no upload",
					    "no download"};
	char text[200] = "", d[CD_DURATION_SIZE];
	int n = 0;

	for (size_t i = 0; i < CD_ARRAY_SIZE(names); i++)
		if (flags >> i & 1)
			n += snprintf(text + n, sizeof(text) - (size_t)n,
				      "%s%s", n ? ", " : "", names[i]);
	if (max) {
		cd_duration_format(max, d, sizeof(d));
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%smax %s",
			      n ? ", " : "", d);
	}
	if (count) {
		cd_duration_format(period, d, sizeof(d));
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "%srate %" PRIu32 "/%s", n ? ", " : "", count, d);
	}
	return copy(cd_str_make(text, (size_t)n), out, size);
}

size_t cd_event_scalar(const struct cd_event_value *v, char *out, size_t size)
{
	struct cd_addr a;

	switch (v->type) {
	case CD_EVENT_T_STR:
		return copy(v->bytes, out, size);
	case CD_EVENT_T_HEX:
		return hex(v->bytes, out, size);
	case CD_EVENT_T_ADDR:
		a = cd_addr_make(v->bytes.ptr, v->bytes.len);
		return cd_addr_format(&a, out, size);
	case CD_EVENT_T_OBLIGATIONS:
		return obligations(v, out, size);
	case CD_EVENT_T_REPORT:
		return copy(cd_str_make(v->bytes.ptr + 1, v->bytes.len - 1),
			    out, size);
	default:
		return number(v, out, size);
	}
}
