/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests wait in memory: anybody may make one, and a row on disk would let
 * strangers write there. Their number is bounded, and bounded by address.
 *
 * What the person agrees to is named by a short code that both sides show.
 * It is no secret and opens nothing: the program proves itself by its token,
 * the person by the session. (A longer code would not be compared.)
 */
#include "controller/page_login.h"

#include <stdio.h>
#include <stdlib.h>

#include "controller/audit.h"
#include "controller/clock.h"
#include "controller/keys_client.h"
#include "controller/note.h"
#include "controller/page_signin.h"
#include "controller/stream.h"
#include "sys/store.h"
#include "token/random.h"

enum { CSR_MAX = 4096, CHAIN_MAX = 16384, ALPHABET = 20 };

#define LOGIN_PATH "/.cordon/login?code="

/* No vowels (no words), no letters that look like digits. */
static const char alphabet[ALPHABET + 1] = "BCDFGHJKLMNPQRSTVWXZ";

struct login {
	bool used;
	bool refused;
	int64_t expires; /* cd_steady() */
	uint8_t key[CD_TOKEN_KEY]; /* of the program's token */
	char code[CD_LOGIN_CODE + 1];
	char addr[CD_ADDR_TEXT];
	struct cd_buf csr;
	struct cd_buf chain; /* not empty: agreed */
};

struct cd_logins {
	struct login rows[CD_LOGINS_MAX];
};

int cd_logins_new(struct cd_logins **ret_logins)
{
	*ret_logins = calloc(1, sizeof(**ret_logins));
	return *ret_logins ? 0 : -ENOMEM;
}

static void login_clear(struct login *l)
{
	if (l->used) {
		cd_buf_done(&l->csr);
		cd_buf_done(&l->chain);
	}
	memset(l, 0, sizeof(*l));
}

void cd_logins_free(struct cd_logins **logins)
{
	size_t i;

	for (i = 0; *logins && i < CD_LOGINS_MAX; i++)
		login_clear(&(*logins)->rows[i]);
	free(*logins);
	*logins = NULL;
}

/* ---- the table ---- */

static bool is_code(struct cd_str s)
{
	size_t i;

	if (s.len != CD_LOGIN_CODE)
		return false;
	for (i = 0; i < s.len; i++)
		if (i == 4 ? s.ptr[i] != '-' :
			     !s.ptr[i] || !strchr(alphabet, s.ptr[i]))
			return false;
	return true;
}

bool cd_login_is_target(struct cd_str target)
{
	static const struct cd_str path = CD_STR_INIT(LOGIN_PATH);

	return cd_str_has_prefix(target, path) &&
	       is_code(cd_str_make(target.ptr + path.len,
				   target.len - path.len));
}

static void make_code(char out[CD_LOGIN_CODE + 1])
{
	uint64_t n = cd_random_u64();
	size_t i;

	for (i = 0; i < CD_LOGIN_CODE; i++) {
		out[i] = i == 4 ? '-' : alphabet[n % ALPHABET];
		if (i != 4)
			n /= ALPHABET;
	}
	out[i] = 0;
}

static struct login *by_code(struct cd_logins *t, struct cd_str code)
{
	int64_t now = cd_steady();
	size_t i;

	for (i = 0; i < CD_LOGINS_MAX; i++)
		if (t->rows[i].used && now < t->rows[i].expires &&
		    cd_str_equal(cd_str_from(t->rows[i].code), code))
			return &t->rows[i];
	return NULL;
}

static struct login *by_token(struct cd_logins *t, struct cd_str token)
{
	int64_t now = cd_steady();
	size_t i;

	for (i = 0; i < CD_LOGINS_MAX; i++)
		if (t->rows[i].used && now < t->rows[i].expires &&
		    cd_token_is(token, t->rows[i].key))
			return &t->rows[i];
	return NULL;
}

static struct login *free_row(struct cd_logins *t)
{
	int64_t now = cd_steady();
	size_t i;

