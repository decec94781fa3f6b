/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record as one JSON object: envelope, then the fields in the order of the
 * table, then the inputs as `cordon decide` reads them, so that a decision
 * can be made again from its event.
 */
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/obligations.h"
#include "base/time.h"
#include "event/value.h"

/* \u0000 is JSON that many readers refuse; a NUL in text is shown like any
 * other byte that is no character, as U+FFFD. */
static struct cd_str shown(struct cd_str s, char copy[CD_EVENT_SCALAR_MAX])
{
	if (s.len == 0 || s.len > CD_EVENT_MAX || !memchr(s.ptr, 0, s.len))
		return s;
	for (size_t i = 0; i < s.len; i++)
		copy[i] = s.ptr[i] ? s.ptr[i] : '\xff';
	return cd_str_make(copy, s.len);
}

static void put_text(struct cd_json_writer *w, struct cd_str s)
{
	char copy[CD_EVENT_SCALAR_MAX];

	cd_json_put_str(w, shown(s, copy));
}

static void put_scalar(struct cd_json_writer *w, const struct cd_event_value *v)
{
	char text[CD_EVENT_SCALAR_MAX];
	size_t n = cd_event_scalar(v, text, sizeof(text));

	if (v->type == CD_EVENT_T_BOOL)
		cd_json_put_bool(w, cd_event_value_num(v) != 0);
	else if (cd_event_is_bare(v->type) &&
		 cd_event_value_num(v) <= INT64_MAX)
		cd_json_put_int(w, (int64_t)cd_event_value_num(v));
	else
		put_text(w, cd_str_make(text, n));
}

static void put_names(struct cd_json_writer *w, const struct cd_event_value *v)
{
	struct cd_reader r = cd_reader_make(v->bytes.ptr, v->bytes.len);
	struct cd_str s;

	cd_json_array(w);
	while (cd_event_element(&r, &s))
		put_text(w, s);
	cd_json_array_end(w);
}

static void put_labels(struct cd_json_writer *w, const struct cd_event_value *v)
{
	struct cd_reader r = cd_reader_make(v->bytes.ptr, v->bytes.len);
	char copy[CD_EVENT_SCALAR_MAX];
	struct cd_str key, value;

	cd_json_object(w);
	while (cd_event_element(&r, &key) && cd_event_element(&r, &value)) {
		cd_json_key_str(w, shown(key, copy));
		put_text(w, value);
	}
	cd_json_object_end(w);
}

static void put_value(struct cd_json_writer *w, const struct cd_event_value *v)
{
	if (v->type == CD_EVENT_T_NAMES)
		put_names(w, v);
	else if (v->type == CD_EVENT_T_LABELS)
		put_labels(w, v);
	else
		put_scalar(w, v);
}

static void put_obligations(struct cd_json_writer *w,
			    const struct cd_event_value *v)
{
	struct cd_reader r = cd_reader_make(v->bytes.ptr, v->bytes.len);
	unsigned int flags = cd_read_u8(&r);
	struct cd_obligations o = {
		.record = flags & 1,
		.record_required = flags & 2,
		.no_clipboard = flags & 4,
		.no_upload = flags & 8,
		.no_download = flags & 16,
		.max = cd_read_u32(&r),
		.rate_count = cd_read_u32(&r),
		.rate_period = cd_read_u32(&r),
	};

	cd_obligations_put(w, &o);
}

static void put_failed(struct cd_json_writer *w, const struct cd_event_value *v)
{
	static const char *const keys[] = {"attr", "need", "have"};
	struct cd_reader r = cd_reader_make(v->bytes.ptr, v->bytes.len);
	struct cd_str s;

	cd_json_object(w);
	for (size_t i = 0; i < CD_ARRAY_SIZE(keys) && cd_event_element(&r, &s);
	     i++) {
		cd_json_key(w, keys[i]);
		put_text(w, s);
	}
	cd_json_object_end(w);
}

static void put_report(struct cd_json_writer *w, const struct cd_event_value *v)
{
	struct cd_event_value verdict = {
		.type = CD_EVENT_T_VERDICT,
		.bytes = cd_str_make(v->bytes.ptr, 1),
	};

	cd_json_object(w);
	cd_json_key(w, "rule");
	put_scalar(w, v);
	cd_json_key(w, "verdict");
	put_scalar(w, &verdict);
	cd_json_object_end(w);
}

