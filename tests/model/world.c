/* SPDX-License-Identifier: Apache-2.0 */
/* See world.h. */
#include "world.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "base/buf.h"
#include "base/bundle_layout.h"
#include "shm/control.h"
#include "shm/session_table.h"

#define HOUR 3600
#define DAY 86400
#define START INT64_C(1790553600) /* a Monday */

const char *const w_change_names[W_CHANGES] = {
	"rule",	   "policy", "policy ends", "groups",  "risk",
	"disable", "gone",   "device",	    "attest",  "device gone",
	"revoke",  "remove", "session",	    "step up", "table",
	"time",	   "forth",  "back",	    "nothing"};

static const struct cd_table_limits limits = {4 * W_SESSIONS, 16, 16};
static bool real; /* a clock and a directory of others */
static const uint8_t (*cert_keys)[SHA256_DIGEST_LENGTH];
static int cert_count;
static struct cd_control *control;
static struct cd_table *table;
static uint64_t serial;

/* ---- the run directory -------------------------------------------------- */
static char run[96];

static const char *in_run(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", run, name);
	return path;
}

static void run_done(void)
{
	static const char *const files[] = {"policy/current", "policy/new",
					    "shm/sessions", "shm/sessions.new",
					    "shm/control"};

	for (size_t i = 0; i < CD_ARRAY_SIZE(files); i++)
		unlink(in_run(files[i]));
	rmdir(in_run("policy"));
	rmdir(in_run("shm"));
	rmdir(run);
}

