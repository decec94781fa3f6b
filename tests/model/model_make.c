/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The random half of the model: a fixed estate, random rules over it and
 * random requests to it, and their text. Everything is small, so that rules
 * meet requests often: each value has two to five possibilities.
 */
#include "model.h"

#include <string.h>

static unsigned m_below(struct rng *r, unsigned n)
{
	return (unsigned)rng_below(r, n);
}

static bool m_chance(struct rng *r, unsigned percent)
{
	return rng_chance(r, percent, 100);
}

const char *const m_users[M_USERS] = {"alice", "bob", "carol", "dave"};
/* staff = group ops, group finance; duo = user alice, user bob */
const char *const m_groups[M_GROUPS] = {"ops", "finance", "vendors", "staff",
					"duo"};
const char *const m_countries[] = {"DE", "AT", "US", "BR"};
const char *const m_tiers[] = {"web", "db", "cache"};
const char *const m_envs[] = {"prod", "test"};
const char *const m_methods[] = {"GET", "POST", "DELETE"};
const char *const m_paths[] = {"/", "/api", "/api/users", "/api/users/7",
			       "/admin"};
const char *const m_globs[] = {"/api/*", "/api/*/7", "/admin", "/*"};
const char *const m_names[] = {"deb.debian.org", "debian.org",
			       "security.ubuntu.com", "evil.example"};

const struct m_segment m_segments[M_SEGMENTS] = {
	{"corp", -1, {10, 0, 0, 0}, 8},	       {"prod", 0, {10, 20, 0, 0}, 16},
	{"pci", 1, {10, 20, 8, 0}, 24},	       {"lab", 0, {10, 30, 0, 0}, 16},
	{"munich", -1, {192, 168, 50, 0}, 24},
};

const struct m_app m_apps[M_APPS] = {
	{"payroll",
	 "  url https://payroll.example.com\n"
	 "  upstream http://10.20.4.7:8080\n",
	 M_K_HTTP,
	 {true, {10, 20, 4, 7}},
	 8080},
	{"wiki",
	 "  url https://wiki.example.com\n"
	 "  upstream http://10.30.0.9:80\n",
	 M_K_HTTP,
	 {true, {10, 30, 0, 9}},
	 80},
	{"ledger",
	 "  url tls://ledger.example.com:5432\n"
	 "  tcp 10.20.8.3:5432\n",
	 M_K_TLS,
	 {true, {10, 20, 8, 3}},
	 5432},
	{"jump",
	 "  ssh 10.20.0.5:22 as deploy\n",
	 M_K_SHELL,
	 {true, {10, 20, 0, 5}},
	 22},
};

const uint8_t m_feed[2][4] = {{203, 0, 113, 0}, {10, 20, 8, 0}};
const char m_feed_text[] = "# bad addresses\n203.0.113.0/24\n10.20.8.0/24\n";

/* Selectors: tiny = tier=web, databases = tier=db and env=prod,
 * rest = not tier=web */
static const char *const hosts_text[M_HOSTS] = {
	"hosts web where tier=web",
	"hosts proddb where tier=db and env=prod",
	"hosts notweb where not tier=web",
};
static const char *const hosts_names[M_HOSTS] = {"web", "proddb", "notweb"};
static const char *const domains_text[M_DOMAINS] = {
	"domains debian *.debian.org",
	"domains updates debian.org, security.ubuntu.com",
};
static const char *const domains_names[M_DOMAINS] = {"debian", "updates"};
static const char *const posture_names[M_POSTURES] = {"healthy", "fresh"};

bool m_domain_has(int domains, int name)
{
	return domains == 0 ? name == 0 : name == 1 || name == 2;
}

int m_group_closure(int g)
{
	return g == 3 ? 1 << 3 | 1 << 0 | 1 << 1 : 1 << g;
}

int m_group_users(int g)
{
	return g == 4 ? 1 << 0 | 1 << 1 : -1;
}

/* ---- random ------------------------------------------------------------ */
static const enum m_atom device_atoms[] = {A_MANAGED, A_ENCRYPTED, A_OS_AGE};

