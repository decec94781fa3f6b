/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two addresses a browser meets. What the provider sent is never shown:
 * people get one of a few texts, the log gets the reason.
 *
 * A browser that is signed in already and comes here wants a fresh proof, be
 * it for a rule on mfa.age or on session.age: the provider is told so
 * (prompt=login, max_age=0) and its word on when the person proved themselves
 * (auth_time) is held against when we asked. Otherwise a provider that
 * silently reuses its own session would turn every step-up into a formality.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/audit.h"
#include "controller/note.h"
#include "controller/oidc.h"
#include "controller/page_signin.h"
#include "controller/throttle.h"
#include "sys/log.h"

enum {
	FACTOR_TOTP = 2, /* CD_T_FACTOR from which mfa.age counts */
	CODE_MAX = 4096, /* characters of a code */
};

/* ---- what people are told ---- */

enum trouble {
	T_NOT_CONFIGURED,
	T_AWAY,
	T_BUSY,
	T_STATE,
	T_REFUSED,
	T_ANSWER,
	T_TOO_OLD,
	T_NO_FACTOR,
	T_NO_ACCOUNT,
	T_OTHER_PERSON,
};

static const struct {
	unsigned int status;
	const char *name, *title, *text;
} troubles[] = {
	[T_NOT_CONFIGURED] = {404, "NOT_CONFIGURED", "There is no such page",
			      "This Cordon has no identity provider."},
	[T_AWAY] = {502, "PROVIDER_AWAY", "The identity provider is away",
		    "It did not answer as it should. Try again in a minute."},
	[T_BUSY] = {503, "BUSY", "Please try again",
		    "Too many people are signing in from here just now."},
	[T_STATE] = {403, "STATE", "This sign-in was interrupted",
		     "It took too long, was finished already, or began in "
		     "another browser. Begin again."},
	[T_REFUSED] = {403, "REFUSED", "You were not signed in",
		       "The identity provider did not sign you in."},
	[T_ANSWER] = {403, "ANSWER", "You were not signed in",
		      "The identity provider's answer could not be verified. "
		      "Begin again; if it stays so, tell your administrator."},
	[T_TOO_OLD] = {403, "TOO_OLD", "A fresh sign-in is needed",
		       "The identity provider did not ask you again who you "
		       "are. Sign out there, then try again."},
	[T_NO_FACTOR] = {403, "NO_FACTOR", "A second factor is needed",
			 "The identity provider did not confirm a second "
			 "factor. Enrol one there, then try again."},
	[T_NO_ACCOUNT] = {403, "NO_ACCOUNT", "You have no account here",
			  "The identity provider knows you, but there is no "
			  "account here that is linked to you. Ask your "
			  "administrator."},
	[T_OTHER_PERSON] = {403, "OTHER_PERSON", "That was somebody else",
			    "You are signed in here as another person than at "
			    "the identity provider. Sign out first."},
};

static void tell(struct cd_call *call, enum trouble t, const char *detail)
{
	CD_LOG_INFO("OIDC_SIGN_IN_REFUSED", cd_log_z("why", troubles[t].name),
		    cd_log_z("detail", detail),
		    cd_log_str("addr", cd_page_addr(call)));
	cd_page_error(call, troubles[t].status, troubles[t].title,
		      troubles[t].text);
}

static struct cd_oidc *oidc_of(const struct cd_call *call)
{
	return call->ctl->oidc;
}

/* ---- start ---- */

struct start {
	struct cd_call *call;
	bool stepup;
};

static int browser_token(struct cd_call *call, struct cd_secret **ret_token)
{
	uint8_t key[CD_TOKEN_KEY];
	struct cd_str old;

	if (cd_http_cookie(call->req, CD_COOKIE_OIDC, &old) &&
	    !cd_token_key(old, key))
		return cd_secret_from(old, ret_token);
	return cd_token_new(ret_token, key);
}

static int begin(const struct start *s, struct cd_str browser,
		 struct cd_secret **ret_state,
		 const struct cd_oidc_flow **ret_flow)
{
	struct cd_http_req *req = s->call->req;
	struct cd_oidc_begin b = {
		.browser = browser,
		.addr = cd_page_addr(s->call),
		.app = cd_str_from(cd_http_query(req, "app")),
		.to = cd_target_or_root(cd_str_from(cd_http_query(req, "to"))),
		.now = cd_now(),
	};
	struct cd_session session;
	struct cd_person person;

	b.fresh = cd_page_person(s->call, &session, &person);
	if (b.fresh && s->stepup) {
		b.session = session.id;
		b.person = person.id;
	}
	return cd_oidc_flow_begin(oidc_of(s->call)->flows, &b, ret_state,
				  ret_flow);
}

