/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the session table's file, shared by its writer and its readers.
 *
 *	header | index | sessions | subjects | devices | records | words
 *
 * A million sessions lie in no cache, so what a look-up costs is how many
 * loads wait for one another: two. The first is the bucket of the index, one
 * cache line, which tells where session, person and device are; those three
 * are fetched side by side, each in lines that follow one another.
 *
 * index: buckets of BUCKET_ENTRIES, found by the low half of the hash; a full
 * one passes what it has no room for to the next, and counts how often it did
 * (`passed`), so that a search ends at the first bucket that passed nothing
 * on. Nothing moves and there are no tombstones: a removed session gives its
 * entry back and is taken off the counts on its way. An entry is a tag above
 * and slot + 1 below; 0 is free. (Sessions inside the buckets were rejected:
 * as many waits, and either long probes or a fifth more memory.)
 *
 * Everything a reader may see change under it is read and written as 64-bit
 * words with relaxed atomics, between two looks at the sequence counter.
 */
#ifndef CD_SHM_TABLE_LAYOUT_H
#define CD_SHM_TABLE_LAYOUT_H

#include <stdatomic.h>

#include "shm/session_table.h"

#define TABLE_MAGIC 0x3153534553444f43ull /* "CODSESS1" */
#define TABLE_VERSION 2
#define TABLE_LINE 64 /* of a cache, bytes */
#define TABLE_HEADER_SIZE 4096

struct table_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size;
	uint64_t file_size;
	uint32_t sessions, subjects, devices; /* limits */
	uint32_t buckets; /* of the index */
	uint32_t slot_bits; /* of an index entry */
	uint32_t pad;
	/* offsets from the start of the file */
	uint64_t at_index, at_sessions, at_subjects, at_devices, at_records,
		at_words;
	uint64_t records_size, words_size;
	_Alignas(TABLE_LINE) _Atomic uint64_t words_used;
};

#define BUCKET_ENTRIES 5

/* subjects and devices are what the session at the same place refers to, as
 * far as the bucket knows: good for fetching ahead, never for believing. */
struct index_bucket {
	uint32_t passed;
	uint32_t entries[BUCKET_ENTRIES];
	uint32_t subjects[BUCKET_ENTRIES];
	uint32_t devices[BUCKET_ENTRIES];
};
_Static_assert(sizeof(struct index_bucket) == TABLE_LINE, "one cache line");

struct session_body {
	uint8_t key[CD_SESSION_KEY_LEN];
	uint64_t id;
	uint64_t epoch;
	uint32_t subject, subject_gen; /* slot, and which use of the slot */
	uint32_t device, device_gen; /* device_gen 0: none */
	uint32_t created, auth_time, expires, idle_limit;
	uint32_t app; /* word; 0: none */
	uint8_t state, mfa_kind;
	uint16_t flags;
};
#define SESSION_WORDS (sizeof(struct session_body) / 8)
_Static_assert(sizeof(struct session_body) == 88, "layout of the table");

struct session_slot {
	_Atomic uint32_t seq;
	_Atomic uint32_t last_seen;
	uint64_t body[SESSION_WORDS];
};
_Static_assert(sizeof(struct session_slot) == 96, "layout of the table");

/* A subject or device: where its record is. gen moves when the slot is given
 * to another one, so that sessions of the former do not follow. */
struct entity_body {
	uint64_t epoch;
	uint64_t off; /* in records, bytes; or RECORD_HOME */
	uint32_t gen;
	uint32_t len; /* bytes, a multiple of 8; 0: nobody here */
};
#define ENTITY_WORDS (sizeof(struct entity_body) / 8)

struct entity_slot {
	_Atomic uint32_t seq;
	uint32_t cap; /* room of the record elsewhere; the writer's own */
	uint64_t body[ENTITY_WORDS];
};
_Static_assert(sizeof(struct entity_slot) == 32, "layout of the table");

/* Slots are this far apart. A record lies in what is left behind its slot, at
 * home, when that is enough: for a name of 16 bytes and 50 groups, or a device
 * of 40 bytes; a longer one lies in the records. */
#define SUBJECT_STRIDE 256
#define DEVICE_STRIDE 128
#define RECORD_HOME UINT64_MAX

/* Records: this, then the name, padding to 8, then u32 words. */
struct subject_record {
	uint16_t n_groups;
	uint8_t name_len;
	uint8_t risk;
	int8_t best_factor;
	uint8_t disabled;
	uint16_t pad;
};

struct device_record {
	uint8_t name_len;
	uint8_t known; /* bit per enum cd_device_attr */
	uint16_t pad;
	uint32_t pad2;
	struct {
		uint32_t value; /* CD_DEVICE_OS: a word */
		uint32_t vouched_at;
	} attrs[CD_DEVICE_ATTRS];
};

#define RECORD_PAD(n) (((n) + 7u) & ~(size_t)7)
#define SUBJECT_RECORD_MAX                                     \
	RECORD_PAD(sizeof(struct subject_record) +             \
		   RECORD_PAD((size_t)CD_TABLE_NAME_MAX + 1) + \
		   CD_TABLE_GROUPS_MAX * sizeof(uint32_t))
#define DEVICE_RECORD_MAX \
	RECORD_PAD(sizeof(struct device_record) + CD_TABLE_NAME_MAX + 1)

/* A word: an interned string, 8-aligned; its number is its offset / 8. */
struct word {
	uint64_t hash;
	uint16_t len;
	char text[];
};

static inline uint64_t key_hash(const uint8_t key[CD_SESSION_KEY_LEN])
{
	uint64_t h;

	memcpy(&h, key, sizeof(h));
	return h;
}

static inline uint32_t hash_bucket(const struct table_header *h, uint64_t hash)
{
	return (uint32_t)((uint64_t)(uint32_t)hash * h->buckets >> 32);
}

static inline uint32_t bucket_next(const struct table_header *h, uint32_t b)
{
	return b + 1 < h->buckets ? b + 1 : 0;
}

/* What an index entry of this hash carries above its slot. */
static inline uint32_t entry_tag(const struct table_header *h, uint64_t hash)
{
	return (uint32_t)(hash >> 32) >> h->slot_bits << h->slot_bits;
}

static inline uint32_t entry_slot(const struct table_header *h, uint32_t entry)
{
	return entry & ((1u << h->slot_bits) - 1);
}

static inline uint64_t word_load(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void word_store(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static inline void words_load(uint64_t *out, const uint64_t *shared, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = word_load(shared + i);
}

static inline void words_store(uint64_t *shared, const uint64_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		word_store(shared + i, in[i]);
}

#endif
