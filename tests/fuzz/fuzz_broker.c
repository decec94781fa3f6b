/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the key broker, certificate requests among them. The first byte
 * chooses the peer; the rest are frames. Every request gets one answer that is
 * a whole frame, and nobody gets a verb that is not theirs. What was sealed
 * comes out again, a new second factor takes its own code once, and a
 * statement is made for one session and one app alone.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "controller/keys_broker.h"
#include "shm/session_table.h"
#include "token/jwt.h"
#include "token/seal.h"
#include "token/token.h"
#include "token/totp.h"

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
	.now = now,
	.monotonic = ticks,
};

/* The text of a token is 43 times one letter. */
static void put_session(struct cd_table *t, char letter, const char *user,
			const char *app, uint8_t state)
{
	struct cd_session_row row = {.id = (uint64_t)letter,
				     .subject = cd_str_from(user),
				     .app = cd_str_from(app),
				     .created = 1,
				     .state = state};
	char text[CD_TOKEN_TEXT];

	memset(text, letter, sizeof(text));
	cd_assert(cd_token_key(cd_str_make(text, sizeof(text)), row.key) == 0);
	cd_assert(cd_table_session_put(t, &row) == 0);
}

/* A table without a name in the file system, by its descriptor. */
static const char *make_table(void)
{
	static char proc[64];
	const struct cd_table_limits limits = {8, 8, 1};
	struct cd_str groups[] = {CD_STR("finance"), CD_STR("ops")};
	struct cd_subject_row alice = {CD_STR("alice"), groups, 2, 1, 2, false};
	struct cd_subject_row carol = {CD_STR("carol"), NULL, 0, 1, 2, true};
	char dir[] = "/tmp/cordon-fuzz-XXXXXX", path[64];
	struct cd_table *t = NULL;
	int fd;

	cd_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sessions", dir);
	cd_assert(cd_table_create(path, &limits, 0600, &t) == 0);
	cd_assert(cd_table_publish(t) == 0);
	cd_assert(cd_table_subject_put(t, &alice) == 0);
	cd_assert(cd_table_subject_put(t, &carol) == 0);
	put_session(t, 'A', "alice", "payroll", CD_SESSION_LIVE);
	put_session(t, 'E', "alice", "", CD_SESSION_LIVE);
	put_session(t, 'I', "alice", "payroll", CD_SESSION_REVOKED);
	put_session(t, 'M', "carol", "payroll", CD_SESSION_LIVE);
	cd_table_free(&t);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cd_assert(fd >= 0);
	unlink(path);
	rmdir(dir);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return proc;
}

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
	config.sessions_path = make_table();
	cd_assert(cd_broker_new(&config, &keys, &broker) == 0);
}

/* ---- what an answer promises ---- */

static enum cd_broker_status ask(uint16_t verb, const struct cd_buf *body,
				 struct cd_buf *out)
{
	struct cd_broker_frame f = {.verb = verb, .body = cd_buf_get(body)};

	cd_buf_clear(out);
	return cd_broker_answer(broker, 1, &f, out);
}

/* Another row than this one, whatever it is called. */
static struct cd_str other_row(struct cd_str context)
{
	return context.len ? cd_str_make(context.ptr, context.len - 1) :
			     CD_STR("another row");
}

/* What was sealed comes out again, but a second factor's secret. */
static void unseal_again(struct cd_reader *asked, struct cd_str sealed)
{
	struct cd_str purpose = cd_broker_read_str(asked);
	struct cd_str context = cd_broker_read_str(asked);
	struct cd_str plain = cd_broker_read_str(asked);
	struct cd_broker_frame a;
	enum cd_broker_status s;
	struct cd_buf body, out;
	size_t used;

	cd_buf_init(&body, 2 * CD_BROKER_BODY_MAX);
	cd_buf_init(&out, CD_BROKER_FRAME + CD_BROKER_BODY_MAX);
	cd_broker_put_str(&body, purpose);
	cd_broker_put_str(&body, context);
	cd_broker_put_str(&body, sealed);
	cd_assert(!body.err);
	s = ask(CD_VERB_UNSEAL, &body, &out);
	if (cd_str_equal(purpose, CD_STR("totp"))) {
		cd_assert(s == CD_BROKER_REFUSED);
	} else {
		cd_assert(s == CD_BROKER_OK);
		cd_assert(cd_broker_take(cd_buf_get(&out), &a, &used) == 1);
		cd_assert(cd_str_equal(a.body, plain));
	}
	/* moved to another row it is nothing */
	cd_buf_clear(&body);
	cd_broker_put_str(&body, purpose);
	cd_broker_put_str(&body, other_row(context));
	cd_broker_put_str(&body, sealed);
	cd_assert(ask(CD_VERB_UNSEAL, &body, &out) == CD_BROKER_REFUSED);
	cd_buf_done(&body);
	cd_buf_wipe(&out);
}