/* OpenID Connect Core 3.1.2.1 and RFC 7636 section 4.3. */
static void put_request(const struct cd_oidc *o, const struct cd_oidc_flow *f,
			struct cd_str state, const char *auth_url,
			struct cd_buf *url)
{
	const char *to =
		cd_oidc_provider_meta(o->provider)->authorization_endpoint;
	struct cd_buf text cd_auto(cd_buf_done);

	cd_buf_init(&text, CD_OIDC_URL_MAX);
	cd_buf_puts(url, to);
	cd_buf_char(url, strchr(to, '?') ? '&' : '?');
	cd_oidc_form_put(url, "response_type", CD_STR("code"));
	cd_oidc_form_put(url, "client_id", cd_str_from(o->conf.oidc_client_id));
	cd_buf_printf(&text, "%s/.cordon/oidc/callback", auth_url);
	cd_oidc_form_put(url, "redirect_uri", cd_buf_get(&text));
	cd_oidc_form_put(url, "scope", cd_str_from(o->conf.oidc_scopes));
	cd_oidc_form_put(url, "state", state);
	cd_oidc_form_put(url, "nonce", cd_secret_reveal(f->nonce));
	cd_buf_clear(&text);
	cd_oidc_challenge(f, &text);
	cd_oidc_form_put(url, "code_challenge", cd_buf_get(&text));
	cd_oidc_form_put(url, "code_challenge_method", CD_STR("S256"));
	cd_buf_clear(&text);
	cd_buf_printf(&text, "%lld",
		      f->fresh ? 0LL : (long long)o->conf.oidc_max_age);
	cd_oidc_form_put(url, "max_age", cd_buf_get(&text));
	if (f->fresh)
		cd_oidc_form_put(url, "prompt", CD_STR("login"));
}

static void send_away(struct start *s)
{
	struct cd_secret *browser cd_auto(cd_secret_free) = NULL;
	struct cd_secret *state cd_auto(cd_secret_free) = NULL;
	const struct cd_oidc_flow *flow = NULL;
	struct cd_http_answer *a;
	struct cd_buf url;
	int r = browser_token(s->call, &browser);

	if (!r)
		r = begin(s, cd_secret_reveal(browser), &state, &flow);
	if (r < 0) {
		tell(s->call, T_BUSY, cd_strerror(r));
		return;
	}
	cd_buf_init(&url, 8 * CD_OIDC_URL_MAX);
	put_request(oidc_of(s->call), flow, cd_secret_reveal(state),
		    s->call->ctl->opt.auth_url, &url);
	a = url.err ? NULL : cd_page_redirect(cd_buf_get(&url));
	if (a)
		cd_page_cookie(a, CD_COOKIE_OIDC, cd_secret_reveal(browser),
			       CD_OIDC_FLOW_LIFE);
	cd_page_send(s->call, a);
	cd_buf_wipe(&url);
}

static void start_ready(void *arg, int err)
{
	struct start *s = arg;

	if (err)
		tell(s->call, err == -EAGAIN ? T_BUSY : T_AWAY,
		     cd_strerror(err));
	else
		send_away(s);
	free(s);
}

void answer_oidc_start(struct cd_call *call)
{
	const char *need = cd_http_query(call->req, "need");
	struct start *s;

	if (!cd_page_on_auth_host(call))
		return;
	if (!oidc_of(call)) {
		tell(call, T_NOT_CONFIGURED, "");
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		cd_page_fail(call, -ENOMEM);
		return;
	}
	*s = (struct start){call, need && !strcmp(need, "stepup")};
	cd_oidc_provider_ready(oidc_of(call)->provider, false, start_ready, s);
}

/* ---- callback ---- */

struct back {
	struct cd_call *call;
	struct cd_oidc_flow *flow;
	struct cd_buf token;
	bool refetched; /* the key set, for this token */
};

static void back_free(struct back *b)
{
	cd_oidc_flow_free(&b->flow);
	cd_buf_wipe(&b->token);
	free(b);
}

/* Into the journal go refusals of sign-ins that we began: a callback out of
 * nowhere is anybody's to send, as often as they like. */
