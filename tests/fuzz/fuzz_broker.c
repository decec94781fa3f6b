/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the key broker, certificate requests among them. The first byte
 * chooses the peer; the rest are frames. Every request gets one answer that is
 * a whole frame, and nobody gets a verb that is not theirs.
 */
#include <stdint.h>

#include "controller/keys_broker.h"
#include "token/seal.h"

static struct cd_keystore keys;
static struct cd_broker *broker;

static int64_t now(void)
{
	return 1800000000;
}

/* A clock that runs, so that no bucket is ever empty. */
static int64_t ticks(void)
{
	static int64_t t;

	return t += 1000;
}

static struct cd_broker_config config = {
	.controller = 1,
	.gateways = {2},
	.n_gateways = 1,
	.issuer = CD_STR_INIT("https://auth.example.com"),
	.sessions_path = "/nonexistent",
	.now = now,
	.monotonic = ticks,
};

static void setup(void)
{
	struct cd_secret *seed = NULL;

	if (broker)
		return;
	cd_assert(cd_secret_new(32, &seed) == 0);
	cd_assert(cd_sign_key_from_seed(seed, &keys.bundle) == 0);
	cd_assert(cd_sign_key_from_seed(seed, &keys.changes) == 0);
	cd_assert(cd_sign_key_from_seed(seed, &keys.assertion) == 0);
	keys.seal = seed;
	cd_assert(cd_ca_new(CD_CA_SERVER, CD_STR("Test"), NULL, 0, now(),
			    &keys.server_ca) == 0);
	cd_assert(cd_ca_new(CD_CA_CLIENT, CD_STR("Test"), NULL, 0, now(),
			    &keys.client_ca) == 0);
	cd_assert(cd_broker_new(&config, &keys, &broker) == 0);
}

static void answer(uid_t peer, const struct cd_broker_frame *f)
{
	unsigned int peers = cd_verb_peers(f->verb);
	struct cd_broker_frame a;
	enum cd_broker_status s;
	struct cd_buf out;
	size_t used = 0;

	cd_buf_init(&out, CD_BROKER_FRAME + CD_BROKER_BODY_MAX);
	s = cd_broker_answer(broker, peer, f, &out);
	cd_assert(!out.err);
	cd_assert(cd_broker_take(cd_buf_get(&out), &a, &used) == 1);
	cd_assert(used == out.len && a.verb == f->verb && a.status == s);
	cd_assert(s == CD_BROKER_OK || a.body.len == 0);
	cd_assert(*cd_broker_status_name(a.status) != '?');
	cd_assert((cd_broker_status_error(a.status) == 0) == (s == 0));
	cd_assert((*cd_verb_name(f->verb) == '?') == (peers == 0));
	if (!(peers & CD_PEER_ANYONE) &&
	    !(peers & CD_PEER_CONTROLLER && peer == 1) &&
	    !(peers & CD_PEER_GATEWAY && peer == 2))
		cd_assert(s == CD_BROKER_DENIED);
	cd_buf_wipe(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_broker_frame f;
	struct cd_str s;
	size_t used = 0;
	uid_t peer;

	setup();
	if (size == 0)
		return 0;
	peer = data[0] % 4;
	s = cd_str_make(data + 1, size - 1);
	for (int i = 0; i < 16 && cd_broker_take(s, &f, &used) == 1; i++) {
		answer(peer, &f);
		s = cd_str_make(s.ptr + used, s.len - used);
	}
	return 0;
}
