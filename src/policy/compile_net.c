/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments and address sets. Segments are numbered so that a segment comes
 * before everything declared in it, which makes "lies in" one comparison of
 * numbers; their nested prefixes are cut into disjoint ranges that each name
 * the innermost segment.
 */
#include "policy/compile.h"

#include <stdlib.h>

/* ---- spans ----------------------------------------------------------------- */
struct cd_span cd_span_of(const struct cd_addr *addr, uint8_t bits)
{
	unsigned int width = addr->family == 4 ? 32 : 128;
	unsigned __int128 ones = ~(unsigned __int128)0;
	struct cd_span s = {.family = addr->family};

	for (unsigned int i = 0; i < width / 8; i++)
		s.lo = s.lo << 8 | addr->bytes[i];
	/* Host bits, as a number: none for a full-length prefix. */
	if (bits < width)
		s.hi = ones >> (128 - (width - bits));
	s.lo &= ~s.hi;
	s.hi |= s.lo;
	return s;
}

void cd_span_bytes(unsigned __int128 x, uint8_t out[16])
{
	for (int i = 15; i >= 0; i--) {
		out[i] = (uint8_t)x;
		x >>= 8;
	}
}

static int by_start(const void *a, const void *b)
{
	const struct cd_span *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return x->hi < y->hi ? -1 : x->hi > y->hi;
}

static void put_span(struct cd_compile *c, const struct cd_span *s)
{
	struct cd_snap_span4 four = {(uint32_t)s->lo, (uint32_t)s->hi};
	struct cd_snap_span6 six;

	if (s->family == 4) {
		cd_writer_add(&c->w, CD_SEC_SPANS4, &four);
		return;
	}
	cd_span_bytes(s->lo, six.lo);
	cd_span_bytes(s->hi, six.hi);
	cd_writer_add(&c->w, CD_SEC_SPANS6, &six);
}

int cd_compile_spans(struct cd_compile *c, struct cd_span *spans, size_t n,
		     struct cd_snap_spans *ret)
{
	struct cd_snap_spans s = {
		.first4 = cd_writer_count(&c->w, CD_SEC_SPANS4),
		.first6 = cd_writer_count(&c->w, CD_SEC_SPANS6),
	};
	size_t kept = 0;

	if (n > 1)
		qsort(spans, n, sizeof(*spans), by_start);
	for (size_t i = 0; i < n; i++) {
		struct cd_span *last = kept ? &spans[kept - 1] : NULL;

		if (last && last->family == spans[i].family &&
		    (spans[i].lo <= last->hi || spans[i].lo - 1 == last->hi))
			last->hi = CD_MAX(last->hi, spans[i].hi);
		else
			spans[kept++] = spans[i];
	}
	for (size_t i = 0; i < kept; i++)
		put_span(c, &spans[i]);
	s.n4 = cd_writer_count(&c->w, CD_SEC_SPANS4) - s.first4;
	s.n6 = cd_writer_count(&c->w, CD_SEC_SPANS6) - s.first6;
	*ret = s;
	return c->w.err;
}

/* ---- segments --------------------------------------------------------------- */
static struct cd_ast_segment *segment(const struct cd_compile *c, uint32_t i)
{
	return (struct cd_ast_segment *)(void *)c->sorted[CD_AST_SEGMENT][i];
}

/* Gives numbers to sorted segment i and to all that is declared in it.
 * Nesting is bounded by the checker (CD_MAX_NESTING). */
static void number(struct cd_compile *c, uint32_t i, uint32_t parent,
		   const struct cd_pair *kids, uint32_t n_kids,
		   unsigned int depth)
{
	struct cd_ast_segment *s = segment(c, i);
	struct cd_snap_segment out = {
		.name = cd_writer_str(&c->w, s->head.name.s),
		.parent = parent,
		.hold = s->hold,
		.fail = (uint8_t)s->fail,
	};
	uint32_t me, lo = 0, hi = n_kids;

	if (depth > CD_MAX_NESTING || c->segment_number[i] != CD_NIL)
		return;
	me = cd_writer_add(&c->w, CD_SEC_SEGMENTS, &out);
	c->segment_number[i] = me;
	if (me == CD_NIL)
		return;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (kids[mid].owner < i)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < n_kids && kids[lo].owner == i; lo++)
		number(c, kids[lo].number, me, kids, n_kids, depth + 1);
	((struct cd_snap_segment *)cd_writer_at(&c->w, CD_SEC_SEGMENTS, me))
		->last = cd_writer_count(&c->w, CD_SEC_SEGMENTS) - 1;
}