static void note_refusal(const struct back *b, enum trouble t,
			 const char *detail)
{
	char text[128];
	struct cd_note n = {
		.event_class = CD_EVENT_SIGNIN_FAILED,
		.action = CD_STR("oidc"),
		.app = cd_str_from(b->flow->app),
		.addr = cd_page_addr(b->call),
		.trace = cd_page_trace(b->call),
		.failed = true,
	};

	snprintf(text, sizeof(text), "%s%s%s", troubles[t].name,
		 *detail ? ": " : "", detail);
	n.detail = cd_str_from(text);
	cd_note(b->call->ctl, &n);
}

static void back_tell(struct back *b, enum trouble t, const char *detail)
{
	if (b->flow)
		note_refusal(b, t, detail);
	tell(b->call, t, detail);
	back_free(b);
}

/* A step-up is of the session that asked, by the person whose it is. */
static int step_up(struct back *b, const struct cd_person *p,
		   const struct cd_oidc_claims *c, struct cd_secret **ret_token)
{
	struct cd_ctl *ctl = b->call->ctl;
	struct cd_session s;
	int r;

	if (p->id != b->flow->person)
		return -EXDEV;
	r = cd_session_by_id(ctl, b->flow->session, &s);
	if (!r && (s.person != p->id || s.expires <= cd_now()))
		r = CD_E_NOTFOUND;
	if (!r)
		r = cd_session_stepped_up(ctl, s.id,
					  CD_MIN(c->auth_time, cd_now()),
					  c->factor, ret_token);
	if (!r)
		r = cd_audit_page(b->call, p->name, "stepup", CD_STR("session"),
				  s.id);
	return r;
}

/* One transaction: the person as the provider knows them, and the session. */
static int settle(struct back *b, const struct cd_oidc_claims *c,
		  struct cd_secret **ret_token)
{
	const struct cd_conf *conf = &oidc_of(b->call)->conf;
	struct cd_ctl *ctl = b->call->ctl;
	struct cd_person p;
	bool again = b->flow->session != 0;
	int r = cd_ctl_begin(ctl);

	if (r < 0)
		return r;
	r = cd_oidc_person(ctl, cd_str_from(conf->oidc_issuer), c,
			   conf->oidc_create && !again, &p);
	if (!r && again)
		r = step_up(b, &p, c, ret_token);
	else if (!r)
		r = cd_person_sign_in_at(b->call, &p, c->factor,
					 CD_MIN(c->auth_time, cd_now()),
					 ret_token);
	return cd_ctl_end(ctl, r);
}

static void settle_failed(struct back *b, int r)
{
	switch (r) {
	case CD_E_NOTFOUND:
		back_tell(b, b->flow->session ? T_OTHER_PERSON : T_NO_ACCOUNT,
			  "unknown");
		return;
	case CD_E_DENIED:
		back_tell(b, T_NO_ACCOUNT, "disabled");
		return;
	case -EEXIST:
		back_tell(b, T_NO_ACCOUNT, "name taken");
		return;
	case -EINVAL:
		back_tell(b, T_NO_ACCOUNT, "no usable name claim");
		return;
	case -EXDEV:
		back_tell(b, T_OTHER_PERSON, "");
		return;
	default:
		cd_page_fail(b->call, r);
		back_free(b);
	}
}

static void forgive(struct cd_call *call)
{
	struct cd_str browser;

	if (cd_http_cookie(call->req, CD_COOKIE_OIDC, &browser))
		cd_throttle_forgive(call->ctl->throttle, browser,
				    cd_page_addr(call));
}

static void accept(struct back *b, const struct cd_oidc_claims *c)
{
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	struct cd_http_answer *a;
	int r;

	if (c->ignored)
		CD_LOG_WARN("OIDC_GROUPS_IGNORED", cd_log_z("sub", c->sub),
			    cd_log_num("groups", (int64_t)c->ignored));
	if (b->flow->session && c->factor < FACTOR_TOTP) {
		back_tell(b, T_NO_FACTOR, "");
		return;
	}
	r = settle(b, c, &token);
	if (r < 0) {
		settle_failed(b, r);
		return;
	}
	forgive(b->call);
	a = cd_page_onward(cd_str_from(b->flow->app), cd_str_from(b->flow->to));
	if (a && token)
		cd_page_cookie(a, CD_COOKIE_AUTH, cd_secret_reveal(token), 0);
	cd_page_send(b->call, a);
	back_free(b);
}

static void check(struct back *b);

static void keys_came(void *arg, int err)
{
	struct back *b = arg;

	if (err)
		back_tell(b, T_ANSWER, "unknown key");
	else
		check(b);
}

