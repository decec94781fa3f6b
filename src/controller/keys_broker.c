/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function a verb, reached through the table of token/broker_proto.h.
 * Shape of every verb: read the whole body, refuse what is left over, do one
 * thing, append the answer. Nothing that a peer says is trusted beyond its
 * uid: a gateway gets an assertion only by presenting the token of a session
 * that the table, written by the agent, holds live for that very app.
 */
#include "controller/keys_broker.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/bundle_layout.h"
#include "shm/session_table.h"
#include "token/change.h"
#include "token/jwt.h"
#include "token/seal.h"
#include "token/token.h"
#include "token/totp.h"

#define LEAF_LIFE_DEFAULT (30 * 86400)
#define CLIENT_LIFE_DEFAULT (8 * 3600)

struct bucket {
	int64_t at; /* ms when `tokens` was right */
	int64_t tokens; /* thousandths */
};

struct cd_broker {
	const struct cd_broker_config *config;
	const struct cd_keystore *keys;
	struct cd_table_map *table;
	dev_t table_dev;
	ino_t table_ino;
	struct bucket buckets[16];
};

typedef enum cd_broker_status verb_fn(struct cd_broker *b, struct cd_reader *r,
				      struct cd_buf *out);

static bool whole(const struct cd_reader *r)
{
	return !r->err && cd_reader_left(r) == 0;
}

static enum cd_broker_status status_of(int err)
{
	switch (err) {
	case 0:
		return CD_BROKER_OK;
	case -EINVAL:
	case CD_E_CORRUPT:
	case CD_E_LIMIT:
		return CD_BROKER_BAD;
	case CD_E_DENIED:
	case CD_E_SIGNATURE:
	case CD_E_NOTFOUND:
		return CD_BROKER_REFUSED;
	default:
		return CD_BROKER_INTERNAL;
	}
}

/* ---- verbs ---- */

static enum cd_broker_status
verb_PUBLIC_KEYS(struct cd_broker *b, struct cd_reader *r, struct cd_buf *out)
{
	uint8_t what = cd_read_u8(r);
	struct cd_trust trust;

	if (!whole(r))
		return CD_BROKER_BAD;
	cd_keystore_trust(b->keys, &trust);
	switch (what) {
	case CD_PUBLIC_TRUST:
		cd_trust_put(&trust, out);
		return CD_BROKER_OK;
	case CD_PUBLIC_SERVER_CA:
		return status_of(cd_ca_cert_pem(b->keys->server_ca, out));
	case CD_PUBLIC_CLIENT_CA:
		return status_of(cd_ca_cert_pem(b->keys->client_ca, out));
	case CD_PUBLIC_JWKS:
		cd_jwks_put_public(&trust.assertion, out);
		return CD_BROKER_OK;
	default:
		return CD_BROKER_BAD;
	}
}

/* Signs a message that begins with its magic: the one thing this key signs. */
static enum cd_broker_status sign(const struct cd_sign_key *key,
				  struct cd_str message, struct cd_str magic,
				  struct cd_buf *out)
{
	uint8_t sig[CD_ED25519_SIGNATURE];
	int r;

	if (!cd_str_has_prefix(message, magic))
		return CD_BROKER_BAD;
	r = cd_ed25519_sign(key, message, sig);
	if (r == 0)
		cd_buf_put(out, sig, sizeof(sig));
	return status_of(r);
}

static enum cd_broker_status
verb_SIGN_BUNDLE(struct cd_broker *b, struct cd_reader *r, struct cd_buf *out)
{
	struct cd_str head = cd_read_bytes(r, CD_BUNDLE_SIGNED);

	if (!whole(r))
		return CD_BROKER_BAD;
	return sign(b->keys->bundle, head, CD_STR(CD_BUNDLE_MAGIC), out);
}

static enum cd_broker_status
verb_SIGN_CHANGES(struct cd_broker *b, struct cd_reader *r, struct cd_buf *out)
{
	struct cd_str head = cd_read_bytes(r, CD_CHANGE_SIGNED);

	if (!whole(r))
		return CD_BROKER_BAD;
	return sign(b->keys->changes, head, CD_STR(CD_CHANGE_MAGIC), out);
}

