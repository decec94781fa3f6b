/* SPDX-License-Identifier: Apache-2.0 */
/* See engine.h. */
#include "engine.h"

#include <stdlib.h>

static int load_feed(void *ctx, struct cd_str location, char **ret, size_t *len)
{
	(void)ctx;
	(void)location;
	*len = strlen(m_feed_text);
	*ret = cd_str_dup(cd_str_from(m_feed_text));
	return *ret ? 0 : -ENOMEM;
}

static const struct cd_loader loader = {.feed = load_feed};

void engine_done(struct engine *e)
{
	cd_policy_free(&e->policy);
	free(e->image);
	free(e->text);
	memset(e, 0, sizeof(*e));
}

static void print_diag(const struct cd_diag *diag)
{
	for (size_t i = 0; i < cd_diag_count(diag); i++) {
		const struct cd_message *m = cd_diag_get(diag, i);

		if (m->severity == CD_ERROR)
			printf("# %u:%u: %s\n", m->line, m->column, m->text);
	}
}

static int engine_build(struct engine *e, struct cd_diag *diag)
{
	struct cd_source source = {.name = "model.cordon",
				   .text = {e->text, e->text_len}};
	int err = cd_policy_parse(&source, 1, diag, &e->policy);

	if (!err)
		err = cd_policy_compile(e->policy, &loader, diag, &e->image,
					&e->size);
	if (!err)
		err = cd_snapshot_open(e->image, e->size, &e->snapshot);
	if (!err)
		err = cd_snapshot_check(e->snapshot, diag);
	return err;
}

int engine_from_text(struct engine *e, char *text, size_t len)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	int err;

	memset(e, 0, sizeof(*e));
	e->text = text;
	e->text_len = len;
	if (!text || cd_diag_new(&diag))
		return -1;
	err = engine_build(e, diag);
	if (err == CD_E_CHECK)
		return 1;
	if (err) {
		printf("# %s\n", cd_strerror(err));
		print_diag(diag);
	}
	return err ? -1 : 0;
}

int engine_new(struct engine *e, const struct m_policy *p)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f) {
		m_policy_print(p, f);
		fclose(f);
	}
	return engine_from_text(e, text, len);
}

int engine_random(struct engine *e, struct m_policy *p, struct rng *r,
		  unsigned long *refused)
{
	struct m_policy all;
	int err;

	m_policy_random(&all, r);
	*p = all;
	err = engine_new(e, p);
	if (err != 1)
		return err;
	p->n_rules = 0;
	for (int i = 0; i < all.n_rules; i++) {
		engine_done(e);
		p->rules[p->n_rules++] = all.rules[i];
		err = engine_new(e, p);
		if (err == 1) {
			p->n_rules--;
			++*refused;
		}
	}
	engine_done(e);
	return engine_new(e, p);
}

void engine_note(const struct engine *e)
{
	const char *line = e->text, *end;

	while (line && *line) {
		end = strchr(line, '\n');
		printf("# %.*s\n", (int)(end ? end - line : (long)strlen(line)),
		       line);
		line = end ? end + 1 : NULL;
	}
}

/* ---- the same request for the engine ----------------------------------- */
static struct cd_str text(const char *z)
{
	return cd_str_from(z);
}

static void set_addr(struct cd_request *r, enum cd_attr a, struct m_addr addr)
{
	struct cd_addr v = {.family = 4};

	if (!addr.known)
		return;
	memcpy(v.bytes, addr.b, 4);
	cd_request_set_addr(r, a, v);
}

static void set_labels(struct cd_request *r, enum cd_attr a,
		       struct cd_label *out, int tier, int env)
{
	uint32_t n = 0;

	if (tier >= 0) {
		out[n].key = cd_name_make(text("tier"));
		out[n++].value = cd_name_make(text(m_tiers[tier]));
	}
	if (env >= 0) {
		out[n].key = cd_name_make(text("env"));
		out[n++].value = cd_name_make(text(m_envs[env]));
	}
	cd_request_set_labels(r, a, out, n);
}

