/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deciding a line of `cordon decide`, of which nobody promises that its keys
 * fit together: a host with a user.name, an app at another app's address.
 * cd_decide() lets one key of such a pair make the other count for nothing;
 * so the line without the first says more than the line as a whole, and a
 * refusal could become an allow by leaving something out.
 *
 * That must not be. Since the line without a key is answered by itself, only
 * one way is left: a line whose keys contradict each other is allowed when a
 * line that it contains is. Rejected: an error, or a refusal, for such lines
 * (leaving the offending key out would open), and taking what contradicts as
 * unknown (a deny on it would then fall away with it).
 */
#include "decide/input.h"

#include "snapshot/layout.h"

/* The keys that can make another count for nothing. Without them what is left
 * contradicts itself no more. */
enum pivot { SUBJECT, KIND, APP, SRC_LABELS, DST_LABELS, PIVOTS };

static const uint8_t pivot_attr[PIVOTS] = {
	[SUBJECT] = CD_ATTR_SUBJECT,
	[KIND] = CD_ATTR_NONE,
	[APP] = CD_ATTR_APP,
	[SRC_LABELS] = CD_ATTR_SRC_LABELS,
	[DST_LABELS] = CD_ATTR_DST_LABELS,
};

static bool is_known(const struct cd_request *r, unsigned int a)
{
	return r->v[a].state == CD_KNOWN;
}

uint8_t cd_input_app_kind(const struct cd_snapshot *snapshot,
			  const struct cd_request *request)
{
	static const uint8_t of[] = {
		[CD_APP_HTTP] = CD_KIND_HTTP, [CD_APP_TCP] = CD_KIND_TLS,
		[CD_APP_UDP] = CD_KIND_TLS,   [CD_APP_SSH] = CD_KIND_SHELL,
		[CD_APP_RDP] = CD_KIND_SHELL,
	};
	const struct cd_value *v = &request->v[CD_ATTR_APP];
	struct cd_app app;

	if (v->state != CD_KNOWN || !snapshot ||
	    !cd_snapshot_app_by_name(snapshot, v->u.s.s, &app))
		return 0;
	return of[app.kind];
}

/* Does the kind or the subject take a key that is given for absent. */
static bool has_ignored(const struct cd_request *r, uint8_t kind)
{
	uint8_t subject = CD_SUBJECT_ALL;

	if (is_known(r, CD_ATTR_SUBJECT))
		subject = (uint8_t)r->v[CD_ATTR_SUBJECT].u.i;
	for (unsigned int a = 0; a < CD_ATTR_COUNT; a++) {
		const struct cd_attr_row *row = &cd_attr_rows[a];
		bool personal = row->cure == CD_CURE_SIGN_IN ||
				row->cure == CD_CURE_PERSON;

		if (!is_known(r, a))
			continue;
		if ((kind && !(row->kinds & kind)) ||
		    !(row->subjects & subject) ||
		    (subject == CD_SUBJECT_ANONYMOUS && personal))
			return true;
	}
	return false;
}

/* Places that an app has by itself: given ones may be others. */
static bool has_place(const struct cd_request *r)
{
	return is_known(r, CD_ATTR_DST_IP) || is_known(r, CD_ATTR_DST_PORT) ||
	       is_known(r, CD_ATTR_PROTO) || is_known(r, CD_ATTR_DST_NAME) ||
	       is_known(r, CD_ATTR_DST_LABELS);
}

/* May the keys contradict each other. Too often true costs time alone. */
static bool may_contradict(const struct cd_request *r, uint8_t app_kind)
{
	uint8_t kind = r->kind ? r->kind : app_kind;

	if (r->kind && r->kind != app_kind &&
	    (r->v[CD_ATTR_APP].state != CD_ABSENT))
		return true;
	if (is_known(r, CD_ATTR_APP) && has_place(r))
		return true;
	if ((is_known(r, CD_ATTR_SRC_LABELS) && is_known(r, CD_ATTR_SRC_IP)) ||
	    (is_known(r, CD_ATTR_DST_LABELS) && is_known(r, CD_ATTR_DST_IP)))
		return true;
	return has_ignored(r, kind);
}

static bool has_pivot(const struct cd_request *r, unsigned int p)
{
	return p == KIND ? r->kind != 0 :
			   r->v[pivot_attr[p]].state != CD_UNKNOWN;
}

/* The line without some of its pivots, as bits; false: it does not have all of
 * them. */
static bool without(const struct cd_request *line, unsigned int pivots,
		    struct cd_request *ret)
{
	*ret = *line;
	for (unsigned int p = 0; p < PIVOTS; p++) {
		if (!(pivots >> p & 1))
			continue;
		if (!has_pivot(line, p))
			return false;
		if (p == KIND)
			ret->kind = 0;
		else
			ret->v[pivot_attr[p]] = (struct cd_value){0};
	}
	return true;
}

static struct cd_decision decide(const struct cd_snapshot *snapshot,
				 struct cd_request *r)
{
	if (!r->kind)
		r->kind = cd_input_app_kind(snapshot, r);
	return cd_decide(snapshot, r);
}

struct cd_decision cd_input_decide(const struct cd_snapshot *snapshot,
				   struct cd_request *request)
{
	const struct cd_request line = *request;
	struct cd_decision d = decide(snapshot, request), other;
	struct cd_request part;

	if (d.verdict == CD_ALLOW ||
	    !may_contradict(&line, cd_input_app_kind(snapshot, &line)))
		return d;
	for (unsigned int pivots = 1; pivots < 1u << PIVOTS; pivots++) {
		if (!without(&line, pivots, &part))
			continue;
		other = decide(snapshot, &part);
		if (other.verdict != CD_ALLOW)
			continue;
		*request = part;
		return other;
	}
	return d;
}
