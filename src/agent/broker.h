/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's root half: it decides which policy is in force on this host, and
 * does nothing else. It reads the pinned keys, takes bundle bytes that the
 * unprivileged half carried, verifies signature, audience, serial, date and
 * every offset of the snapshot, and renames the file into run/policy.
 *
 * A bundle on trial (`cordon apply --confirm`) that no newer one followed by
 * its confirm-by ends here, without cordond: the last bundle that was not on
 * trial is in force again. The time is taken from this host's monotonic clock,
 * counted from the acceptance, so that a clock set back makes no trial longer.
 * The serial stays where it is: nothing older is ever taken from outside.
 *
 * Messages over a SOCK_SEQPACKET pair, of at most CD_BROKER_MESSAGE bytes:
 *	front -> broker: "B" with a sealed memfd of the bundle
 *	broker -> front: "H" u64 serial in force (0: none)	once, at start
 *	broker -> front: "R" i32 result, u64 serial now in force,
 *			 32 bytes hash of the snapshot, text for people
 *	broker -> front: "T" u64 serial, 32 bytes hash: a trial ended, and
 *			 this older bundle is in force again
 * The bytes are copied before they are looked at: nobody can change them
 * between the check and the use.
 */
#ifndef CD_AGENT_BROKER_H
#define CD_AGENT_BROKER_H

#include "token/bundle.h"
#include "token/trust.h"

#define CD_BROKER_MESSAGE 512

struct cd_agent_broker {
	const char *policy_dir; /* RUN/policy */
	const char *state_dir; /* STATE/broker */
	struct cd_str name; /* of this agent: the audience */
	struct cd_public_key key; /* that signs bundles */
	uint64_t serial; /* in force, or the last that ever was */
	int64_t trial_ends; /* in monotonic() time; 0: none in force */
	int64_t (*now)(void); /* Unix seconds */
	int64_t (*monotonic)(void); /* milliseconds */
};

/* Reads the last serial; publishes the last bundle again when the run folder
 * lost it (a reboot), so that the gateway has a policy before cordond is up. */
int cd_agent_broker_start(struct cd_agent_broker *b);

/* Verifies and publishes. 0, or why not, with words in diag; what was in force
 * stays. */
int cd_agent_broker_accept(struct cd_agent_broker *b, struct cd_str bundle,
			   struct cd_diag *diag, struct cd_bundle_header *ret);

/* Ends a trial whose time is over: true when an older bundle came into force,
 * whose header is then in *ret. With no such bundle what is in force stays, and
 * the log says so. */
bool cd_agent_broker_end_trial(struct cd_agent_broker *b,
			       struct cd_bundle_header *ret);

/* Serves the front half until it closes the socket. */
int cd_agent_broker_serve(struct cd_agent_broker *b, int sock);

struct cd_agent_broker_result {
	int result;
	uint64_t serial;
	uint8_t hash[CD_SHA256_SIZE];
	char text[CD_BROKER_MESSAGE];
};

/* The front's side of the messages. */
int cd_agent_broker_ask(int sock, struct cd_str bundle);
/* 'H', 'R' or 'T'; CD_E_CORRUPT, -ECONNRESET, -EAGAIN. */
int cd_agent_broker_read(int sock, struct cd_agent_broker_result *ret,
			 char *ret_kind);

#endif
