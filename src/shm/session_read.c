// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the session table. No step depends on how many sessions there are,
 * and none waits for ever: a record that its writer left half-written gives
 * "not found" after READ_SPINS and READ_YIELDS looks.
 *
 * The writer is not trusted with the reader's memory: the key broker maps what
 * the agent's front writes, and holds keys which that must never reach. What
 * was checked is therefore a copy, never looked up again in the shared page;
 * every count and length of a record is held against the bytes that were
 * copied. (A file cut short under the map still ends the reader by SIGBUS:
 * that refuses, and reveals nothing.)
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/table_layout.h"
#include "shm/table_map.h"

/* A live writer is inside a record for about 100 ns, unless the scheduler
 * took its core away: hence the yields. */
#define READ_SPINS 200
#define READ_YIELDS 200

struct cd_table_map {
	struct table_header l; /* the layout, as it was when checked */
	const struct table_header *h; /* shared: words_used only */
	const char *base;
	size_t size;
};

/* ---- mapping ---- */

static bool area_fits(const struct table_header *h, uint64_t at, uint64_t n,
		      uint64_t size)
{
	uint64_t bytes;

	return at % 8 == 0 && at >= TABLE_HEADER_SIZE &&
	       !__builtin_mul_overflow(n, size, &bytes) && at <= h->file_size &&
	       bytes <= h->file_size - at;
}

static bool layout_is_valid(const struct table_header *h, uint64_t file_size)
{
	if (h->header_size != TABLE_HEADER_SIZE || h->file_size != file_size)
		return false;
	if (!h->buckets || h->slot_bits < 2 || h->slot_bits > 31 ||
	    h->sessions + 2ull > 1ull << h->slot_bits)
		return false;
	return area_fits(h, h->at_index, h->buckets,
			 sizeof(struct index_bucket)) &&
	       area_fits(h, h->at_sessions, h->sessions,
			 sizeof(struct session_slot)) &&
	       area_fits(h, h->at_subjects, h->subjects, SUBJECT_STRIDE) &&
	       area_fits(h, h->at_devices, h->devices, DEVICE_STRIDE) &&
	       area_fits(h, h->at_records, 1, h->records_size) &&
	       area_fits(h, h->at_words, 1, h->words_size);
}

static int map_fd(int fd, struct cd_table_map *m)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < TABLE_HEADER_SIZE)
		return CD_E_CORRUPT;
	p = cd_table_map_file(fd, (size_t)st.st_size, PROT_READ);
	if (!p)
		return -errno;
	m->base = p;
	m->h = p;
	m->size = (size_t)st.st_size;
	memcpy(&m->l, p, sizeof(m->l));
	if (m->l.magic != TABLE_MAGIC)
		return CD_E_CORRUPT;
	if (m->l.version != TABLE_VERSION)
		return CD_E_VERSION;
	return layout_is_valid(&m->l, m->size) ? 0 : CD_E_CORRUPT;
}

int cd_table_map(const char *path, struct cd_table_map **ret_map)
{
	struct cd_table_map *m = cd_calloc(1, sizeof(*m));
	int fd, err;

	if (!m)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	err = fd < 0 ? -errno : map_fd(fd, m);
	if (fd >= 0)
		close(fd);
	if (err) {
		cd_table_unmap(&m);
		return err;
	}
	*ret_map = m;
	return 0;
}

void cd_table_unmap(struct cd_table_map **map)
{
	if (!*map)
		return;
	if ((*map)->base)
		munmap((void *)(uintptr_t)(*map)->base, (*map)->size);
	cd_freep(map);
}

uint32_t cd_table_map_sessions(const struct cd_table_map *map)
{
	return map->l.sessions;
}

/* ---- one record ---- */

static void wait_a_little(int try)
{
	if (try >= READ_SPINS)
		sched_yield();
}

/* The counter before a copy; false: the writer is in the record. */
static bool read_begin(const _Atomic uint32_t *seq, uint32_t *ret)
{
	*ret = atomic_load_explicit(seq, memory_order_acquire);
	return !(*ret & 1);
}

static bool read_held(const _Atomic uint32_t *seq, uint32_t before)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(seq, memory_order_relaxed) == before;
}

