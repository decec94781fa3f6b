/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the snapshot knows of addresses and names: segments, feeds, labels,
 * domains.
 */
#include "decide/ctx.h"

static uint32_t load4(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | b[3];
}

static uint32_t find_segment4(const struct cd_snapshot *s, uint32_t a)
{
	const struct cd_snap_range4 *r = cd_snap_RANGES4(s);
	uint32_t lo = 0, hi = cd_snap_RANGES4_n(s);

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (r[mid].hi < a)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < cd_snap_RANGES4_n(s) && r[lo].lo <= a)
		return r[lo].segment;
	return CD_NIL;
}

static uint32_t find_segment6(const struct cd_snapshot *s, const uint8_t *a)
{
	const struct cd_snap_range6 *r = cd_snap_RANGES6(s);
	uint32_t lo = 0, hi = cd_snap_RANGES6_n(s);

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(r[mid].hi, a, 16) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < cd_snap_RANGES6_n(s) && memcmp(r[lo].lo, a, 16) <= 0)
		return r[lo].segment;
	return CD_NIL;
}

uint32_t cd_find_segment(const struct cd_snapshot *s, const struct cd_addr *a)
{
	if (a->family == 4)
		return find_segment4(s, load4(a->bytes));
	return a->family == 6 ? find_segment6(s, a->bytes) : CD_NIL;
}

static bool spans4_have(const struct cd_snap_span4 *r, uint32_t n, uint32_t a)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (r[mid].hi < a)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && r[lo].lo <= a;
}

static bool spans6_have(const struct cd_snap_span6 *r, uint32_t n,
			const uint8_t *a)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(r[mid].hi, a, 16) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && memcmp(r[lo].lo, a, 16) <= 0;
}

bool cd_spans_have(const struct cd_snapshot *s, const struct cd_snap_spans *l,
		   const struct cd_addr *a)
{
	if (a->family == 4)
		return spans4_have(cd_snap_SPANS4(s) + l->first4, l->n4,
				   load4(a->bytes));
	return a->family == 6 &&
	       spans6_have(cd_snap_SPANS6(s) + l->first6, l->n6, a->bytes);
}

/* Labels that the policy never names cannot matter: they are dropped. */
static void resolve_labels(const struct cd_ctx *c, const struct cd_value *v,
			   struct cd_side_labels *l)
{
	for (uint32_t i = 0; i < v->n; i++) {
		const struct cd_label *p = &v->u.labels[i];
		uint32_t key = cd_snap_find(c->s, p->key.s, p->key.hash);
		uint32_t value = key == CD_NIL ? CD_NIL :
						 cd_snap_find(c->s, p->value.s,
							      p->value.hash);

		if (value == CD_NIL)
			continue;
		if (l->n == CD_CTX_LABELS) {
			l->there = CD_IS_UNKNOWN;
			return;
		}
		l->key[l->n] = key;
		l->value[l->n++] = value;
	}
}

/* Labels that are not given follow from the address: nothing outside every
 * segment is a host of ours, and neither is a person's address. */
static enum cd_there derive_labels(const struct cd_ctx *c, unsigned int side)
{
	bool person = side == 0 && (c->subject == CD_SUBJECT_PERSON ||
				    c->subject == CD_SUBJECT_ANONYMOUS);

	if (side == 0) {
		if (c->there[CD_ATTR_SRC_IP] != CD_IS_KNOWN)
			return CD_IS_UNKNOWN;
		return person || c->src_segment == CD_NIL ? CD_IS_KNOWN :
							    CD_IS_UNKNOWN;
	}
	for (uint32_t i = 0; i < c->n_dest; i++)
		if (c->dest[i].addr_there != CD_IS_KNOWN ||
		    c->dest[i].segment != CD_NIL)
			return CD_IS_UNKNOWN;
	return CD_IS_KNOWN;
}

const struct cd_side_labels *cd_ctx_labels(struct cd_ctx *c, unsigned int side)
{
	enum cd_attr a = side ? CD_ATTR_DST_LABELS : CD_ATTR_SRC_LABELS;
	struct cd_side_labels *l = &c->labels[side];

	if (c->labels_done[side])
		return l;
	c->labels_done[side] = true;
	l->n = 0;
	l->there = (enum cd_there)c->there[a];
	if (l->there == CD_IS_KNOWN)
		resolve_labels(c, &c->r->v[a], l);
	else if (l->there == CD_IS_UNKNOWN)
		l->there = derive_labels(c, side);
	return l;
}

void cd_ctx_suffixes(struct cd_ctx *c)
{
	struct cd_str name = c->r->v[CD_ATTR_DST_NAME].u.s.s;
	uint64_t h = CD_DOMAIN_HASH_INIT;
	const struct cd_snap_domain *d;

	if (c->suffixes_done)
		return;
	c->suffixes_done = true;
	c->n_suffix = 0;
	if (c->there[CD_ATTR_DST_NAME] != CD_IS_KNOWN || name.len > 255)
		return;
	for (size_t i = name.len; i-- > 0;) {
		h = cd_domain_hash_add(h, name.ptr[i]);
		if (i && name.ptr[i - 1] != '.')
			continue;
		d = cd_snap_domain_find(c->s,
					cd_str_make(name.ptr + i, name.len - i),
					cd_domain_hash_end(h));
		if (d && c->n_suffix < CD_CTX_DOMAINS)
			c->suffix[c->n_suffix++] = (struct cd_suffix){
				(uint32_t)(d - cd_snap_DOMAINS(c->s)), i == 0};
	}
}

static bool words_have(const uint32_t *w, uint32_t n, uint32_t x)
{
	for (uint32_t i = 0; i < n; i++)
		if (w[i] == x)
			return true;
	return false;
}

bool cd_ctx_name_in(struct cd_ctx *c, uint32_t domset)
{
	const uint32_t *w = cd_snap_WORDS(c->s);

	cd_ctx_suffixes(c);
	for (uint32_t i = 0; i < c->n_suffix; i++) {
		const struct cd_snap_domain *d =
			&cd_snap_DOMAINS(c->s)[c->suffix[i].domain];

		if (c->suffix[i].whole ?
			    words_have(w + d->exact_first, d->exact_n, domset) :
			    words_have(w + d->below_first, d->below_n, domset))
			return true;
	}
	return false;
}
