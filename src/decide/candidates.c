/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists are merged in a bitmap over the rules, which also drops doubles and
 * gives the order. The bitmap is 8 KiB at most; one for 10,000 rules is 20
 * cache lines.
 */
#include "decide/candidates.h"

static void add(struct cd_candidates *k, uint32_t first, uint32_t n)
{
	const struct cd_snap_cand *list = cd_snap_CANDS(k->s) + first;

	for (uint32_t i = 0; i < n; i++)
		k->bits[list[i].rule / 64] |= UINT64_C(1)
					      << (list[i].rule % 64);
}

static void add_all(struct cd_candidates *k)
{
	uint32_t n = cd_snap_RULES_n(k->s);

	memset(k->bits, 0xff, (size_t)n / 64 * 8);
	if (n % 64)
		k->bits[n / 64] = (UINT64_C(1) << (n % 64)) - 1;
}

static void add_app(struct cd_candidates *k, uint32_t app)
{
	const struct cd_snap_app *a = &cd_snap_APPS(k->s)[app];

	add(k, a->cand_first, a->cand_n);
}

static void add_names(struct cd_candidates *k, struct cd_ctx *c)
{
	const uint32_t *w = cd_snap_WORDS(k->s);
	uint32_t str = c->str[CD_ATTR_DST_NAME];

	cd_ctx_suffixes(c);
	for (uint32_t i = 0; i < c->n_suffix; i++) {
		const struct cd_snap_domain *d =
			&cd_snap_DOMAINS(k->s)[c->suffix[i].domain];
		bool whole = c->suffix[i].whole;
		uint32_t first = whole ? d->exact_first : d->below_first;
		uint32_t n = whole ? d->exact_n : d->below_n;

		for (uint32_t j = 0; j < n; j++) {
			const struct cd_snap_domset *set =
				&cd_snap_DOMSETS(k->s)[w[first + j]];

			add(k, set->cand_first, set->cand_n);
		}
	}
	if (str != CD_NIL && cd_snap_STRS(k->s)[str].app_host != CD_NIL)
		add_app(k, cd_snap_STRS(k->s)[str].app_host);
}

static int compare_label(const struct cd_snap_label *l, uint32_t key,
			 uint32_t value)
{
	if (l->key != key)
		return l->key < key ? -1 : 1;
	return l->value < value ? -1 : l->value > value;
}

static void add_label(struct cd_candidates *k, uint32_t key, uint32_t value)
{
	const struct cd_snap_label *l = cd_snap_LABELS(k->s);
	uint32_t lo = 0, hi = cd_snap_LABELS_n(k->s);

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (compare_label(&l[mid], key, value) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < cd_snap_LABELS_n(k->s) && !compare_label(&l[lo], key, value))
		add(k, l[lo].cand_first, l[lo].cand_n);
}

/* Rules on hosts, segments and internet; false: labels are not known. */
static bool add_address(struct cd_candidates *k, struct cd_ctx *c)
{
	const struct cd_side_labels *l = cd_ctx_labels(c, 1);
	const struct cd_dest *d = &c->dest[0];

	if (l->there != CD_IS_KNOWN)
		return false;
	for (uint32_t i = 0; i < l->n; i++)
		add_label(k, l->key[i], l->value[i]);
	add(k, k->s->unkeyed_first, k->s->unkeyed_n);
	if (d->segment == CD_NIL)
		add(k, k->s->internet_first, k->s->internet_n);
	else
		add(k, cd_snap_SEGMENTS(k->s)[d->segment].cand_first,
		    cd_snap_SEGMENTS(k->s)[d->segment].cand_n);
	return true;
}

static void add_upstream(struct cd_candidates *k, const struct cd_ctx *c)
{
	const struct cd_snap_target *t = cd_snap_TARGETS(k->s);
	const struct cd_dest *d = &c->dest[0];
	size_t len = d->addr.family == 4 ? 4 : 16;
	uint32_t lo = 0, hi = cd_snap_TARGETS_n(k->s);

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (t[mid].family < d->addr.family ||
		    (t[mid].family == d->addr.family &&
		     memcmp(t[mid].addr, d->addr.bytes, len) < 0))
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < cd_snap_TARGETS_n(k->s) && t[lo].family == d->addr.family &&
	       memcmp(t[lo].addr, d->addr.bytes, len) == 0;
	     lo++)
		if (t[lo].port == d->port)
			add_app(k, t[lo].app);
}

/* Fills bits for an object that is known; false: visit everything. */
static bool gather(struct cd_candidates *k, struct cd_ctx *c)
{
	const struct cd_dest *d = &c->dest[0];
	uint8_t name = c->there[CD_ATTR_DST_NAME];

	add(k, k->s->any_first, k->s->any_n);
	switch (c->kind) {
	case CD_KIND_LOGIN:
		return true;
	case CD_KIND_NAME:
		add_names(k, c);
		return name == CD_IS_KNOWN;
	case CD_KIND_PACKET:
		if (d->addr_there != CD_IS_KNOWN ||
		    d->port_there != CD_IS_KNOWN)
			return false;
		add_upstream(k, c);
		return add_address(k, c);
	case CD_KIND_TLS:
	case CD_KIND_HTTP:
	case CD_KIND_SHELL:
		if (c->app_there != CD_IS_ABSENT ||
		    d->addr_there != CD_IS_KNOWN || name == CD_IS_UNKNOWN)
			return false;
		add_names(k, c);
		return add_address(k, c);
	default:
		return false;
	}
}

void cd_candidates_find(struct cd_candidates *k, struct cd_ctx *c)
{
	uint32_t n = cd_snap_RULES_n(c->s);

	k->s = c->s;
	k->list = NULL;
	k->n_screens = 0;
	if (c->app_there == CD_IS_KNOWN && c->app != CD_NIL) {
		const struct cd_snap_app *a = &cd_snap_APPS(c->s)[c->app];

		k->list = cd_snap_CANDS(c->s) + a->cand_first;
		k->n = a->cand_n;
		k->screens = cd_snap_SCREENS(c->s) + a->screen_first;
		k->n_screens = a->screen_n;
		return;
	}
	k->words = (n + 63) / 64;
	memset(k->bits, 0, (size_t)k->words * 8);
	if (!gather(k, c))
		add_all(k);
}
