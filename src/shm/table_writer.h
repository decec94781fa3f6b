/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the table's writer: session_table.c keeps sessions and the file,
 * table_records.c the words, subjects and devices they refer to.
 */
#ifndef CD_SHM_TABLE_WRITER_H
#define CD_SHM_TABLE_WRITER_H

#include "shm/table_layout.h"
#include "shm/table_names.h"

/* Subjects, or devices. */
struct entities {
	char *slots;
	size_t stride; /* from one slot to the next */
	uint32_t max, used; /* slots ever used */
	uint32_t *free;
	uint32_t n_free;
	struct names names;
	size_t name_at; /* of the name in a record */
	struct cd_table *table;
};

struct cd_table {
	char *path;
	struct table_header *h;
	char *base;
	size_t size;
	struct session_slot *sessions;
	uint32_t sessions_used, n_sessions; /* slots ever used; live */
	uint32_t *free;
	uint32_t n_free;
	uint32_t cursor; /* of cd_table_expire() */
	uint64_t epoch;
	uint64_t records_used;
	struct names words;
	struct entities subjects, devices;
};

/* Around every write of a record that readers may be in. */
static inline void write_begin(_Atomic uint32_t *seq)
{
	uint32_t s = atomic_load_explicit(seq, memory_order_relaxed);

	atomic_store_explicit(seq, s + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static inline void write_end(_Atomic uint32_t *seq)
{
	uint32_t s = atomic_load_explicit(seq, memory_order_relaxed);

	atomic_store_explicit(seq, s + 1, memory_order_release);
}

/* Number of a word, interned when new; 0 for an empty one. CD_E_LIMIT when the
 * area is full, -EINVAL when the word is too long. */
int word_put(struct cd_table *t, struct cd_str s, uint32_t *ret);
int words_init(struct cd_table *t);

static inline struct entity_slot *entity_at(const struct entities *es,
					    uint32_t slot)
{
	return (struct entity_slot *)(void *)(es->slots + slot * es->stride);
}

static inline struct entity_body entity_get(const struct entity_slot *e)
{
	struct entity_body b;

	memcpy(&b, e->body, sizeof(b));
	return b;
}

struct entities_place {
	uint64_t at; /* in the file */
	size_t stride;
	uint32_t max;
};
int entities_init(struct entities *es, struct cd_table *t,
		  struct entities_place place, size_t name_at);
void entities_done(struct entities *es);
int device_put(struct cd_table *t, const struct cd_device_row *row,
	       uint32_t *ret_slot);

#endif
