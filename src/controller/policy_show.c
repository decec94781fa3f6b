/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which policy is in force, its text, and those before.
 */
#include "controller/api.h"
#include "controller/policy_state.h"
#include "sys/store.h"

json_t *cd_policy_state_json(struct cd_ctl *ctl)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_policy_state *p = ctl->policy;
	struct cd_str by;
	int r;

	if (!p->serial)
		return NULL;
	r = cd_query_start(&q, ctl->store,
			   "SELECT applied, by FROM policy WHERE serial = ?1",
			   "i", p->serial);
	if (r < 0 || cd_query_step(&q) <= 0)
		return NULL;
	by = cd_query_str(&q, 1);
	return json_pack("{s:I, s:s, s:o, s:s%, s:I, s:o*}", "serial",
			 (json_int_t)p->serial, "hash", p->hash, "applied",
			 cd_json_time(cd_query_int(&q, 0)), "by", by.ptr,
			 by.len, "bundle", (json_int_t)p->bundle, "confirm_by",
			 cd_json_time(p->confirm_by));
}

void answer_policy_get(struct cd_call *call)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_policy_state *p = call->ctl->policy;
	json_t *files = NULL;
	int r;

	if (!p->serial) {
		cd_call_error(call, 404, "NOT_FOUND",
			      "no policy was applied yet");
		return;
	}
	r = cd_policy_files(call->ctl, p->serial, &files);
	if (!r)
		r = cd_query_start(&q, call->ctl->store,
				   "SELECT applied, by, note FROM policy"
				   " WHERE serial = ?1",
				   "i", p->serial);
	if (!r)
		r = cd_query_step(&q);
	if (r <= 0) {
		json_decref(files);
		cd_call_fail(call, r < 0 ? r : CD_E_CORRUPT);
		return;
	}
	cd_call_json(call, 200,
		     json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:o*}", "serial",
			       (json_int_t)p->serial, "hash", p->hash,
			       "applied", cd_json_time(cd_query_int(&q, 0)),
			       "by", cd_json_str(cd_query_str(&q, 1)), "note",
			       cd_json_str(cd_query_str(&q, 2)), "files", files,
			       "confirm_by", cd_json_time(p->confirm_by)));
}

static const char *version_state(const struct cd_policy_state *p,
				 int64_t serial)
{
	if (serial != p->serial)
		return "past";
	return p->confirm_by ? "to be confirmed" : "in force";
}

void answer_policy_versions(struct cd_call *call)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	json_t *list = json_array();
	int r;

	r = cd_query_start(&q, call->ctl->store,
			   "SELECT serial, hash, applied, by, note FROM policy"
			   " ORDER BY serial DESC LIMIT 1000",
			   "");
	while (!r && (r = cd_query_step(&q)) > 0)
		r = json_array_append_new(
			list,
			json_pack("{s:I, s:o, s:o, s:o, s:o, s:s}", "serial",
				  (json_int_t)cd_query_int(&q, 0), "hash",
				  cd_json_str(cd_query_str(&q, 1)), "applied",
				  cd_json_time(cd_query_int(&q, 2)), "by",
				  cd_json_str(cd_query_str(&q, 3)), "note",
				  cd_json_str(cd_query_str(&q, 4)), "state",
				  version_state(call->ctl->policy,
						cd_query_int(&q, 0))));
	cd_call_json(call, 200, cd_json_items(list));
}
