/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the person session on the sign-in host to a session of one app, by a
 * code that works once:
 *
 *	APP/.cordon/begin?to=PATH	sets a state cookie on the app's host
 *	AUTH/.cordon/start?app&to&state	person session -> code, bound to state
 *	APP/.cordon/callback?code	code and state cookie -> app session
 *
 * The code is bound to the browser that began: somebody else's code, sent in
 * a link, signs nobody in (login CSRF). It is bound to the app: one app
 * cannot use what was made for another. Apps never see the person session's
 * cookie, and each has a token of its own.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/judge.h"
#include "controller/page_signin.h"
#include "controller/stream.h"
#include "sys/log.h"
#include "sys/store.h"
#include "token/base64.h"

enum {
	CODE_LIFE = 60,
	STATE_LIFE = 600,
	FRESH_PROOF = 30, /* a proof this young is not asked for again */
	ROUNDS_MAX = 10, /* of begin to callback within ROUNDS_LIFE */
	ROUNDS_LIFE = 15,
};

#define COOKIE_ROUNDS "__Host-cordon-rounds"

/* ---- begin ---- */

/* The browser's state token on this host, a new one when it has none: tabs
 * that begin at the same time share it. */
static int state_token(struct cd_call *call, struct cd_secret **ret_token,
		       uint8_t key[CD_TOKEN_KEY])
{
	struct cd_str old;

	if (cd_http_cookie(call->req, CD_COOKIE_STATE, &old) &&
	    !cd_token_key(old, key))
		return cd_secret_from(old, ret_token);
	return cd_token_new(ret_token, key);
}

static void put_start_url(struct cd_buf *url, const struct cd_call *call,
			  struct cd_str app, const uint8_t key[CD_TOKEN_KEY])
{
	const char *to = cd_http_query(call->req, "to");
	const char *need = cd_http_query(call->req, "need");

	cd_buf_printf(url, "%s/.cordon/start?app=", call->ctl->opt.auth_url);
	cd_buf_url(url, app);
	cd_buf_puts(url, "&to=");
	cd_buf_url(url, cd_target_or_root(cd_str_from(to)));
	cd_buf_puts(url, "&state=");
	cd_base64url_put(url, key, CD_TOKEN_KEY);
	if (need && !strcmp(need, "stepup"))
		cd_buf_puts(url, "&need=stepup");
}

/* How often this browser came round lately. A gateway that challenges what is
 * allowed from here (it knows more) would send it round for ever. */
static uint64_t rounds(const struct cd_call *call)
{
	struct cd_str text;
	uint64_t n;

	return cd_http_cookie(call->req, COOKIE_ROUNDS, &text) &&
			       !cd_str_parse_u64(text, &n) ?
		       n :
		       0;
}

static void put_rounds(struct cd_http_answer *a, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	cd_page_cookie(a, COOKIE_ROUNDS, cd_str_from(text), ROUNDS_LIFE);
}

void answer_page_begin(struct cd_call *call)
{
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	struct cd_http_answer *a;
	uint8_t key[CD_TOKEN_KEY];
	uint64_t n = rounds(call);
	struct cd_buf url;
	struct cd_app app;
	int r;

	if (!cd_page_app_of_host(call, &app)) {
		cd_page_error(call, 404, "There is no such app",
			      "No app of the policy has this name.");
		return;
	}
	if (n >= ROUNDS_MAX) {
		cd_page_error(call, 503, "This app keeps asking",
			      "You are signed in, and the gateway still asks "
			      "for more. Wait a moment, then open the app "
			      "again; if it stays so, tell your "
			      "administrator.");
		return;
	}
	r = state_token(call, &token, key);
	if (r < 0) {
		cd_page_fail(call, r);
		return;
	}
	cd_buf_init(&url, 4 * CD_TARGET_MAX);
	put_start_url(&url, call, app.name, key);
	a = url.err ? NULL : cd_page_redirect(cd_buf_get(&url));
	cd_buf_done(&url);
	if (a) {
		cd_page_cookie(a, CD_COOKIE_STATE, cd_secret_reveal(token),
			       STATE_LIFE);
		put_rounds(a, n + 1);
	}
	cd_page_send(call, a);
}

/* ---- start ---- */

struct start {
	struct cd_call *call;
	struct cd_app app;
	struct cd_str to;
	uint8_t browser[CD_TOKEN_KEY];
	bool has_browser;
	bool wants_proof;
};

