/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request at a time on one connection. A connection that failed in any
 * way is closed: after an error nobody knows what the next bytes mean. A
 * broker that was restarted in between is met by one second try, of the
 * connection only: a request whose answer was lost is not sent again.
 */
#include "controller/keys_client.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/peer.h"
#include "sys/ipc.h"

struct cd_keys {
	pthread_mutex_t lock;
	char *path;
	int fd;
};

int cd_keys_new(const char *socket_path, struct cd_keys **ret_keys)
{
	struct cd_keys *k = cd_calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->path = cd_str_dup(cd_str_from(socket_path));
	k->fd = -1;
	if (!k->path || pthread_mutex_init(&k->lock, NULL) != 0) {
		free(k->path);
		free(k);
		return -ENOMEM;
	}
	*ret_keys = k;
	return 0;
}

static void hang_up(struct cd_keys *k)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
}

void cd_keys_free(struct cd_keys **keys)
{
	struct cd_keys *k = *keys;

	if (!k)
		return;
	hang_up(k);
	pthread_mutex_destroy(&k->lock);
	free(k->path);
	free(k);
	*keys = NULL;
}

/* An idle connection has nothing to read; readable means it was closed. */
static bool is_stale(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && errno != EINTR);
}

static int connected(struct cd_keys *k)
{
	int fd, r;

	if (k->fd >= 0 && is_stale(k->fd))
		hang_up(k);
	if (k->fd >= 0)
		return 0;
	fd = cd_ipc_connect(k->path, CD_KEYS_TIMEOUT_MS);
	if (fd < 0)
		return -ENOTCONN;
	r = cd_peer_vouch(fd, k->path);
	if (r < 0) {
		close(fd);
		return r;
	}
	k->fd = fd;
	return 0;
}

static int read_answer(int fd, uint16_t verb, int64_t deadline,
		       struct cd_buf *body, uint16_t *ret_status)
{
	uint8_t head[CD_BROKER_FRAME];
	struct cd_reader r = cd_reader_make(head, sizeof(head));
	uint32_t len;
	uint16_t got;
	void *room;
	int err = cd_ipc_read(fd, head, sizeof(head), deadline);

	if (err < 0)
		return err;
	len = cd_read_u32(&r);
	got = cd_read_u16(&r);
	*ret_status = cd_read_u16(&r);
	if (got != verb || len < 4 || len > 4 + CD_BROKER_BODY_MAX)
		return CD_E_CORRUPT;
	room = cd_buf_extend(body, len - 4);
	if (!room)
		return body->err;
	return cd_ipc_read(fd, room, len - 4, deadline);
}

static int exchange(struct cd_keys *k, uint16_t verb, struct cd_str body,
		    struct cd_buf *answer)
{
	int64_t deadline = cd_ipc_deadline(CD_KEYS_TIMEOUT_MS);
	struct cd_buf out;
	uint16_t status = 0;
	int r = connected(k);

	if (r < 0)
		return r;
	cd_buf_init(&out, CD_BROKER_FRAME + CD_BROKER_BODY_MAX);
	cd_broker_put(&out, verb, 0, body);
	r = out.err ? -EINVAL : cd_ipc_write(k->fd, cd_buf_get(&out), deadline);
	cd_buf_wipe(&out);
	if (r == 0)
		r = read_answer(k->fd, verb, deadline, answer, &status);
	if (r < 0) {
		hang_up(k);
		return r;
	}
	return cd_broker_status_error(status);
}

/* Takes request's bytes, wipes them; answer must be initialised. */
static int call(struct cd_keys *k, uint16_t verb, struct cd_buf *request,
		struct cd_buf *answer)
{
	int r = request->err ? -EINVAL : 0;

	if (r == 0) {
		pthread_mutex_lock(&k->lock);
		r = exchange(k, verb, cd_buf_get(request), answer);
		pthread_mutex_unlock(&k->lock);
	}
	cd_buf_wipe(request);
	return r;
}

