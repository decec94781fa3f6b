/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer keeps each section in a buffer, and the two hash tables in their
 * final form: they are rebuilt at twice the size when half full, and copied
 * as they are.
 */
#include "snapshot/write.h"

#include <stdlib.h>

static const uint32_t sizes[CD_SEC_COUNT] = {
#define X(id, type) [CD_SEC_##id] = sizeof(type),
	CD_SNAP_SECTIONS(X)
#undef X
};

void cd_writer_init(struct cd_writer *w)
{
	memset(w, 0, sizeof(*w));
	for (unsigned int i = 0; i < CD_SEC_COUNT; i++)
		cd_buf_init(&w->sec[i], CD_MAX_SNAPSHOT_SIZE);
}

void cd_writer_done(struct cd_writer *w)
{
	for (unsigned int i = 0; i < CD_SEC_COUNT; i++)
		cd_buf_done(&w->sec[i]);
}

uint32_t cd_writer_count(const struct cd_writer *w, enum cd_snap_section sec)
{
	return (uint32_t)(w->sec[sec].len / sizes[sec]);
}

uint32_t cd_writer_add(struct cd_writer *w, enum cd_snap_section sec,
		       const void *element)
{
	uint32_t n = cd_writer_count(w, sec);

	cd_buf_put(&w->sec[sec], element, sizes[sec]);
	if (w->sec[sec].err && !w->err)
		w->err = w->sec[sec].err;
	return w->err ? CD_NIL : n;
}

void *cd_writer_at(struct cd_writer *w, enum cd_snap_section sec, uint32_t i)
{
	cd_assert(i < cd_writer_count(w, sec));
	return w->sec[sec].data + (size_t)i * sizes[sec];
}

/* A table of n slots, all empty. */
static uint32_t *new_slots(struct cd_writer *w, enum cd_snap_section slots,
			   uint32_t n)
{
	void *p;

	cd_buf_clear(&w->sec[slots]);
	p = cd_buf_extend(&w->sec[slots], (size_t)n * sizeof(uint32_t));
	if (!p) {
		w->err = w->sec[slots].err;
		return NULL;
	}
	return memset(p, 0xff, (size_t)n * sizeof(uint32_t));
}

static void put_slot(uint32_t *slots, uint32_t n, uint64_t hash, uint32_t at)
{
	uint64_t i = hash;

	while (slots[i & (n - 1)] != CD_NIL)
		i++;
	slots[i & (n - 1)] = at;
}

/* Makes room for one more element in a table: hashes begin each element. */
static bool grow(struct cd_writer *w, enum cd_snap_section slots,
		 enum cd_snap_section elements)
{
	uint32_t n = cd_writer_count(w, slots);
	uint32_t used = cd_writer_count(w, elements);
	uint32_t *p;

	if (w->err)
		return false;
	if (used + 1 <= n / 2)
		return true;
	n = n ? n * 2 : 16;
	p = new_slots(w, slots, n);
	if (!p)
		return false;
	for (uint32_t i = 0; i < used; i++) {
		uint64_t hash;

		memcpy(&hash, cd_writer_at(w, elements, i), sizeof(hash));
		put_slot(p, n, hash, i);
	}
	return true;
}

static struct cd_str str_text(struct cd_writer *w, uint32_t str)
{
	const struct cd_snap_str *e = cd_writer_at(w, CD_SEC_STRS, str);

	return cd_str_make(w->sec[CD_SEC_CHARS].data + e->off, e->len);
}

uint32_t cd_writer_str(struct cd_writer *w, struct cd_str s)
{
	struct cd_snap_str e = {.app = CD_NIL, .app_host = CD_NIL};
	uint32_t *slots, n;
	uint64_t i;

	if (!s.ptr || !grow(w, CD_SEC_STR_SLOTS, CD_SEC_STRS))
		return CD_NIL;
	e.hash = cd_str_hash(s);
	slots = (void *)w->sec[CD_SEC_STR_SLOTS].data;
	n = cd_writer_count(w, CD_SEC_STR_SLOTS);
	for (i = e.hash; slots[i & (n - 1)] != CD_NIL; i++)
		if (cd_str_equal(str_text(w, slots[i & (n - 1)]), s))
			return slots[i & (n - 1)];
	e.off = cd_writer_count(w, CD_SEC_CHARS);
	e.len = (uint32_t)s.len;
	cd_buf_str(&w->sec[CD_SEC_CHARS], s);
	cd_buf_u8(&w->sec[CD_SEC_CHARS], 0);
	if (w->sec[CD_SEC_CHARS].err)
		w->err = w->sec[CD_SEC_CHARS].err;
	slots[i & (n - 1)] = cd_writer_add(w, CD_SEC_STRS, &e);
	return slots[i & (n - 1)];
}

static uint64_t domain_hash(struct cd_str name)
{
	uint64_t h = CD_DOMAIN_HASH_INIT;

	for (size_t i = name.len; i-- > 0;)
		h = cd_domain_hash_add(h, name.ptr[i]);
	return cd_domain_hash_end(h);
}

uint32_t cd_writer_domain(struct cd_writer *w, struct cd_str name)
{
	struct cd_snap_domain e = {.hash = domain_hash(name)};
	uint32_t *slots, n;
	uint64_t i;

	e.name = cd_writer_str(w, name);
	if (!grow(w, CD_SEC_DOMAIN_SLOTS, CD_SEC_DOMAINS))
		return CD_NIL;
	slots = (void *)w->sec[CD_SEC_DOMAIN_SLOTS].data;
	n = cd_writer_count(w, CD_SEC_DOMAIN_SLOTS);
	for (i = e.hash; slots[i & (n - 1)] != CD_NIL; i++) {
		uint32_t at = slots[i & (n - 1)];
		const struct cd_snap_domain *d =
			cd_writer_at(w, CD_SEC_DOMAINS, at);

		if (d->name == e.name)
			return at;
	}
	slots[i & (n - 1)] = cd_writer_add(w, CD_SEC_DOMAINS, &e);
	return slots[i & (n - 1)];
}

int cd_writer_finish(struct cd_writer *w, void **ret_image, size_t *ret_size)
{
	size_t size = sizeof(struct cd_snapshot);
	struct cd_snapshot *s = &w->head;
	char *image;

	for (unsigned int i = 0; i < CD_SEC_COUNT && !w->err; i++) {
		s->table[i].off = size;
		s->table[i].count = (uint32_t)(w->sec[i].len / sizes[i]);
		s->table[i].size = sizes[i];
		size += (w->sec[i].len + 7) & ~(size_t)7;
		if (size > CD_MAX_SNAPSHOT_SIZE)
			w->err = CD_E_LIMIT;
	}
	if (w->err)
		return w->err;
	image = calloc(1, size);
	if (!image)
		return -ENOMEM;
	memcpy(s->magic, CD_SNAP_MAGIC, sizeof(s->magic));
	s->version = CD_SNAPSHOT_VERSION;
	s->header_size = sizeof(*s);
	s->size = size;
	s->sections = CD_SEC_COUNT;
	memcpy(image, s, sizeof(*s));
	for (unsigned int i = 0; i < CD_SEC_COUNT; i++)
		if (w->sec[i].len)
			memcpy(image + s->table[i].off, w->sec[i].data,
			       w->sec[i].len);
	*ret_image = image;
	*ret_size = size;
	return 0;
}
