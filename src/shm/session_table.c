// SPDX-License-Identifier: Apache-2.0
/*
 * Writing the session table. What only the writer needs (which slots are
 * free, which name is where, how full the record area is) stays in its own
 * heap; the file holds what readers need and is built anew by every agent
 * that starts.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/table_map.h"
#include "shm/table_writer.h"

/* ---- sessions ---- */

static struct session_body session_get(const struct session_slot *s)
{
	struct session_body b;

	memcpy(&b, s->body, sizeof(b));
	return b;
}

static void session_set(struct session_slot *s, const struct session_body *b)
{
	uint64_t words[SESSION_WORDS];

	memcpy(words, b, sizeof(*b));
	write_begin(&s->seq);
	words_store(s->body, words, SESSION_WORDS);
	write_end(&s->seq);
}

/* An entry of the index; no bucket: not there. */
struct place {
	struct index_bucket *bucket;
	int i;
};

static struct index_bucket *bucket_at(const struct cd_table *t, uint32_t b)
{
	return (struct index_bucket *)(void *)(t->base + t->h->at_index) + b;
}

static bool bucket_find(const struct cd_table *t, struct index_bucket *b,
			const uint8_t *key, struct place *ret)
{
	uint32_t tag = entry_tag(t->h, key_hash(key));

	for (int i = 0; i < BUCKET_ENTRIES; i++) {
		uint32_t slot = entry_slot(t->h, b->entries[i]);

		if (slot && slot <= t->h->sessions &&
		    b->entries[i] == (tag | slot) &&
		    !memcmp(t->sessions[slot - 1].body, key,
			    CD_SESSION_KEY_LEN)) {
			*ret = (struct place){b, i};
			return true;
		}
	}
	return false;
}

static struct place index_find(const struct cd_table *t, const uint8_t *key)
{
	uint32_t b = hash_bucket(t->h, key_hash(key));
	struct place p = {NULL, 0};

	for (uint32_t n = 0; n < t->h->buckets; n++) {
		if (bucket_find(t, bucket_at(t, b), key, &p) ||
		    !bucket_at(t, b)->passed)
			break;
		b = bucket_next(t->h, b);
	}
	return p;
}

static uint32_t place_slot(const struct cd_table *t, struct place p)
{
	return entry_slot(t->h, p.bucket->entries[p.i]) - 1;
}

static void place_refs(struct place p, const struct session_body *b)
{
	__atomic_store_n(p.bucket->subjects + p.i, b->subject,
			 __ATOMIC_RELAXED);
	__atomic_store_n(p.bucket->devices + p.i,
			 b->device_gen ? b->device : UINT32_MAX,
			 __ATOMIC_RELAXED);
}

static int bucket_free(const struct index_bucket *b)
{
	int i = 0;

	while (i < BUCKET_ENTRIES && b->entries[i])
		i++;
	return i;
}

static void passed_add(struct index_bucket *b, uint32_t n)
{
	__atomic_store_n(&b->passed, b->passed + n, __ATOMIC_RELEASE);
}

/* Takes the first free entry on the way; there are more of them than
 * sessions. The counts go up before a reader can need them. */
static void index_insert(struct cd_table *t, uint32_t slot)
{
	struct session_body s = session_get(t->sessions + slot);
	uint64_t hash = key_hash(s.key);
	uint32_t b = hash_bucket(t->h, hash);
	struct place p;

	for (; bucket_free(bucket_at(t, b)) == BUCKET_ENTRIES;
	     b = bucket_next(t->h, b))
		passed_add(bucket_at(t, b), 1);
	p = (struct place){bucket_at(t, b), bucket_free(bucket_at(t, b))};
	place_refs(p, &s);
	__atomic_store_n(p.bucket->entries + p.i,
			 entry_tag(t->h, hash) | (slot + 1), __ATOMIC_RELEASE);
}

static void index_remove(struct cd_table *t, struct place p, const uint8_t *key)
{
	uint32_t b = hash_bucket(t->h, key_hash(key));

	__atomic_store_n(p.bucket->entries + p.i, 0, __ATOMIC_RELEASE);
	for (; bucket_at(t, b) != p.bucket; b = bucket_next(t->h, b))
		passed_add(bucket_at(t, b), UINT32_MAX);
}

static int refs_fill(struct cd_table *t, const struct cd_session_row *row,
		     struct session_body *b)
{
	uint32_t slot = names_find(&t->subjects.names, row->subject);
	int err;