/* A call whose answer is appended to out as it is. */
static int call_into(struct cd_keys *k, uint16_t verb, struct cd_buf *request,
		     struct cd_buf *out)
{
	struct cd_buf answer;
	int r;

	cd_buf_init(&answer, CD_BROKER_BODY_MAX);
	r = call(k, verb, request, &answer);
	if (r == 0) {
		cd_buf_str(out, cd_buf_get(&answer));
		r = out->err;
	}
	cd_buf_wipe(&answer);
	return r;
}

int cd_keys_public(struct cd_keys *keys, enum cd_public_what what,
		   struct cd_buf *out)
{
	struct cd_buf q;

	cd_buf_init(&q, 1);
	cd_buf_u8(&q, (uint8_t)what);
	return call_into(keys, CD_VERB_PUBLIC_KEYS, &q, out);
}

static int sign(struct cd_keys *k, uint16_t verb, struct cd_str message,
		uint8_t ret[CD_ED25519_SIGNATURE])
{
	struct cd_buf q, answer cd_auto(cd_buf_done);
	int r;

	cd_buf_init(&answer, CD_BROKER_BODY_MAX);
	cd_buf_init(&q, message.len);
	cd_buf_str(&q, message);
	r = call(k, verb, &q, &answer);
	if (r == 0 && answer.len != CD_ED25519_SIGNATURE)
		r = CD_E_CORRUPT;
	if (r == 0)
		memcpy(ret, answer.data, answer.len);
	return r;
}

int cd_keys_sign_bundle(struct cd_keys *keys, uint8_t header[CD_BUNDLE_HEADER])
{
	return sign(keys, CD_VERB_SIGN_BUNDLE,
		    cd_str_make(header, CD_BUNDLE_SIGNED),
		    header + CD_BUNDLE_AT_SIGNATURE);
}

int cd_keys_sign_batch(struct cd_keys *keys, uint64_t first, uint64_t last,
		       struct cd_str audience, struct cd_str records,
		       uint32_t count, struct cd_buf *out)
{
	uint8_t head[CD_CHANGE_HEADER];
	int r = cd_changes_header(first, last, audience, records, count, head);

	if (r == 0)
		r = sign(keys, CD_VERB_SIGN_CHANGES,
			 cd_str_make(head, CD_CHANGE_SIGNED),
			 head + CD_CHANGE_SIGNED);
	if (r < 0)
		return r;
	cd_buf_put(out, head, sizeof(head));
	cd_buf_str(out, records);
	return out->err;
}

int cd_keys_issue_leaf(struct cd_keys *keys, const struct cd_str *names,
		       size_t n_names, uint32_t life, struct cd_str csr,
		       struct cd_buf *out)
{
	struct cd_buf q;

	if (n_names > UINT16_MAX)
		return -EINVAL;
	cd_buf_init(&q, CD_BROKER_BODY_MAX);
	cd_buf_u32(&q, life);
	cd_buf_u16(&q, (uint16_t)n_names);
	for (size_t i = 0; i < n_names; i++)
		cd_broker_put_str(&q, names[i]);
	cd_broker_put_str(&q, csr);
	return call_into(keys, CD_VERB_ISSUE_LEAF, &q, out);
}

int cd_keys_issue_client(struct cd_keys *keys, struct cd_str user,
			 uint64_t session, uint32_t life, struct cd_str csr,
			 struct cd_buf *out, uint8_t ret_key[CD_SHA256_SIZE])
{
	struct cd_buf q, answer cd_auto(cd_buf_done);
	int r;

	cd_buf_init(&answer, CD_BROKER_BODY_MAX);
	cd_buf_init(&q, CD_BROKER_BODY_MAX);
	cd_buf_u32(&q, life);
	cd_buf_u64(&q, session);
	cd_broker_put_str(&q, user);
	cd_broker_put_str(&q, csr);
	r = call(keys, CD_VERB_ISSUE_CLIENT, &q, &answer);
	if (r == 0 && answer.len <= CD_SHA256_SIZE)
		r = CD_E_CORRUPT;
	if (r < 0)
		return r;
	memcpy(ret_key, answer.data, CD_SHA256_SIZE);
	cd_buf_put(out, answer.data + CD_SHA256_SIZE,
		   answer.len - CD_SHA256_SIZE);
	return out->err;
}

