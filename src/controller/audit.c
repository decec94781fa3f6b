/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit table and the way to read it.
 */
#include "controller/audit.h"

#include <stdlib.h>

#include "controller/api.h"
#include "controller/note.h"
#include "controller/page.h"
#include "sys/store.h"
#include "token/sha256.h"

#define HEX (2 * CD_SHA256_SIZE)

/* Hex SHA-256 of the sorted, compact JSON; NULL for NULL. */
static const char *state_hash(json_t *json, char out[HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hash[CD_SHA256_SIZE];
	char *text;
	size_t i;

	if (!json)
		return NULL;
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text)
		return NULL;
	cd_sha256(text, strlen(text), hash);
	free(text);
	for (i = 0; i < CD_SHA256_SIZE; i++) {
		out[2 * i] = digits[hash[i] >> 4];
		out[2 * i + 1] = digits[hash[i] & 15];
	}
	out[HEX] = 0;
	return out;
}

/* Acts that are more than an admin's change. */
static const struct {
	const char *action;
	enum cd_event_class event_class;
} classes[] = {
	{"signin", CD_EVENT_SIGNIN_OK},
	{"stepup", CD_EVENT_STEP_UP},
	{"policy.apply", CD_EVENT_POLICY_APPLIED},
	{"policy.recompile", CD_EVENT_POLICY_APPLIED},
	{"policy.rollback", CD_EVENT_POLICY_ROLLED_BACK},
	{"policy.return", CD_EVENT_POLICY_ROLLED_BACK},
	{"policy.confirm", CD_EVENT_POLICY_CONFIRMED},
};

static void note_act(struct cd_ctl *ctl, struct cd_note *n)
{
	size_t i;

	n->event_class = CD_EVENT_ADMIN;
	for (i = 0; i < CD_ARRAY_SIZE(classes); i++)
		if (cd_str_equal(cd_str_from(classes[i].action), n->action))
			n->event_class = classes[i].event_class;
	if (n->event_class == CD_EVENT_SIGNIN_OK ||
	    n->event_class == CD_EVENT_STEP_UP) {
		n->user = n->actor;
		n->target = CD_STR_NULL; /* oneself */
	}
	cd_note(ctl, n);
}

static int keep(struct cd_ctl *ctl, const char *who, const char *action,
		struct cd_str target, json_t *before, json_t *after)
{
	char a[HEX + 1], b[HEX + 1];
	int64_t n;

	n = cd_store_run(ctl->store,
			 "INSERT INTO audit(at, who, action, target, before,"
			 " after) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
			 "izzszz", cd_now(), who, action, target,
			 state_hash(before, a), state_hash(after, b));
	return n < 0 ? (int)n : 0;
}

int cd_audit(struct cd_ctl *ctl, const char *who, const char *action,
	     struct cd_str target, json_t *before, json_t *after)
{
	struct cd_note n = {.actor = cd_str_from(who),
			    .action = cd_str_from(action),
			    .target = target};
	int r = keep(ctl, who, action, target, before, after);

	if (r < 0)
		return r;
	note_act(ctl, &n);
	return 0;
}

int cd_audit_page(struct cd_call *call, const char *who, const char *action,
		  struct cd_str target, int64_t session)
{
	struct cd_note n = {.actor = cd_str_from(who),
			    .action = cd_str_from(action),
			    .target = target,
			    .addr = cd_page_addr(call),
			    .trace = cd_page_trace(call),
			    .session = session};
	int r = keep(call->ctl, who, action, target, NULL, NULL);

	if (r < 0)
		return r;
	note_act(call->ctl, &n);
	return 0;
}

static json_t *text_column(const struct cd_query *q, int column)
{
	if (cd_query_is_null(q, column))
		return NULL;
	return cd_json_str(cd_query_str(q, column));
}

void answer_audit_list(struct cd_call *call)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	const char *text = cd_http_query(call->req, "limit");
	json_t *list = json_array();
	uint64_t limit = 100;
	int r;

	if (text &&
	    (cd_str_parse_u64(cd_str_from(text), &limit) < 0 || limit > 10000))
		limit = 10000;
	r = cd_query_start(&q, call->ctl->store,
			   "SELECT id, at, who, action, target, before, after"
			   " FROM audit ORDER BY id DESC LIMIT ?1",
			   "i", (int64_t)limit);
	while (!r && (r = cd_query_step(&q)) > 0)
		r = json_array_append_new(
			list, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o*, s:o*}",
					"id", (json_int_t)cd_query_int(&q, 0),
					"at", cd_json_time(cd_query_int(&q, 1)),
					"who", text_column(&q, 2), "action",
					text_column(&q, 3), "target",
					text_column(&q, 4), "before",
					text_column(&q, 5), "after",
					text_column(&q, 6)));
	cd_call_json(call, 200, cd_json_items(list));
}
