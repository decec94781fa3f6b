/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One fetch at a time: document, then keys. Who comes while it is out waits
 * for the same answer. The keys are always fetched from the address in the
 * document that was fetched just before them, or that is known.
 */
#include "controller/oidc_provider.h"

#include <stdlib.h>
#include <time.h>

#include "sys/httpc.h"
#include "sys/log.h"

struct waiter {
	void (*fn)(void *arg, int err);
	void *arg;
};

struct exchange {
	struct exchange *prev, *next;
	struct cd_oidc_provider *provider;
	void (*fn)(void *arg, int err, struct cd_str id_token);
	void *arg;
};

struct cd_oidc_provider {
	const struct cd_conf *conf;
	struct cd_httpc *http;
	struct cd_secret *secret; /* NULL: a public client */
	char *redirect_uri;
	struct cd_oidc_meta meta;
	struct cd_jwks *keys;
	int64_t fetched, failed; /* monotonic seconds; 0: never */
	bool fetching;
	int64_t refetches, refilled; /* left; monotonic seconds */
	struct waiter waiter[CD_OIDC_WAITERS_MAX];
	size_t n_waiters;
	struct exchange *exchanges;
	size_t n_exchanges;
};

/* Ages of what is kept do not follow a clock that is set. Never 0. */
static int64_t uptime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec + 1;
}

/* ---- fetching ---- */

static void wake(struct cd_oidc_provider *p, int err)
{
	struct waiter all[CD_OIDC_WAITERS_MAX];
	size_t n = p->n_waiters, i;

	memcpy(all, p->waiter, n * sizeof(*all));
	p->n_waiters = 0;
	for (i = 0; i < n; i++)
		all[i].fn(all[i].arg, err);
}

/* What is known serves on for a while when the provider is away. */
static bool is_usable(const struct cd_oidc_provider *p, int64_t age)
{
	return p->fetched && p->keys && uptime() - p->fetched < age;
}

static void fetch_failed(struct cd_oidc_provider *p, const char *what, int err,
			 const char *why)
{
	CD_LOG_WARN("OIDC_FETCH_FAILED", cd_log_z("what", what),
		    cd_log_err(err), cd_log_z("why", why));
	p->fetching = false;
	p->failed = uptime();
	wake(p, is_usable(p, CD_OIDC_KEEP_S) ? 0 : err);
}

static int get(struct cd_oidc_provider *p, const char *url, size_t max,
	       cd_httpc_done done)
{
	static const char *const headers[] = {"Accept: application/json", NULL};
	struct cd_httpc_request q = {.url = url,
				     .headers = headers,
				     .ca_file = p->conf->oidc_ca_file,
				     .answer_max = max,
				     .timeout_ms = CD_OIDC_TIMEOUT_MS};

	return cd_httpc_start(p->http, &q, done, p, NULL);
}

static void on_keys(void *ctx, struct cd_httpc_answer *a)
{
	struct cd_jwks *keys cd_auto(cd_jwks_free) = NULL;
	struct cd_oidc_provider *p = ctx;
	int r = a->err ? a->err : a->status == 200 ? 0 : -EIO;

	if (!r)
		r = cd_jwks_parse(cd_buf_get(&a->body), &keys);
	if (r < 0) {
		fetch_failed(p, "keys", r, a->why);
		return;
	}
	cd_jwks_free(&p->keys);
	p->keys = CD_TAKE(keys);
	p->fetched = uptime();
	p->fetching = false;
	CD_LOG_INFO("OIDC_KEYS",
		    cd_log_num("keys", (int64_t)cd_jwks_count(p->keys)));
	wake(p, 0);
}

static void fetch_keys(struct cd_oidc_provider *p)
{
	int r = get(p, p->meta.jwks_uri, CD_JWKS_MAX, on_keys);

	if (r < 0)
		fetch_failed(p, "keys", r, "");
}

static void on_meta(void *ctx, struct cd_httpc_answer *a)
{
	struct cd_oidc_meta meta cd_auto(cd_oidc_meta_done) = {0};
	struct cd_oidc_provider *p = ctx;
	const char *why = a->why;
	int r = a->err ? a->err : a->status == 200 ? 0 : -EIO;

	if (!r)
		r = cd_oidc_meta_parse(cd_buf_get(&a->body),
				       cd_str_from(p->conf->oidc_issuer), &why,
				       &meta);
	if (r < 0) {
		fetch_failed(p, "discovery", r, why);
		return;
	}
	cd_oidc_meta_done(&p->meta);
	p->meta = meta;
	meta = (struct cd_oidc_meta){0};
	fetch_keys(p);
}

