/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills requests from the state. What is not known stays unknown: an error
 * while reading makes a decision stricter, never looser.
 */
#include "controller/judge.h"

#include <stdlib.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/time.h"
#include "controller/policy.h"

enum { ARENA_MAX = 256 * 1024 };

int cd_case_new(const struct cd_snapshot *snapshot, struct cd_str app,
		struct cd_case **ret_case)
{
	struct cd_case *c cd_auto(cd_case_free) = calloc(1, sizeof(*c));
	struct cd_upstream up;
	struct cd_app found;
	struct cd_request *q;
	int r;

	if (!c)
		return -ENOMEM;
	r = cd_arena_new(ARENA_MAX, &c->arena);
	if (r < 0)
		return r;
	q = &c->request;
	cd_request_init(q);
	if (!snapshot || !cd_snapshot_app_by_name(snapshot, app, &found))
		return CD_E_NOTFOUND;
	q->kind = found.kind == CD_APP_HTTP ? CD_KIND_HTTP :
		  found.kind == CD_APP_SSH || found.kind == CD_APP_RDP ?
					      CD_KIND_SHELL :
					      CD_KIND_TLS;
	cd_request_set_int(q, CD_ATTR_SUBJECT, CD_SUBJECT_ANONYMOUS);
	cd_request_set_int(q, CD_ATTR_TIME, cd_now() * CD_NS_PER_S);
	cd_request_set_str(q, CD_ATTR_APP, found.name);
	if (q->kind == CD_KIND_HTTP) {
		cd_request_set_str(q, CD_ATTR_HTTP_METHOD, CD_STR("GET"));
		cd_request_set_str(q, CD_ATTR_HTTP_PATH, CD_STR("/"));
	}
	if (found.host.len && q->kind != CD_KIND_SHELL)
		cd_request_set_str(q, CD_ATTR_DST_NAME, found.host);
	if (cd_snapshot_upstream(snapshot, found.index, 0, &up)) {
		if (up.addr.family)
			cd_request_set_addr(q, CD_ATTR_DST_IP, up.addr);
		cd_request_set_int(q, CD_ATTR_DST_PORT, up.port);
	}
	*ret_case = CD_TAKE(c);
	return 0;
}

void cd_case_free(struct cd_case **c)
{
	struct cd_case *x = CD_TAKE(*c);

	if (!x)
		return;
	cd_arena_free(&x->arena);
	free(x);
}

static int keep(struct cd_case *c, struct cd_str s, struct cd_str *ret)
{
	return cd_arena_str(c->arena, s, ret);
}

static int set_str(struct cd_case *c, enum cd_attr attr, struct cd_str s)
{
	struct cd_str copy;
	int r = keep(c, s, &copy);

	if (!r)
		cd_request_set_str(&c->request, attr, copy);
	return r;
}

static int set_groups(struct cd_ctl *ctl, struct cd_case *c, int64_t person)
{
	json_t *list = cd_person_groups(ctl, person), *item;
	size_t n = json_array_size(list), i;
	struct cd_name *names;
	struct cd_str copy;
	int r = list ? 0 : -ENOMEM;

	names = cd_arena_array(c->arena, n ? n : 1, sizeof(*names));
	if (!names)
		r = -ENOMEM;
	json_array_foreach(list, i, item)
	{
		if (!r)
			r = keep(c, cd_str_from(json_string_value(item)),
				 &copy);
		if (!r)
			names[i] = cd_name_make(copy);
	}
	json_decref(list);
	if (!r)
		cd_request_set_names(&c->request, CD_ATTR_USER_GROUPS, names,
				     (uint32_t)n);
	return r;
}

int cd_case_person(struct cd_ctl *ctl, struct cd_case *c,
		   const struct cd_person *p)
{
	int r = set_str(c, CD_ATTR_USER_NAME, cd_str_from(p->name));

	if (!r)
		r = set_groups(ctl, c, p->id);
	if (r < 0)
		return r;
	cd_request_set_int(&c->request, CD_ATTR_SUBJECT, CD_SUBJECT_PERSON);
	if (p->risk)
		cd_request_set_int(&c->request, CD_ATTR_RISK_USER, p->risk);
	c->request.best_factor = p->has_totp ? 2 : p->password[0] ? 1 : -1;
	return 0;
}

static int set_device(void *ctx, struct cd_change *record)
{
	const struct cd_change_device *d = &record->u.device;
	struct cd_case *c = ctx;
	int64_t now = cd_now();
	size_t i;
	int r = set_str(c, CD_ATTR_DEVICE_NAME, d->name);

	for (i = 0; i < d->n_attrs && !r; i++) {
		enum cd_attr attr = d->attrs[i].attr;
		int64_t age = CD_MAX(now - d->attrs[i].vouched_at, 0);

		if (d->attrs[i].is_string)
			r = set_str(c, attr, d->attrs[i].s);
		else if (cd_attr_get(attr)->type == CD_T_BOOL)
			cd_request_set_bool(&c->request, attr, d->attrs[i].i);
		else
			cd_request_set_int(&c->request, attr, d->attrs[i].i);
		c->request.v[attr].age = (uint32_t)CD_MIN(age, UINT32_MAX);
	}
	return r;
}

int cd_case_device(struct cd_ctl *ctl, struct cd_case *c, int64_t device)
{
	return cd_device_record(ctl, device, set_device, c);
}

int cd_case_session(struct cd_ctl *ctl, struct cd_case *c,
		    const struct cd_session *s)
{
	int64_t now = cd_now();
	int r;

	if (s->mfa_time)
		cd_request_set_int(&c->request, CD_ATTR_MFA_AGE,
				   CD_MAX(now - s->mfa_time, 0));
	cd_request_set_int(&c->request, CD_ATTR_MFA_KIND, s->mfa_kind);
	cd_request_set_int(&c->request, CD_ATTR_SESSION_AGE,
			   CD_MAX(now - s->auth_time, 0));
	if (!s->device)
		return 0;
	r = cd_case_device(ctl, c, s->device);
	return r == CD_E_NOTFOUND ? 0 : r;
}

void cd_case_addr(struct cd_case *c, struct cd_str addr)
{
	struct cd_addr a;

	if (!cd_addr_parse(addr, &a))
		cd_request_set_addr(&c->request, CD_ATTR_SRC_IP, a);
}

int cd_case_path(struct cd_case *c, struct cd_str path)
{
	return set_str(c, CD_ATTR_HTTP_PATH, path);
}

struct cd_decision cd_judge(struct cd_ctl *ctl, const struct cd_session *s,
			    const struct cd_person *p, struct cd_str app,
			    struct cd_str path, struct cd_str addr)
{
	const struct cd_snapshot *snapshot = cd_policy_snapshot(ctl);
	struct cd_case *c cd_auto(cd_case_free) = NULL;
	struct cd_decision no = {.verdict = CD_DENY,
				 .reason = CD_REASON_INTERNAL,
				 .rule = CD_NO_RULE,
				 .explained = CD_NO_RULE};
	int r = cd_case_new(snapshot, app, &c);

	if (r == CD_E_NOTFOUND)
		no.reason = CD_REASON_NO_SUCH_APP;
	if (!r)
		r = cd_case_person(ctl, c, p);
	if (!r)
		r = cd_case_session(ctl, c, s);
	if (!r && path.len)
		r = cd_case_path(c, path);
	if (r < 0)
		return no;
	cd_case_addr(c, addr);
	return cd_decide(snapshot, &c->request);
}