	for (i = 0; i < CD_LOGINS_MAX; i++) {
		if (t->rows[i].used && now >= t->rows[i].expires)
			login_clear(&t->rows[i]);
		if (!t->rows[i].used)
			return &t->rows[i];
	}
	return NULL;
}

/* ---- the program ---- */

static int login_new(struct cd_call *call, struct cd_secret **ret_token,
		     struct login **ret_login)
{
	struct cd_str csr = cd_http_body(call->req);
	struct login *l = free_row(call->ctl->logins);
	int r;

	if (!csr.len || csr.len > CSR_MAX)
		return -EINVAL;
	if (!l)
		return -EAGAIN;
	r = cd_token_new(ret_token, l->key);
	if (r < 0)
		return r;
	l->used = true;
	l->expires = cd_steady() + CD_LOGIN_LIFE;
	cd_buf_init(&l->csr, CSR_MAX);
	cd_buf_init(&l->chain, CHAIN_MAX);
	cd_buf_str(&l->csr, csr);
	snprintf(l->addr, sizeof(l->addr), "%.*s",
		 CD_STR_FMT(cd_page_addr(call)));
	do
		make_code(l->code);
	while (by_code(call->ctl->logins, cd_str_from(l->code)) != l);
	*ret_login = l;
	return l->csr.err;
}

void answer_login_new(struct cd_call *call)
{
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	struct login *l;
	struct cd_str t;
	char url[600];
	int r;

	if (!cd_page_on_auth_host(call) ||
	    cd_page_throttled(call, CD_STR("/login")))
		return;
	r = login_new(call, &token, &l);
	if (r < 0) {
		cd_call_fail(call, r);
		return;
	}
	t = cd_secret_reveal(token);
	snprintf(url, sizeof(url), "%.500s" LOGIN_PATH "%s",
		 call->ctl->opt.auth_url, l->code);
	cd_call_json(call, 201,
		     json_pack("{s:s, s:s, s:s%, s:i, s:o}", "code", l->code,
			       "url", url, "token", t.ptr, t.len, "interval", 1,
			       "expires",
			       cd_json_time(cd_now() + CD_LOGIN_LIFE)));
}

void answer_login_poll(struct cd_call *call)
{
	struct cd_str token = cd_str_from(cd_http_query(call->req, "token"));
	struct login *l = by_token(call->ctl->logins, token);

	if (!l) {
		cd_call_fail(call, CD_E_NOTFOUND);
	} else if (l->refused) {
		login_clear(l);
		cd_call_fail(call, CD_E_DENIED);
	} else if (!l->chain.len) {
		cd_call_json(call, 202, json_pack("{s:b}", "pending", true));
	} else {
		cd_call_bytes(call, "application/x-pem-file",
			      cd_buf_get(&l->chain));
		login_clear(l);
	}
}

/* ---- the person ---- */

static void put_form(struct cd_buf *b, const struct login *l,
		     const struct cd_person *p, const struct cd_csrf *csrf)
{
	cd_html(b,
		"<p>A program at <strong>%s</strong> asks to reach apps as "
		"<strong>%s</strong>. Agree only when you started it just now "
		"and it shows this code:</p>\n<p><code>%s</code></p>\n"
		"<form method=\"post\" action=\"/.cordon/login/confirm\">\n"
		"<input type=\"hidden\" name=\"code\" value=\"%s\">\n",
		l->addr, p->name, l->code, l->code);
	cd_csrf_put(csrf, b);
	cd_html(b, "<button name=\"answer\" value=\"yes\">Agree</button>\n"
		   "<button name=\"answer\" value=\"no\">Refuse</button>\n"
		   "</form>\n");
}

static void go_signin(struct cd_call *call, struct cd_str code)
{
	struct cd_buf url;

	cd_buf_init(&url, 256);
	cd_buf_puts(&url, "/.cordon/signin?to=");
	cd_buf_url(&url, CD_STR(LOGIN_PATH));
	cd_buf_url(&url, code);
	cd_page_go(call, cd_buf_get(&url));
	cd_buf_done(&url);
}

