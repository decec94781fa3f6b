/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key broker's verbs: who may ask, how often, and what they do. Apart
 * from sockets, so that tests and a fuzzer can ask directly.
 */
#ifndef CD_CONTROLLER_KEYS_BROKER_H
#define CD_CONTROLLER_KEYS_BROKER_H

#include <sys/types.h>

#include "controller/keys_store.h"
#include "token/broker_proto.h"

#define CD_KEYS_GATEWAYS_MAX 8

struct cd_broker_config {
	uid_t controller;
	uid_t gateways[CD_KEYS_GATEWAYS_MAX];
	size_t n_gateways;
	struct cd_str issuer; /* iss of assertions; borrowed */
	const char *sessions_path; /* session table; borrowed */
	int64_t (*now)(void); /* Unix seconds */
	int64_t (*monotonic)(void); /* ms, for rate limits */
};

struct cd_broker;

/* Borrows config and keys. */
int cd_broker_new(const struct cd_broker_config *config,
		  const struct cd_keystore *keys, struct cd_broker **ret);
void cd_broker_free(struct cd_broker **broker);

/* Answers one request: appends a frame to out and returns its status. Never
 * fails; what a request may cause is bounded by the frame's size. */
enum cd_broker_status cd_broker_answer(struct cd_broker *broker, uid_t peer,
				       const struct cd_broker_frame *request,
				       struct cd_buf *out);

#endif