static void random_atom(struct m_node *n, struct rng *r, bool device)
{
	static const int minutes[] = {10, 60, 720};

	n->kind = N_ATOM;
	n->atom = device	  ? device_atoms[m_below(r, 3)] :
		  m_chance(r, 12) ? A_APPROVAL :
				    (enum m_atom)m_below(r, A_COUNT);
	n->op = (enum m_op)m_below(r, 6);
	switch (n->atom) {
	case A_ENCRYPTED:
		n->value = (int)m_below(r, 2);
		n->op = OP_EQ;
		break;
	case A_OS_AGE:
		n->value = m_chance(r, 50) ? 30 : 7;
		break;
	case A_MFA_AGE:
	case A_SESSION_AGE:
		n->value = minutes[m_below(r, 3)];
		if (m_chance(r, 60))
			n->op = OP_LT;
		break;
	case A_MFA_KIND:
		n->value = (int)m_below(r, 4);
		break;
	case A_RISK:
		n->value = 1 + (int)m_below(r, 3);
		break;
	case A_COUNTRY:
		n->value = 1 + (int)m_below(r, 15);
		n->negated = m_chance(r, 30);
		break;
	case A_USER:
		n->value = (int)m_below(r, M_USERS);
		n->op = m_chance(r, 50) ? OP_EQ : OP_NE;
		break;
	case A_GROUPS:
		n->value = (int)m_below(r, M_GROUPS);
		break;
	case A_DST_PORT:
		n->value = m_chance(r, 50) ? 5432 : 80;
		break;
	case A_METHOD:
		n->value = (int)m_below(r, M_METHODS);
		break;
	case A_TIME:
		n->value = (int)m_below(r, 2);
		break;
	case A_APPROVAL:
		n->value = (int)m_below(r, M_GROUPS);
		n->count = 1 + (int)m_below(r, 2);
		break;
	default:
		break;
	}
}

/* Builds a tree into nodes[]; returns the index of its root. */
static int random_tree(struct m_node *nodes, int *n, struct rng *r, bool device,
		       unsigned depth)
{
	int i = (*n)++;
	struct m_node *node = &nodes[i];

	memset(node, 0, sizeof(*node));
	if (depth == 0 || *n + 2 > M_NODES || m_chance(r, 45)) {
		random_atom(node, r, device);
		return i;
	}
	node->kind = m_chance(r, 20) ? N_NOT : m_chance(r, 60) ? N_AND : N_OR;
	node->left = random_tree(nodes, n, r, device, depth - 1);
	if (node->kind == N_NOT)
		return i;
	if (*n < M_NODES) {
		node->right = random_tree(nodes, n, r, device, depth - 1);
	} else {
		node->kind = N_NOT;
	}
	return i;
}

static void random_subject(struct m_item *it, struct rng *r)
{
	it->kind = (int)m_below(r, SUB_COUNT);
	it->index = it->kind == SUB_USER  ? (int)m_below(r, M_USERS) :
		    it->kind == SUB_GROUP ? (int)m_below(r, M_GROUPS) :
		    it->kind == SUB_HOSTS ? (int)m_below(r, M_HOSTS) :
					    (int)m_below(r, M_SEGMENTS);
}

static void random_object(struct m_item *it, struct rng *r, int family)
{
	static const int of_family[3][3] = {
		{OBJ_APP, OBJ_APP, OBJ_ANY},
		{OBJ_HOSTS, OBJ_SEGMENT, OBJ_INTERNET},
		{OBJ_DOMAINS, OBJ_DOMAINS, OBJ_ANY},
	};

	it->kind = of_family[family][m_below(r, 3)];
	it->index = it->kind == OBJ_APP	    ? (int)m_below(r, M_APPS) :
		    it->kind == OBJ_HOSTS   ? (int)m_below(r, M_HOSTS) :
		    it->kind == OBJ_DOMAINS ? (int)m_below(r, M_DOMAINS) :
					      (int)m_below(r, M_SEGMENTS);
	it->methods = 0;
	it->path = -1;
	if (it->kind == OBJ_APP && m_apps[it->index].kind == M_K_HTTP) {
		if (m_chance(r, 30))
			it->methods = 1 + (int)m_below(r, 7);
		if (m_chance(r, 30))
			it->path = (int)m_below(r, M_GLOBS);
	}
}