static void put3(struct cd_buf *q, struct cd_str a, struct cd_str b,
		 struct cd_str c)
{
	cd_buf_init(q, CD_BROKER_BODY_MAX);
	cd_broker_put_str(q, a);
	cd_broker_put_str(q, b);
	cd_broker_put_str(q, c);
}

int cd_keys_seal(struct cd_keys *keys, struct cd_str purpose,
		 struct cd_str context, struct cd_str plain, struct cd_buf *out)
{
	struct cd_buf q;

	put3(&q, purpose, context, plain);
	return call_into(keys, CD_VERB_SEAL, &q, out);
}

int cd_keys_unseal(struct cd_keys *keys, struct cd_str purpose,
		   struct cd_str context, struct cd_str sealed,
		   struct cd_secret **ret_plain)
{
	struct cd_buf q, answer;
	int r;

	cd_buf_init(&answer, CD_BROKER_BODY_MAX);
	put3(&q, purpose, context, sealed);
	r = call(keys, CD_VERB_UNSEAL, &q, &answer);
	if (r == 0)
		r = cd_secret_from(cd_buf_get(&answer), ret_plain);
	cd_buf_wipe(&answer);
	return r;
}

static int take_totp(struct cd_str body, struct cd_buf *sealed,
		     struct cd_secret **ret_base32, struct cd_secret **ret_uri)
{
	struct cd_secret *base32 cd_auto(cd_secret_free) = NULL;
	struct cd_secret *uri cd_auto(cd_secret_free) = NULL;
	struct cd_reader r = cd_reader_make(body.ptr, body.len);
	struct cd_str s = cd_broker_read_str(&r);
	int err = cd_secret_from(cd_broker_read_str(&r), &base32);

	if (err == 0)
		err = cd_secret_from(cd_broker_read_str(&r), &uri);
	if (err == 0 && (r.err || cd_reader_left(&r)))
		err = CD_E_CORRUPT;
	if (err < 0)
		return err;
	cd_buf_str(sealed, s);
	if (sealed->err)
		return sealed->err;
	*ret_base32 = CD_TAKE(base32);
	*ret_uri = CD_TAKE(uri);
	return 0;
}

int cd_keys_totp_new(struct cd_keys *keys, struct cd_str context,
		     struct cd_str issuer, struct cd_str account,
		     struct cd_buf *sealed, struct cd_secret **ret_base32,
		     struct cd_secret **ret_uri)
{
	struct cd_buf q, answer;
	int r;

	cd_buf_init(&answer, CD_BROKER_BODY_MAX);
	put3(&q, context, issuer, account);
	r = call(keys, CD_VERB_TOTP_NEW, &q, &answer);
	if (r == 0)
		r = take_totp(cd_buf_get(&answer), sealed, ret_base32, ret_uri);
	cd_buf_wipe(&answer);
	return r;
}

int cd_keys_totp_verify(struct cd_keys *keys, struct cd_str context,
			struct cd_str sealed, struct cd_str code, uint64_t last,
			uint64_t *ret_step)
{
	struct cd_buf q, answer cd_auto(cd_buf_done);
	struct cd_reader rd;
	uint64_t step;
	int r;

	cd_buf_init(&answer, CD_BROKER_BODY_MAX);
	put3(&q, context, sealed, code);
	cd_buf_u64(&q, last);
	r = call(keys, CD_VERB_TOTP_VERIFY, &q, &answer);
	if (r < 0)
		return r;
	rd = cd_reader_make(answer.data, answer.len);
	step = cd_read_u64(&rd);
	if (rd.err || cd_reader_left(&rd) || step <= last)
		return CD_E_CORRUPT;
	*ret_step = step;
	return 0;
}