static void go_flow(const struct start *s, const char *path)
{
	struct cd_buf url;

	cd_buf_init(&url, 4 * CD_TARGET_MAX);
	cd_buf_printf(&url, "%s?app=", path);
	cd_buf_url(&url, s->app.name);
	cd_buf_puts(&url, "&to=");
	cd_buf_url(&url, s->to);
	cd_page_go(s->call, cd_buf_get(&url));
	cd_buf_done(&url);
}

static void go_begin(const struct start *s)
{
	struct cd_buf url;

	cd_buf_init(&url, 4 * CD_TARGET_MAX);
	cd_buf_str(&url, s->app.url);
	cd_buf_puts(&url, "/.cordon/begin?to=");
	cd_buf_url(&url, s->to);
	if (s->wants_proof)
		cd_buf_puts(&url, "&need=stepup");
	cd_page_go(s->call, cd_buf_get(&url));
	cd_buf_done(&url);
}

/* Not an address: what the caller tells apart. */
static const char needs_attest[] = "attest";

/* What is still missing before the app could be opened: a page, or NULL. A
 * refusal is the gateway's to tell: it knows more than is known here. */
static const char *missing(const struct start *s, const struct cd_session *se,
			   const struct cd_person *p)
{
	struct cd_str query, path = cd_str_split(s->to, '?', &query);
	struct cd_decision d = cd_judge(s->call->ctl, se, p, s->app.name, path,
					cd_page_addr(s->call));
	bool fresh = se->mfa_time && cd_now() - se->mfa_time < FRESH_PROOF;
	unsigned int i;

	if (d.verdict == CD_CHALLENGE && d.reason == CD_REASON_STEP_UP) {
		for (i = 0; i < d.n_failed; i++)
			if (d.failed[i].attr == CD_ATTR_SESSION_AGE)
				return "/.cordon/signin";
		return "/.cordon/stepup";
	}
	if (d.verdict == CD_CHALLENGE && d.reason == CD_REASON_ATTEST)
		return needs_attest;
	return s->wants_proof && !fresh ? "/.cordon/stepup" : NULL;
}

static int make_code(const struct start *s, const struct cd_session *se,
		     struct cd_secret **ret_code)
{
	struct cd_store *store = s->call->ctl->store;
	uint8_t key[CD_TOKEN_KEY];
	int64_t n;
	int r = cd_token_new(ret_code, key);

	if (r < 0)
		return r;
	n = cd_store_run(store,
			 "INSERT INTO code VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
			 "bissbi", cd_str_make(key, sizeof(key)), se->id,
			 s->app.name, s->to,
			 cd_str_make(s->browser, sizeof(s->browser)),
			 cd_now() + CODE_LIFE);
	return n < 0 ? (int)n : 0;
}

static void go_callback(const struct start *s, const struct cd_session *se)
{
	struct cd_secret *code cd_auto(cd_secret_free) = NULL;
	struct cd_buf url;
	int r = make_code(s, se, &code);

	if (r < 0) {
		cd_page_fail(s->call, r);
		return;
	}
	cd_buf_init(&url, 4096);
	cd_buf_str(&url, s->app.url);
	cd_buf_puts(&url, "/.cordon/callback?code=");
	cd_buf_str(&url, cd_secret_reveal(code));
	cd_page_go(s->call, cd_buf_get(&url));
	cd_buf_wipe(&url);
}

/* No sign-in helps: the device itself has to speak. */
static void attest(const struct start *s)
{
	cd_page_error(s->call, 403, "This device has to report its state",
		      "What is known about this device is too old, or it is "
		      "not known which device this is. Ask your administrator "
		      "for a device link, or let the device report again.");
}

void answer_page_start(struct cd_call *call)
{
	const char *state = cd_http_query(call->req, "state");
	const char *need = cd_http_query(call->req, "need");
	struct start s = {.call = call};
	struct cd_session se;
	struct cd_person p;
	const char *page;

	if (!cd_page_on_auth_host(call))
		return;
	s.to = cd_target_or_root(cd_str_from(cd_http_query(call->req, "to")));
	s.wants_proof = need && !strcmp(need, "stepup");
	s.has_browser = state && !cd_base64url_decode_fixed(cd_str_from(state),
							    s.browser,
							    sizeof(s.browser));
	if (!cd_page_app(call, cd_str_from(cd_http_query(call->req, "app")),
			 &s.app)) {
		cd_page_error(call, 404, "There is no such app",
			      "No app of the policy has this name.");
		return;
	}
	if (!cd_page_person(call, &se, &p)) {
		go_flow(&s, "/.cordon/signin");
		return;
	}
	page = missing(&s, &se, &p);
	if (page == needs_attest)
		attest(&s);
	else if (page)
		go_flow(&s, page);
	else if (!s.has_browser)
		go_begin(&s);
	else
		go_callback(&s, &se);
}