static int random_list(struct m_item *list, struct rng *r,
		       void (*make)(struct m_item *, struct rng *))
{
	int n = 1 + (m_chance(r, 30) ? (int)m_below(r, M_LIST) : 0);

	for (int i = 0; i < n; i++)
		make(&list[i], r);
	return n;
}

static void random_objects(struct m_rule *u, struct rng *r)
{
	int family = m_chance(r, 55) ? 0 : m_chance(r, 75) ? 1 : 2;

	u->n_to = 1 + (m_chance(r, 30) ? (int)m_below(r, M_LIST) : 0);
	for (int i = 0; i < u->n_to; i++)
		random_object(&u->to[i], r, family);
	if (m_chance(r, 15)) {
		u->n_to_except = 1;
		random_object(&u->to_except[0], r, family);
	}
	if (family == 1 && m_chance(r, 50))
		u->port = m_chance(r, 50) ? 5432 : 80;
}

static void random_rule(struct m_rule *u, int i, struct rng *r)
{
	memset(u, 0, sizeof(*u));
	/* names out of order, so that "the least name" is not "the first" */
	snprintf(u->name, sizeof(u->name), "r%02d", (i * 7 + 3) % 23);
	u->deny = m_chance(r, 30);
	u->n_from = random_list(u->from, r, random_subject);
	if (m_chance(r, 15))
		u->n_from_except = 1, random_subject(&u->from_except[0], r);
	u->posture = m_chance(r, 15) ? (int)m_below(r, M_POSTURES) : -1;
	random_objects(u, r);
	if (m_chance(r, 65))
		(void)random_tree(u->when, &u->n_when, r, false, 3);
	u->mode = m_chance(r, 8) ? 1 : m_chance(r, 8) ? 2 : 0;
	u->canary = 1 + (int)m_below(r, 99);
	if (!u->deny && m_chance(r, 25)) {
		u->max = 3600 * (1 + (int)m_below(r, 5));
		u->record = m_chance(r, 40);
		u->record_required = u->record && m_chance(r, 50);
		u->no_upload = m_chance(r, 20);
	}
	u->until = m_chance(r, 8) ? 1 : m_chance(r, 8) ? 2 : 0;
}

void m_rule_random(struct m_rule *u, int i, struct rng *r)
{
	random_rule(u, i, r);
}

void m_policy_random(struct m_policy *p, struct rng *r)
{
	memset(p, 0, sizeof(*p));
	for (int i = 0; i < M_POSTURES; i++)
		(void)random_tree(p->posture[i], &p->n_posture[i], r, true, 2);
	p->n_rules = 1 + (int)m_below(r, M_RULES);
	for (int i = 0; i < p->n_rules; i++)
		random_rule(&p->rules[i], i, r);
}

static int maybe(struct rng *r, unsigned unknown_percent, unsigned n)
{
	return m_chance(r, unknown_percent) ? -1 : (int)m_below(r, n);
}

static struct m_addr random_addr(struct rng *r)
{
	static const uint8_t pool[][4] = {
		{10, 1, 1, 1},	{10, 20, 4, 7},	   {10, 20, 8, 3},
		{10, 30, 0, 9}, {192, 168, 50, 4}, {203, 0, 113, 5},
		{8, 8, 8, 8},	{192, 168, 1, 1},  {10, 20, 0, 5},
	};
	struct m_addr a = {.known = !m_chance(r, 12)};

	memcpy(a.b, pool[m_below(r, sizeof(pool) / 4)], 4);
	return a;
}

static void random_person(struct m_request *q, struct rng *r, unsigned u)
{
	static const int minutes[] = {1, 30, 100, 1000};

	q->user = maybe(r, u, M_USERS);
	q->groups = maybe(r, u, 32);
	q->mfa_age = m_chance(r, u) ? -1 : minutes[m_below(r, 4)];
	q->mfa_kind = maybe(r, u, 4);
	q->session_age = m_chance(r, u) ? -1 : minutes[m_below(r, 4)];
	q->risk = maybe(r, u, 3);
	q->risk += q->risk >= 0;
	q->approvers = m_chance(r, 30) ? -1 :
		       m_chance(r, 50) ? 0 :
					 (int)m_below(r, 16);
	q->best = maybe(r, 30, 4);
}

