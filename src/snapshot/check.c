/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one look at every byte that lets all other code trust an image. Each
 * section has a function that checks one element against the lengths of the
 * sections it refers to; trees are checked to be trees of bounded depth. What
 * matters is that a decision on a checked image never reads outside it and
 * ends within bounds; whether the image says what its author meant is the
 * signature's business.
 */
#include "snapshot/layout.h"

struct check {
	const struct cd_snapshot *s;
	struct cd_diag *diag;
	const char *what; /* section under check */
	uint32_t at; /* element under check */
};

static bool in(const struct check *c, enum cd_snap_section sec, uint32_t i)
{
	return i < c->s->table[sec].count;
}

static bool in_or_nil(const struct check *c, enum cd_snap_section sec,
		      uint32_t i)
{
	return i == CD_NIL || in(c, sec, i);
}

static bool slice(const struct check *c, enum cd_snap_section sec,
		  uint32_t first, uint32_t n)
{
	uint32_t count = c->s->table[sec].count;

	return first <= count && n <= count - first;
}

/* A slice of WORDS, each a number in `sec`. */
static bool words(const struct check *c, enum cd_snap_section sec,
		  uint32_t first, uint32_t n)
{
	const uint32_t *w = cd_snap_WORDS(c->s);

	if (!slice(c, CD_SEC_WORDS, first, n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!in(c, sec, w[first + i]))
			return false;
	return true;
}

static bool check_STRS(struct check *c, const struct cd_snap_str *e)
{
	const char *chars = cd_snap_CHARS(c->s);

	if (!slice(c, CD_SEC_CHARS, e->off, e->len) ||
	    !in(c, CD_SEC_CHARS, e->off + e->len) || chars[e->off + e->len])
		return false;
	return e->hash == cd_hash(chars + e->off, e->len) &&
	       words(c, CD_SEC_GROUPS, e->group_first, e->group_n) &&
	       words(c, CD_SEC_GROUPS, e->user_first, e->user_n) &&
	       in_or_nil(c, CD_SEC_APPS, e->app) &&
	       in_or_nil(c, CD_SEC_APPS, e->app_host);
}

static bool check_STR_SLOTS(struct check *c, const uint32_t *e)
{
	return in_or_nil(c, CD_SEC_STRS, *e);
}

static bool check_GROUPS(struct check *c, const struct cd_snap_group *e)
{
	return in(c, CD_SEC_STRS, e->name) &&
	       words(c, CD_SEC_STRS, e->user_first, e->user_n) &&
	       e->by_users <= 1 && e->by_groups <= 1;
}

static bool check_SEGMENTS(struct check *c, const struct cd_snap_segment *e)
{
	return in(c, CD_SEC_STRS, e->name) && in(c, CD_SEC_SEGMENTS, e->last) &&
	       e->last >= c->at && in_or_nil(c, CD_SEC_SEGMENTS, e->parent) &&
	       (e->parent == CD_NIL || e->parent < c->at) &&
	       slice(c, CD_SEC_CANDS, e->cand_first, e->cand_n) && e->fail <= 2;
}

static bool check_RANGES4(struct check *c, const struct cd_snap_range4 *e)
{
	return e->lo <= e->hi && in(c, CD_SEC_SEGMENTS, e->segment) &&
	       (c->at == 0 || e[-1].hi < e->lo);
}

static bool check_RANGES6(struct check *c, const struct cd_snap_range6 *e)
{
	return memcmp(e->lo, e->hi, 16) <= 0 &&
	       in(c, CD_SEC_SEGMENTS, e->segment) &&
	       (c->at == 0 || memcmp(e[-1].hi, e->lo, 16) < 0);
}

/* Order within a slice matters for finding, not for safety. */
static bool check_SPANS4(struct check *c cd_unused,
			 const struct cd_snap_span4 *e)
{
	return e->lo <= e->hi;
}

static bool check_SPANS6(struct check *c cd_unused,
			 const struct cd_snap_span6 *e)
{
	return memcmp(e->lo, e->hi, 16) <= 0;
}

static bool check_SPANS8(struct check *c cd_unused,
			 const struct cd_snap_span8 *e)
{
	return e->lo <= e->hi;
}

static bool check_LISTS(struct check *c, const struct cd_snap_spans *e)
{
	return slice(c, CD_SEC_SPANS4, e->first4, e->n4) &&
	       slice(c, CD_SEC_SPANS6, e->first6, e->n6);
}

static bool check_FEEDS(struct check *c, const struct cd_snap_feed *e)
{
	return in(c, CD_SEC_STRS, e->name) && in(c, CD_SEC_DOMSETS, e->names) &&
	       check_LISTS(c, &e->spans) && e->watch < 2 * CD_WATCH_NAME;
}

static bool check_HOSTS(struct check *c, const struct cd_snap_hosts *e)
{
	return in(c, CD_SEC_STRS, e->name) && in(c, CD_SEC_NODES, e->root);
}

static bool check_LABELS(struct check *c, const struct cd_snap_label *e)
{
	return in(c, CD_SEC_STRS, e->key) && in(c, CD_SEC_STRS, e->value) &&
	       slice(c, CD_SEC_CANDS, e->cand_first, e->cand_n);
}

static bool check_DOMSETS(struct check *c, const struct cd_snap_domset *e)
{
	return in(c, CD_SEC_STRS, e->name) &&
	       slice(c, CD_SEC_CANDS, e->cand_first, e->cand_n);
}

static bool check_DOMAINS(struct check *c, const struct cd_snap_domain *e)
{
	return in(c, CD_SEC_STRS, e->name) &&
	       words(c, CD_SEC_DOMSETS, e->exact_first, e->exact_n) &&
	       words(c, CD_SEC_DOMSETS, e->below_first, e->below_n);
}

static bool check_DOMAIN_SLOTS(struct check *c, const uint32_t *e)
{
	return in_or_nil(c, CD_SEC_DOMAINS, *e);
}

static bool check_PORTS(struct check *c cd_unused, const struct cd_snap_port *e)
{
	return e->lo <= e->hi;
}

static bool check_atom(const struct check *c, const struct cd_snap_node *e)
{
	switch (e->op) {
	case CD_NODE_BOOL:
		return e->i == 0 || e->i == 1;
	case CD_NODE_ORDER:
		return e->cmp < CD_CMPS;
	case CD_NODE_INTS:
		return slice(c, CD_SEC_SPANS8, e->a, e->n);
	case CD_NODE_STRS:
	case CD_NODE_LIKE:
		return words(c, CD_SEC_STRS, e->a, e->n);
	case CD_NODE_ADDRS:
		return in(c, CD_SEC_LISTS, e->a);
	case CD_NODE_FEED:
		return in(c, CD_SEC_FEEDS, e->a);
	case CD_NODE_LABEL:
		return in(c, CD_SEC_STRS, e->a) && in(c, CD_SEC_STRS, e->n);
	case CD_NODE_TIME:
		return in(c, CD_SEC_WINDOWS, e->a);
	case CD_NODE_APPROVAL:
		return in(c, CD_SEC_GROUPS, e->a) && e->n <= CD_MAX_LIST;
	default:
		return false;
	}
}

/* What an operator reads must be what the attribute holds: a union of the
 * request is read by it. */
static bool check_type(const struct cd_snap_node *e)
{
	static const uint32_t may[CD_NODE_OPS] = {
		[CD_NODE_BOOL] = 1u << CD_T_BOOL,
		[CD_NODE_ORDER] = 1u << CD_T_DURATION | 1u << CD_T_INT |
				  1u << CD_T_RISK | 1u << CD_T_FACTOR |
				  1u << CD_T_PORT | 1u << CD_T_PROTO |
				  1u << CD_T_SUBJECT | 1u << CD_T_TIME,
		[CD_NODE_INTS] = 1u << CD_T_DURATION | 1u << CD_T_INT |
				 1u << CD_T_RISK | 1u << CD_T_FACTOR |
				 1u << CD_T_PORT | 1u << CD_T_PROTO |
				 1u << CD_T_SUBJECT | 1u << CD_T_TIME,
		[CD_NODE_STRS] = 1u << CD_T_STRING | 1u << CD_T_COUNTRY |
				 1u << CD_T_NAME | 1u << CD_T_PATH |
				 1u << CD_T_METHOD | 1u << CD_T_APP |
				 1u << CD_T_SET | 1u << CD_T_APPROVERS,
		[CD_NODE_LIKE] = 1u << CD_T_STRING | 1u << CD_T_COUNTRY |
				 1u << CD_T_NAME | 1u << CD_T_PATH |
				 1u << CD_T_METHOD | 1u << CD_T_APP |
				 1u << CD_T_SET | 1u << CD_T_APPROVERS,
		[CD_NODE_ADDRS] = 1u << CD_T_ADDR,
		[CD_NODE_FEED] = 1u << CD_T_ADDR | 1u << CD_T_NAME,
		[CD_NODE_LABEL] = 1u << CD_T_LABELS,
		[CD_NODE_TIME] = 1u << CD_T_TIME,
		[CD_NODE_APPROVAL] = 1u << CD_T_APPROVERS,
	};

	return e->attr < CD_ATTR_COUNT &&
	       may[e->op] >> cd_attr_get((enum cd_attr)e->attr)->type & 1;
}

/* What a decision keeps of one atom it takes for another. */
static bool check_same(const struct check *c, const struct cd_snap_node *e)
{
	const struct cd_snap_node *first;

	if (e->same > c->at)
		return false;
	first = &cd_snap_NODES(c->s)[e->same];
	return first->same == e->same && first->op == e->op &&
	       first->attr == e->attr && first->cmp == e->cmp &&
	       first->flags == e->flags && first->a == e->a &&
	       first->n == e->n && first->i == e->i;
}

static bool check_NODES(struct check *c, const struct cd_snap_node *e)
{
	if (e->op >= CD_NODE_OPS || e->end <= c->at ||
	    e->end > cd_snap_NODES_n(c->s))
		return false;
	if (e->op <= CD_NODE_NOT)
		return e->end > c->at + 1; /* kids: check_trees() */
	return e->end == c->at + 1 && check_type(e) && check_atom(c, e) &&
	       check_same(c, e);
}

static bool check_WINDOWS(struct check *c, const struct cd_snap_window *e)
{
	return in(c, CD_SEC_ZONES, e->zone) && e->from < 1440 && e->to >= 1 &&
	       e->to <= 1440 && e->days < 128;
}

static bool check_ZONES(struct check *c, const struct cd_snap_zone *e)
{
	return in(c, CD_SEC_STRS, e->name) && e->turn_n >= 1 &&
	       slice(c, CD_SEC_TURNS, e->turn_first, e->turn_n);
}

static bool check_TURNS(struct check *c cd_unused, const struct cd_snap_turn *e)
{
	/* Far from what could overflow in sums with a day. */
	return e->offset > -172800 && e->offset < 172800 &&
	       e->at > -(INT64_C(1) << 60) && e->at < INT64_C(1) << 60;
}

static bool check_item(const struct check *c, const struct cd_snap_item *e,
		       bool object)
{
	static const uint8_t from[CD_FROM_KINDS] = {
		[CD_FROM_ANY] = CD_SEC_COUNT,
		[CD_FROM_PEOPLE] = CD_SEC_COUNT,
		[CD_FROM_ANONYMOUS] = CD_SEC_COUNT,
		[CD_FROM_INTERNET] = CD_SEC_COUNT,
		[CD_FROM_USER] = CD_SEC_STRS,
		[CD_FROM_GROUP] = CD_SEC_GROUPS,
		[CD_FROM_HOSTS] = CD_SEC_HOSTS,
		[CD_FROM_SEGMENT] = CD_SEC_SEGMENTS,
		[CD_FROM_SERVICE_ACCOUNT] = CD_SEC_STRS,
	};
	static const uint8_t to[CD_TO_KINDS] = {
		[CD_TO_ANY] = CD_SEC_COUNT,
		[CD_TO_INTERNET] = CD_SEC_COUNT,
		[CD_TO_APP] = CD_SEC_APPS,
		[CD_TO_HOSTS] = CD_SEC_HOSTS,
		[CD_TO_SEGMENT] = CD_SEC_SEGMENTS,
		[CD_TO_DOMAINS] = CD_SEC_DOMSETS,
	};
	uint8_t sec;

	if (e->kind >= (object ? CD_TO_KINDS : CD_FROM_KINDS))
		return false;
	sec = object ? to[e->kind] : from[e->kind];
	return sec == CD_SEC_COUNT || in(c, (enum cd_snap_section)sec, e->id);
}

static bool check_ITEMS(struct check *c, const struct cd_snap_item *e)
{
	return in_or_nil(c, CD_SEC_STRS, e->path) &&
	       words(c, CD_SEC_STRS, e->method_first, e->method_n);
}

static bool check_CANDS(struct check *c, const struct cd_snap_cand *e)
{
	const struct cd_snap_rule *r;

	if (!in(c, CD_SEC_RULES, e->rule))
		return false;
	r = &cd_snap_RULES(c->s)[e->rule];
	return e->deny == r->deny && e->mode == r->mode &&
	       in_or_nil(c, CD_SEC_GROUPS, e->group);
}

static bool check_items(const struct check *c, uint32_t first, uint32_t n,
			bool object)
{
	if (!slice(c, CD_SEC_ITEMS, first, n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!check_item(c, &cd_snap_ITEMS(c->s)[first + i], object))
			return false;
	return true;
}

static bool check_RULES(struct check *c, const struct cd_snap_rule *e)
{
	return in(c, CD_SEC_STRS, e->name) && e->deny <= 1 &&
	       e->mode <= CD_SNAP_CANARY && e->canary <= 100 &&
	       e->on_change <= CD_CHANGE_KEEP && e->flags <= CD_RULE_FLAGS &&
	       cd_snap_rule_is_plain(e) == !!(e->flags & CD_RULE_PLAIN) &&
	       in_or_nil(c, CD_SEC_GROUPS, e->group) &&
	       check_items(c, e->from_first, e->from_n, false) &&
	       check_items(c, e->from_except_first, e->from_except_n, false) &&
	       check_items(c, e->to_first, e->to_n, true) &&
	       check_items(c, e->to_except_first, e->to_except_n, true) &&
	       slice(c, CD_SEC_PORTS, e->port_first, e->port_n) &&
	       in_or_nil(c, CD_SEC_NODES, e->posture) &&
	       in_or_nil(c, CD_SEC_STRS, e->posture_name) &&
	       in_or_nil(c, CD_SEC_NODES, e->when) &&
	       (e->until == INT64_MAX || (e->until > -(INT64_C(1) << 33) &&
					  e->until < INT64_C(1) << 33)) &&
	       e->obligations <= CD_OBL_ALL &&
	       in_or_nil(c, CD_SEC_STRS, e->owner) &&
	       in_or_nil(c, CD_SEC_STRS, e->reason);
}

static bool check_APPS(struct check *c, const struct cd_snap_app *e)
{
	return in(c, CD_SEC_STRS, e->name) &&
	       in_or_nil(c, CD_SEC_STRS, e->url) &&
	       in_or_nil(c, CD_SEC_STRS, e->host) &&
	       slice(c, CD_SEC_UPSTREAMS, e->upstream_first, e->upstream_n) &&
	       slice(c, CD_SEC_SETTINGS, e->setting_first, e->setting_n) &&
	       slice(c, CD_SEC_CANDS, e->cand_first, e->cand_n) &&
	       slice(c, CD_SEC_SCREENS, e->screen_first, e->screen_n) &&
	       e->cand_n <= CD_MAX_CANDIDATES && e->kind <= CD_APP_RDP;
}

static bool check_SCREENS(struct check *c, const struct cd_snap_screen *e)
{
	return in(c, CD_SEC_NODES, e->node) &&
	       cd_snap_NODES(c->s)[e->node].op > CD_NODE_NOT;
}

static bool is_family(uint8_t family)
{
	return family == 0 || family == 4 || family == 6;
}

static bool check_UPSTREAMS(struct check *c, const struct cd_snap_upstream *e)
{
	return in(c, CD_SEC_STRS, e->host) && is_family(e->family) &&
	       e->tls <= 1;
}

static bool check_TARGETS(struct check *c, const struct cd_snap_target *e)
{
	return in(c, CD_SEC_APPS, e->app) && is_family(e->family);
}

static bool check_SETTINGS(struct check *c, const struct cd_snap_setting *e)
{
	return in(c, CD_SEC_STRS, e->name) && in(c, CD_SEC_STRS, e->text);
}

static bool check_CHARS(struct check *c cd_unused, const char *e cd_unused)
{
	return true;
}

static bool check_WORDS(struct check *c cd_unused, const uint32_t *e cd_unused)
{
	return true; /* by who refers to them */
}

static const struct {
	const char *name;
	uint32_t size, align;
} sections[CD_SEC_COUNT] = {
#define X(id, type) [CD_SEC_##id] = {#id, sizeof(type), _Alignof(type)},
	CD_SNAP_SECTIONS(X)
#undef X
};

/* The table comes first: until it holds, no section may be touched. */
static bool check_table(struct check *c)
{
	for (unsigned int i = 0; i < CD_SEC_COUNT; i++) {
		const struct cd_snap_table *t = &c->s->table[i];

		c->what = sections[i].name;
		if (t->size != sections[i].size || t->off % 8 ||
		    t->off < sizeof(*c->s) || t->off > c->s->size ||
		    t->count > (c->s->size - t->off) / t->size)
			return false;
	}
	return cd_snap_RULES_n(c->s) <= CD_MAX_RULES &&
	       cd_snap_GROUPS_n(c->s) <= CD_MAX_SETS;
}

/* A table of slots is empty, or a power of two with room left, so that a
 * search for what is not there ends soon. */
static bool check_slots(struct check *c, const uint32_t *slots, uint32_t n)
{
	uint32_t used = 0;

	c->what = "slots";
	if (n & (n - 1))
		return false;
	for (uint32_t i = 0; i < n; i++)
		used += slots[i] != CD_NIL;
	return used <= n - n / 4;
}

static bool check_sections(struct check *c)
{
#define X(id, type)                                              \
	c->what = sections[CD_SEC_##id].name;                    \
	for (c->at = 0; c->at < cd_snap_##id##_n(c->s); c->at++) \
		if (!check_##id(c, &cd_snap_##id(c->s)[c->at]))  \
			return false;
	CD_SNAP_SECTIONS(X)
#undef X
	return true;
}

/* Every node's kids must end exactly where it ends, no deeper than
 * CD_SNAP_DEPTH. One pass with a stack of the ends of open nodes; any node
 * may be a root. */
static bool check_trees(struct check *c)
{
	const struct cd_snap_node *nodes = cd_snap_NODES(c->s);
	uint32_t open[CD_SNAP_DEPTH];
	unsigned int depth = 0;

	c->what = "trees";
	for (c->at = 0; c->at < cd_snap_NODES_n(c->s); c->at++) {
		const struct cd_snap_node *e = &nodes[c->at];

		while (depth && open[depth - 1] == c->at)
			depth--;
		if (depth && e->end > open[depth - 1])
			return false;
		if (e->op > CD_NODE_NOT)
			continue;
		if (depth == CD_SNAP_DEPTH || e->end - c->at > CD_SNAP_NODES)
			return false;
		if (e->op == CD_NODE_NOT && nodes[c->at + 1].end != e->end)
			return false;
		open[depth++] = e->end;
	}
	return true;
}

/* hosts selectors hold labels alone: their evaluation takes the side (source
 * or destination) from who asks. */
static bool check_selectors(struct check *c)
{
	const struct cd_snap_node *nodes = cd_snap_NODES(c->s);

	c->what = "selectors";
	for (c->at = 0; c->at < cd_snap_HOSTS_n(c->s); c->at++) {
		uint32_t root = cd_snap_HOSTS(c->s)[c->at].root;

		for (uint32_t i = root; i < nodes[root].end; i++)
			if (nodes[i].op > CD_NODE_NOT &&
			    nodes[i].op != CD_NODE_LABEL)
				return false;
	}
	return true;
}

static bool check_header(struct check *c)
{
	const struct cd_snapshot *s = c->s;

	c->what = "header";
	return slice(c, CD_SEC_CANDS, s->any_first, s->any_n) &&
	       slice(c, CD_SEC_CANDS, s->internet_first, s->internet_n) &&
	       slice(c, CD_SEC_CANDS, s->unkeyed_first, s->unkeyed_n) &&
	       slice(c, CD_SEC_WORDS, s->named_port_first, s->named_port_n);
}

int cd_snapshot_check(const struct cd_snapshot *snapshot, struct cd_diag *diag)
{
	struct check c = {.s = snapshot, .diag = diag};

	if (check_table(&c) && check_sections(&c) && check_header(&c) &&
	    check_trees(&c) && check_selectors(&c) &&
	    check_slots(&c, cd_snap_STR_SLOTS(snapshot),
			cd_snap_STR_SLOTS_n(snapshot)) &&
	    check_slots(&c, cd_snap_DOMAIN_SLOTS(snapshot),
			cd_snap_DOMAIN_SLOTS_n(snapshot)))
		return 0;
	cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
		    "the policy image is damaged: %s, element %u", c.what,
		    c.at);
	return CD_E_CORRUPT;
}