/* All values of a repeated field as an array, or nothing. */
static void put_repeated(struct cd_json_writer *w, const struct cd_event *event,
			 const struct cd_event_field_row *row)
{
	struct cd_event_value v;
	struct cd_str bytes;
	unsigned int id;
	bool any = false;
	size_t at = 0;

	while (cd_event_next(event, &at, &id, &bytes)) {
		if (id != row->number || !cd_event_value_make(id, bytes, &v))
			continue;
		if (!any) {
			cd_json_key(w, row->name);
			cd_json_array(w);
			any = true;
		}
		if (v.type == CD_EVENT_T_FAILED)
			put_failed(w, &v);
		else
			put_report(w, &v);
	}
	if (any)
		cd_json_array_end(w);
}

static void put_field(struct cd_json_writer *w, const struct cd_event *event,
		      const struct cd_event_field_row *row, struct cd_str node)
{
	struct cd_event_value v;

	if (row->number == CD_EVENT_F_SEVERITY)
		return; /* in the envelope */
	if (row->type == CD_EVENT_T_FAILED || row->type == CD_EVENT_T_REPORT) {
		put_repeated(w, event, row);
		return;
	}
	if (!cd_event_value_find(event, row->number, &v)) {
		if (row->number != CD_EVENT_F_NODE || node.len == 0)
			return;
		v = (struct cd_event_value){CD_EVENT_T_STR, node, 0};
	}
	cd_json_key(w, row->name);
	if (v.type == CD_EVENT_T_OBLIGATIONS)
		put_obligations(w, &v);
	else
		put_value(w, &v);
}

/* `in`: values; `in_age`: seconds since their source vouched for them, of
 * those that are not fresh. */
static void put_inputs(struct cd_json_writer *w, const struct cd_event *event,
		       bool ages)
{
	bool any = false;

	for (unsigned int a = 0; a < CD_ATTR_COUNT; a++) {
		struct cd_event_value v;

		if (!cd_event_value_find(event, CD_EVENT_INPUT_BASE + a, &v) ||
		    (ages && v.age == 0))
			continue;
		if (!any) {
			cd_json_key(w, ages ? "in_age" : "in");
			cd_json_object(w);
			any = true;
		}
		cd_json_key(w, cd_attr_get((enum cd_attr)a)->name);
		if (ages)
			cd_json_put_int(w, v.age);
		else
			put_value(w, &v);
	}
	if (any)
		cd_json_object_end(w);
}

static void put_envelope(struct cd_json_writer *w, const struct cd_event *event)
{
	const struct cd_event_class_row *row =
		cd_event_class_get(event->event_class);
	unsigned int severity = row ? row->severity : 0;
	struct cd_event_value v;
	char text[CD_RFC3339_SIZE];

	if (cd_event_value_find(event, CD_EVENT_F_SEVERITY, &v))
		severity = (unsigned int)CD_MIN(cd_event_value_num(&v),
						UINT64_C(99));
	cd_rfc3339_format(event->ts, text, sizeof(text));
	cd_json_key(w, "ts");
	cd_json_puts(w, text);
	snprintf(text, sizeof(text), "%" PRIu64, event->id);
	cd_json_key(w, "id");
	cd_json_puts(w, text);
	snprintf(text, sizeof(text), "class-%u", event->event_class);
	cd_json_key(w, "class");
	cd_json_puts(w, row ? row->name : text);
	cd_json_key(w, "activity");
	cd_json_puts(w, row ? row->activity : "unknown");
	cd_json_key(w, "severity");
	cd_json_puts(w, cd_event_severity_name(severity));
}

void cd_event_json(const struct cd_event *event, struct cd_str node,
		   struct cd_buf *out)
{
	const struct cd_event_field_row *row;
	struct cd_json_writer w;

	cd_json_writer_init(&w, out, 0);
	cd_json_object(&w);
	put_envelope(&w, event);
	for (size_t i = 0; (row = cd_event_field_at(i)); i++)
		put_field(&w, event, row, node);
	put_inputs(&w, event, false);
	put_inputs(&w, event, true);
	cd_json_object_end(&w);
}