static int number_all(struct cd_compile *c, uint32_t n)
{
	struct cd_pair *kids = cd_arena_array(c->arena, n, sizeof(*kids));
	uint32_t n_kids = 0;

	c->segment_number = cd_arena_array(c->arena, n, sizeof(uint32_t));
	if (!kids || !c->segment_number)
		return -ENOMEM;
	memset(c->segment_number, 0xff, n * sizeof(uint32_t));
	for (uint32_t i = 0; i < n; i++) {
		struct cd_ast_name *in = &segment(c, i)->parent;

		if (in->s.ptr)
			kids[n_kids++] = (struct cd_pair){
				cd_compile_find(c, CD_AST_SEGMENT, in->s), i};
	}
	cd_pairs_sort(kids, n_kids);
	for (uint32_t i = 0; i < n; i++)
		if (!segment(c, i)->parent.s.ptr)
			number(c, i, CD_NIL, kids, n_kids, 0);
	return c->w.err;
}

/* A prefix and its segment's number; an inner one has a greater number. */
struct part {
	struct cd_span span;
	uint32_t segment;
};

static int by_part(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->span.family != y->span.family)
		return x->span.family < y->span.family ? -1 : 1;
	if (x->span.lo != y->span.lo)
		return x->span.lo < y->span.lo ? -1 : 1;
	if (x->span.hi != y->span.hi)
		return x->span.hi > y->span.hi ? -1 : 1;
	return x->segment < y->segment ? -1 : x->segment > y->segment;
}

static void put_range(struct cd_compile *c, uint8_t family,
		      unsigned __int128 lo, unsigned __int128 hi, uint32_t seg)
{
	struct cd_snap_range4 four = {(uint32_t)lo, (uint32_t)hi, seg};
	struct cd_snap_range6 six = {.segment = seg};

	if (family == 4) {
		cd_writer_add(&c->w, CD_SEC_RANGES4, &four);
		return;
	}
	cd_span_bytes(lo, six.lo);
	cd_span_bytes(hi, six.hi);
	cd_writer_add(&c->w, CD_SEC_RANGES6, &six);
}

/* Sweeps over prefixes sorted by start, outer first. The stack holds those
 * that are open; `at` is the first address not yet given to a range. */
static int cut(struct cd_compile *c, const struct part *parts, uint32_t n)
{
	struct part *open = cd_arena_array(c->arena, n, sizeof(*open));
	unsigned __int128 at = 0;
	uint32_t depth = 0;

	if (n && !open)
		return -ENOMEM;
	for (uint32_t i = 0; i <= n; i++) {
		const struct part *p = i < n ? &parts[i] : NULL;

		while (depth &&
		       (!p || open[depth - 1].span.family != p->span.family ||
			open[depth - 1].span.hi < p->span.lo)) {
			const struct part *o = &open[--depth];

			if (at <= o->span.hi)
				put_range(c, o->span.family, at, o->span.hi,
					  o->segment);
			at = o->span.hi + 1;
		}
		if (!p)
			break;
		if (depth && at < p->span.lo)
			put_range(c, p->span.family, at, p->span.lo - 1,
				  open[depth - 1].segment);
		at = p->span.lo;
		open[depth++] = *p;
	}
	return c->w.err;
}

int cd_compile_segments(struct cd_compile *c)
{
	uint32_t n = c->policy->n_of_kind[CD_AST_SEGMENT], n_parts = 0;
	struct part *parts;
	int err = n ? number_all(c, n) : 0;

	if (err || n == 0)
		return err;
	for (uint32_t i = 0; i < n; i++)
		n_parts += segment(c, i)->n_prefixes;
	parts = cd_arena_array(c->arena, n_parts, sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	n_parts = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct cd_ast_segment *s = segment(c, i);

		for (uint32_t k = 0; k < s->n_prefixes; k++)
			parts[n_parts++] =
				(struct part){cd_span_of(&s->prefixes[k].addr,
							 s->prefixes[k].bits),
					      c->segment_number[i]};
	}
	qsort(parts, n_parts, sizeof(*parts), by_part);
	return cut(c, parts, n_parts);
}