static void fetch(struct cd_oidc_provider *p)
{
	struct cd_buf url cd_auto(cd_buf_done);
	int r;

	cd_buf_init(&url, CD_OIDC_URL_MAX);
	cd_oidc_discovery_url(cd_str_from(p->conf->oidc_issuer), &url);
	p->fetching = true;
	r = url.err;
	if (!r)
		r = get(p, url.data, CD_OIDC_META_MAX, on_meta);
	if (r < 0)
		fetch_failed(p, "discovery", r, "");
}

static bool may_refetch(struct cd_oidc_provider *p)
{
	int64_t now = uptime(), more = (now - p->refilled) / CD_OIDC_REFETCH_S;

	if (more > 0) {
		p->refetches = CD_MIN(p->refetches + more,
				      (int64_t)CD_OIDC_REFETCH_BURST);
		p->refilled += more * CD_OIDC_REFETCH_S;
	}
	if (!p->refetches)
		return false;
	p->refetches--;
	return true;
}

/* 0: there, 1: wait for it, negative: not to be had. */
static int state_of(struct cd_oidc_provider *p, bool newer)
{
	bool known = is_usable(p, CD_OIDC_KEEP_S);

	if (p->fetching)
		return 1;
	if (newer)
		return may_refetch(p) ? 1 : -EAGAIN;
	if (is_usable(p, CD_OIDC_FRESH_S))
		return 0;
	if (p->failed && uptime() - p->failed < CD_OIDC_RETRY_S)
		return known ? 0 : -EIO;
	return 1;
}

void cd_oidc_provider_ready(struct cd_oidc_provider *p, bool newer,
			    void (*fn)(void *arg, int err), void *arg)
{
	int r = state_of(p, newer);

	if (r == 1 && p->n_waiters == CD_OIDC_WAITERS_MAX)
		r = -EAGAIN;
	if (r != 1) {
		fn(arg, r);
		return;
	}
	p->waiter[p->n_waiters++] = (struct waiter){fn, arg};
	if (!p->fetching)
		fetch(p);
}

const struct cd_oidc_meta *
cd_oidc_provider_meta(const struct cd_oidc_provider *p)
{
	return &p->meta;
}

const struct cd_jwks *cd_oidc_provider_keys(const struct cd_oidc_provider *p)
{
	return p->keys;
}

/* ---- redeeming a code ---- */

static void exchange_end(struct exchange *x, int err, struct cd_str token)
{
	struct cd_oidc_provider *p = x->provider;

	if (x->prev)
		x->prev->next = x->next;
	else
		p->exchanges = x->next;
	if (x->next)
		x->next->prev = x->prev;
	p->n_exchanges--;
	x->fn(x->arg, err, token);
	free(x);
}

/* 4xx: the code, our secret or both are refused (RFC 6749 section 5.2). */
static int status_error(unsigned int status)
{
	return status == 200 ? 0 : status / 100 == 4 ? CD_E_DENIED : -EIO;
}

static void on_token(void *ctx, struct cd_httpc_answer *a)
{
	struct exchange *x = ctx;
	struct cd_buf token;
	int r = a->err ? a->err : status_error(a->status);

	cd_buf_init(&token, CD_JWT_MAX);
	if (!r)
		r = cd_oidc_token_answer(cd_buf_get(&a->body), &token);
	if (r < 0)
		CD_LOG_WARN("OIDC_REDEEM_FAILED", cd_log_err(r),
			    cd_log_num("status", a->status),
			    cd_log_z("why", a->why));
	exchange_end(x, r, r < 0 ? CD_STR_NULL : cd_buf_get(&token));
	cd_buf_wipe(&token);
}

static void put_basic(struct cd_oidc_provider *p, struct cd_buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789+/";
	struct cd_buf pair;
	size_t i;

	/* Both are form-encoded first (RFC 6749 section 2.3.1). */
	cd_buf_init(&pair, 16 * 1024);
	cd_oidc_escape(&pair, cd_str_from(p->conf->oidc_client_id));
	cd_buf_char(&pair, ':');
	cd_oidc_escape(&pair, cd_secret_reveal(p->secret));
	cd_buf_puts(out, "Authorization: Basic ");
	for (i = 0; i < pair.len; i += 3) {
		size_t left = pair.len - i;
		uint32_t v = (uint32_t)(unsigned char)pair.data[i] << 16;

		if (left > 1)
			v |= (uint32_t)(unsigned char)pair.data[i + 1] << 8;
		if (left > 2)
			v |= (unsigned char)pair.data[i + 2];
		cd_buf_char(out, digits[v >> 18]);
		cd_buf_char(out, digits[v >> 12 & 63]);
		cd_buf_char(out, left > 1 ? digits[v >> 6 & 63] : '=');
		cd_buf_char(out, left > 2 ? digits[v & 63] : '=');
	}
	if (pair.err)
		out->err = pair.err;
	cd_buf_wipe(&pair);
}

