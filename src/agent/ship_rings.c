/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ship_rings.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "shm/ring.h"
#include "sys/file.h"
#include "sys/log.h"

#define TURN 64 /* records of one ring before the next has its turn */

struct slot {
	struct cd_ring_reader *reader;
	uint64_t told; /* drops that were told, kept on disk */
	uint64_t corrupt; /* times it was found damaged, told */
	uint64_t bad; /* records that were none, not yet told */
	time_t told_at;
};

struct cd_ship_rings {
	char dir[3000], state[3072];
	struct slot slots[CD_RING_SLOTS];
	unsigned int turn, taken; /* whose turn, records in it */
	unsigned int last; /* slot of the last record */
	time_t looked;
};

static time_t seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + 1;
}

/* ---- what was told, on disk ---------------------------------------------*/

static void load(struct cd_ship_rings *r)
{
	char *data = NULL;
	size_t len;
	struct cd_reader rd;

	if (cd_file_read(r->state, 4096, &data, &len))
		return;
	rd = cd_reader_make(data, len);
	for (unsigned int i = 0; i < CD_RING_SLOTS; i++) {
		uint64_t told = cd_read_u64(&rd);

		if (!rd.err)
			r->slots[i].told = told;
	}
	free(data);
}

static void save(const struct cd_ship_rings *r)
{
	struct cd_buf b cd_auto(cd_buf_done);
	int e;

	cd_buf_init(&b, 4096);
	for (unsigned int i = 0; i < CD_RING_SLOTS; i++)
		cd_buf_u64(&b, r->slots[i].told);
	e = cd_file_write(r->state, cd_buf_get(&b), 0600, (uid_t)-1, (gid_t)-1);
	if (e)
		CD_LOG_ERROR("DROPS_NOT_SAVED", cd_log_err(e));
}

/* ---- the rings ----------------------------------------------------------*/

int cd_ship_rings_new(const char *dir, const char *state_dir,
		      struct cd_ship_rings **ret_rings)
{
	struct cd_ship_rings *r = cd_calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	if (snprintf(r->dir, sizeof(r->dir), "%s", dir) >=
		    (int)sizeof(r->dir) ||
	    !cd_path_join(r->state, sizeof(r->state), state_dir,
			  "drops.told")) {
		free(r);
		return -ENAMETOOLONG;
	}
	load(r);
	cd_ship_rings_look(r);
	*ret_rings = r;
	return 0;
}

void cd_ship_rings_free(struct cd_ship_rings **rings)
{
	struct cd_ship_rings *r = *rings;

	if (!r)
		return;
	for (unsigned int i = 0; i < CD_RING_SLOTS; i++)
		cd_ring_reader_free(&r->slots[i].reader);
	free(r);
	*rings = NULL;
}

/* A ring that was made anew begins to count from 0. */
static void opened(struct slot *s)
{
	struct cd_ring_stats stats;

	if (cd_ring_reader_stats(s->reader, &stats) == 0 &&
	    stats.drops < s->told)
		s->told = 0;
}

void cd_ship_rings_look(struct cd_ship_rings *r)
{
	time_t now = seconds();
	char path[3072];

	if (now == r->looked)
		return;
	r->looked = now;
	for (unsigned int i = 0; i < CD_RING_SLOTS; i++) {
		if (r->slots[i].reader)
			continue;
		snprintf(path, sizeof(path), "%s/%u", r->dir, i);
		if (cd_ring_reader_new(path, &r->slots[i].reader) == 0)
			opened(&r->slots[i]);
	}
}

static void next_turn(struct cd_ship_rings *r)
{
	r->turn = (r->turn + 1) % CD_RING_SLOTS;
	r->taken = 0;
}

int cd_ship_rings_next(struct cd_ship_rings *r, struct cd_str *ret_record)
{
	/* once more than there are: a turn that is over comes round again */
	for (unsigned int tried = 0; tried <= CD_RING_SLOTS; tried++) {
		struct slot *s = &r->slots[r->turn];
		int e;

		if (!s->reader || r->taken >= TURN) {
			next_turn(r);
			continue;
		}
		e = cd_ring_next(s->reader, ret_record);
		if (e == 0) {
			next_turn(r);
			continue;
		}
		r->taken++;
		r->last = r->turn;
		if (e < 0)
			next_turn(r);
		return e;
	}
	return 0;
}

void cd_ship_rings_bad(struct cd_ship_rings *r)
{
	r->slots[r->last].bad++;
}

int cd_ship_rings_commit(struct cd_ship_rings *r)
{
	int first = 0;

	for (unsigned int i = 0; i < CD_RING_SLOTS; i++) {
		int e = r->slots[i].reader ?
				cd_ring_commit(r->slots[i].reader) :
				0;

		first = first ? first : e;
	}
	return first;
}

bool cd_ship_rings_loss(struct cd_ship_rings *r, struct cd_ship_loss *ret_loss)
{
	time_t now = seconds();

	for (unsigned int i = 0; i < CD_RING_SLOTS; i++) {
		struct slot *s = &r->slots[i];
		struct cd_ring_stats stats;

		if (!s->reader || s->told_at == now ||
		    cd_ring_reader_stats(s->reader, &stats))
			continue;
		if (stats.drops <= s->told && stats.corrupt == s->corrupt &&
		    s->bad == 0)
			continue;
		*ret_loss = (struct cd_ship_loss){
			.slot = i,
			.records = s->bad + (stats.drops > s->told ?
						     stats.drops - s->told :
						     0),
			.damaged = stats.corrupt != s->corrupt,
		};
		s->told = stats.drops;
		s->corrupt = stats.corrupt;
		s->bad = 0;
		s->told_at = now;
		save(r);
		return true;
	}
	return false;
}