static void no_such_request(struct cd_call *call)
{
	cd_page_error(call, 404, "There is no such request",
		      "It was answered, or is too old. Start the program "
		      "again.");
}

void answer_page_login(struct cd_call *call)
{
	struct cd_str code = cd_str_from(cd_http_query(call->req, "code"));
	struct login *l = by_code(call->ctl->logins, code);
	struct cd_session s;
	struct cd_person p;
	struct cd_csrf csrf;
	struct cd_buf b;

	if (!cd_page_on_auth_host(call))
		return;
	if (!l || l->chain.len) {
		no_such_request(call);
		return;
	}
	if (!cd_page_person(call, &s, &p)) {
		go_signin(call, code);
		return;
	}
	if (!cd_page_form_begin(call, "Let a program in?", NULL, &csrf, &b))
		return;
	put_form(&b, l, &p, &csrf);
	cd_page_form_send(call, 200, &csrf, &b);
}

/* The certificate session and its certificate, in one transaction. */
static int issue(struct cd_call *call, struct login *l,
		 const struct cd_session *parent, const struct cd_person *p)
{
	struct cd_ctl *ctl = call->ctl;
	struct cd_session s = *parent;
	int64_t now = cd_now();
	int r;

	s.kind = CD_SESSION_CERT;
	s.parent = parent->id;
	s.device = 0; /* the program may run on another than the browser */
	s.created = now;
	s.seen = now;
	s.idle = 0; /* the certificate ends soon enough */
	s.expires = CD_MIN(parent->expires, now + CD_LOGIN_CERT_LIFE);
	memcpy(s.addr, l->addr, sizeof(s.addr));
	s.trace = cd_page_trace(call);
	r = cd_ctl_begin(ctl);
	if (r < 0)
		return r;
	r = cd_session_reserve(ctl, &s);
	if (!r)
		r = cd_keys_issue_client(ctl->keys, cd_str_from(p->name),
					 (uint64_t)s.id,
					 (uint32_t)(s.expires - now),
					 cd_buf_get(&l->csr), &l->chain, s.key);
	if (!r)
		r = cd_session_keyed(ctl, &s);
	if (!r)
		r = cd_audit_page(call, p->name, "login.cert",
				  cd_str_from(l->addr), s.id);
	r = cd_ctl_end(ctl, r);
	if (r < 0)
		cd_buf_clear(&l->chain);
	return r;
}

static void say_done(struct cd_call *call, bool yes)
{
	struct cd_buf b;

	cd_buf_init(&b, CD_PAGE_MAX);
	cd_html_begin(&b, yes ? "Done" : "Refused");
	cd_html(&b, "<p>%s</p>\n",
		yes ? "The program has its certificate. You find it under "
		      "your sessions, where you can end it." :
		      "The program got nothing.");
	cd_html(&b, "<p><a href=\"/\">Start page</a></p>\n");
	cd_page_reply(call, 200, &b);
}

static void confirm(struct cd_call *call, const struct cd_form *form)
{
	struct cd_str code = cd_str_from(cd_form_get(form, "code"));
	struct login *l = by_code(call->ctl->logins, code);
	bool yes = !strcmp(cd_form_get(form, "answer"), "yes");
	struct cd_session s;
	struct cd_person p;
	int r = 0;

	if (!l || l->chain.len) {
		no_such_request(call);
		return;
	}
	if (!cd_page_person(call, &s, &p)) {
		go_signin(call, code);
		return;
	}
	if (yes)
		r = issue(call, l, &s, &p);
	else
		l->refused = true;
	if (r == -EINVAL || r == CD_E_CORRUPT) {
		l->refused = true;
		cd_page_error(call, 400, "The program asked wrongly",
			      "Its certificate request was refused.");
	} else if (r < 0) {
		cd_page_fail(call, r);
	} else {
		say_done(call, yes);
	}
}

void answer_post_login_confirm(struct cd_call *call)
{
	struct cd_form form;

	if (!cd_page_on_auth_host(call))
		return;
	if (cd_page_form(call, &form))
		confirm(call, &form);
	cd_form_done(&form);
}