static enum cd_broker_status
verb_ISSUE_LEAF(struct cd_broker *b, struct cd_reader *r, struct cd_buf *out)
{
	uint32_t life = cd_read_u32(r);
	struct cd_str names[CD_LEAF_NAMES_MAX], csr;
	uint16_t n = cd_read_u16(r);

	if (n > CD_LEAF_NAMES_MAX)
		return CD_BROKER_BAD;
	for (size_t i = 0; i < n; i++)
		names[i] = cd_broker_read_str(r);
	csr = cd_broker_read_str(r);
	if (!whole(r))
		return CD_BROKER_BAD;
	return status_of(cd_ca_issue_leaf(
		b->keys->server_ca, csr, names, n, b->config->now(),
		life ? life : LEAF_LIFE_DEFAULT, out));
}

static enum cd_broker_status
verb_ISSUE_CLIENT(struct cd_broker *b, struct cd_reader *r, struct cd_buf *out)
{
	uint8_t key[CD_SHA256_SIZE];
	struct cd_client_cert c = {.now = b->config->now()};
	struct cd_buf pem cd_auto(cd_buf_done);
	struct cd_str csr;
	int err;

	c.life = cd_read_u32(r);
	c.session = cd_read_u64(r);
	c.user = cd_broker_read_str(r);
	csr = cd_broker_read_str(r);
	cd_buf_init(&pem, CD_BROKER_BODY_MAX);
	if (!whole(r))
		return CD_BROKER_BAD;
	if (c.life == 0)
		c.life = CLIENT_LIFE_DEFAULT;
	err = cd_ca_issue_client(b->keys->client_ca, csr, &c, &pem, key);
	if (err == 0) {
		cd_buf_put(out, key, sizeof(key));
		cd_buf_str(out, cd_buf_get(&pem));
	}
	return status_of(err);
}

static enum cd_broker_status verb_SEAL(struct cd_broker *b, struct cd_reader *r,
				       struct cd_buf *out)
{
	struct cd_str purpose = cd_broker_read_str(r);
	struct cd_str context = cd_broker_read_str(r);
	struct cd_str plain = cd_broker_read_str(r);

	if (!whole(r) || purpose.len == 0)
		return CD_BROKER_BAD;
	return status_of(cd_seal(b->keys->seal, purpose, context, plain, out));
}

static enum cd_broker_status
verb_UNSEAL(struct cd_broker *b, struct cd_reader *r, struct cd_buf *out)
{
	struct cd_str purpose = cd_broker_read_str(r);
	struct cd_str context = cd_broker_read_str(r);
	struct cd_str sealed = cd_broker_read_str(r);
	struct cd_secret *plain cd_auto(cd_secret_free) = NULL;
	int err;

	if (!whole(r) || purpose.len == 0)
		return CD_BROKER_BAD;
	if (cd_str_equal(purpose, CD_STR("totp")))
		return CD_BROKER_REFUSED;
	err = cd_unseal(b->keys->seal, purpose, context, sealed, &plain);
	if (err == 0)
		cd_buf_str(out, cd_secret_reveal(plain));
	return status_of(err);
}

static int put_totp(struct cd_broker *b, const struct cd_secret *secret,
		    struct cd_str context, struct cd_str issuer,
		    struct cd_str account, struct cd_buf *out)
{
	struct cd_secret *base32 cd_auto(cd_secret_free) = NULL;
	struct cd_secret *uri cd_auto(cd_secret_free) = NULL;
	struct cd_buf sealed cd_auto(cd_buf_done);
	int r;