static void set_bits(struct cd_request *r, enum cd_attr a, struct cd_name *out,
		     int bits, const char *const *names, int n_names)
{
	uint32_t n = 0;

	if (bits < 0)
		return;
	for (int i = 0; i < n_names; i++)
		if (bits >> i & 1)
			out[n++] = cd_name_make(text(names[i]));
	cd_request_set_names(r, a, out, n);
}

static void set_int(struct cd_request *r, enum cd_attr a, int v, int64_t unit)
{
	if (v >= 0)
		cd_request_set_int(r, a, v * unit);
}

static void set_str(struct cd_request *r, enum cd_attr a, int i,
		    const char *const *names)
{
	if (i >= 0)
		cd_request_set_str(r, a, text(names[i]));
}

static void set_person(struct cd_request *r, const struct m_request *q,
		       struct storage *s)
{
	set_str(r, CD_ATTR_USER_NAME, q->user, m_users);
	set_bits(r, CD_ATTR_USER_GROUPS, s->groups, q->groups, m_groups,
		 M_GROUPS);
	set_bits(r, CD_ATTR_APPROVAL, s->approvers, q->approvers, m_users,
		 M_USERS);
	set_int(r, CD_ATTR_MFA_AGE, q->mfa_age, 60);
	set_int(r, CD_ATTR_MFA_KIND, q->mfa_kind, 1);
	set_int(r, CD_ATTR_SESSION_AGE, q->session_age, 60);
	set_int(r, CD_ATTR_RISK_USER, q->risk, 1);
	if (q->managed >= 0)
		cd_request_set_bool(r, CD_ATTR_DEVICE_MANAGED, q->managed);
	if (q->managed >= 0 && q->managed_stale)
		r->v[CD_ATTR_DEVICE_MANAGED].age = 90000;
	if (q->encrypted >= 0)
		cd_request_set_bool(r, CD_ATTR_DEVICE_ENCRYPTED, q->encrypted);
	set_int(r, CD_ATTR_DEVICE_OS_AGE, q->os_age, 1);
	r->best_factor = q->best;
}

static void set_network(struct cd_request *r, const struct m_request *q,
			struct storage *s)
{
	set_str(r, CD_ATTR_GEO_COUNTRY, q->country, m_countries);
	set_addr(r, CD_ATTR_SRC_IP, q->src);
	set_addr(r, CD_ATTR_DST_IP, q->dst);
	if (q->src_labels)
		set_labels(r, CD_ATTR_SRC_LABELS, s->src, q->src_tier,
			   q->src_env);
	if (q->dst_labels)
		set_labels(r, CD_ATTR_DST_LABELS, s->dst, q->dst_tier,
			   q->dst_env);
	set_int(r, CD_ATTR_DST_PORT, q->dst_port, 1);
	set_int(r, CD_ATTR_PROTO, q->proto, 1);
	set_str(r, CD_ATTR_DST_NAME, q->domain, m_names);
	set_str(r, CD_ATTR_HTTP_METHOD, q->method, m_methods);
	set_str(r, CD_ATTR_HTTP_PATH, q->path, m_paths);
	if (q->app >= 0)
		cd_request_set_str(r, CD_ATTR_APP, text(m_apps[q->app].name));
}

void engine_request(struct cd_request *r, const struct m_request *q,
		    struct storage *s)
{
	static const uint8_t kinds[] = {
		0,	     CD_KIND_PACKET, CD_KIND_NAME,
		CD_KIND_TLS, CD_KIND_HTTP,   CD_KIND_SHELL};

	cd_request_init(r);
	r->kind = kinds[q->kind];
	if (!q->can_ask)
		r->capabilities &= ~(uint32_t)CD_CAN_ASK;
	if (!q->can_record)
		r->capabilities &= ~(uint32_t)CD_CAN_RECORD;
	cd_request_set_int(r, CD_ATTR_TIME, q->now * 1000000000);
	if (q->subject != M_S_UNKNOWN)
		cd_request_set_int(r, CD_ATTR_SUBJECT, 1 << q->subject);
	set_person(r, q, s);
	set_network(r, q, s);
}
