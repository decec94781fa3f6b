/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of attributes, and the names of verdicts and reasons: each is
 * expanded from the one table of its header, so that numbers and names cannot
 * drift apart. Also the setters of a request, which belong to the registry's
 * value types and not to the decision.
 */
#include <cordon/decide.h>

#include "snapshot/layout.h"

const struct cd_attr_row cd_attr_rows[CD_ATTR_COUNT] = {
#define X(id, name_, type_, kinds_, subjects_, cure_, max_age_, source_, doc_) \
	[CD_ATTR_##id] = {                                                     \
		.name = name_,                                                 \
		.type = CD_T_##type_,                                          \
		.kinds = kinds_,                                               \
		.subjects = subjects_,                                         \
		.cure = CD_CURE_##cure_,                                       \
		.max_age = max_age_,                                           \
		.source = source_,                                             \
		.doc = doc_,                                                   \
	},
	CD_ATTRS(X)
#undef X
};

static const char *const type_names[] = {
	[CD_T_BOOL] = "yes or no",	[CD_T_DURATION] = "duration",
	[CD_T_INT] = "number",		[CD_T_STRING] = "string",
	[CD_T_COUNTRY] = "country",	[CD_T_RISK] = "risk",
	[CD_T_FACTOR] = "factor",	[CD_T_SET] = "set",
	[CD_T_ADDR] = "address",	[CD_T_PORT] = "port",
	[CD_T_PROTO] = "protocol",	[CD_T_LABELS] = "labels",
	[CD_T_NAME] = "DNS name",	[CD_T_PATH] = "path",
	[CD_T_METHOD] = "method",	[CD_T_APP] = "app",
	[CD_T_SUBJECT] = "subject",	[CD_T_TIME] = "time",
	[CD_T_APPROVERS] = "approvers",
};

static const char *const verdict_names[] = {"deny", "request", "challenge",
					    "allow"};

static const struct {
	const char *name, *text;
} reasons[CD_REASON_COUNT] = {
#define X(id, text_) [CD_REASON_##id] = {#id, text_},
	CD_REASONS(X)
#undef X
};

const struct cd_attr_row *cd_attr_get(enum cd_attr attr)
{
	cd_assert((unsigned int)attr < CD_ATTR_COUNT);
	return &cd_attr_rows[attr];
}

enum cd_attr cd_attr_find(struct cd_str name)
{
	for (unsigned int i = 0; i < CD_ATTR_COUNT; i++)
		if (cd_str_equal(name, cd_str_from(cd_attr_rows[i].name)))
			return (enum cd_attr)i;
	return CD_ATTR_NONE;
}

enum cd_attr cd_attr_nearest(struct cd_str name)
{
	/* A third of the letters wrong is no longer a slip of the pen. */
	unsigned int best = (unsigned int)CD_MIN(name.len / 3, 3u) + 1;
	enum cd_attr nearest = CD_ATTR_NONE;

	for (unsigned int i = 0; i < CD_ATTR_COUNT; i++) {
		unsigned int d = cd_str_distance(
			name, cd_str_from(cd_attr_rows[i].name), best);

		if (d < best) {
			best = d;
			nearest = (enum cd_attr)i;
		}
	}
	return nearest;
}

const char *cd_type_name(enum cd_type type)
{
	cd_assert((unsigned int)type < CD_ARRAY_SIZE(type_names));
	return type_names[type];
}

const char *cd_verdict_name(enum cd_verdict v)
{
	cd_assert((unsigned int)v < CD_ARRAY_SIZE(verdict_names));
	return verdict_names[v];
}

const char *cd_reason_name(enum cd_reason r)
{
	cd_assert((unsigned int)r < CD_REASON_COUNT);
	return reasons[r].name;
}

const char *cd_reason_text(enum cd_reason r)
{
	cd_assert((unsigned int)r < CD_REASON_COUNT);
	return reasons[r].text;
}

struct cd_name cd_name_make(struct cd_str s)
{
	return (struct cd_name){s, cd_str_hash(s)};
}

void cd_request_init(struct cd_request *request)
{
	memset(request, 0, sizeof(*request));
	request->capabilities = CD_CAN_ALL;
	request->best_factor = -1;
}

static struct cd_value *set(struct cd_request *r, enum cd_attr a)
{
	cd_assert((unsigned int)a < CD_ATTR_COUNT);
	memset(&r->v[a], 0, sizeof(r->v[a]));
	r->v[a].state = CD_KNOWN;
	return &r->v[a];
}

void cd_request_set_bool(struct cd_request *r, enum cd_attr a, bool value)
{
	set(r, a)->u.b = value;
}

void cd_request_set_int(struct cd_request *r, enum cd_attr a, int64_t value)
{
	set(r, a)->u.i = value;
}

void cd_request_set_str(struct cd_request *r, enum cd_attr a, struct cd_str s)
{
	set(r, a)->u.s = cd_name_make(s);
}

void cd_request_set_addr(struct cd_request *r, enum cd_attr a,
			 struct cd_addr addr)
{
	struct cd_value *v = set(r, a);

	v->u.addr = addr;
	if (addr.family != 4 && addr.family != 6)
		v->state = CD_UNKNOWN;
}

void cd_request_set_names(struct cd_request *r, enum cd_attr a,
			  const struct cd_name *names, uint32_t n)
{
	struct cd_value *v = set(r, a);

	v->u.set = names;
	v->n = n;
}

void cd_request_set_labels(struct cd_request *r, enum cd_attr a,
			   const struct cd_label *labels, uint32_t n)
{
	struct cd_value *v = set(r, a);

	v->u.labels = labels;
	v->n = n;
}