static bool read_session(const struct session_slot *s, struct session_body *ret)
{
	uint64_t words[SESSION_WORDS];
	uint32_t seq;

	for (int try = 0; try < READ_SPINS + READ_YIELDS; try++) {
		if (read_begin(&s->seq, &seq)) {
			words_load(words, s->body, SESSION_WORDS);
			if (read_held(&s->seq, seq)) {
				memcpy(ret, words, sizeof(*ret));
				return true;
			}
		}
		wait_a_little(try);
	}
	return false;
}

/* Where the record is; NULL when it does not lie in its place, or in `max`
 * bytes. A torn body's need not, nor need that of a writer who lies. */
static const uint64_t *record_find(const struct cd_table_map *m,
				   const struct entity_slot *e, size_t stride,
				   const struct entity_body *b, size_t max)
{
	if (b->len > max || b->len % 8)
		return NULL;
	if (b->off == RECORD_HOME)
		return b->len <= stride - sizeof(*e) ?
			       (const uint64_t *)(const void *)(e + 1) :
			       NULL;
	if (b->off % 8 || b->off > m->l.records_size ||
	    b->len > m->l.records_size - b->off)
		return NULL;
	return (const uint64_t *)(const void *)(m->base + m->l.at_records +
						b->off);
}

/* Copies an entity's body and, where record is not NULL, its record of at
 * most `max` bytes. The body of a removed one has no length and an epoch. */
static bool read_entity(const struct cd_table_map *m,
			const struct entity_slot *e, size_t stride,
			struct entity_body *ret, uint64_t *record, size_t max)
{
	uint64_t words[ENTITY_WORDS];
	const uint64_t *from = NULL;
	struct entity_body b;
	uint32_t seq;

	for (int try = 0; try < READ_SPINS + READ_YIELDS; try++) {
		if (read_begin(&e->seq, &seq)) {
			words_load(words, e->body, ENTITY_WORDS);
			memcpy(&b, words, sizeof(b));
			if (record)
				from = record_find(m, e, stride, &b, max);
			if (from)
				words_load(record, from, b.len / 8);
			if (read_held(&e->seq, seq)) {
				*ret = b;
				return from || !record;
			}
		}
		wait_a_little(try);
	}
	return false;
}

/* ---- finding ---- */

static const void *place(const struct cd_table_map *m, uint64_t area,
			 uint32_t number, size_t stride)
{
	return m->base + area + (size_t)number * stride;
}

static const struct session_slot *slot_at(const struct cd_table_map *m,
					  uint32_t slot)
{
	return place(m, m->l.at_sessions, slot, sizeof(struct session_slot));
}

static const struct entity_slot *subject_at(const struct cd_table_map *m,
					    uint32_t slot)
{
	return place(m, m->l.at_subjects, slot, SUBJECT_STRIDE);
}

static const struct entity_slot *device_at(const struct cd_table_map *m,
					   uint32_t slot)
{
	return place(m, m->l.at_devices, slot, DEVICE_STRIDE);
}

static const struct index_bucket *bucket_at(const struct cd_table_map *m,
					    uint32_t bucket)
{
	return place(m, m->l.at_index, bucket, sizeof(struct index_bucket));
}

static void fetch_lines(const void *p, size_t size)
{
	for (size_t i = 0; i < size; i += TABLE_LINE)
		__builtin_prefetch((const char *)p + i);
}

/*
 * All that a session found in a bucket will need, at once, so that one wait
 * serves for everything. Nothing is read here from what is fetched, but a
 * place outside the map is not even computed.
 */
static void fetch_ahead(const struct cd_table_map *m,
			const struct index_bucket *b, int i, uint32_t slot)
{
	uint32_t subject = __atomic_load_n(b->subjects + i, __ATOMIC_RELAXED);
	uint32_t device = __atomic_load_n(b->devices + i, __ATOMIC_RELAXED);

	fetch_lines(slot_at(m, slot), sizeof(struct session_slot));
	if (subject < m->l.subjects)
		fetch_lines(subject_at(m, subject), SUBJECT_STRIDE);
	if (device < m->l.devices)
		fetch_lines(device_at(m, device), DEVICE_STRIDE);
}

static bool bucket_find(const struct cd_table_map *m,
			const struct index_bucket *b, const uint8_t *key,
			struct session_body *ret, uint32_t *ret_slot)
{
	uint32_t tag = entry_tag(&m->l, key_hash(key));