void m_request_random(struct m_request *q, struct rng *r)
{
	static const int64_t days[] = {0, 1, 5, 6}; /* Mon Tue Sat Sun */
	static const int hours[] = {3, 7, 8, 12, 17, 18, 23};
	static const enum m_kind kinds[] = {M_K_PACKET, M_K_NAME,   M_K_TLS,
					    M_K_HTTP,	M_K_HTTP,   M_K_HTTP,
					    M_K_SHELL,	M_K_UNKNOWN};
	static const int ages[] = {1, 7, 20, 40}; /* days */
	unsigned u = m_chance(r, 50) ? 5 : 40;

	memset(q, 0, sizeof(*q));
	q->kind = kinds[m_below(r, 8)];
	q->subject = (enum m_subject)((int)m_below(r, 4) - 1);
	random_person(q, r, q->subject == M_S_ANONYMOUS ? 100 : u);
	q->managed = maybe(r, u, 2);
	q->managed_stale = m_chance(r, 20);
	q->encrypted = maybe(r, u, 2);
	q->os_age = m_chance(r, u) ? -1 : ages[m_below(r, 4)] * 86400;
	q->country = maybe(r, u, M_COUNTRIES);
	q->src = random_addr(r);
	q->dst = random_addr(r);
	q->src_labels = m_chance(r, 60);
	q->src_tier = (int)m_below(r, M_TIERS + 1) - 1;
	q->src_env = (int)m_below(r, M_ENVS + 1) - 1;
	q->dst_labels = m_chance(r, 60);
	q->dst_tier = (int)m_below(r, M_TIERS + 1) - 1;
	q->dst_env = (int)m_below(r, M_ENVS + 1) - 1;
	q->dst_port = m_chance(r, 15) ? -1 : m_chance(r, 50) ? 5432 : 80;
	q->proto = m_chance(r, 15) ? -1 : m_chance(r, 80) ? 6 : 17;
	q->domain = maybe(r, 15, M_NAMES);
	q->method = maybe(r, u, M_METHODS);
	q->path = maybe(r, u, M_PATHS);
	q->app = -1;
	if (q->kind == M_K_HTTP)
		q->app = (int)m_below(r, 2);
	if (q->kind == M_K_TLS)
		q->app = (int)m_below(r, 3);
	if (q->kind == M_K_SHELL)
		q->app = 3;
	if (q->app >= 0) { /* what an enforcement point would leave to derive */
		q->dst.known = false;
		q->dst_labels = false;
		q->dst_port = -1;
		if (m_chance(r, 5))
			q->app = -1;
	}
	q->now = 1790553600 + days[m_below(r, 4)] * 86400 + /* a Monday */
		 hours[m_below(r, 7)] * 3600 + (int)m_below(r, 2) * 1800;
	q->can_ask = q->kind != M_K_PACKET && q->kind != M_K_NAME &&
		     !m_chance(r, 10);
	q->can_record = !m_chance(r, 20);
}

/* ---- text -------------------------------------------------------------- */
static const char *const op_text[] = {"=", "!=", "<", "<=", ">", ">="};
static const char *const risk_text[] = {"", "low", "medium", "high"};
static const char *const factor_text[] = {"none", "password", "totp",
					  "webauthn"};

static void print_countries(const struct m_node *n, FILE *f)
{
	bool first = true;

	fprintf(f, "geo.country %s", n->negated ? "not in " : "in ");
	for (int i = 0; i < M_COUNTRIES; i++)
		if (n->value >> i & 1) {
			fprintf(f, "%s%s", first ? "" : ", ", m_countries[i]);
			first = false;
		}
}