	if (slot == NAMES_NONE)
		return CD_E_NOTFOUND;
	b->subject = slot;
	b->subject_gen = entity_get(entity_at(&t->subjects, slot)).gen;
	err = word_put(t, row->app, &b->app);
	if (err || !row->device.len)
		return err;
	slot = names_find(&t->devices.names, row->device);
	if (slot == NAMES_NONE) {
		struct cd_device_row empty = {.name = row->device};

		err = device_put(t, &empty, &slot);
		if (err)
			return err;
	}
	b->device = slot;
	b->device_gen = entity_get(entity_at(&t->devices, slot)).gen;
	return 0;
}

static int session_slot_take(struct cd_table *t, uint32_t *ret)
{
	if (t->n_free)
		*ret = t->free[--t->n_free];
	else if (t->sessions_used < t->h->sessions)
		*ret = t->sessions_used++;
	else
		return CD_E_LIMIT;
	t->n_sessions++;
	return 0;
}

static int session_add(struct cd_table *t, struct session_body *b,
		       uint32_t last_seen)
{
	struct session_slot *s;
	uint32_t slot;
	int err = session_slot_take(t, &slot);

	if (err)
		return err;
	s = t->sessions + slot;
	b->epoch = ++t->epoch;
	atomic_store_explicit(&s->last_seen, last_seen, memory_order_relaxed);
	session_set(s, b);
	index_insert(t, slot);
	return 0;
}

int cd_table_session_put(struct cd_table *t, const struct cd_session_row *row)
{
	struct session_body b = {.id = row->id,
				 .created = row->created,
				 .auth_time = row->auth_time,
				 .expires = row->expires,
				 .idle_limit = row->idle_limit,
				 .state = row->state,
				 .mfa_kind = row->mfa_kind,
				 .flags = row->flags};
	struct session_slot *s;
	struct place p;
	int err;

	if (row->state != CD_SESSION_LIVE && row->state != CD_SESSION_REVOKED)
		return -EINVAL;
	memcpy(b.key, row->key, sizeof(b.key));
	err = refs_fill(t, row, &b);
	if (err)
		return err;
	p = index_find(t, row->key);
	if (!p.bucket)
		return session_add(t, &b, row->last_seen);
	s = t->sessions + place_slot(t, p);
	b.epoch = session_get(s).epoch;
	if (memcmp(&b, s->body, sizeof(b)) != 0) {
		b.epoch = ++t->epoch;
		session_set(s, &b);
		place_refs(p, &b);
	}
	return cd_table_session_seen(t, row->key, row->last_seen);
}

int cd_table_session_remove(struct cd_table *t,
			    const uint8_t key[CD_SESSION_KEY_LEN])
{
	const struct session_body none = {.state = 0};
	struct place p = index_find(t, key);
	uint32_t slot;

	if (!p.bucket)
		return CD_E_NOTFOUND;
	slot = place_slot(t, p);
	index_remove(t, p, key);
	session_set(t->sessions + slot, &none);
	t->free[t->n_free++] = slot;
	t->n_sessions--;
	return 0;
}

int cd_table_session_seen(struct cd_table *t,
			  const uint8_t key[CD_SESSION_KEY_LEN], uint32_t when)
{
	struct place p = index_find(t, key);
	struct session_slot *s;

	if (!p.bucket)
		return CD_E_NOTFOUND;
	s = t->sessions + place_slot(t, p);
	if (when > atomic_load_explicit(&s->last_seen, memory_order_relaxed))
		atomic_store_explicit(&s->last_seen, when,
				      memory_order_relaxed);
	return 0;
}

uint32_t cd_table_expire(struct cd_table *t, uint32_t now, uint32_t look)
{
	uint32_t gone = 0;

	for (look = CD_MIN(look, t->sessions_used); look; look--) {
		struct session_body b;

		if (t->cursor >= t->sessions_used)
			t->cursor = 0;
		b = session_get(t->sessions + t->cursor++);
		if (b.state && b.expires && b.expires <= now)
			gone += !cd_table_session_remove(t, b.key);
	}
	return gone;
}

/* ---- the file ---- */

/* Gives room in the file, from the start of a cache line on. */
static uint64_t area(uint64_t *end, uint64_t n, size_t size)
{
	uint64_t at = (*end + TABLE_LINE - 1) & ~(uint64_t)(TABLE_LINE - 1);

	*end = at + n * size;
	return at;
}