/* ---- callback ---- */

/* A callback that waits until the gateway knows the session. */
struct callback {
	struct cd_call *call;
	struct cd_secret *token;
	struct cd_buf to;
	int64_t life;
};

static void callback_free(struct callback *c)
{
	cd_secret_free(&c->token);
	cd_buf_done(&c->to);
	free(c);
}

static struct cd_http_answer *retry_page(const struct callback *c)
{
	struct cd_http_answer *a;
	struct cd_buf b;

	cd_buf_init(&b, CD_PAGE_MAX);
	cd_html_begin(&b, "One moment");
	cd_html(&b,
		"<meta http-equiv=\"refresh\" content=\"2;url=%S\">\n"
		"<p>You are signed in, but the gateway has not heard of it "
		"yet.</p>\n<p><a href=\"%S\">Try again</a></p>\n",
		cd_buf_get(&c->to), cd_buf_get(&c->to));
	a = cd_page_answer(503, &b);
	if (a)
		cd_http_answer_header(a, "Retry-After", "2");
	return a;
}

static void callback_done(void *arg, bool acknowledged)
{
	struct callback *c = arg;
	struct cd_http_answer *a;

	if (!acknowledged)
		CD_LOG_WARN("SIGN_IN_NOT_ACKNOWLEDGED",
			    cd_log_z("agent", c->call->ctl->opt.gateway_agent));
	a = acknowledged ? cd_page_redirect(cd_buf_get(&c->to)) : retry_page(c);
	if (a) {
		cd_page_cookie(a, CD_COOKIE_APP, cd_secret_reveal(c->token),
			       c->life);
		cd_page_cookie(a, CD_COOKIE_STATE, CD_STR(""), -1);
	}
	cd_page_send(c->call, a);
	callback_free(c);
}

/* Uses the code up, whoever brings it: a code that came to another browser or
 * app than it was for is known to somebody, and good for nobody any more. The
 * person session's id and the target. */
static int use_code(struct cd_call *call, const struct cd_app *app,
		    int64_t *ret_parent, struct cd_buf *to)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_str code = cd_str_from(cd_http_query(call->req, "code"));
	uint8_t key[CD_TOKEN_KEY], browser[CD_TOKEN_KEY] = {0};
	struct cd_str cookie;
	int r;

	if (cd_token_key(code, key) < 0)
		return CD_E_NOTFOUND;
	if (cd_http_cookie(call->req, CD_COOKIE_STATE, &cookie) &&
	    cd_token_key(cookie, browser) < 0)
		memset(browser, 0, sizeof(browser)); /* nobody's */
	r = cd_query_start(&q, call->ctl->store,
			   "DELETE FROM code WHERE key = ?1 RETURNING session,"
			   " target, browser = ?2 AND app = ?3"
			   " AND expires > ?4",
			   "bbsi", cd_str_make(key, sizeof(key)),
			   cd_str_make(browser, sizeof(browser)), app->name,
			   cd_now());
	r = cd_query_one(&q, r);
	if (r < 0)
		return r;
	if (!cd_query_int(&q, 2))
		return CD_E_NOTFOUND;
	*ret_parent = cd_query_int(&q, 0);
	cd_buf_str(to, cd_target_or_root(cd_query_str(&q, 1)));
	return to->err;
}

/* A session of the same app that this browser had before. */
static int end_previous(struct cd_call *call, const struct cd_app *app)
{
	struct cd_session_filter f = {0};
	struct cd_session old;
	struct cd_str token;

	if (!cd_http_cookie(call->req, CD_COOKIE_APP, &token) ||
	    cd_session_by_token(call->ctl, token, &old) < 0 ||
	    old.kind != CD_SESSION_APP ||
	    !cd_str_equal(cd_str_from(old.app), app->name))
		return 0;
	f.id = old.id;
	return cd_sessions_end(call->ctl, &f, CD_END_REPLACED, NULL);
}

static int make_app_session(struct callback *c, const struct cd_app *app,
			    int64_t parent)
{
	struct cd_ctl *ctl = c->call->ctl;
	struct cd_session s;
	struct cd_person p;
	int64_t now = cd_now();
	int r = cd_session_by_id(ctl, parent, &s);

	if (!r)
		r = cd_person_by_id(ctl, s.person, &p);
	if (r < 0)
		return r;
	if (p.disabled || s.expires <= now || app->name.len > CD_APP_NAME_MAX)
		return CD_E_NOTFOUND;
	s.kind = CD_SESSION_APP;
	s.parent = parent;
	s.created = now;
	s.seen = now;
	s.trace = cd_page_trace(c->call);
	snprintf(s.app, sizeof(s.app), "%.*s", CD_STR_FMT(app->name));
	snprintf(s.addr, sizeof(s.addr), "%.*s",
		 CD_STR_FMT(cd_page_addr(c->call)));
	c->life = s.expires - now;
	r = cd_session_create(ctl, &s, &c->token);
	return r < 0 ? r : cd_session_seen(ctl, parent, now);
}