	cd_buf_init(&sealed, CD_SEAL_OVERHEAD + CD_SEAL_MAX);
	r = cd_seal(b->keys->seal, CD_STR("totp"), context,
		    cd_secret_reveal(secret), &sealed);
	if (r == 0)
		r = cd_totp_base32(secret, &base32);
	if (r == 0)
		r = cd_totp_uri(secret, issuer, account, &uri);
	if (r < 0)
		return r;
	cd_broker_put_str(out, cd_buf_get(&sealed));
	cd_broker_put_str(out, cd_secret_reveal(base32));
	cd_broker_put_str(out, cd_secret_reveal(uri));
	return out->err;
}

static enum cd_broker_status
verb_TOTP_NEW(struct cd_broker *b, struct cd_reader *r, struct cd_buf *out)
{
	struct cd_str context = cd_broker_read_str(r);
	struct cd_str issuer = cd_broker_read_str(r);
	struct cd_str account = cd_broker_read_str(r);
	struct cd_secret *secret cd_auto(cd_secret_free) = NULL;
	int err;

	if (!whole(r) || issuer.len > 128 || account.len > 256)
		return CD_BROKER_BAD;
	err = cd_totp_new(&secret);
	if (err == 0)
		err = put_totp(b, secret, context, issuer, account, out);
	return status_of(err);
}

static enum cd_broker_status
verb_TOTP_VERIFY(struct cd_broker *b, struct cd_reader *r, struct cd_buf *out)
{
	struct cd_str context = cd_broker_read_str(r);
	struct cd_str sealed = cd_broker_read_str(r);
	struct cd_str code = cd_broker_read_str(r);
	uint64_t last = cd_read_u64(r), step;
	struct cd_secret *secret cd_auto(cd_secret_free) = NULL;
	int err;

	if (!whole(r))
		return CD_BROKER_BAD;
	err = cd_unseal(b->keys->seal, CD_STR("totp"), context, sealed,
			&secret);
	if (err == 0)
		err = cd_totp_verify(secret, code, b->config->now(), last,
				     &step);
	if (err == 0)
		cd_buf_u64(out, step);
	return status_of(err);
}

/* ---- assertions ---- */

/* Maps the table, anew when the agent has put another file in its place. */
static int refresh_table(struct cd_broker *b)
{
	struct stat st;
	struct cd_table_map *map;
	int r;

	if (stat(b->config->sessions_path, &st) < 0)
		return -errno;
	if (b->table && st.st_dev == b->table_dev && st.st_ino == b->table_ino)
		return 0;
	r = cd_table_map(b->config->sessions_path, &map);
	if (r < 0)
		return r;
	cd_table_unmap(&b->table);
	b->table = map;
	b->table_dev = st.st_dev;
	b->table_ino = st.st_ino;
	return 0;
}

static int live_session(struct cd_broker *b, struct cd_str token,
			struct cd_str app, int64_t now,
			struct cd_session_view *view)
{
	uint8_t key[CD_TOKEN_KEY];
	int r = refresh_table(b);

	if (r < 0)
		return r;
	if (cd_token_key(token, key) < 0)
		return CD_E_DENIED;
	r = cd_session_lookup(b->table, key, view);
	if (r < 0)
		return r;
	/* a person session belongs to the sign-in host: no app is its */
	if (app.len == 0 || !cd_str_equal(view->app, app) || view->disabled)
		return CD_E_DENIED;
	return cd_session_check(view, 0, (uint32_t)now) == CD_SESSION_OK ?
		       0 :
		       CD_E_DENIED;
}

static int put_assertion(struct cd_broker *b,
			 const struct cd_session_view *view, int64_t now,
			 struct cd_buf *out)
{
	struct cd_str groups[CD_TABLE_GROUPS_MAX];
	struct cd_assertion a = {
		.iss = b->config->issuer,
		.sub = view->user,
		.aud = view->app,
		.groups = groups,
		.n_groups = CD_MIN(view->n_groups, CD_TABLE_GROUPS_MAX),
		.iat = now,
	};

	for (size_t i = 0; i < a.n_groups; i++)
		groups[i] = view->groups[i].s;
	cd_buf_u64(out, (uint64_t)(now + CD_ASSERTION_LIFE));
	return cd_assertion_sign(b->keys->assertion, &a, out);
}