static void print_atom(const struct m_node *n, FILE *f)
{
	const char *op = op_text[n->op];

	switch (n->atom) {
	case A_MANAGED:
		fputs("device.managed", f);
		break;
	case A_ENCRYPTED:
		fprintf(f, "device.encrypted = %s", n->value ? "yes" : "no");
		break;
	case A_OS_AGE:
		fprintf(f, "device.os_age %s %dd", op, n->value);
		break;
	case A_MFA_AGE:
		fprintf(f, "mfa.age %s %dm", op, n->value);
		break;
	case A_MFA_KIND:
		fprintf(f, "mfa.kind %s %s", op, factor_text[n->value]);
		break;
	case A_SESSION_AGE:
		fprintf(f, "session.age %s %dm", op, n->value);
		break;
	case A_RISK:
		fprintf(f, "risk.user %s %s", op, risk_text[n->value]);
		break;
	case A_COUNTRY:
		print_countries(n, f);
		break;
	case A_USER:
		fprintf(f, "user.name %s %s", op, m_users[n->value]);
		break;
	case A_GROUPS:
		fprintf(f, "user.groups has %s", m_groups[n->value]);
		break;
	case A_SRC_FEED:
		fputs("src.ip in feed bad", f);
		break;
	case A_DST_FEED:
		fputs("dst.ip in feed bad", f);
		break;
	case A_DST_PORT:
		fprintf(f, "dst.port %s %d", op, n->value);
		break;
	case A_METHOD:
		fprintf(f, "http.method = %s", m_methods[n->value]);
		break;
	case A_TIME:
		fputs(n->value ? "time in mon-fri 22:00-06:00 UTC" :
				 "time in mon-fri 08:00-18:00 UTC",
		      f);
		break;
	case A_APPROVAL:
		fprintf(f, "approval by group %s %d", m_groups[n->value],
			n->count);
		break;
	case A_COUNT:
		break;
	}
}

static void print_tree(const struct m_node *nodes, int i, FILE *f)
{
	const struct m_node *n = &nodes[i];

	if (n->kind == N_ATOM) {
		print_atom(n, f);
		return;
	}
	if (n->kind == N_NOT) {
		fputs("not (", f);
		print_tree(nodes, n->left, f);
		fputs(")", f);
		return;
	}
	fputs("(", f);
	print_tree(nodes, n->left, f);
	fputs(n->kind == N_AND ? ") and (" : ") or (", f);
	print_tree(nodes, n->right, f);
	fputs(")", f);
}

static void print_subject(const struct m_item *it, FILE *f)
{
	switch (it->kind) {
	case SUB_ANY:
		fputs("any", f);
		break;
	case SUB_PEOPLE:
		fputs("people", f);
		break;
	case SUB_ANON:
		fputs("anonymous", f);
		break;
	case SUB_USER:
		fprintf(f, "user %s", m_users[it->index]);
		break;
	case SUB_GROUP:
		fprintf(f, "group %s", m_groups[it->index]);
		break;
	case SUB_HOSTS:
		fprintf(f, "hosts %s", hosts_names[it->index]);
		break;
	case SUB_SEGMENT:
		fprintf(f, "segment %s", m_segments[it->index].name);
		break;
	default:
		fputs("internet", f);
	}
}

static void print_app(const struct m_item *it, FILE *f)
{
	bool first = true;

	fprintf(f, "app %s", m_apps[it->index].name);
	for (int i = 0; i < M_METHODS; i++)
		if (it->methods >> i & 1) {
			fprintf(f, "%s%s", first ? " method " : ", ",
				m_methods[i]);
			first = false;
		}
	if (it->path >= 0)
		fprintf(f, " path \"%s\"", m_globs[it->path]);
}

static void print_object(const struct m_item *it, FILE *f)
{
	switch (it->kind) {
	case OBJ_ANY:
		fputs("any", f);
		break;
	case OBJ_APP:
		print_app(it, f);
		break;
	case OBJ_HOSTS:
		fprintf(f, "hosts %s", hosts_names[it->index]);
		break;
	case OBJ_SEGMENT:
		fprintf(f, "segment %s", m_segments[it->index].name);
		break;
	case OBJ_DOMAINS:
		fprintf(f, "domains %s", domains_names[it->index]);
		break;
	default:
		fputs("internet", f);
	}
}

static void print_list(const char *word, const struct m_item *list, int n,
		       void (*print)(const struct m_item *, FILE *), FILE *f)
{
	for (int i = 0; i < n; i++) {
		fprintf(f, "%s", i ? ", " : word);
		print(&list[i], f);
	}
}