static int open_app(struct callback *c, const struct cd_app *app)
{
	int64_t parent = 0;
	int r = cd_ctl_begin(c->call->ctl);

	if (r < 0)
		return r;
	r = use_code(c->call, app, &parent, &c->to);
	if (r == CD_E_NOTFOUND) {
		int end = cd_ctl_end(c->call->ctl, 0); /* the code is gone */

		return end < 0 ? end : r;
	}
	if (!r)
		r = end_previous(c->call, app);
	if (!r)
		r = make_app_session(c, app, parent);
	return cd_ctl_end(c->call->ctl, r);
}

void answer_page_callback(struct cd_call *call)
{
	struct callback *c;
	struct cd_app app;
	int r;

	if (!cd_page_app_of_host(call, &app)) {
		cd_page_error(call, 404, "There is no such app",
			      "No app of the policy has this name.");
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		cd_page_fail(call, -ENOMEM);
		return;
	}
	c->call = call;
	cd_buf_init(&c->to, CD_TARGET_MAX + 1);
	r = open_app(c, &app);
	if (!r) {
		cd_stream_await(call->ctl, cd_stream_last(call->ctl),
				callback_done, c);
		return;
	}
	callback_free(c);
	if (r == CD_E_NOTFOUND)
		cd_page_error(call, 403, "This sign-in was interrupted",
			      "It took too long, was finished already, or "
			      "began in another browser. Open the app again.");
	else
		cd_page_fail(call, r);
}

/* ---- denied ---- */

static const char *header(const struct cd_call *call, const char *name)
{
	const char *value = cd_http_header(call->req, name);

	return value ? value : "";
}

static const char *reason_text(const char *name)
{
	unsigned int i;

	for (i = 0; i < CD_REASON_COUNT; i++)
		if (!strcmp(cd_reason_name(i), name))
			return cd_reason_text(i);
	return "this request was refused";
}

/* What a person can do: by verdict, then by the checks that failed. */
static const char *advice(const struct cd_call *call)
{
	const char *verdict = header(call, "X-Cordon-Verdict");
	const char *failed = header(call, "X-Cordon-Failed");

	if (!strcmp(verdict, "request"))
		return "Somebody else has to approve this. Ask your "
		       "administrator who can.";
	if (strstr(failed, "device."))
		return "This device does not meet what the app asks of "
		       "devices. Use one that is managed, or bring it up to "
		       "date; then try again.";
	if (strstr(failed, "mfa.") || strstr(failed, "session."))
		return "Sign out and in again with your second factor, then "
		       "try again.";
	if (strstr(failed, "time"))
		return "This is allowed at other times only.";
	if (strstr(failed, "geo.") || strstr(failed, "src."))
		return "This is not allowed from the network you are on.";
	return "If you need this for your work, ask your administrator, and "
	       "give them the number below.";
}

static void put_fact(struct cd_buf *b, const char *name, const char *value)
{
	if (*value)
		cd_html(b, "<dt>%s</dt><dd><code>%s</code></dd>\n", name,
			value);
}

void answer_page_denied(struct cd_call *call)
{
	struct cd_buf b;

	cd_buf_init(&b, CD_PAGE_MAX);
	cd_html_begin(&b, "Not allowed");
	cd_html(&b, "<p>You cannot open this: %s.</p>\n<p>%s</p>\n",
		reason_text(header(call, "X-Cordon-Reason")), advice(call));
	cd_html(&b, "<dl>\n");
	put_fact(&b, "App", header(call, "X-Cordon-App"));
	put_fact(&b, "Rule", header(call, "X-Cordon-Rule"));
	put_fact(&b, "Checks that failed", header(call, "X-Cordon-Failed"));
	put_fact(&b, "Reason", header(call, "X-Cordon-Reason"));
	put_fact(&b, "Number", header(call, "X-Cordon-Trace"));
	cd_html(&b, "</dl>\n<p><a href=\"%s/\">Start page</a></p>\n",
		call->ctl->opt.auth_url);
	cd_page_reply(call, 403, &b);
}
