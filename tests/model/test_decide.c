/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine against the model, and the rules of the language as properties.
 * Each random policy is printed, parsed, compiled, mapped and asked; verdict,
 * rule, reason and obligations must be those of the slow evaluator. A failure
 * prints the policy, the request and the seed.
 */
#include <cordon/policy.h>

#include "base/str.h"
#include "model.h"
#include "rng.h"
#include "tap.h"

#define REQUESTS 40

struct engine {
	struct cd_policy *policy;
	void *image;
	size_t size;
	const struct cd_snapshot *snapshot;
	char *text;
	size_t text_len;
};

static int load_feed(void *ctx, struct cd_str location, char **ret, size_t *len)
{
	(void)ctx;
	(void)location;
	*len = strlen(m_feed_text);
	*ret = cd_str_dup(cd_str_from(m_feed_text));
	return *ret ? 0 : -ENOMEM;
}

static const struct cd_loader loader = {.feed = load_feed};

static void engine_done(struct engine *e)
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
			note("%u:%u: %s", m->line, m->column, m->text);
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

/* -1 and a note: does not build; 1: refused by a check that the generator
 * cannot foresee (a condition that no point can decide). */
static int engine_new(struct engine *e, const struct m_policy *p)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	FILE *f;
	int err;

	memset(e, 0, sizeof(*e));
	f = open_memstream(&e->text, &e->text_len);
	if (!f || cd_diag_new(&diag))
		return -1;
	m_policy_print(p, f);
	fclose(f);
	err = engine_build(e, diag);
	if (err == CD_E_CHECK)
		return 1;
	if (err) {
		note("%s", cd_strerror(err));
		print_diag(diag);
	}
	return err ? -1 : 0;
}

/* ---- the same request for the engine ----------------------------------- */
struct storage {
	struct cd_name groups[M_GROUPS], approvers[M_USERS];
	struct cd_label src[2], dst[2];
};

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
	set_int(r, CD_ATTR_DEVICE_OS_AGE, q->os_age, 86400);
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