static void layout(struct table_header *h, const struct cd_table_limits *l)
{
	uint64_t end = TABLE_HEADER_SIZE;

	*h = (struct table_header){.magic = TABLE_MAGIC,
				   .version = TABLE_VERSION,
				   .header_size = TABLE_HEADER_SIZE,
				   .sessions = l->sessions,
				   .subjects = l->subjects,
				   .devices = l->devices,
				   /* four of five entries are taken at most,
				    * so one session in eight is passed on */
				   .buckets = l->sessions / 4 + 2,
				   .slot_bits = 2};
	while (1u << h->slot_bits < l->sessions + 2)
		h->slot_bits++;
	h->records_size = (1u << 16) + (uint64_t)l->subjects * 96 +
			  (uint64_t)l->devices * 32;
	h->words_size = (1u << 18) + (uint64_t)l->subjects * 16;
	h->at_index = area(&end, h->buckets, sizeof(struct index_bucket));
	h->at_sessions = area(&end, l->sessions, sizeof(struct session_slot));
	h->at_subjects = area(&end, l->subjects, SUBJECT_STRIDE);
	h->at_devices = area(&end, l->devices, DEVICE_STRIDE);
	h->at_records = area(&end, 1, h->records_size);
	h->at_words = area(&end, 1, h->words_size);
	h->file_size = end;
	/* number 0 is no word */
	atomic_init(&h->words_used, 8);
}

static int table_fill(struct cd_table *t, const struct table_header *h)
{
	int err;

	memcpy(t->base, h, sizeof(*h));
	t->h = (struct table_header *)(void *)t->base;
	t->sessions = (struct session_slot *)(void *)(t->base + h->at_sessions);
	t->free = cd_calloc(h->sessions, sizeof(*t->free));
	if (!t->free)
		return -ENOMEM;
	err = words_init(t);
	if (!err)
		err = entities_init(&t->subjects, t,
				    (struct entities_place){h->at_subjects,
							    SUBJECT_STRIDE,
							    h->subjects},
				    sizeof(struct subject_record));
	if (!err)
		err = entities_init(&t->devices, t,
				    (struct entities_place){h->at_devices,
							    DEVICE_STRIDE,
							    h->devices},
				    sizeof(struct device_record));
	return err;
}

/* Every page is allocated now: a file system that fills up later would end
 * the writer by a signal. */
static int table_file(struct cd_table *t, const char *name, uint64_t size,
		      unsigned int mode)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int err = 0;
	void *p;

	if (fd < 0)
		return -errno;
	if (fchmod(fd, (mode_t)mode))
		err = -errno;
	if (!err)
		err = -posix_fallocate(fd, 0, (off_t)size);
	if (!err) {
		p = cd_table_map_file(fd, (size_t)size, PROT_READ | PROT_WRITE);
		if (!p)
			err = -errno;
		else
			t->base = p;
	}
	if (!err)
		cd_table_enlarge(t->base, (size_t)size);
	close(fd);
	if (err)
		unlink(name);
	t->size = (size_t)size;
	return err;
}

static int name_new(const char *path, char *out, size_t size)
{
	return snprintf(out, size, "%s.new", path) < (int)size ? 0 :
								 -ENAMETOOLONG;
}

int cd_table_create(const char *path, const struct cd_table_limits *limits,
		    unsigned int mode, struct cd_table **ret_table)
{
	struct cd_table *t cd_auto(cd_table_free) = NULL;
	struct table_header h;
	char name[4096];
	int err = name_new(path, name, sizeof(name));

	if (err)
		return err;
	if (!limits->sessions || limits->sessions > CD_TABLE_SESSIONS_MAX ||
	    !limits->subjects || limits->subjects > CD_TABLE_SESSIONS_MAX ||
	    !limits->devices || limits->devices > CD_TABLE_SESSIONS_MAX)
		return -EINVAL;
	t = cd_calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->path = cd_str_dup(cd_str_from(path));
	if (!t->path)
		return -ENOMEM;
	layout(&h, limits);
	err = table_file(t, name, h.file_size, mode);
	if (!err)
		err = table_fill(t, &h);
	if (!err)
		*ret_table = CD_TAKE(t);
	return err;
}

int cd_table_publish(struct cd_table *t)
{
	char name[4096];
	int err = name_new(t->path, name, sizeof(name));

	if (!err && rename(name, t->path))
		err = -errno;
	return err;
}

void cd_table_free(struct cd_table **table)
{
	struct cd_table *t = CD_TAKE(*table);

	if (!t)
		return;
	names_done(&t->words);
	entities_done(&t->subjects);
	entities_done(&t->devices);
	free(t->free);
	free(t->path);
	if (t->base)
		munmap(t->base, t->size);
	free(t);
}

void cd_table_stats(const struct cd_table *t, struct cd_table_stats *ret)
{
	*ret = (struct cd_table_stats){
		.sessions = t->n_sessions,
		.subjects = t->subjects.used - t->subjects.n_free,
		.devices = t->devices.used - t->devices.n_free,
		.epoch = t->epoch,
		.file_size = t->size,
		.words_used = atomic_load_explicit(&t->h->words_used,
						   memory_order_relaxed),
		.words_size = t->h->words_size,
	};
}
