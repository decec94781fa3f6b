/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting and slices: what every pass of the compiler uses.
 */
#include "policy/compile.h"

#include <stdlib.h>

static int by_name(const void *a, const void *b)
{
	const struct cd_ast *x = *(const struct cd_ast *const *)a;
	const struct cd_ast *y = *(const struct cd_ast *const *)b;

	return cd_str_compare(x->name.s, y->name.s);
}

int cd_compile_sort(struct cd_compile *c)
{
	for (unsigned int k = 0; k < CD_AST_KINDS; k++) {
		uint32_t n = c->policy->n_of_kind[k];

		if (n == 0)
			continue;
		c->sorted[k] = cd_arena_array(c->arena, n, sizeof(void *));
		if (!c->sorted[k])
			return -ENOMEM;
		memcpy(c->sorted[k], c->policy->of_kind[k], n * sizeof(void *));
		qsort(c->sorted[k], n, sizeof(void *), by_name);
	}
	return 0;
}

uint32_t cd_compile_find(const struct cd_compile *c, enum cd_ast_kind kind,
			 struct cd_str name)
{
	uint32_t lo = 0, hi = c->policy->n_of_kind[kind];

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int d = cd_str_compare(c->sorted[kind][mid]->name.s, name);

		if (d == 0)
			return mid;
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return CD_NIL;
}

void cd_words_init(struct cd_words *w)
{
	cd_buf_init(&w->buf, CD_MAX_SNAPSHOT_SIZE);
}

void cd_words_done(struct cd_words *w)
{
	cd_buf_done(&w->buf);
}

void cd_words_add(struct cd_words *w, uint32_t x)
{
	cd_buf_put(&w->buf, &x, sizeof(x));
}

uint32_t cd_words_n(const struct cd_words *w)
{
	return (uint32_t)(w->buf.len / sizeof(uint32_t));
}

uint32_t *cd_words_get(struct cd_words *w)
{
	return (uint32_t *)(void *)w->buf.data;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void cd_words_sort(struct cd_words *w)
{
	uint32_t n = cd_words_n(w), *p = cd_words_get(w), kept = 0;

	if (n < 2)
		return;
	qsort(p, n, sizeof(*p), by_number);
	for (uint32_t i = 0; i < n; i++)
		if (kept == 0 || p[i] != p[kept - 1])
			p[kept++] = p[i];
	w->buf.len = kept * sizeof(*p);
}

int cd_words_put(struct cd_compile *c, struct cd_words *w, uint32_t *ret_first,
		 uint32_t *ret_n)
{
	uint32_t n = cd_words_n(w);

	if (w->buf.err)
		return w->buf.err;
	*ret_first = cd_writer_count(&c->w, CD_SEC_WORDS);
	*ret_n = n;
	for (uint32_t i = 0; i < n; i++)
		cd_writer_add(&c->w, CD_SEC_WORDS, &cd_words_get(w)[i]);
	return c->w.err;
}

static int by_owner(const void *a, const void *b)
{
	const struct cd_pair *x = a, *y = b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

void cd_pairs_sort(struct cd_pair *pairs, size_t n)
{
	if (n > 1)
		qsort(pairs, n, sizeof(*pairs), by_owner);
}