static void print_with(const struct m_rule *u, FILE *f)
{
	fprintf(f, "\n  with max %dh", u->max / 3600);
	if (u->record)
		fputs(u->record_required ? ", record required" : ", record", f);
	if (u->no_upload)
		fputs(", no upload", f);
}

static void print_rule(const struct m_rule *u, FILE *f)
{
	fprintf(f, "%s \"%s\"\n", u->deny ? "deny" : "allow", u->name);
	print_list("  from ", u->from, u->n_from, print_subject, f);
	print_list(" except ", u->from_except, u->n_from_except, print_subject,
		   f);
	if (u->posture >= 0)
		fprintf(f, " on %s", posture_names[u->posture]);
	print_list("\n  to ", u->to, u->n_to, print_object, f);
	print_list(" except ", u->to_except, u->n_to_except, print_object, f);
	if (u->port)
		fprintf(f, " port tcp/%d", u->port);
	if (u->n_when) {
		fputs("\n  when ", f);
		print_tree(u->when, 0, f);
	}
	if (u->max)
		print_with(u, f);
	if (u->mode == 1)
		fputs("\n  mode report", f);
	if (u->mode == 2)
		fprintf(f, "\n  mode canary %d%%", u->canary);
	if (u->on_change == 1)
		fprintf(f, "\n  on change drain %dm", u->drain);
	if (u->on_change == 2)
		fputs("\n  on change keep", f);
	if (u->until)
		fprintf(f, "\n  until %s",
			u->until == 1 ? "2026-01-31" : "2030-01-31");
	fputs("\n\n", f);
}

void m_policy_print(const struct m_policy *p, FILE *f)
{
	fputs("version 1\n\n", f);
	for (int i = 0; i < M_SEGMENTS; i++) {
		const struct m_segment *s = &m_segments[i];

		fprintf(f, "segment %s", s->name);
		if (s->parent >= 0)
			fprintf(f, " in %s", m_segments[s->parent].name);
		fprintf(f, " cidr %d.%d.%d.%d/%d\n", s->net[0], s->net[1],
			s->net[2], s->net[3], s->bits);
	}
	for (int i = 0; i < M_HOSTS; i++)
		fprintf(f, "%s\n", hosts_text[i]);
	for (int i = 0; i < M_DOMAINS; i++)
		fprintf(f, "%s\n", domains_text[i]);
	fputs("group staff = group ops, group finance\n"
	      "group duo = user alice, user bob\n"
	      "feed bad file \"/bad.netset\"\n\n",
	      f);
	for (int i = 0; i < M_POSTURES; i++) {
		fprintf(f, "posture %s = ", posture_names[i]);
		print_tree(p->posture[i], 0, f);
		fputs("\n", f);
	}
	for (int i = 0; i < M_APPS; i++)
		fprintf(f, "app %s\n%s", m_apps[i].name, m_apps[i].lines);
	fputs("\n", f);
	for (int i = 0; i < p->n_rules; i++)
		print_rule(&p->rules[i], f);
}

void m_request_print(const struct m_request *q, FILE *f)
{
	fprintf(f,
		"# kind %d subject %d user %d groups %d managed %d stale %d "
		"encrypted %d os_age %ds mfa.age %dm mfa.kind %d session %dm "
		"risk %d country %d\n",
		q->kind, q->subject, q->user, q->groups, q->managed,
		q->managed_stale, q->encrypted, q->os_age, q->mfa_age,
		q->mfa_kind, q->session_age, q->risk, q->country);
	fprintf(f,
		"# src %d %d.%d.%d.%d labels %d tier %d env %d dst %d "
		"%d.%d.%d.%d labels %d tier %d env %d port %d proto %d\n",
		q->src.known, q->src.b[0], q->src.b[1], q->src.b[2],
		q->src.b[3], q->src_labels, q->src_tier, q->src_env,
		q->dst.known, q->dst.b[0], q->dst.b[1], q->dst.b[2],
		q->dst.b[3], q->dst_labels, q->dst_tier, q->dst_env,
		q->dst_port, q->proto);
	fprintf(f,
		"# app %d name %d method %d path %d approvers %d best %d "
		"now %lld ask %d record %d\n",
		q->app, q->domain, q->method, q->path, q->approvers, q->best,
		(long long)q->now, q->can_ask, q->can_record);
}
