/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event records: what every part writes down about what it did. The table of
 * classes and fields is events.def; this is how a record is written, read and
 * shown.
 *
 * Wire format, integers little endian:
 *
 *	u32 length (of the whole record), u16 class, u16 version, u64 id,
 *	i64 ts_ns, then fields: u16 id, u16 length, bytes
 *
 * A record is at most CD_EVENT_MAX bytes. Fields may come in any order; a
 * reader passes over fields and classes it does not know. Of a field that
 * occurs twice the first counts (FAILED and REPORT are lists).
 *
 * Never in an event: a cookie, a token, a password, a query string. There is
 * no field for them.
 */
#ifndef CD_EVENT_EVENT_H
#define CD_EVENT_EVENT_H

#include <cordon/decide.h>

#include "base/buf.h"

#define CD_EVENT_VERSION 1
#define CD_EVENT_HEADER_SIZE 24
#define CD_EVENT_MAX 4096
#define CD_EVENT_TEXT_MAX 1024 /* bytes of one text; longer ones are cut */
#define CD_EVENT_NAMES_MAX 256 /* elements of one list that are written */
#define CD_EVENT_INPUT_BASE 256

enum cd_event_class {
#define CD_EVENT_CLASS(number, id, class_, activity, severity, ocsf, doc) \
	CD_EVENT_##id = (number),
#include "event/events.def"
#undef CD_EVENT_CLASS
};

enum cd_event_field {
#define CD_EVENT_FIELD(number, id, name, type, input, doc) \
	CD_EVENT_F_##id = (number),
#include "event/events.def"
#undef CD_EVENT_FIELD
};

/* OCSF's numbers. */
enum cd_event_severity {
	CD_SEVERITY_INFO = 1,
	CD_SEVERITY_LOW,
	CD_SEVERITY_MEDIUM,
	CD_SEVERITY_HIGH,
	CD_SEVERITY_CRITICAL,
};

enum cd_event_outcome { CD_OUTCOME_SUCCESS = 1, CD_OUTCOME_FAILURE = 2 };

enum cd_event_type {
	CD_EVENT_T_STR,
	CD_EVENT_T_NUM,
	CD_EVENT_T_TIME,
	CD_EVENT_T_BOOL,
	CD_EVENT_T_ADDR,
	CD_EVENT_T_HEX,
	CD_EVENT_T_ID,
	CD_EVENT_T_NAMES,
	CD_EVENT_T_VERDICT,
	CD_EVENT_T_REASON,
	CD_EVENT_T_SEVERITY,
	CD_EVENT_T_OUTCOME,
	CD_EVENT_T_FAILED,
	CD_EVENT_T_REPORT,
	CD_EVENT_T_OBLIGATIONS,
	/* of inputs only */
	CD_EVENT_T_INT,
	CD_EVENT_T_DURATION,
	CD_EVENT_T_RISK,
	CD_EVENT_T_FACTOR,
	CD_EVENT_T_PROTO,
	CD_EVENT_T_SUBJECT,
	CD_EVENT_T_LABELS,
};

struct cd_event_class_row {
	uint16_t number;
	const char *name, *activity;
	enum cd_event_severity severity;
	uint32_t ocsf;
	const char *doc;
};

struct cd_event_field_row {
	uint16_t number;
	const char *name;
	enum cd_event_type type;
	enum cd_attr input; /* or CD_ATTR_NONE */
	const char *doc;
};

/* Rows by number, NULL when there is none; and all of them by index. */
const struct cd_event_class_row *cd_event_class_get(unsigned int number);
const struct cd_event_field_row *cd_event_field_get(unsigned int number);
const struct cd_event_class_row *cd_event_class_at(size_t index);
const struct cd_event_field_row *cd_event_field_at(size_t index);
/* Number of a field by name, also "in.ATTRIBUTE"; 0: no such field. */
unsigned int cd_event_field_find(struct cd_str name);
const char *cd_event_severity_name(unsigned int severity);
const char *cd_event_outcome_name(unsigned int outcome);

/* ---- ids ---------------------------------------------------------------
 * Unique among the events of one node and growing with time: 42 bits of
 * milliseconds since 2020, 10 bits of slot (one per generator of the node),
 * 12 bits of count. A clock that goes back makes them count on. */
struct cd_event_ids {
	uint64_t last;
	uint16_t slot; /* 0..1023 */
};