static enum cd_broker_status verify(struct cd_str context, struct cd_str sealed,
				    const char *code, uint64_t last)
{
	struct cd_buf body, out;
	enum cd_broker_status s;

	cd_buf_init(&body, 2 * CD_BROKER_BODY_MAX);
	cd_buf_init(&out, CD_BROKER_FRAME + CD_BROKER_BODY_MAX);
	cd_broker_put_str(&body, context);
	cd_broker_put_str(&body, sealed);
	cd_broker_put_str(&body, cd_str_from(code));
	cd_buf_u64(&body, last);
	s = ask(CD_VERB_TOTP_VERIFY, &body, &out);
	cd_buf_done(&body);
	cd_buf_wipe(&out);
	return s;
}

/* A new second factor takes the code of this moment, and takes it once. */
static void totp_again(struct cd_reader *asked, struct cd_str answer)
{
	struct cd_reader r = cd_reader_make(answer.ptr, answer.len);
	struct cd_str context = cd_broker_read_str(asked);
	struct cd_str sealed = cd_broker_read_str(&r);
	const uint64_t step = (uint64_t)now() / CD_TOTP_STEP;
	struct cd_secret *secret = NULL;
	char code[CD_TOTP_DIGITS + 1], next[CD_TOTP_DIGITS + 1];

	cd_assert(cd_unseal(keys.seal, CD_STR("totp"), context, sealed,
			    &secret) == 0);
	cd_assert(cd_totp_code(secret, step, code) == 0);
	cd_assert(cd_totp_code(secret, step + 1, next) == 0);
	cd_secret_free(&secret);
	cd_assert(verify(context, sealed, code, 0) == CD_BROKER_OK);
	if (strcmp(code, next) != 0) /* one secret in a million */
		cd_assert(verify(context, sealed, code, step) ==
			  CD_BROKER_REFUSED);
	cd_assert(verify(context, sealed, "12345", 0) == CD_BROKER_REFUSED);
}

/* One session and one app of the table has a statement. */
static void assertion(struct cd_reader *asked, struct cd_str answer)
{
	struct cd_reader r = cd_reader_make(answer.ptr, answer.len);
	struct cd_str token = cd_broker_read_str(asked);
	struct cd_str app = cd_broker_read_str(asked);

	cd_assert(token.len == CD_TOKEN_TEXT);
	for (size_t i = 0; i < token.len; i++)
		cd_assert(token.ptr[i] == 'A');
	cd_assert(cd_str_equal(app, CD_STR("payroll")));
	cd_assert(cd_read_u64(&r) == (uint64_t)now() + CD_ASSERTION_LIFE);
	cd_assert(cd_reader_left(&r) > 0);
}

static void promise(const struct cd_broker_frame *f, struct cd_str answer)
{
	struct cd_reader asked = cd_reader_make(f->body.ptr, f->body.len);

	if (f->verb == CD_VERB_SEAL)
		unseal_again(&asked, answer);
	else if (f->verb == CD_VERB_TOTP_NEW)
		totp_again(&asked, answer);
	else if (f->verb == CD_VERB_ASSERT)
		assertion(&asked, answer);
}

/* ---- frames ---- */

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
	if (s == CD_BROKER_OK)
		promise(f, a.body);
	cd_buf_wipe(&out);
}

/* A body or text that no frame holds is told, and nothing is written. */
static void too_long(struct cd_str s)
{
	struct cd_buf out;

	cd_buf_init(&out, 2u << 20);
	cd_broker_put(&out, CD_VERB_SEAL, 0, s);
	cd_assert((out.err != 0) == (s.len > CD_BROKER_BODY_MAX));
	cd_buf_done(&out);
	cd_buf_init(&out, 2u << 20);
	cd_broker_put_str(&out, s);
	cd_assert((out.err != 0) == (s.len > UINT16_MAX));
	cd_buf_done(&out);
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
	too_long(s);
	for (int i = 0; i < 16 && cd_broker_take(s, &f, &used) == 1; i++) {
		answer(peer, &f);
		s = cd_str_make(s.ptr + used, s.len - used);
	}
	return 0;
}
