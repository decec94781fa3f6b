// SPDX-License-Identifier: Apache-2.0
/*
 * What sessions refer to: interned words, and the records of subjects and
 * devices.
 *
 * A record lies at home, behind its slot, when it fits there. Longer ones are
 * appended elsewhere; one that still fits is replaced in place. When the end is
 * reached, those are slid down, each under its own sequence counter, so readers
 * are never stopped. Size classes with free lists were rejected: they waste a
 * third and still need a way to move records.
 */
#include <stdlib.h>

#include "shm/table_writer.h"

/* ---- words ---- */

static struct word *word_at(const struct cd_table *t, uint32_t number)
{
	return (struct word *)(void *)(t->base + t->h->at_words +
				       (size_t)number * 8);
}

static struct cd_str word_name(const void *owner, uint32_t number)
{
	const struct word *w = word_at(owner, number);

	return cd_str_make(w->text, w->len);
}

int word_put(struct cd_table *t, struct cd_str s, uint32_t *ret)
{
	uint64_t used =
		atomic_load_explicit(&t->h->words_used, memory_order_relaxed);
	size_t room = RECORD_PAD(offsetof(struct word, text) + s.len);
	struct word *w;
	int err;

	*ret = 0;
	if (!s.len)
		return 0;
	if (s.len > CD_TABLE_WORD_MAX)
		return -EINVAL;
	*ret = names_find(&t->words, s);
	if (*ret != NAMES_NONE)
		return 0;
	if (room > t->h->words_size - used)
		return CD_E_LIMIT;
	*ret = (uint32_t)(used / 8);
	w = word_at(t, *ret);
	w->hash = cd_str_hash(s);
	w->len = (uint16_t)s.len;
	memcpy(w->text, s.ptr, s.len);
	err = names_add(&t->words, *ret);
	if (!err)
		atomic_store_explicit(&t->h->words_used, used + room,
				      memory_order_release);
	return err;
}

/* ---- subjects and devices ---- */

static void entity_set(struct entity_slot *e, struct entity_body b)
{
	uint64_t words[ENTITY_WORDS];

	memcpy(words, &b, sizeof(b));
	words_store(e->body, words, ENTITY_WORDS);
}

static uint64_t *record_at(const struct cd_table *t, uint64_t off)
{
	return (uint64_t *)(void *)(t->base + t->h->at_records + off);
}

static uint64_t *entity_record(const struct entities *es, struct entity_slot *e,
			       uint64_t off)
{
	return off == RECORD_HOME ? (uint64_t *)(void *)(e + 1) :
				    record_at(es->table, off);
}

/* Name of a record, which begins with its fixed part. */
static struct cd_str record_name(const struct entities *es, const void *record)
{
	const unsigned char *p = record;
	uint8_t len;

	/* name_len: see the two record structs */
	len = es->name_at == sizeof(struct subject_record) ?
		      p[offsetof(struct subject_record, name_len)] :
		      p[offsetof(struct device_record, name_len)];
	return cd_str_make(p + es->name_at, len);
}

static struct cd_str entity_name(const void *owner, uint32_t slot)
{
	const struct entities *es = owner;
	struct entity_slot *e = entity_at(es, slot);

	return record_name(es, entity_record(es, e, entity_get(e).off));
}

struct moved {
	uint64_t off;
	struct entity_slot *slot;
};

