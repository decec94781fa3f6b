/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes wait as encoded records, one behind the other with their length, in a
 * buffer of the context: no list, no copies of structs.
 */
#include "controller/note.h"

#include <stdlib.h>

#include "base/addr.h"
#include "base/http.h"
#include "controller/journal.h"
#include "sys/log.h"
#include "sys/store.h"

/* ---- packing ---- */

static void pack_str(struct cd_buf *out, struct cd_str s)
{
	uint16_t len = (uint16_t)CD_MIN(s.len, 512);

	cd_buf_u16(out, len);
	cd_buf_put(out, s.ptr, len);
}

static void pack(struct cd_buf *out, const struct cd_note *n)
{
	cd_buf_u16(out, (uint16_t)n->event_class);
	cd_buf_u8(out, n->failed);
	cd_buf_u64(out, (uint64_t)n->session);
	cd_buf_u64(out, (uint64_t)n->policy);
	pack_str(out, n->actor);
	pack_str(out, n->action);
	pack_str(out, n->target);
	pack_str(out, n->user);
	pack_str(out, n->app);
	pack_str(out, n->addr);
	pack_str(out, n->detail);
	pack_str(out, n->factor);
	pack_str(out, n->trace);
}

static struct cd_str unpack_str(struct cd_reader *r)
{
	return cd_read_bytes(r, cd_read_u16(r));
}

static struct cd_note unpack(struct cd_reader *r)
{
	struct cd_note n = {.event_class = cd_read_u16(r)};

	n.failed = cd_read_u8(r);
	n.session = (int64_t)cd_read_u64(r);
	n.policy = (int64_t)cd_read_u64(r);
	n.actor = unpack_str(r);
	n.action = unpack_str(r);
	n.target = unpack_str(r);
	n.user = unpack_str(r);
	n.app = unpack_str(r);
	n.addr = unpack_str(r);
	n.detail = unpack_str(r);
	n.factor = unpack_str(r);
	n.trace = unpack_str(r);
	return n;
}

/* ---- writing ---- */

static void put(struct cd_event_encoder *e, enum cd_event_field f,
		struct cd_str s)
{
	if (s.len)
		cd_event_put_str(e, f, s);
}

static void put_trace(struct cd_event_encoder *e, struct cd_str hex)
{
	uint8_t id[16];

	if (cd_hex_parse(hex, id, sizeof(id)))
		cd_event_put_bytes(e, CD_EVENT_F_TRACE, id, sizeof(id));
}

static void write_one(struct cd_ctl *ctl, const struct cd_note *n)
{
	struct cd_event_encoder *e;
	struct cd_addr addr;
	int r;

	if (!ctl->journal)
		return;
	e = cd_journal_event_begin(ctl->journal, n->event_class);
	cd_event_puts(e, CD_EVENT_F_PEP, "cordond");
	cd_event_put_num(e, CD_EVENT_F_OUTCOME,
			 n->failed ? CD_OUTCOME_FAILURE : CD_OUTCOME_SUCCESS);
	put(e, CD_EVENT_F_ACTOR, n->actor);
	put(e, CD_EVENT_F_ACTION, n->action);
	put(e, CD_EVENT_F_TARGET, n->target);
	put(e, CD_EVENT_F_USER, n->user);
	put(e, CD_EVENT_F_APP, n->app);
	put(e, CD_EVENT_F_DETAIL, n->detail);
	put(e, CD_EVENT_F_FACTOR, n->factor);
	put_trace(e, n->trace);
	if (!cd_addr_parse(n->addr, &addr))
		cd_event_put_addr(e, CD_EVENT_F_SRC_IP, &addr);
	if (n->session)
		cd_event_put_num(e, CD_EVENT_F_SESSION, (uint64_t)n->session);
	if (n->policy)
		cd_event_put_num(e, CD_EVENT_F_POLICY_SERIAL,
				 (uint64_t)n->policy);
	r = cd_journal_event_end(ctl->journal, NULL, NULL);
	if (r < 0)
		CD_LOG_ERROR("EVENT_NOT_KEPT",
			     cd_log_num("class", n->event_class),
			     cd_log_err(r));
}

void cd_note(struct cd_ctl *ctl, const struct cd_note *note)
{
	if (!cd_store_in_transaction(ctl->store))
		write_one(ctl, note);
	else if (ctl->n_notes++ < CD_NOTES_MAX)
		pack(&ctl->notes, note);
}

void cd_notes_write(struct cd_ctl *ctl)
{
	struct cd_str bytes = cd_buf_get(&ctl->notes);
	struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);
	struct cd_note n;

	if (ctl->n_notes > CD_NOTES_MAX)
		CD_LOG_WARN("EVENTS_SHORTENED",
			    cd_log_num("left_out",
				       (int64_t)(ctl->n_notes - CD_NOTES_MAX)));
	while (cd_reader_left(&r)) {
		n = unpack(&r);
		if (r.err)
			break;
		write_one(ctl, &n);
	}
	cd_notes_drop(ctl);
}

void cd_notes_drop(struct cd_ctl *ctl)
{
	cd_buf_clear(&ctl->notes);
	ctl->n_notes = 0;
}