static enum cd_broker_status
verb_ASSERT(struct cd_broker *b, struct cd_reader *r, struct cd_buf *out)
{
	struct cd_str token = cd_broker_read_str(r);
	struct cd_str app = cd_broker_read_str(r);
	int64_t now = b->config->now();
	struct cd_session_view view;
	int err;

	if (!whole(r))
		return CD_BROKER_BAD;
	err = live_session(b, token, app, now, &view);
	if (err == 0)
		err = put_assertion(b, &view, now, out);
	return status_of(err);
}

/* ---- the table ---- */

static const struct verb {
	uint16_t number;
	uint16_t peers;
	int64_t burst, per_second;
	verb_fn *run;
} verbs[] = {
#define X(id, number, peers, burst, per_second) \
	{number, peers, burst, per_second, verb_##id},
	CD_VERBS(X)
#undef X
};

_Static_assert(CD_ARRAY_SIZE(verbs) <= 16, "one bucket each");

static bool allowed(const struct cd_broker *b, const struct verb *v, uid_t peer)
{
	const struct cd_broker_config *c = b->config;

	if (v->peers & CD_PEER_ANYONE)
		return true;
	if (v->peers & CD_PEER_CONTROLLER && peer == c->controller)
		return true;
	if (!(v->peers & CD_PEER_GATEWAY))
		return false;
	for (size_t i = 0; i < c->n_gateways; i++)
		if (peer == c->gateways[i])
			return true;
	return false;
}

/* A token bucket in thousandths of a request. */
static bool take(struct bucket *k, const struct verb *v, int64_t now)
{
	int64_t gone = CD_MIN(now - k->at, 1000000);

	if (gone > 0) {
		k->tokens = CD_MIN(k->tokens + gone * v->per_second,
				   v->burst * 1000);
		k->at = now;
	}
	if (k->tokens < 1000)
		return false;
	k->tokens -= 1000;
	return true;
}

static enum cd_broker_status run(struct cd_broker *b, uid_t peer,
				 const struct cd_broker_frame *f,
				 struct cd_buf *body)
{
	struct cd_reader r = cd_reader_make(f->body.ptr, f->body.len);
	enum cd_broker_status s;

	for (size_t i = 0; i < CD_ARRAY_SIZE(verbs); i++) {
		if (verbs[i].number != f->verb)
			continue;
		if (!allowed(b, &verbs[i], peer))
			return CD_BROKER_DENIED;
		if (!take(&b->buckets[i], &verbs[i], b->config->monotonic()))
			return CD_BROKER_BUSY;
		s = verbs[i].run(b, &r, body);
		return s == CD_BROKER_OK && body->err ? CD_BROKER_INTERNAL : s;
	}
	return CD_BROKER_DENIED;
}

enum cd_broker_status cd_broker_answer(struct cd_broker *broker, uid_t peer,
				       const struct cd_broker_frame *request,
				       struct cd_buf *out)
{
	enum cd_broker_status s;
	struct cd_buf body;

	cd_buf_init(&body, CD_BROKER_BODY_MAX);
	s = run(broker, peer, request, &body);
	cd_broker_put(out, request->verb, (uint16_t)s,
		      s == CD_BROKER_OK ? cd_buf_get(&body) : CD_STR_NULL);
	cd_buf_wipe(&body);
	return s;
}

int cd_broker_new(const struct cd_broker_config *config,
		  const struct cd_keystore *keys, struct cd_broker **ret)
{
	struct cd_broker *b = cd_calloc(1, sizeof(*b));
	int64_t now = config->monotonic();

	if (!b)
		return -ENOMEM;
	b->config = config;
	b->keys = keys;
	for (size_t i = 0; i < CD_ARRAY_SIZE(verbs); i++)
		b->buckets[i] = (struct bucket){now, verbs[i].burst * 1000};
	*ret = b;
	return 0;
}

void cd_broker_free(struct cd_broker **broker)
{
	if (!*broker)
		return;
	cd_table_unmap(&(*broker)->table);
	free(*broker);
	*broker = NULL;
}
