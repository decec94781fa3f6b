/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control page: one page that says "something moved". The agent writes
 * it, workers map it read-only and look at it before every decision, at the
 * cost of a load from a line that stays in their cache.
 *
 * A counter is incremented after what it counts is in place, so that whoever
 * sees the new value also sees the new file or record. The page outlives the
 * agent: an agent that starts again opens it and goes on counting. It is never
 * replaced, so readers need not look for another one.
 */
#ifndef CD_SHM_CONTROL_H
#define CD_SHM_CONTROL_H

#include <stdatomic.h>

#include "base/base.h"

#define CD_CONTROL_MAGIC 0x314c525443444f43ull /* "CODCTRL1" */
#define CD_CONTROL_VERSION 1
#define CD_CONTROL_SIZE 4096

struct cd_control {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	/* run/policy/current was replaced */
	_Alignas(64) _Atomic uint64_t policy_gen;
	/* a session, subject or device in the table changed */
	_Atomic uint64_t change_gen;
	/* run/shm/sessions is another file */
	_Atomic uint64_t table_gen;
	/* CLOCK_REALTIME ns at which the agent last said that it lives */
	_Alignas(64) _Atomic int64_t heartbeat;
	_Atomic uint32_t agent_pid;
};

/* Writer: opens or creates the page with `mode`. A file that is not a control
 * page of this version is replaced. */
int cd_control_create(const char *path, unsigned int mode,
		      struct cd_control **ret_control);
/* Reader: -ENOENT, CD_E_CORRUPT, CD_E_VERSION. */
int cd_control_map(const char *path, const struct cd_control **ret_control);
void cd_control_unmap(struct cd_control **control);
void cd_control_unmap_const(const struct cd_control **control);

static inline void cd_control_bump(_Atomic uint64_t *gen)
{
	atomic_fetch_add_explicit(gen, 1, memory_order_release);
}

static inline uint64_t cd_control_read(const _Atomic uint64_t *gen)
{
	return atomic_load_explicit(gen, memory_order_acquire);
}

#endif
