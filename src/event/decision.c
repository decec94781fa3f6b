/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole decision as fields. Apart from encode.c, so that a program that
 * writes other events does not need the policy engine.
 */
#include "event/event.h"

static const char *kind_name(unsigned int kind)
{
	switch (kind) {
	case CD_KIND_PACKET:
		return "packet";
	case CD_KIND_NAME:
		return "name";
	case CD_KIND_TLS:
		return "tls";
	case CD_KIND_HTTP:
		return "http";
	case CD_KIND_SHELL:
		return "shell";
	case CD_KIND_LOGIN:
		return "login";
	default:
		return NULL;
	}
}

static void put_failed(struct cd_event_encoder *e,
		       const struct cd_snapshot *snapshot,
		       const struct cd_request *request,
		       const struct cd_decision *d)
{
	char need[256], have[256];

	for (size_t i = 0; i < d->n_failed && i < CD_FAILED_MAX; i++) {
		const struct cd_failure *f = &d->failed[i];
		const char *attr = f->attr < CD_ATTR_COUNT ?
					   cd_attr_get(f->attr)->name :
					   "";
		size_t n = cd_failure_need(snapshot, f, CD_FOR_ADMIN, need,
					   sizeof(need));
		size_t h = cd_failure_have(snapshot, request, f, CD_FOR_ADMIN,
					   have, sizeof(have));

		cd_event_put_failed(e, cd_str_from(attr), cd_str_make(need, n),
				    cd_str_make(have, h));
	}
}

static void put_watched(struct cd_event_encoder *e,
			const struct cd_snapshot *snapshot,
			const struct cd_decision *d)
{
	struct cd_name names[CD_WATCHED_MAX];
	size_t n = CD_MIN(d->n_watched, (size_t)CD_WATCHED_MAX);

	for (size_t i = 0; i < n; i++)
		names[i] = (struct cd_name){
			.s = cd_feed_name(snapshot, d->watched[i])};
	if (n)
		cd_event_put_names(e, CD_EVENT_F_WATCHED, names, n);
}

static void put_rules(struct cd_event_encoder *e,
		      const struct cd_snapshot *snapshot,
		      const struct cd_request *request,
		      const struct cd_decision *d)
{
	if (d->rule != CD_NO_RULE)
		cd_event_put_str(e, CD_EVENT_F_RULE,
				 cd_rule_name(snapshot, d->rule));
	if (d->explained != CD_NO_RULE && d->explained != d->rule)
		cd_event_put_str(e, CD_EVENT_F_EXPLAINED,
				 cd_rule_name(snapshot, d->explained));
	put_failed(e, snapshot, request, d);
	for (size_t i = 0; i < d->n_report && i < CD_REPORT_MAX; i++)
		cd_event_put_report(e,
				    cd_rule_name(snapshot, d->report[i].rule),
				    d->report[i].verdict);
	put_watched(e, snapshot, d);
}

void cd_event_put_decision(struct cd_event_encoder *e,
			   const struct cd_snapshot *snapshot,
			   const struct cd_request *request,
			   const struct cd_decision *d)
{
	cd_event_put_num(e, CD_EVENT_F_VERDICT, d->verdict);
	cd_event_put_num(e, CD_EVENT_F_REASON, d->reason);
	cd_event_puts(e, CD_EVENT_F_KIND, kind_name(request->kind));
	if (d->recheck_at != INT64_MAX)
		cd_event_put_num(e, CD_EVENT_F_RECHECK_AT,
				 (uint64_t)d->recheck_at);
	cd_event_put_obligations(e, &d->obligations);
	if (snapshot)
		put_rules(e, snapshot, request, d);
	cd_event_put_inputs(e, request);
}
