/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's unprivileged half: follows the change stream, keeps the session
 * table, carries bundles to the root half, keeps served certificates fresh,
 * ships events. One thread on one loop; everything it reads from cordond is
 * verified against the pinned key before it is looked at twice.
 */
#ifndef CD_AGENT_FRONT_H
#define CD_AGENT_FRONT_H

#include "token/trust.h"

#define CD_AGENT_CERTS_MAX 32
#define CD_AGENT_SLOTS_MAX 64

/* A certificate that somebody else renews: watched and copied. */
struct cd_agent_cert {
	struct cd_str host; /* may begin with "*." */
	const char *path; /* PEM: chain, and the key when it has no own file */
	const char *key_path; /* or NULL */
};

struct cd_agent_config {
	const char *run, *state; /* folders */
	struct cd_str name;
	struct cd_public_key changes_key;
	unsigned int slots; /* event rings */
	uint32_t sessions_min; /* room of the session table; 0: default */
	struct cd_agent_cert certs[CD_AGENT_CERTS_MAX];
	size_t n_certs;
};

/* Runs until the root half closes the socket or a signal asks to stop.
 * Exit status. */
int cd_agent_front_run(const struct cd_agent_config *config, int sock);

#endif