static void convert(struct cd_request *r, const struct m_request *q,
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

/* ---- comparing --------------------------------------------------------- */
static const char *const verdicts[] = {"deny", "request", "challenge", "allow"};

static bool same(const struct m_decision *m, const struct cd_decision *d,
		 const struct cd_snapshot *s)
{
	struct cd_str rule = cd_rule_name(s, d->rule);
	const struct cd_obligations *o = &d->obligations;

	return (int)m->verdict == d->verdict &&
	       cd_str_equal(rule, text(m->rule)) &&
	       strcmp(m->reason, cd_reason_name(d->reason)) == 0 &&
	       m->record_required == o->record_required &&
	       m->no_upload == o->no_upload && (uint32_t)m->max == o->max &&
	       (m->record || m->record_required) ==
		       (o->record || o->record_required);
}

static void report(const struct engine *e, const struct m_request *q,
		   const struct m_decision *m, const struct cd_decision *d)
{
	struct cd_str rule = cd_rule_name(e->snapshot, d->rule);
	char *line = e->text, *end;

	while (line && *line) {
		end = strchr(line, '\n');
		note("%.*s", (int)(end ? end - line : (long)strlen(line)),
		     line);
		line = end ? end + 1 : NULL;
	}
	m_request_print(q, stdout);
	note("model:  %s \"%s\" %s max %d", verdicts[m->verdict], m->rule,
	     m->reason, m->max);
	note("engine: %s \"%.*s\" %s max %u", cd_verdict_name(d->verdict),
	     CD_STR_FMT(rule), cd_reason_name(d->reason), d->obligations.max);
}

struct tally {
	unsigned long verdict[4], reason[CD_REASON_COUNT];
	unsigned long policies, rules, refused, requests;
};

/* A policy that compiles: rules that the checker refuses (because no point
 * could ever decide them) are left out one by one. */
static int engine_random(struct engine *e, struct m_policy *p, struct rng *r,
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

static bool one_policy(struct rng *r, struct tally *t)
{
	struct m_policy p;
	struct engine e;
	bool good = true;
	int err = engine_random(&e, &p, r, &t->refused);

	t->policies++;
	t->rules += (unsigned long)p.n_rules;
	for (int i = 0; err == 0 && good && i < REQUESTS; i++) {
		struct m_request q;
		struct m_decision m;
		struct storage s;
		struct cd_request request;
		struct cd_decision d;

		m_request_random(&q, r);
		convert(&request, &q, &s);
		m_decide(&p, &q, &m);
		d = cd_decide(e.snapshot, &request);
		t->verdict[d.verdict]++;
		t->reason[d.reason]++;
		t->requests++;
		good = same(&m, &d, e.snapshot);
		if (!good)
			report(&e, &q, &m, &d);
	}
	engine_done(&e);
	return ok_true(err == 0) && ok_true(good);
}

/* Every outcome must be met often, or the comparison shows little. */
static void check_spread(const struct tally *t)
{
	note("%lu policies, %lu rules (%lu refused), %lu requests", t->policies,
	     t->rules, t->refused, t->requests);
	for (int i = 0; i < 4; i++) {
		note("%s: %lu", verdicts[i], t->verdict[i]);
		ok_true(t->verdict[i] * 100 >= t->requests);
	}
	for (int i = CD_REASON_DEFAULT_DENY; i <= CD_REASON_CANNOT_ASK; i++) {
		note("%s: %lu", cd_reason_name((enum cd_reason)i),
		     t->reason[i]);
		ok_true(t->reason[i] * 5000 >= t->requests);
	}
	ok_true(t->refused < t->rules);
}

TEST(engine_decides_as_the_model_does)
{
	struct tally t = {0};
	struct rng r = rng_init(1);
	uint64_t n = rng_count(250000);

	for (uint64_t i = 0; i < n; i++)
		if (!one_policy(&r, &t))
			return;
	check_spread(&t);
}

/* Rule 3: removing any attribute never turns a refusal into an allow. The
 * request of an enforcement point keeps its kind and app. */
static bool removal_holds(const struct engine *e, const struct m_request *q)
{
	struct storage s;
	struct cd_request full, less;
	struct cd_decision before, after;

	convert(&full, q, &s);
	before = cd_decide(e->snapshot, &full);
	if (before.verdict == CD_ALLOW)
		return true;
	for (int a = 0; a < CD_ATTR_COUNT; a++) {
		if (a == CD_ATTR_TIME || full.v[a].state == CD_UNKNOWN ||
		    /* labels are derived from the address by the snapshot */
		    a == CD_ATTR_SRC_LABELS || a == CD_ATTR_DST_LABELS)
			continue;
		less = full;
		memset(&less.v[a], 0, sizeof(less.v[a]));
		after = cd_decide(e->snapshot, &less);
		if (after.verdict == CD_ALLOW) {
			note("without %s a refusal became an allow",
			     cd_attr_get((enum cd_attr)a)->name);
			m_request_print(q, stdout);
			note("%s", e->text);
			return false;
		}
	}
	return true;
}

TEST(removing_an_attribute_never_opens)
{
	struct rng r = rng_init(2);
	uint64_t n = rng_count(100000);
	unsigned long requests = 0, refused = 0;

	for (uint64_t i = 0; i < n; i++) {
		struct m_policy p;
		struct engine e;
		bool good = true;
		int err = engine_random(&e, &p, &r, &refused);

		for (int k = 0; err == 0 && good && k < REQUESTS; k++) {
			struct m_request q;

			m_request_random(&q, &r);
			good = removal_holds(&e, &q);
			requests++;
		}
		engine_done(&e);
		if (!ok_true(err == 0) || !ok_true(good))
			return;
	}
	note("%lu requests", requests);
	ok_true(requests > n);
}