uint64_t cd_event_id_next(struct cd_event_ids *ids, int64_t ts_ns);

/* ---- writing -----------------------------------------------------------
 * Into the caller's memory, without allocation; nothing fails. What does not
 * fit is left out and the record says so (TRUNCATED), so the fields that
 * matter most are put first. Text is cut at a character's border.
 *
 *	struct cd_event_encoder e;
 *	cd_event_begin(&e, slot, sizeof(slot), CD_EVENT_ADMIN, id, now);
 *	cd_event_put_str(&e, CD_EVENT_F_ACTOR, who);
 *	len = cd_event_end(&e);
 */
struct cd_event_encoder {
	unsigned char *p;
	size_t len, cap;
	bool truncated;
};

/* size: at least 64, what is above CD_EVENT_MAX is not used. */
void cd_event_begin(struct cd_event_encoder *e, void *memory, size_t size,
		    enum cd_event_class event_class, uint64_t id,
		    int64_t ts_ns);
/* Empty text and, for _num, a 0 are written like any other value. */
void cd_event_put_str(struct cd_event_encoder *e, enum cd_event_field f,
		      struct cd_str s);
void cd_event_puts(struct cd_event_encoder *e, enum cd_event_field f,
		   const char *z); /* NULL: nothing is put */
/* NUM, TIME, BOOL, ID, VERDICT, REASON, SEVERITY, OUTCOME */
void cd_event_put_num(struct cd_event_encoder *e, enum cd_event_field f,
		      uint64_t n);
void cd_event_put_addr(struct cd_event_encoder *e, enum cd_event_field f,
		       const struct cd_addr *addr); /* family 0: nothing */
/* HEX: at most 64 bytes */
void cd_event_put_bytes(struct cd_event_encoder *e, enum cd_event_field f,
			const void *bytes, size_t len);
void cd_event_put_names(struct cd_event_encoder *e, enum cd_event_field f,
			const struct cd_name *names, size_t n);
void cd_event_put_failed(struct cd_event_encoder *e, struct cd_str attr,
			 struct cd_str need, struct cd_str have);
void cd_event_put_report(struct cd_event_encoder *e, struct cd_str rule,
			 enum cd_verdict verdict);
void cd_event_put_obligations(struct cd_event_encoder *e,
			      const struct cd_obligations *obligations);
/* Every attribute that the request knows, with its age: in.ATTRIBUTE. */
void cd_event_put_inputs(struct cd_event_encoder *e,
			 const struct cd_request *request);
/* All of a decision: verdict, reason, rule, what failed, obligations, report,
 * recheck, kind, and the inputs. snapshot may be NULL (no rule is named). */
void cd_event_put_decision(struct cd_event_encoder *e,
			   const struct cd_snapshot *snapshot,
			   const struct cd_request *request,
			   const struct cd_decision *decision);
/* The record's length. */
size_t cd_event_end(struct cd_event_encoder *e);

/* ---- reading -----------------------------------------------------------
 * Of bytes that anybody may have written. */
struct cd_event {
	uint16_t event_class;
	uint16_t version;
	uint64_t id;
	int64_t ts;
	struct cd_str fields; /* borrowed; every length was checked */
	struct cd_str record; /* the whole of it */
};

/* The first record of `bytes`; *ret_rest is what follows. CD_E_CORRUPT, also
 * for a record that is longer than CD_EVENT_MAX. */
int cd_event_decode(struct cd_str bytes, struct cd_event *ret_event,
		    struct cd_str *ret_rest);
/* Walks over the fields: false at the end. Start with *at = 0. */
bool cd_event_next(const struct cd_event *event, size_t *at,
		   unsigned int *ret_field, struct cd_str *ret_bytes);
/* The value of a field as text, as filters and people see it; of an input's
 * field too. Returns its length, 0 when the event does not have it; *ret_has
 * (may be NULL) tells. Cut to size, always terminated. */
size_t cd_event_text(const struct cd_event *event, unsigned int field,
		     char *out, size_t size, bool *ret_has);
/* One element of a list equals s, or the text of the value does. */
bool cd_event_has(const struct cd_event *event, unsigned int field,
		  struct cd_str s);
/* Appends one JSON object on one line, without a line end. `node` is used
 * when the record names none; may be empty. */
void cd_event_json(const struct cd_event *event, struct cd_str node,
		   struct cd_buf *out);

#endif