	for (int i = 0; i < BUCKET_ENTRIES; i++) {
		uint32_t entry =
			__atomic_load_n(b->entries + i, __ATOMIC_ACQUIRE);
		uint32_t slot = entry_slot(&m->l, entry);

		if (slot == 0 || slot > m->l.sessions || entry != (tag | slot))
			continue;
		fetch_ahead(m, b, i, slot - 1);
		if (read_session(slot_at(m, slot - 1), ret) &&
		    !memcmp(ret->key, key, CD_SESSION_KEY_LEN)) {
			*ret_slot = slot - 1;
			return true;
		}
	}
	return false;
}

/* A session stays at its place as long as it lives, and the counts before it
 * stay above 0: a walk that does not meet it is proof. */
static bool find(const struct cd_table_map *m, const uint8_t *key,
		 struct session_body *ret, uint32_t *ret_slot)
{
	uint32_t i = hash_bucket(&m->l, key_hash(key));

	for (uint32_t n = 0; n < m->l.buckets; n++) {
		if (bucket_find(m, bucket_at(m, i), key, ret, ret_slot))
			return ret->state != 0;
		if (!__atomic_load_n(&bucket_at(m, i)->passed,
				     __ATOMIC_ACQUIRE))
			return false;
		i = bucket_next(&m->l, i);
	}
	return false;
}

/* ---- view ---- */

/* The interned words as far as they are written. */
struct words {
	const char *base;
	uint64_t used;
};

/* Asked for after the record that refers to them was read: it may be younger
 * than what one asked before knew of. */
static struct words words_now(const struct cd_table_map *m)
{
	uint64_t used =
		atomic_load_explicit(&m->h->words_used, memory_order_acquire);

	return (struct words){m->base + m->l.at_words,
			      used <= m->l.words_size ? used : 0};
}

static inline struct cd_name word_get(struct words w, uint32_t number)
{
	uint64_t at = (uint64_t)number * 8;
	const struct word *word;
	uint16_t len;

	if (!number || at + sizeof(*word) > w.used)
		return (struct cd_name){CD_STR_NULL, 0};
	word = (const struct word *)(const void *)(w.base + at);
	len = __atomic_load_n(&word->len, __ATOMIC_RELAXED);
	if (len > w.used - at - offsetof(struct word, text))
		return (struct cd_name){CD_STR_NULL, 0};
	return (struct cd_name){cd_str_make(word->text, len), word->hash};
}

static struct cd_str name_copy(char *out, const char *name, uint8_t len)
{
	memcpy(out, name, len);
	out[len] = '\0';
	return cd_str_make(out, len);
}

/* Do the parts that a record's head tells of lie in its bytes? */
static bool subject_fits(const struct subject_record *r, size_t len)
{
	return r->n_groups <= CD_TABLE_GROUPS_MAX &&
	       sizeof(*r) + RECORD_PAD((size_t)r->name_len) +
			       r->n_groups * sizeof(uint32_t) <=
		       len;
}

static bool view_subject(const struct cd_table_map *m,
			 const struct session_body *s,
			 struct cd_session_view *v)
{
	uint64_t buf[SUBJECT_RECORD_MAX / 8];
	struct subject_record r;
	struct entity_body b;
	const char *p = (const char *)buf;
	struct words words;
	uint32_t word;

	if (s->subject >= m->l.subjects ||
	    !read_entity(m, subject_at(m, s->subject), SUBJECT_STRIDE, &b, buf,
			 sizeof(buf)) ||
	    b.len < sizeof(r) || b.gen != s->subject_gen)
		return false;
	memcpy(&r, p, sizeof(r));
	if (!subject_fits(&r, b.len))
		return false;
	v->user = name_copy(v->user_text, p + sizeof(r), r.name_len);
	v->risk = r.risk;
	v->best_factor = r.best_factor;
	v->disabled = r.disabled;
	v->n_groups = r.n_groups;
	v->epoch = CD_MAX(v->epoch, b.epoch);
	words = words_now(m);
	p += sizeof(r) + RECORD_PAD((size_t)r.name_len);
	for (uint32_t i = 0; i < r.n_groups; i++) {
		memcpy(&word, p + 4 * (size_t)i, sizeof(word));
		v->groups[i] = word_get(words, word);
	}
	return true;
}

