/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of event records from one worker to the agent: one producer, one
 * consumer, variable-length records, never blocks. A full ring drops the
 * record and counts it.
 *
 * Producer. Maps the file, copies the record and publishes it by one store of
 * `head`; a producer that dies in between has published nothing. A worker
 * claims a ring by a POSIX record lock, so that the rings of a worker that
 * still drains after a reload and of its successor are two. Both of our nginx
 * modules live in one process and one thread and share its locks, hence may
 * share one ring: all producer state is in the file.
 *
 * Consumer. Trusts nothing that the producer could write: not the lengths,
 * not `head`, not the size of the file. It therefore reads by pread() and
 * never through a mapping, which a truncated file would turn into SIGBUS.
 *
 * Layout: a header page, then `size` bytes (a power of two). Record: u32
 * length, u32 its complement, bytes, padding to 8.
 */
#ifndef CD_SHM_RING_H
#define CD_SHM_RING_H

#include <stdatomic.h>

#include "base/str.h"

#define CD_RING_MAGIC 0x31474e5244444f43ull /* "CODDRNG1" */
#define CD_RING_VERSION 1
#define CD_RING_HEADER_SIZE 4096
#define CD_RING_SIZE_DEFAULT (4u << 20)
#define CD_RING_SIZE_MIN 4096u
#define CD_RING_SIZE_MAX (1u << 30)
#define CD_RING_RECORD_MAX 65536u
/* Rings that a run directory holds: workers, with those still draining. */
#define CD_RING_SLOTS 64

struct cd_ring_header {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	/* bytes ever put; written by the producer alone */
	_Alignas(64) _Atomic uint64_t head;
	_Atomic uint64_t drops; /* records that found no room */
	_Atomic uint64_t records; /* records ever put */
	_Atomic uint32_t producer_pid;
	/* bytes ever taken; written by the consumer alone */
	_Alignas(64) _Atomic uint64_t tail;
};

/* Makes an empty ring file with `mode`; an existing one of the right shape
 * stays, with what is in it. size 0: the default. */
int cd_ring_create(const char *path, uint32_t size, unsigned int mode);

struct cd_ring; /* the producer's end */

/* Claims the first free ring of a directory, trying `preferred` first.
 * -EBUSY: all claimed; -ENOENT: there are none. */
int cd_ring_claim(const char *dir, unsigned int preferred,
		  struct cd_ring **ret_ring);
/* One ring by its path, claimed. */
int cd_ring_open(const char *path, struct cd_ring **ret_ring);
/* Gives up the claim; also when the process ends in any way. */
void cd_ring_close(struct cd_ring **ring);
/* False: no room (counted) or longer than CD_RING_RECORD_MAX (counted). */
bool cd_ring_put(struct cd_ring *ring, const void *record, size_t len);
unsigned int cd_ring_slot(const struct cd_ring *ring);
uint64_t cd_ring_put_drops(const struct cd_ring *ring);

struct cd_ring_reader; /* the consumer's end */

int cd_ring_reader_new(const char *path, struct cd_ring_reader **ret_reader);
void cd_ring_reader_free(struct cd_ring_reader **reader);
/*
 * Takes the oldest record. Returns 1 and a record that is valid until the next
 * call, 0 when there is none, or CD_E_CORRUPT when the producer wrote what
 * cannot be: everything in the ring is then skipped and counted as lost.
 * What was returned counts as taken at the next call or at _commit(): an
 * agent that dies before it passed a record on reads it again.
 */
int cd_ring_next(struct cd_ring_reader *reader, struct cd_str *ret_record);
/* Gives the room of all records returned so far back to the producer. */
int cd_ring_commit(struct cd_ring_reader *reader);

struct cd_ring_stats {
	uint64_t drops; /* counted by the producer: no room */
	uint64_t corrupt; /* times the consumer had to skip */
	uint64_t waiting; /* bytes in the ring */
};
int cd_ring_reader_stats(struct cd_ring_reader *reader,
			 struct cd_ring_stats *ret_stats);

#endif