static void put_body(struct cd_oidc_provider *p, struct cd_str code,
		     const struct cd_secret *verifier, struct cd_buf *out)
{
	cd_oidc_form_put(out, "grant_type", CD_STR("authorization_code"));
	cd_oidc_form_put(out, "code", code);
	cd_oidc_form_put(out, "redirect_uri", cd_str_from(p->redirect_uri));
	cd_oidc_form_put(out, "code_verifier", cd_secret_reveal(verifier));
	if (!p->secret || p->meta.secret_in_body)
		cd_oidc_form_put(out, "client_id",
				 cd_str_from(p->conf->oidc_client_id));
	if (p->secret && p->meta.secret_in_body)
		cd_oidc_form_put(out, "client_secret",
				 cd_secret_reveal(p->secret));
}

static int post_code(struct exchange *x, struct cd_str code,
		     const struct cd_secret *verifier)
{
	struct cd_oidc_provider *p = x->provider;
	const char *headers[] = {"Accept: application/json", NULL, NULL};
	struct cd_httpc_request q = {
		.url = p->meta.token_endpoint,
		.content_type = "application/x-www-form-urlencoded",
		.headers = headers,
		.ca_file = p->conf->oidc_ca_file,
		.answer_max = CD_OIDC_ANSWER_MAX,
		.timeout_ms = CD_OIDC_TIMEOUT_MS};
	struct cd_buf body, basic;
	int r;

	cd_buf_init(&body, 64 * 1024);
	cd_buf_init(&basic, 24 * 1024);
	put_body(p, code, verifier, &body);
	if (p->secret && !p->meta.secret_in_body) {
		put_basic(p, &basic);
		headers[1] = basic.data;
	}
	q.body = cd_buf_get(&body);
	r = body.err ? body.err : basic.err;
	if (!r)
		r = cd_httpc_start(p->http, &q, on_token, x, NULL);
	cd_buf_wipe(&body);
	cd_buf_wipe(&basic);
	return r;
}

void cd_oidc_provider_redeem(struct cd_oidc_provider *p, struct cd_str code,
			     const struct cd_secret *verifier,
			     void (*fn)(void *arg, int err,
					struct cd_str id_token),
			     void *arg)
{
	struct exchange *x = NULL;
	int r = -EAGAIN;

	if (p->n_exchanges < CD_OIDC_EXCHANGES_MAX) {
		x = calloc(1, sizeof(*x));
		r = -ENOMEM;
	}
	if (!x) {
		fn(arg, r, CD_STR_NULL);
		return;
	}
	*x = (struct exchange){NULL, p->exchanges, p, fn, arg};
	if (x->next)
		x->next->prev = x;
	p->exchanges = x;
	p->n_exchanges++;
	r = post_code(x, code, verifier);
	if (r < 0)
		exchange_end(x, r, CD_STR_NULL);
}

/* ---- life ---- */

static int check_conf(const struct cd_conf *c, struct cd_diag *diag)
{
	struct cd_str rest = cd_str_from(c->oidc_scopes);
	bool openid = false;

	if (!c->oidc_client_id) {
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    "oidc_issuer is set and oidc_client_id is not");
		return -EINVAL;
	}
	while (rest.ptr)
		openid |= cd_str_equal(cd_str_split(rest, ' ', &rest),
				       CD_STR("openid"));
	if (!openid || c->oidc_max_age < 1) {
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    openid ? "oidc_max_age must be 1s or more" :
				     "oidc_scopes must hold openid");
		return -EINVAL;
	}
	return 0;
}

int cd_oidc_provider_new(struct event_base *base, const struct cd_conf *conf,
			 struct cd_str redirect_uri, struct cd_diag *diag,
			 struct cd_oidc_provider **ret_provider)
{
	struct cd_oidc_provider *p cd_auto(cd_oidc_provider_free) = NULL;
	int r = check_conf(conf, diag);

	if (r < 0)
		return r;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->conf = conf;
	p->refetches = CD_OIDC_REFETCH_BURST;
	p->refilled = uptime();
	p->redirect_uri = cd_str_dup(redirect_uri);
	r = p->redirect_uri ? cd_httpc_new(base, &p->http) : -ENOMEM;
	if (!r && conf->oidc_client_secret_file)
		r = cd_oidc_secret_read(conf->oidc_client_secret_file, diag,
					&p->secret);
	if (!r)
		*ret_provider = CD_TAKE(p);
	return r;
}

void cd_oidc_provider_free(struct cd_oidc_provider **provider)
{
	struct cd_oidc_provider *p = *provider;

	if (!p)
		return;
	*provider = NULL;
	if (p->http)
		cd_httpc_free(&p->http); /* no call comes back from here on */
	while (p->exchanges)
		exchange_end(p->exchanges, -ECANCELED, CD_STR_NULL);
	wake(p, -ECANCELED);
	cd_oidc_meta_done(&p->meta);
	cd_jwks_free(&p->keys);
	cd_secret_free(&p->secret);
	free(p->redirect_uri);
	free(p);
}