static void view_device(const struct cd_table_map *m,
			const struct session_body *s, struct cd_session_view *v)
{
	uint64_t buf[DEVICE_RECORD_MAX / 8];
	struct device_record r;
	struct entity_body b;

	v->has_device = false;
	v->device = CD_STR_NULL;
	if (!s->device_gen || s->device >= m->l.devices ||
	    !read_entity(m, device_at(m, s->device), DEVICE_STRIDE, &b, buf,
			 sizeof(buf)))
		return;
	v->epoch = CD_MAX(v->epoch, b.epoch);
	if (b.len < sizeof(r) || b.gen != s->device_gen)
		return;
	memcpy(&r, buf, sizeof(r));
	if (sizeof(r) + r.name_len > b.len)
		return;
	v->has_device = true;
	v->device = name_copy(v->device_text, (const char *)buf + sizeof(r),
			      r.name_len);
	for (unsigned int i = 0; i < CD_DEVICE_ATTRS; i++) {
		v->attrs[i] = (struct cd_device_value){
			.known = r.known & 1u << i,
			.value = r.attrs[i].value,
			.vouched_at = r.attrs[i].vouched_at,
		};
		if (i == CD_DEVICE_OS)
			v->attrs[i].text =
				word_get(words_now(m), r.attrs[i].value).s;
	}
}

int cd_session_lookup(const struct cd_table_map *map,
		      const uint8_t key[CD_SESSION_KEY_LEN],
		      struct cd_session_view *v)
{
	struct session_body s;
	uint32_t slot;

	if (!find(map, key, &s, &slot))
		return CD_E_NOTFOUND;
	v->id = s.id;
	v->epoch = s.epoch;
	v->slot = slot;
	v->created = s.created;
	v->auth_time = s.auth_time;
	v->expires = s.expires;
	v->idle_limit = s.idle_limit;
	v->last_seen = atomic_load_explicit(&slot_at(map, slot)->last_seen,
					    memory_order_relaxed);
	v->state = s.state;
	v->mfa_kind = s.mfa_kind;
	v->flags = s.flags;
	v->app = word_get(words_now(map), s.app).s;
	if (!view_subject(map, &s, v))
		return CD_E_NOTFOUND;
	view_device(map, &s, v);
	return 0;
}

uint64_t cd_session_epoch(const struct cd_table_map *map,
			  const uint8_t key[CD_SESSION_KEY_LEN])
{
	struct session_body s;
	struct entity_body b;
	uint32_t slot;
	uint64_t epoch;

	if (!find(map, key, &s, &slot) || s.subject >= map->l.subjects ||
	    !read_entity(map, subject_at(map, s.subject), SUBJECT_STRIDE, &b,
			 NULL, 0) ||
	    !b.len || b.gen != s.subject_gen)
		return 0;
	epoch = CD_MAX(s.epoch, b.epoch);
	if (s.device_gen && s.device < map->l.devices &&
	    read_entity(map, device_at(map, s.device), DEVICE_STRIDE, &b, NULL,
			0))
		epoch = CD_MAX(epoch, b.epoch);
	return epoch;
}

enum cd_session_verdict cd_session_check(const struct cd_session_view *view,
					 uint32_t last_seen, uint32_t now)
{
	uint32_t seen = CD_MAX(last_seen, view->last_seen);

	if (view->state != CD_SESSION_LIVE || view->disabled)
		return CD_SESSION_IS_REVOKED;
	if (view->expires && now >= view->expires)
		return CD_SESSION_IS_EXPIRED;
	if (view->created > now && view->created - now > CD_SESSION_AHEAD)
		return CD_SESSION_IS_EXPIRED;
	seen = CD_MAX(seen, view->created);
	if (view->idle_limit && now > seen && now - seen > view->idle_limit)
		return CD_SESSION_IS_EXPIRED;
	return CD_SESSION_OK;
}

/* `at` when it is to come and sooner than `than`. */
static int64_t sooner(int64_t than, int64_t at, uint32_t now)
{
	return at > now && at < than ? at : than;
}

int64_t cd_session_turns_at(const struct cd_session_view *view,
			    uint32_t last_seen, uint32_t now)
{
	int64_t seen = CD_MAX(last_seen, view->last_seen), turns = INT64_MAX;

	seen = CD_MAX(seen, (int64_t)view->created);
	turns = sooner(turns, (int64_t)view->created - CD_SESSION_AHEAD, now);
	if (view->expires)
		turns = sooner(turns, view->expires, now);
	if (view->idle_limit)
		turns = sooner(turns, seen + view->idle_limit + 1, now);
	for (int i = 0; i < CD_DEVICE_ATTRS && view->has_device; i++)
		if (view->attrs[i].known)
			turns = sooner(turns,
				       (int64_t)view->attrs[i].vouched_at -
					       CD_SESSION_AHEAD,
				       now);
	return turns;
}