static int moved_order(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

static size_t moved_collect(const struct entities *es, struct moved *list)
{
	size_t n = 0;

	for (uint32_t i = 0; i < es->used; i++) {
		struct entity_slot *e = entity_at(es, i);
		struct entity_body b = entity_get(e);

		if (b.len && b.off != RECORD_HOME)
			list[n++] = (struct moved){b.off, e};
	}
	return n;
}

/* Moves one record down to `to`; the two places may overlap. */
static uint64_t slide(struct cd_table *t, struct entity_slot *e, uint64_t to)
{
	struct entity_body b = entity_get(e);

	if (b.off != to) {
		const uint64_t *from = record_at(t, b.off);

		write_begin(&e->seq);
		for (size_t i = 0; i < b.len / 8; i++)
			word_store(record_at(t, to) + i, from[i]);
		b.off = to;
		entity_set(e, b);
		write_end(&e->seq);
	}
	e->cap = b.len;
	return to + b.len;
}

static int compact(struct cd_table *t)
{
	size_t n = (size_t)t->subjects.used + t->devices.used;
	struct moved *list = cd_calloc(CD_MAX(n, 1u), sizeof(*list));
	uint64_t to = 0;

	if (!list)
		return -ENOMEM;
	n = moved_collect(&t->subjects, list);
	n += moved_collect(&t->devices, list + n);
	qsort(list, n, sizeof(*list), moved_order);
	for (size_t i = 0; i < n; i++)
		to = slide(t, list[i].slot, to);
	t->records_used = to;
	free(list);
	return 0;
}

/* Room for a record of an entity that has b and cap now. */
static int record_room(struct entities *es, const struct entity_slot *e,
		       size_t len, uint64_t *ret_off, uint32_t *ret_cap)
{
	struct cd_table *t = es->table;
	struct entity_body b = entity_get(e);
	/* a little air, so that a growing group list stays in place */
	size_t want = RECORD_PAD(len + len / 8);

	*ret_off = RECORD_HOME;
	*ret_cap = 0;
	if (len <= es->stride - sizeof(*e))
		return 0;
	if (b.len && b.off != RECORD_HOME && len <= e->cap) {
		*ret_off = b.off;
		*ret_cap = e->cap;
		return 0;
	}
	if (want > t->h->records_size - t->records_used) {
		int err = compact(t);

		if (err)
			return err;
		want = CD_MIN(want, t->h->records_size - t->records_used);
	}
	if (want < len)
		return CD_E_LIMIT;
	*ret_off = t->records_used;
	*ret_cap = (uint32_t)want;
	t->records_used += want;
	return 0;
}

/* A slot without a record; not yet taken from the free ones. */
static int slot_pick(struct entities *es, uint32_t *ret)
{
	if (es->n_free)
		*ret = es->free[es->n_free - 1];
	else if (es->used < es->max)
		*ret = es->used;
	else
		return CD_E_LIMIT;
	return 0;
}

static void slot_take(struct entities *es, uint32_t slot)
{
	if (slot == es->used)
		es->used++;
	else
		es->n_free--;
}

static int entity_write(struct entities *es, uint32_t slot,
			const uint64_t *record, size_t len)
{
	struct cd_table *t = es->table;
	struct entity_slot *e = entity_at(es, slot);
	struct entity_body b;
	uint64_t off;
	uint32_t cap;
	int err = record_room(es, e, len, &off, &cap);

	if (err)
		return err;
	b = entity_get(e);
	write_begin(&e->seq);
	words_store(entity_record(es, e, off), record, len / 8);
	b.gen += !b.len;
	b.gen += !b.gen; /* 0 stands for none */
	b.off = off;
	b.len = (uint32_t)len;
	b.epoch = ++t->epoch;
	e->cap = cap;
	entity_set(e, b);
	write_end(&e->seq);
	return 0;
}

static int entity_put(struct entities *es, const uint64_t *record, size_t len,
		      uint32_t *ret_slot)
{
	uint32_t slot = names_find(&es->names, record_name(es, record));
	struct entity_slot *e;
	struct entity_body b;
	int err;

	if (slot != NAMES_NONE) {
		*ret_slot = slot;
		e = entity_at(es, slot);
		b = entity_get(e);
		if (b.len == len &&
		    !memcmp(entity_record(es, e, b.off), record, len))
			return 0;
		return entity_write(es, slot, record, len);
	}
	err = slot_pick(es, &slot);
	if (!err)
		err = entity_write(es, slot, record, len);
	if (err)
		return err;
	slot_take(es, slot);
	*ret_slot = slot;
	return names_add(&es->names, slot);
}

static int entity_remove(struct entities *es, struct cd_str name)
{
	uint32_t slot = names_find(&es->names, name);
	struct entity_slot *e;
	struct entity_body b;

	if (slot == NAMES_NONE)
		return CD_E_NOTFOUND;
	names_remove(&es->names, slot);
	e = entity_at(es, slot);
	b = entity_get(e);
	b.len = 0;
	b.epoch = ++es->table->epoch;
	write_begin(&e->seq);
	entity_set(e, b);
	write_end(&e->seq);
	es->free[es->n_free++] = slot;
	return 0;
}

static bool name_is_valid(struct cd_str name)
{
	return name.len && name.len <= CD_TABLE_NAME_MAX;
}

int cd_table_subject_put(struct cd_table *t, const struct cd_subject_row *row)
{
	uint64_t buf[SUBJECT_RECORD_MAX / 8] = {0};
	struct subject_record r = {.n_groups = (uint16_t)row->n_groups,
				   .name_len = (uint8_t)row->name.len,
				   .risk = row->risk,
				   .best_factor = row->best_factor,
				   .disabled = row->disabled};
	char *p = (char *)buf;
	size_t at = sizeof(r) + RECORD_PAD(row->name.len);
	uint32_t word;

	if (!name_is_valid(row->name) || row->n_groups > CD_TABLE_GROUPS_MAX)
		return -EINVAL;
	memcpy(p, &r, sizeof(r));
	memcpy(p + sizeof(r), row->name.ptr, row->name.len);
	for (uint32_t i = 0; i < row->n_groups; i++) {
		int err = word_put(t, row->groups[i], &word);

		if (err)
			return err;
		memcpy(p + at, &word, sizeof(word));
		at += sizeof(word);
	}
	return entity_put(&t->subjects, buf, RECORD_PAD(at), &word);
}

int cd_table_subject_remove(struct cd_table *t, struct cd_str name)
{
	return entity_remove(&t->subjects, name);
}

int device_put(struct cd_table *t, const struct cd_device_row *row,
	       uint32_t *ret_slot)
{
	uint64_t buf[DEVICE_RECORD_MAX / 8] = {0};
	struct device_record r = {.name_len = (uint8_t)row->name.len};

	if (!name_is_valid(row->name))
		return -EINVAL;
	for (unsigned int i = 0; i < CD_DEVICE_ATTRS; i++) {
		if (!row->attrs[i].known)
			continue;
		r.known |= (uint8_t)(1u << i);
		r.attrs[i].value = row->attrs[i].value;
		r.attrs[i].vouched_at = row->attrs[i].vouched_at;
		if (i == CD_DEVICE_OS) {
			int err = word_put(t, row->attrs[i].text,
					   &r.attrs[i].value);
			if (err)
				return err;
		}
	}
	memcpy(buf, &r, sizeof(r));
	memcpy((char *)buf + sizeof(r), row->name.ptr, row->name.len);
	return entity_put(&t->devices, buf,
			  RECORD_PAD(sizeof(r) + row->name.len), ret_slot);
}

int cd_table_device_put(struct cd_table *t, const struct cd_device_row *row)
{
	uint32_t slot;

	return device_put(t, row, &slot);
}

int cd_table_device_remove(struct cd_table *t, struct cd_str name)
{
	return entity_remove(&t->devices, name);
}

/* ---- set up ---- */

int words_init(struct cd_table *t)
{
	return names_init(&t->words, word_name, t);
}

int entities_init(struct entities *es, struct cd_table *t,
		  struct entities_place place, size_t name_at)
{
	es->table = t;
	es->slots = t->base + place.at;
	es->stride = place.stride;
	es->max = place.max;
	es->name_at = name_at;
	es->free = cd_calloc(es->max, sizeof(*es->free));
	if (!es->free)
		return -ENOMEM;
	return names_init(&es->names, entity_name, es);
}

void entities_done(struct entities *es)
{
	names_done(&es->names);
	free(es->free);
}