static void check(struct back *b)
{
	const struct cd_oidc *o = oidc_of(b->call);
	struct cd_oidc_expect e = {
		.issuer = cd_str_from(o->conf.oidc_issuer),
		.client_id = cd_str_from(o->conf.oidc_client_id),
		.nonce = cd_secret_reveal(b->flow->nonce),
		.now = cd_now(),
		.begun = b->flow->begun,
		.max_age = b->flow->fresh ? 0 : o->conf.oidc_max_age,
	};
	const struct cd_oidc_names names = {
		cd_str_from(o->conf.oidc_name_claim),
		cd_str_from(o->conf.oidc_groups_claim)};
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};
	enum cd_oidc_verdict v;

	v = cd_oidc_token_check(cd_buf_get(&b->token),
				cd_oidc_provider_keys(o->provider), &e, &names,
				&c);
	if (v == CD_OIDC_UNKNOWN_KEY && !b->refetched) {
		b->refetched = true;
		cd_oidc_provider_ready(o->provider, true, keys_came, b);
		return;
	}
	if (v == CD_OIDC_FINE)
		accept(b, &c);
	else
		back_tell(b, v == CD_OIDC_TOO_OLD ? T_TOO_OLD : T_ANSWER,
			  cd_oidc_verdict_name(v));
}

static void keys_there(void *arg, int err)
{
	struct back *b = arg;

	if (err)
		back_tell(b, T_AWAY, cd_strerror(err));
	else
		check(b);
}

static void redeemed(void *arg, int err, struct cd_str id_token)
{
	struct back *b = arg;

	if (err) {
		back_tell(b,
			  err == CD_E_DENIED ? T_ANSWER :
			  err == -EAGAIN     ? T_BUSY :
					       T_AWAY,
			  cd_strerror(err));
		return;
	}
	cd_buf_str(&b->token, id_token);
	cd_oidc_provider_ready(oidc_of(b->call)->provider, false, keys_there,
			       b);
}

/* RFC 9207: an answer names its issuer, when the provider says that it does;
 * one that names another is never looked at. */
static bool issuer_fits(const struct cd_call *call)
{
	const struct cd_oidc *o = oidc_of(call);
	const char *iss = cd_http_query(call->req, "iss");

	if (!iss)
		return !cd_oidc_provider_meta(o->provider)->iss_parameter;
	return !strcmp(iss, o->conf.oidc_issuer);
}

static bool code_fits(struct cd_str code)
{
	size_t i;

	for (i = 0; i < code.len; i++)
		if (code.ptr[i] <= ' ' || code.ptr[i] >= 0x7f)
			return false;
	return code.len && code.len <= CODE_MAX;
}

/* Each answer that we have redeemed costs the provider a request, and a
 * stranger can send as many as they like: those that came to nothing count. */
static void redeem(struct back *b, struct cd_str code, struct cd_str browser)
{
	if (cd_page_throttled(b->call, browser))
		back_free(b);
	else
		cd_oidc_provider_redeem(oidc_of(b->call)->provider, code,
					b->flow->verifier, redeemed, b);
}

static void look(struct back *b)
{
	struct cd_http_req *req = b->call->req;
	struct cd_str code = cd_str_from(cd_http_query(req, "code"));
	const char *error = cd_http_query(req, "error");
	struct cd_str browser = CD_STR_NULL;
	char quoted[80];
	int r;

	cd_http_cookie(req, CD_COOKIE_OIDC, &browser);
	r = cd_oidc_flow_take(oidc_of(b->call)->flows,
			      cd_str_from(cd_http_query(req, "state")), browser,
			      cd_now(), &b->flow);
	if (r < 0)
		back_tell(b, T_STATE, cd_strerror(r));
	else if (!issuer_fits(b->call))
		back_tell(b, T_ANSWER, "another issuer");
	else if (error)
		back_tell(b, T_REFUSED,
			  cd_quote(cd_str_from(error), quoted, sizeof(quoted)));
	else if (!code_fits(code))
		back_tell(b, T_ANSWER, "no code");
	else
		redeem(b, code, browser);
}

void answer_oidc_callback(struct cd_call *call)
{
	struct back *b;

	if (!cd_page_on_auth_host(call))
		return;
	if (!oidc_of(call)) {
		tell(call, T_NOT_CONFIGURED, "");
		return;
	}
	b = calloc(1, sizeof(*b));
	if (!b) {
		cd_page_fail(call, -ENOMEM);
		return;
	}
	b->call = call;
	cd_buf_init(&b->token, CD_JWT_MAX);
	look(b);
}