const char *world_run(void)
{
	if (*run)
		return run;
	snprintf(run, sizeof(run), "%s/cordon-live-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	cd_assert(mkdtemp(run));
	atexit(run_done);
	cd_assert(!mkdir(in_run("policy"), 0700) &&
		  !mkdir(in_run("shm"), 0700) &&
		  !cd_control_create(in_run("shm/control"), 0600, &control));
	return run;
}

void world_real(const char *dir, const uint8_t (*certs)[32], int n)
{
	real = true;
	cert_keys = certs;
	cert_count = n;
	cd_assert((size_t)snprintf(run, sizeof(run), "%s", dir) < sizeof(run));
	cd_assert(!cd_control_create(in_run("shm/control"), 0644, &control));
}

void world_clock(struct world *w)
{
	struct timespec ts;
	int64_t before = w->now;

	clock_gettime(CLOCK_REALTIME, &ts);
	w->now = ts.tv_sec;
	if (before && w->now > before)
		w->lived += w->now - before;
}

/* ---- the policy --------------------------------------------------------- */
static bool spill(struct cd_str bytes)
{
	char new[160];
	FILE *f;

	snprintf(new, sizeof(new), "%s", in_run("policy/new"));
	f = fopen(new, "wb");
	if (!f)
		return false;
	if (fwrite(bytes.ptr, 1, bytes.len, f) != bytes.len) {
		fclose(f);
		return false;
	}
	return !fclose(f) && !rename(new, in_run("policy/current"));
}

/* Not signed: a gateway reads what the agent let through. */
static void publish(struct world *w, const struct engine *e)
{
	struct cd_buf b cd_auto(cd_buf_done);
	unsigned char hash[SHA256_DIGEST_LENGTH];

	SHA256(e->image, e->size, hash);
	cd_buf_init(&b, 16 << 20);
	cd_buf_puts(&b, CD_BUNDLE_MAGIC);
	cd_buf_u32(&b, CD_BUNDLE_VERSION);
	cd_buf_u32(&b, CD_BUNDLE_HEADER);
	cd_buf_u64(&b, ++serial);
	cd_buf_u64(&b, 0);
	cd_buf_u64(&b, (uint64_t)w->not_after);
	cd_buf_put(&b, hash, sizeof(hash));
	cd_buf_extend(&b, CD_BUNDLE_AUDIENCE);
	cd_buf_u64(&b, e->size);
	cd_buf_extend(&b, CD_BUNDLE_HEADER - b.len);
	cd_buf_put(&b, e->image, e->size);
	if (b.err || !spill(cd_buf_get(&b)))
		w->broken = true;
	cd_control_bump(&control->policy_gen);
}

/* A random rule, bent towards what gateways are asked for, so that enough is
 * allowed; and without what no gateway can honour. */
static void bend(struct m_rule *u, struct rng *r)
{
	static const int subjects[] = {SUB_ANY, SUB_PEOPLE, SUB_GROUP,
				       SUB_USER};

	/* of what a clock turns, something else in the place */
	for (int i = 0; i < u->n_when && real; i++)
		if (u->when[i].kind == N_ATOM && u->when[i].atom == A_TIME)
			u->when[i].atom = A_SRC_FEED;

	u->no_upload = false;
	u->record_required &= rng_chance(r, 1, 5);
	u->until *= rng_chance(r, 1, 3);
	if (rng_chance(r, 6, 10)) {
		u->n_from = 1;
		u->from[0].kind = subjects[rng_below(r, u->deny ? 4 : 3)];
		u->from[0].index = (int)rng_below(r, M_USERS);
	}
	if (rng_chance(r, 7, 10)) {
		u->n_to = 1;
		u->n_to_except = u->port = 0;
		u->to[0].kind = rng_chance(r, 3, 4) ? OBJ_APP : OBJ_ANY;
		u->to[0].index = (int)rng_below(r, W_APPS);
		u->to[0].methods = 0;
		u->to[0].path = -1;
	}
	if (u->deny && rng_chance(r, 1, 5)) {
		u->n_when = 1;
		u->when[0] = (struct m_node){.kind = N_ATOM,
					     .atom = A_RISK,
					     .op = OP_GE,
					     .value = 2 + (int)rng_below(r, 2)};
	}
	if (!u->deny && rng_chance(r, 1, 3))
		u->n_when = 0;
	if (!u->deny && rng_chance(r, 1, 2)) {
		u->on_change = 1 + (int)rng_below(r, 2);
		u->drain = (real ? 60 : 1) + (int)rng_below(r, 240);
	}
}

static void rule_random(struct m_rule *u, int i, struct rng *r)
{
	m_rule_random(u, i, r);
	bend(u, r);
}

/* 0, 1: refused. */
static int try_policy(struct world *w, const struct m_policy *p)
{
	struct engine e;
	int err = engine_new(&e, p);

	if (err == 0) {
		w->p = *p;
		publish(w, &e);
	}
	if (err < 0)
		w->broken = true;
	engine_done(&e);
	return err;
}

/* With a real gateway a look costs a thousand times as much: there each app is
 * open to somebody, and no deny is without a condition. */
static void soften(struct m_policy *p, struct rng *r)
{
	static const int subjects[] = {SUB_ANY, SUB_PEOPLE, SUB_GROUP,
				       SUB_GROUP};

	for (int i = 0; i < W_APPS; i++) {
		struct m_rule *u = &p->rules[i];

		if (i >= p->n_rules)
			rule_random(u, i, r);
		u->deny = false;
		u->mode = u->until = u->n_from_except = u->n_to_except = 0;
		u->record_required = false;
		u->posture = -1;
		u->port = 0;
		u->n_from = u->n_to = 1;
		u->from[0].kind = subjects[rng_below(r, 4)];
		u->to[0] = (struct m_item){OBJ_APP, .index = i, .path = -1};
		if (rng_chance(r, 2, 3))
			u->n_when = 0;
	}
	p->n_rules = CD_MAX(p->n_rules, W_APPS);
	for (int i = W_APPS; i < p->n_rules; i++)
		if (p->rules[i].n_when == 0)
			p->rules[i].deny = false;
}

static void policy_random(struct world *w)
{
	struct m_policy all, p;

	m_policy_random(&all, w->r);
	for (int i = 0; i < all.n_rules; i++)
		bend(&all.rules[i], w->r);
	if (real)
		soften(&all, w->r);
	if (try_policy(w, &all) != 1)
		return;
	p = all;
	p.n_rules = 0;
	for (int i = 0; i < all.n_rules; i++) {
		struct engine e;

		p.rules[p.n_rules++] = all.rules[i];
		if (engine_new(&e, &p)) {
			p.n_rules--;
			w->refused++;
		}
		engine_done(&e);
	}
	if (try_policy(w, &p))
		w->broken = true;
}

void world_policy(struct world *w)
{
	policy_random(w);
}

static void policy_open(struct world *w)
{
	struct m_policy p = {.n_rules = 1};
	struct m_rule *u = &p.rules[0];

	snprintf(u->name, sizeof(u->name), "open");
	u->n_from = u->n_to = 1;
	u->from[0].kind = SUB_ANY;
	u->to[0] = (struct m_item){.kind = OBJ_ANY, .path = -1};
	u->posture = -1;
	if (try_policy(w, &p))
		w->broken = true;
}

static bool has_name(const struct m_policy *p, const char *name)
{
	for (int i = 0; i < p->n_rules; i++)
		if (!strcmp(p->rules[i].name, name))
			return true;
	return false;
}

static void add_rule(struct m_policy *p, struct rng *r)
{
	struct m_rule u;
	int i = 0;

	do
		rule_random(&u, i++, r);
	while (has_name(p, u.name));
	p->rules[p->n_rules++] = u;
}

static void change_rule(struct world *w)
{
	struct m_policy p = w->p;
	int i = p.n_rules ? (int)rng_below(w->r, (uint64_t)p.n_rules) : 0;
	unsigned what = (unsigned)rng_below(w->r, 4);

	if (p.n_rules == 0 || (what == 0 && p.n_rules < M_RULES)) {
		add_rule(&p, w->r);
	} else if (what == 1 && p.n_rules > 2) {
		p.rules[i] = p.rules[--p.n_rules];
	} else if (what == 2) {
		p.rules[i].n_when = 0;
	} else {
		struct m_rule old = p.rules[i];

		rule_random(&p.rules[i], 0, w->r);
		strcpy(p.rules[i].name, old.name);
	}
	if (try_policy(w, &p) == 1) {
		w->refused++;
		p = w->p;
		w->broken |= try_policy(w, &p) != 0;
	}
}

/* ---- rows --------------------------------------------------------------- */
static void put_person(struct world *w, int i)
{
	const struct w_person *p = &w->people[i];
	struct cd_str groups[M_GROUPS];
	struct cd_subject_row row = {.name = cd_str_from(m_users[i]),
				     .groups = groups,
				     .risk = (uint8_t)p->risk,
				     .best_factor = (int8_t)p->best,
				     .disabled = p->disabled};

	for (int g = 0; g < M_GROUPS; g++)
		if (p->groups >> g & 1)
			groups[row.n_groups++] = cd_str_from(m_groups[g]);
	w->broken |= p->there && cd_table_subject_put(table, &row) != 0;
}

static struct cd_str device_name(int i)
{
	static const char *const names[W_DEVICES] = {"laptop-1", "laptop-2",
						     "phone-1", "phone-2"};

	return cd_str_from(names[i]);
}

static void put_device(struct world *w, int i)
{
	const struct w_device *d = &w->devices[i];
	struct cd_device_row row = {.name = device_name(i)};
	const int values[CD_DEVICE_ATTRS] = {[CD_DEVICE_MANAGED] = d->managed,
					     [CD_DEVICE_ENCRYPTED] =
						     d->encrypted,
					     [CD_DEVICE_OS] = -1,
					     [CD_DEVICE_OS_AGE] = d->os_age,
					     [CD_DEVICE_FIREWALL] = -1,
					     [CD_DEVICE_SCREEN_LOCK] = -1};

	for (int k = 0; k < CD_DEVICE_ATTRS; k++) {
		row.attrs[k].known = values[k] >= 0;
		row.attrs[k].value = (uint32_t)CD_MAX(values[k], 0);
		row.attrs[k].vouched_at = (uint32_t)d->vouched_at;
	}
	w->broken |= d->there && cd_table_device_put(table, &row) != 0;
}

static void key_of(const struct w_session *s, uint8_t key[CD_SESSION_KEY_LEN])
{
	if (s->cert >= 0)
		memcpy(key, cert_keys[s->cert], CD_SESSION_KEY_LEN);
	else
		SHA256((const unsigned char *)s->token, strlen(s->token), key);
}

static void put_session(struct world *w, int i)
{
	const struct w_session *s = &w->sessions[i];
	struct cd_session_row row = {.id = (uint64_t)i + 1,
				     .subject = cd_str_from(m_users[s->user]),
				     .created = (uint32_t)s->created,
				     .idle_limit = (uint32_t)s->idle,
				     .last_seen = (uint32_t)s->told,
				     .auth_time = (uint32_t)s->auth_time,
				     .expires = (uint32_t)s->expires,
				     .mfa_kind = (uint8_t)s->mfa_kind,
				     .state = s->revoked ? CD_SESSION_REVOKED :
							   CD_SESSION_LIVE};

	if (!s->there)
		return;
	key_of(s, row.key);
	if (s->app < 2) /* that of a certificate is of no app */
		row.app = cd_str_from(m_apps[s->app].name);
	if (s->device >= 0 && w->devices[s->device].there)
		row.device = device_name(s->device);
	w->broken |= cd_table_session_put(table, &row) != 0;
}

static void drop_session(struct world *w, int i)
{
	struct w_session *s = &w->sessions[i];
	uint8_t key[CD_SESSION_KEY_LEN];

	if (!s->there)
		return;
	key_of(s, key);
	s->there = false;
	w->broken |= cd_table_session_remove(table, key) != 0;
}

static struct cd_session_row canary_row(const struct world *w, int i)
{
	char token[24];
	struct cd_session_row row = {.id = 1000000 + (uint64_t)i,
				     .subject = cd_str_from("canary"),
				     .app = cd_str_from(m_apps[0].name),
				     .created = (uint32_t)w->now,
				     .last_seen = (uint32_t)w->now,
				     .state = CD_SESSION_LIVE};

	snprintf(token, sizeof(token), "canary-%d", i);
	SHA256((const unsigned char *)token, strlen(token), row.key);
	return row;
}

static void put_canaries(struct world *w)
{
	const struct cd_subject_row who = {.name = cd_str_from("canary"),
					   .best_factor = -1};

	w->broken |= cd_table_subject_put(table, &who) != 0;
	for (int i = w->dead; i < w->canaries; i++) {
		struct cd_session_row row = canary_row(w, i);

		w->broken |= cd_table_session_put(table, &row) != 0;
	}
}

void world_canaries(struct world *w, int n)
{
	w->canaries = n;
	put_canaries(w);
	cd_control_bump(&control->change_gen);
}

int world_canary_ends(struct world *w)
{
	struct cd_session_row row = canary_row(w, w->dead);

	w->broken |= cd_table_session_remove(table, row.key) != 0;
	cd_control_bump(&control->change_gen);
	return w->dead++;
}

/* A worker remembers uses by their place in the table: of another table it
 * knows what the agent wrote. */
static void put_table(struct world *w)
{
	for (int i = 0; i < w->n_sessions; i++) {
		struct w_session *s = &w->sessions[i];

		s->told = CD_MAX(s->told, s->used);
		s->used = 0;
	}
	cd_table_free(&table);
	w->broken |= cd_table_create(in_run("shm/sessions"), &limits, 0644,
				     &table) != 0;
	for (int i = 0; i < M_USERS; i++)
		put_person(w, i);
	for (int i = 0; i < W_DEVICES; i++)
		put_device(w, i);
	for (int i = 0; i < w->n_sessions; i++)
		put_session(w, i);
	if (w->canaries)
		put_canaries(w);
	w->broken |= cd_table_publish(table) != 0;
	cd_control_bump(&control->table_gen);
}

/* ---- random ------------------------------------------------------------- */
static int below(struct world *w, int n)
{
	return (int)rng_below(w->r, (uint64_t)n);
}

static void person_random(struct world *w, int i)
{
	struct w_person *p = &w->people[i];

	p->there = true;
	p->disabled = false;
	p->groups = below(w, 32);
	p->risk = below(w, 4);
	p->best = below(w, 5) - 1;
}

static void device_random(struct world *w, int i)
{
	struct w_device *d = &w->devices[i];

	d->managed = CD_MIN(below(w, 7) - 1, 1);
	d->encrypted = below(w, 3) - 1;
	d->os_age = below(w, 6) ? below(w, 45) * DAY + DAY / 2 * real : -1;
	d->vouched_at = w->now;
}

/* Minutes away from what rules ask for, so that seconds make no difference. */
static void set_ages(struct world *w, struct w_session *s)
{
	static const int minutes[] = {4, 30, 300, 1000};

	s->created = w->now - minutes[below(w, 4)] * 60 - 30;
	s->auth_time = below(w, 5) ? w->now - minutes[below(w, 4)] * 60 - 30 :
				     0;
}

/* Of somebody who is there; false: there are enough sessions. */
static bool session_random(struct world *w)
{
	struct w_session *s = &w->sessions[w->n_sessions];
	int user = below(w, M_USERS);

	if (w->n_sessions == W_SESSIONS || !w->people[user].there)
		return false;
	snprintf(s->token, sizeof(s->token), "session-%d", w->n_sessions);
	s->there = true;
	s->revoked = false;
	s->user = user;
	s->app = below(w, W_APPS);
	s->cert = -1;
	if (real && s->app == 2) {
		if (w->n_certs == cert_count)
			s->app = 0;
		else
			s->cert = w->n_certs++;
	}
	s->device = below(w, W_DEVICES + 1) - 1;
	s->mfa_kind = below(w, 4);
	s->created = w->now - below(w, 60) * 60;
	s->auth_time = below(w, 5) ? s->created - below(w, 800) * 60 : 0;
	if (real)
		set_ages(w, s);
	s->expires = below(w, 2) ? w->now + (1 + below(w, 24)) * HOUR : 0;
	s->idle = below(w, 3) ? 0 : (1 + below(w, 48)) * HOUR / 2;
	s->told = w->now;
	s->used = 0;
	w->n_sessions++;
	return true;
}

/* A few minutes, to the next full hour, hours, days: all full minutes, since
 * the model counts in those. */
static void time_passes(struct world *w)
{
	int64_t by;

	switch (below(w, 4)) {
	case 0:
		by = (1 + below(w, 30)) * 60;
		break;
	case 1:
		by = HOUR - w->now % HOUR;
		break;
	case 2:
		by = (1 + below(w, 12)) * HOUR;
		break;
	default:
		by = (1 + below(w, 50)) * HOUR / 2;
	}
	w->now += by;
	w->lived += by;
	w->steady += by;
}

/* Forward: as if time had passed. Back: what the gateway remembers of uses
 * goes with it, what stands in the table does not. */
static void set_clock(struct world *w, enum w_change change)
{
	int64_t by = (1 + below(w, 24 * 60)) * 60;

	w->now += change == W_FORTH ? by : -by;
	w->lived += change == W_FORTH ? by : 0;
	for (int i = 0; i < w->n_sessions; i++)
		w->sessions[i].used = CD_MIN(w->sessions[i].used, w->now);
}

bool world_is_good(const struct world *w, const struct w_session *s)
{
	int64_t last = CD_MAX(s->told, s->used);

	last = CD_MAX(s->created, last);
	return s->there && !s->revoked && !w->people[s->user].disabled &&
	       (s->expires == 0 || w->now < s->expires) &&
	       (s->idle == 0 || w->now - last <= s->idle) &&
	       s->created - w->now <= HOUR; /* else the clock was set back */
}

void world_used(struct world *w, struct w_session *s)
{
	uint8_t key[CD_SESSION_KEY_LEN];

	s->used = w->now;
	if (below(w, 2))
		return;
	key_of(s, key);
	w->broken |= cd_table_session_seen(table, key, (uint32_t)w->now) != 0;
	s->told = CD_MAX(s->told, w->now);
}

static void change_session(struct world *w, enum w_change change)
{
	int i = below(w, w->n_sessions);
	struct w_session *s = &w->sessions[i];

	if (change == W_SESSION) {
		if (session_random(w))
			put_session(w, w->n_sessions - 1);
	} else if (change == W_REMOVE) {
		drop_session(w, i);
	} else {
		if (change == W_STEP_UP) {
			s->auth_time = w->now;
			s->mfa_kind = below(w, 4);
		} else {
			s->revoked = true;
		}
		put_session(w, i);
	}
}

static void person_goes(struct world *w, int i)
{
	if (!w->people[i].there) { /* comes back, a stranger */
		person_random(w, i);
		put_person(w, i);
		return;
	}
	for (int k = 0; k < w->n_sessions; k++)
		if (w->sessions[k].user == i)
			drop_session(w, k);
	w->people[i].there = false;
	w->broken |= cd_table_subject_remove(table, cd_str_from(m_users[i])) !=
		     0;
}

static void change_person(struct world *w, enum w_change change)
{
	int i = below(w, M_USERS);
	struct w_person *p = &w->people[i];

	if (change == W_GONE) {
		person_goes(w, i);
		return;
	}
	if (change == W_GROUPS)
		p->groups ^= 1 << below(w, M_GROUPS);
	if (change == W_RISK)
		p->risk = below(w, 4);
	if (change == W_DISABLE)
		p->disabled = !p->disabled;
	put_person(w, i);
}

/* One that is gone stays so. */
static void change_device(struct world *w, enum w_change change)
{
	int i = below(w, W_DEVICES);
	struct w_device *d = &w->devices[i];

	if (!d->there)
		return;
	if (change == W_DEVICE_GONE) {
		d->there = false;
		w->broken |= cd_table_device_remove(table, device_name(i)) != 0;
		return;
	}
	if (change == W_DEVICE)
		device_random(w, i);
	d->vouched_at = w->now;
	put_device(w, i);
}

static void change_policy(struct world *w, enum w_change change)
{
	struct m_policy same = w->p;
	bool ends = change == W_SHORT;

	w->not_after = w->now + (ends ? (5 + below(w, 600)) * 60 : 90 * DAY);
	if (change == W_RULE)
		change_rule(w);
	else if (change == W_POLICY)
		policy_random(w);
	else if (try_policy(w, &same))
		w->broken = true;
}

enum w_change world_change(struct world *w)
{
	static const uint8_t often[W_CHANGES] = {
		[W_RULE] = 12,	     [W_POLICY] = 3,  [W_SHORT] = 2,
		[W_GROUPS] = 14,     [W_RISK] = 10,   [W_DISABLE] = 4,
		[W_GONE] = 1,	     [W_DEVICE] = 8,  [W_ATTEST] = 5,
		[W_DEVICE_GONE] = 1, [W_REVOKE] = 7,  [W_REMOVE] = 3,
		[W_SESSION] = 14,    [W_STEP_UP] = 4, [W_TABLE] = 2,
		[W_TIME] = 30,	     [W_FORTH] = 3,   [W_BACK] = 3,
		[W_NOTHING] = 4};
	int dice = below(w, 130), change = 0;

	while (dice >= often[change])
		dice -= often[change++];
	if (real &&
	    (change == W_SHORT || (change >= W_TIME && change <= W_BACK)))
		change = W_GROUPS;
	if (change <= W_SHORT)
		change_policy(w, (enum w_change)change);
	else if (change <= W_GONE)
		change_person(w, (enum w_change)change);
	else if (change <= W_DEVICE_GONE)
		change_device(w, (enum w_change)change);
	else if (change <= W_STEP_UP)
		change_session(w, (enum w_change)change);
	else if (change == W_TABLE)
		put_table(w);
	else if (change == W_TIME)
		time_passes(w); /* nobody is there to tell */
	else if (change < W_NOTHING)
		set_clock(w, (enum w_change)change);
	if (change >= W_GROUPS && change <= W_STEP_UP)
		cd_control_bump(&control->change_gen);
	return (enum w_change)change;
}

void world_new(struct world *w, struct rng *r)
{
	memset(w, 0, sizeof(*w));
	w->r = r;
	w->now = START + below(w, 7) * DAY + below(w, 24) * HOUR;
	if (real)
		world_clock(w);
	w->not_after = w->now + 90 * DAY;
	w->steady = DAY;
	(void)world_run();
	for (int i = 0; i < M_USERS; i++)
		person_random(w, i);
	for (int i = 0; i < W_DEVICES; i++) {
		w->devices[i].there = true;
		device_random(w, i);
	}
	for (int i = 0; i < 12; i++)
		(void)session_random(w);
	if (real)
		policy_open(w);
	else
		policy_random(w);
	put_table(w);
}

void world_done(struct world *w)
{
	(void)w;
	cd_table_free(&table);
}

void world_note(const struct world *w)
{
	struct engine e;

	(void)engine_new(&e, &w->p);
	engine_note(&e);
	engine_done(&e);
}
