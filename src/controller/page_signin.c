/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing in, proving the second factor again, signing out.
 *
 * A sign-in tells nothing but "right" or "wrong": an unknown name, a wrong
 * password, a wrong or used code and a disabled person get the same answer
 * after the same work. The password is hashed in a worker thread; the
 * second factor is judged by the key broker, which alone can open it.
 */
#include "controller/page_signin.h"

#include <stdio.h>
#include <stdlib.h>

#include "controller/audit.h"
#include "controller/clock.h"
#include "controller/device.h"
#include "controller/keys_client.h"
#include "controller/note.h"
#include "controller/oidc.h"
#include "controller/page_login.h"
#include "controller/stream.h"
#include "controller/throttle.h"
#include "controller/work.h"
#include "sys/log.h"
#include "sys/store.h"

enum { FACTOR_PASSWORD = 1, FACTOR_TOTP = 2 };

/* ---- where to go afterwards ---- */

/* "?app=…&to=…" of the flow, or nothing. */
static void put_flow(struct cd_buf *out, struct cd_str app, struct cd_str to)
{
	if (!app.len && cd_login_is_target(to)) {
		cd_buf_puts(out, "?to=");
		cd_buf_url(out, to);
	}
	if (!app.len)
		return;
	cd_buf_puts(out, "?app=");
	cd_buf_url(out, app);
	cd_buf_puts(out, "&to=");
	cd_buf_url(out, cd_target_or_root(to));
}

static void put_flow_fields(struct cd_buf *b, struct cd_str app,
			    struct cd_str to)
{
	if (!app.len && cd_login_is_target(to))
		cd_html(b, "<input type=\"hidden\" name=\"to\" value=\"%S\">\n",
			to);
	else if (app.len)
		cd_html(b,
			"<input type=\"hidden\" name=\"app\" value=\"%S\">\n"
			"<input type=\"hidden\" name=\"to\" value=\"%S\">\n",
			app, cd_target_or_root(to));
}

struct cd_http_answer *cd_page_onward(struct cd_str app, struct cd_str to)
{
	struct cd_http_answer *a;
	struct cd_buf url, b;

	if (!app.len)
		return cd_page_redirect(cd_login_is_target(to) ? to :
								 CD_STR("/"));
	cd_buf_init(&url, 4 * CD_TARGET_MAX);
	cd_buf_puts(&url, "/.cordon/start");
	put_flow(&url, app, to);
	cd_buf_init(&b, CD_PAGE_MAX);
	cd_html_begin(&b, "Signed in");
	/* Not a redirect: form-action covers all redirects that follow a
	 * form, and the app's host is not this one. */
	cd_html(&b,
		"<meta http-equiv=\"refresh\" content=\"0;url=%S\">\n"
		"<p><a href=\"%S\">Continue to %S</a></p>\n",
		cd_buf_get(&url), cd_buf_get(&url), app);
	a = cd_page_answer(200, &b);
	cd_buf_done(&url);
	return a;
}

/* A link, not a form: form-action would stop the way to the provider. */
static void put_provider(struct cd_buf *b, const struct cd_ctl *ctl,
			 struct cd_str app, struct cd_str to)
{
	const char *title = cd_oidc_title(ctl);
	struct cd_buf url;

	if (!title)
		return;
	cd_buf_init(&url, 4 * CD_TARGET_MAX);
	cd_buf_puts(&url, "/.cordon/oidc/start");
	put_flow(&url, app, to);
	cd_html(b,
		"<p><a class=\"button\" href=\"%S\">Sign in with %s</a></p>\n",
		cd_buf_get(&url), title);
	cd_buf_done(&url);
}

/* ---- the form ---- */

static void signin_form(struct cd_call *call, unsigned int status,
			const char *error, const char *user, struct cd_str app,
			struct cd_str to)
{
	struct cd_csrf csrf;
	struct cd_buf b;

	if (!cd_page_form_begin(call, "Sign in", error, &csrf, &b))
		return;
	cd_html(&b,
		"<form method=\"post\" action=\"/.cordon/signin\">\n"
		"<label for=\"user\">Name</label>\n"
		"<input id=\"user\" name=\"user\" value=\"%s\" required"
		" autocomplete=\"username\" autocapitalize=\"none\""
		" spellcheck=\"false\">\n"
		"<label for=\"password\">Password</label>\n"
		"<input id=\"password\" name=\"password\" type=\"password\""
		" required autocomplete=\"current-password\">\n"
		"<label for=\"code\">Code from your authenticator</label>\n"
		"<input id=\"code\" name=\"code\" inputmode=\"numeric\""
		" autocomplete=\"one-time-code\" maxlength=\"6\">\n",
		user);
	cd_csrf_put(&csrf, &b);
	put_flow_fields(&b, app, to);
	cd_html(&b, "<button>Sign in</button>\n</form>\n");
	put_provider(&b, call->ctl, app, to);
	cd_page_form_send(call, status, &csrf, &b);
}

void answer_page_signin(struct cd_call *call)
{
	const char *app = cd_http_query(call->req, "app");
	const char *to = cd_http_query(call->req, "to");

	if (cd_page_on_auth_host(call))
		signin_form(call, 200, NULL, "", cd_str_from(app),
			    cd_str_from(to));
}

/* ---- an attempt ---- */

struct attempt {
	struct cd_call *call;
	struct cd_form form;
	struct cd_secret *password;
	struct cd_person person;
	bool known; /* the name exists */
	struct cd_password_cost cost; /* of hashes made now */
	int verdict; /* of the password */
	char *hash; /* a new one, where the old has another cost */
	uint64_t step; /* of the code; 0: none was needed */
};

static void attempt_free(struct attempt *t)
{
	cd_form_done(&t->form);
	cd_secret_free(&t->password);
	free(t->hash);
	cd_wipe(t->person.password, sizeof(t->person.password));
	free(t);
}

static struct cd_str field(const struct attempt *t, const char *name)
{
	return cd_str_from(cd_form_get(&t->form, name));
}

static void refuse(struct attempt *t)
{
	struct cd_note n = {
		.event_class = CD_EVENT_SIGNIN_FAILED,
		.user = field(t, "user"),
		.app = field(t, "app"),
		.addr = cd_page_addr(t->call),
		.trace = cd_page_trace(t->call),
		.failed = true,
	};
	char quoted[100];

	cd_note(t->call->ctl, &n);
	CD_LOG_INFO("SIGN_IN_REFUSED",
		    cd_log_z("user", cd_quote(field(t, "user"), quoted,
					      sizeof(quoted))),
		    cd_log_str("addr", cd_page_addr(t->call)));
	signin_form(t->call, 403,
		    "That did not work. Check the name, the password and the "
		    "code; a code works once.",
		    cd_form_get(&t->form, "user"), field(t, "app"),
		    field(t, "to"));
}

static int ask_broker(struct cd_ctl *ctl, const struct cd_person *p,
		      struct cd_str code, uint64_t *ret_step)
{
	struct cd_buf sealed cd_auto(cd_buf_done);
	char context[32];
	int r;

	cd_buf_init(&sealed, 512);
	r = cd_person_totp(ctl, p->id, &sealed);
	if (r < 0)
		return r;
	return cd_keys_totp_verify(ctl->keys, cd_person_context(p->id, context),
				   cd_buf_get(&sealed), code,
				   (uint64_t)p->totp_step, ret_step);
}

/* The work of a look at a code, for nothing: the time that the broker takes
 * would say that the password was right, or who has a second factor. So would
 * another answer while the broker is away: CD_E_DENIED, or why it was not
 * asked. */
static int ask_in_vain(const struct attempt *t)
{
	static const char none[64]; /* as long as a sealed secret, about */
	struct cd_str code = field(t, "code");
	struct cd_ctl *ctl = t->call->ctl;
	struct cd_buf sealed cd_auto(cd_buf_done);
	uint64_t step;
	char context[32];
	int r;

	cd_buf_init(&sealed, 512);
	if (t->known && t->person.has_totp) {
		r = ask_broker(ctl, &t->person, code, &step);
	} else {
		cd_person_totp(ctl, 0, &sealed); /* finds nobody */
		r = cd_keys_totp_verify(ctl->keys,
					cd_person_context(0, context),
					cd_str_make(none, sizeof(none)), code,
					0, &step);
	}
	return r == -ENOTCONN || r == -ETIMEDOUT || r == -EAGAIN ||
			       r == -EPERM ?
		       r :
		       CD_E_DENIED;
}

/* Who has to wait is told what a wrong code is told, as late: more would say
 * that the password was right. */
int cd_check_code(struct cd_ctl *ctl, const struct cd_person *p,
		  struct cd_str code, uint64_t *ret_step)
{
	struct cd_str name = cd_str_from(p->name);
	int64_t wait = cd_throttle_code(ctl->throttle, name, cd_now());
	int r = ask_broker(ctl, p, code, ret_step);

	if (wait) {
		CD_LOG_WARN("CODES_HELD_BACK", cd_log_str("user", name),
			    cd_log_num("seconds", wait));
		return CD_E_DENIED;
	}
	if (!r)
		cd_throttle_code_forgive(ctl->throttle, name);
	return r;
}

/* A code is good once: the step is kept, and only ever grows. */
int cd_use_code(struct cd_ctl *ctl, int64_t person, uint64_t step)
{
	int64_t n = cd_store_run(ctl->store,
				 "UPDATE person SET totp_step = ?2"
				 " WHERE id = ?1 AND totp_step < ?2",
				 "ii", person, (int64_t)step);

	return n < 0 ? (int)n : n ? 0 : CD_E_DENIED;
}

int cd_person_sign_in(struct cd_call *call, const struct cd_person *p,
		      int64_t factor, struct cd_secret **ret_token)
{
	return cd_person_sign_in_at(call, p, factor, cd_now(), ret_token);
}

int cd_person_sign_in_at(struct cd_call *call, const struct cd_person *p,
			 int64_t factor, int64_t when,
			 struct cd_secret **ret_token)
{
	int64_t now = cd_now();
	struct cd_session s = {
		.kind = CD_SESSION_PERSON,
		.person = p->id,
		.created = now,
		.auth_time = when,
		.mfa_time = factor >= FACTOR_TOTP ? when : 0,
		.mfa_kind = factor,
		.seen = now,
		.idle = call->ctl->opt.session_idle,
		.expires = now + call->ctl->opt.session_max,
		.trace = cd_page_trace(call),
	};
	struct cd_session_filter old = {0};
	struct cd_session before;
	struct cd_person who;
	struct cd_str token;
	int r = 0;

	snprintf(s.addr, sizeof(s.addr), "%.*s",
		 CD_STR_FMT(cd_page_addr(call)));
	if (cd_http_cookie(call->req, CD_COOKIE_DEVICE, &token))
		cd_device_by_token(call->ctl, token, &s.device);
	if (cd_page_person(call, &before, &who)) {
		old.id = before.id;
		r = cd_sessions_end(call->ctl, &old, CD_END_REPLACED, NULL);
	}
	if (!r)
		r = cd_session_create(call->ctl, &s, ret_token);
	if (!r)
		r = cd_audit_page(call, p->name, "signin", cd_str_from(s.addr),
				  s.id);
	return r;
}

/* Not when somebody set another password meanwhile. */
static int keep_hash(struct attempt *t)
{
	int64_t n = cd_store_run(t->call->ctl->store,
				 "UPDATE person SET password = ?2"
				 " WHERE id = ?1 AND password = ?3",
				 "iss", t->person.id, cd_str_from(t->hash),
				 cd_str_from(t->person.password));

	return n < 0 ? (int)n : 0;
}

/* Everything was right: one transaction for the code and the session. */
static void sign_in(struct attempt *t)
{
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	struct cd_ctl *ctl = t->call->ctl;
	struct cd_http_answer *a;
	int r = cd_ctl_begin(ctl);

	if (!r) {
		if (t->step)
			r = cd_use_code(ctl, t->person.id, t->step);
		if (!r && t->hash)
			r = keep_hash(t);
		if (!r)
			r = cd_person_sign_in(t->call, &t->person,
					      t->step ? FACTOR_TOTP :
							FACTOR_PASSWORD,
					      &token);
		r = cd_ctl_end(ctl, r);
	}
	if (r == CD_E_DENIED) {
		refuse(t);
		return;
	}
	if (r < 0) {
		cd_page_fail(t->call, r);
		return;
	}
	cd_throttle_forgive(ctl->throttle, field(t, "user"),
			    cd_page_addr(t->call));
	a = cd_page_onward(field(t, "app"), field(t, "to"));
	if (a)
		cd_page_cookie(a, CD_COOKIE_AUTH, cd_secret_reveal(token), 0);
	cd_page_send(t->call, a);
}

static void attempt_done(void *arg)
{
	struct attempt *t = arg;
	int r = t->verdict;

	if (!r && (!t->known || t->person.disabled))
		r = CD_E_DENIED;
	if (!r && t->person.has_totp)
		r = cd_check_code(t->call->ctl, &t->person, field(t, "code"),
				  &t->step);
	else if (r == CD_E_DENIED)
		r = ask_in_vain(t);
	if (!r)
		sign_in(t);
	else if (r == CD_E_DENIED || r == CD_E_CORRUPT || r == -EINVAL)
		refuse(t);
	else
		cd_page_fail(t->call, r);
	attempt_free(t);
}

/* A changed cost reaches people at their next sign-in, when the password is
 * at hand. Without a new hash the old one stays good. */
static void attempt_run(void *arg)
{
	struct attempt *t = arg;
	struct cd_str hash = cd_str_from(t->known ? t->person.password : "");

	t->verdict = cd_password_verify(hash, &t->cost, t->password);
	if (!t->verdict && cd_password_is_outdated(hash, &t->cost) &&
	    cd_password_hash(t->password, &t->cost, &t->hash) < 0)
		t->hash = NULL;
}

static int attempt_start(struct attempt *t)
{
	struct cd_str user = field(t, "user");
	int r;

	t->cost = t->call->ctl->password_cost;
	t->verdict = -EAGAIN; /* unless it was looked at */
	r = cd_secret_from(field(t, "password"), &t->password);
	if (r < 0)
		return r;
	r = cd_person_get(t->call->ctl, user, &t->person);
	t->known = !r;
	if (r < 0 && r != CD_E_NOTFOUND)
		return r;
	return cd_work_submit(t->call->ctl->work, attempt_run, attempt_done, t);
}

bool cd_page_throttled(struct cd_call *call, struct cd_str account)
{
	int64_t wait = cd_throttle_try(call->ctl->throttle, account,
				       cd_page_addr(call), cd_steady());
	struct cd_http_answer *a;
	struct cd_buf b;
	char text[24];

	if (!wait)
		return false;
	cd_buf_init(&b, CD_PAGE_MAX);
	cd_html_begin(&b, "Too many attempts");
	cd_html(&b,
		"<p class=\"error\" role=\"alert\">Too many attempts from "
		"here. Try again in %d seconds.</p>\n",
		wait);
	cd_page_number(call, &b);
	cd_html(&b, "<p><a href=\"/.cordon/signin\">Back to sign-in</a></p>\n");
	a = cd_page_answer(429, &b);
	snprintf(text, sizeof(text), "%lld", (long long)wait);
	if (a)
		cd_http_answer_header(a, "Retry-After", text);
	cd_page_send(call, a);
	return true;
}

void answer_post_signin(struct cd_call *call)
{
	struct attempt *t;
	int r;

	if (!cd_page_on_auth_host(call))
		return;
	t = calloc(1, sizeof(*t));
	if (!t) {
		cd_page_fail(call, -ENOMEM);
		return;
	}
	t->call = call;
	if (!cd_page_form(call, &t->form) ||
	    cd_page_throttled(call, field(t, "user"))) {
		attempt_free(t);
		return;
	}
	r = attempt_start(t);
	if (r < 0) {
		attempt_free(t);
		cd_page_fail(call, r);
	}
}

/* ---- the second factor again ---- */

static void stepup_form(struct cd_call *call, const struct cd_person *p,
			unsigned int status, const char *error,
			struct cd_str app, struct cd_str to)
{
	struct cd_csrf csrf;
	struct cd_buf b;

	if (!cd_page_form_begin(call, "Confirm it is you", error, &csrf, &b))
		return;
	cd_html(&b,
		"<p>Signed in as <strong>%s</strong>. What you asked for needs "
		"a fresh proof.</p>\n"
		"<form method=\"post\" action=\"/.cordon/stepup\">\n"
		"<label for=\"code\">Code from your authenticator</label>\n"
		"<input id=\"code\" name=\"code\" inputmode=\"numeric\""
		" autocomplete=\"one-time-code\" maxlength=\"6\" required"
		" autofocus>\n",
		p->name);
	cd_csrf_put(&csrf, &b);
	put_flow_fields(&b, app, to);
	cd_html(&b, "<button>Confirm</button>\n</form>\n");
	cd_page_form_send(call, status, &csrf, &b);
}

/* Nobody is signed in: they sign in first, with both factors. */
static void go_signin(struct cd_call *call, struct cd_str app, struct cd_str to)
{
	struct cd_buf url;

	cd_buf_init(&url, 4 * CD_TARGET_MAX);
	cd_buf_puts(&url, "/.cordon/signin");
	put_flow(&url, app, to);
	cd_page_go(call, cd_buf_get(&url));
	cd_buf_done(&url);
}

/* Who has no code of ours proves themselves at the provider again. */
static void go_provider(struct cd_call *call, struct cd_str app,
			struct cd_str to)
{
	struct cd_buf url;

	cd_buf_init(&url, 4 * CD_TARGET_MAX);
	cd_buf_puts(&url, "/.cordon/oidc/start");
	put_flow(&url, app, to);
	cd_buf_puts(&url, app.len ? "&need=stepup" : "?need=stepup");
	cd_page_go(call, cd_buf_get(&url));
	cd_buf_done(&url);
}

void answer_page_stepup(struct cd_call *call)
{
	struct cd_str app = cd_str_from(cd_http_query(call->req, "app"));
	struct cd_str to = cd_str_from(cd_http_query(call->req, "to"));
	struct cd_session s;
	struct cd_person p;

	if (!cd_page_on_auth_host(call))
		return;
	if (!cd_page_person(call, &s, &p))
		go_signin(call, app, to);
	else if (!p.has_totp && cd_oidc_has_person(call->ctl, p.id))
		go_provider(call, app, to);
	else if (!p.has_totp)
		cd_page_error(call, 403, "You have no second factor",
			      "What you asked for needs one. Ask your "
			      "administrator for a set-up link.");
	else
		stepup_form(call, &p, 200, NULL, app, to);
}

static int step_up(struct cd_call *call, const struct cd_session *s,
		   const struct cd_person *p, uint64_t step,
		   struct cd_secret **ret_token)
{
	struct cd_ctl *ctl = call->ctl;
	int r = cd_ctl_begin(ctl);

	if (r < 0)
		return r;
	r = cd_use_code(ctl, p->id, step);
	if (!r)
		r = cd_session_stepped_up(ctl, s->id, cd_now(), FACTOR_TOTP,
					  ret_token);
	if (!r)
		r = cd_audit_page(call, p->name, "stepup", CD_STR("session"),
				  s->id);
	return cd_ctl_end(ctl, r);
}

static void stepup_refused(struct cd_call *call, const struct cd_session *s,
			   const struct cd_person *p, struct cd_str app,
			   struct cd_str to)
{
	struct cd_note n = {
		.event_class = CD_EVENT_STEP_UP,
		.actor = cd_str_from(p->name),
		.action = CD_STR("stepup"),
		.user = cd_str_from(p->name),
		.app = app,
		.addr = cd_page_addr(call),
		.trace = cd_page_trace(call),
		.session = s->id,
		.failed = true,
	};

	cd_note(call->ctl, &n);
	stepup_form(call, p, 403,
		    "That code did not work. A code works once; wait for the "
		    "next one.",
		    app, to);
}

static void stepped_up(struct cd_call *call, const struct cd_person *p,
		       struct cd_str token, struct cd_str app, struct cd_str to)
{
	struct cd_http_answer *a = cd_page_onward(app, to);

	cd_throttle_forgive(call->ctl->throttle, cd_str_from(p->name),
			    cd_page_addr(call));
	if (a)
		cd_page_cookie(a, CD_COOKIE_AUTH, token, 0);
	cd_page_send(call, a);
}

static void post_code(struct cd_call *call, const struct cd_form *form)
{
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	struct cd_str app = cd_str_from(cd_form_get(form, "app"));
	struct cd_str to = cd_str_from(cd_form_get(form, "to"));
	struct cd_session s;
	struct cd_person p;
	uint64_t step = 0;
	int r;

	if (!cd_page_person(call, &s, &p)) {
		go_signin(call, app, to);
		return;
	}
	if (cd_page_throttled(call, cd_str_from(p.name)))
		return;
	r = cd_check_code(call->ctl, &p, cd_str_from(cd_form_get(form, "code")),
			  &step);
	if (!r)
		r = step_up(call, &s, &p, step, &token);
	if (r == CD_E_DENIED || r == -EINVAL) {
		stepup_refused(call, &s, &p, app, to);
	} else if (r < 0) {
		cd_page_fail(call, r);
	} else {
		stepped_up(call, &p, cd_secret_reveal(token), app, to);
	}
}

void answer_post_stepup(struct cd_call *call)
{
	struct cd_form form;

	if (!cd_page_on_auth_host(call))
		return;
	if (cd_page_form(call, &form))
		post_code(call, &form);
	cd_form_done(&form);
}

/* ---- signing out ---- */

void answer_page_signout(struct cd_call *call)
{
	struct cd_csrf csrf;
	struct cd_buf b;

	if (!cd_page_on_auth_host(call))
		return;
	if (!cd_page_form_begin(call, "Sign out", NULL, &csrf, &b))
		return;
	cd_html(&b, "<p>This ends your session here and in every app that you "
		    "opened from this browser.</p>\n"
		    "<form method=\"post\" action=\"/.cordon/signout\">\n");
	cd_csrf_put(&csrf, &b);
	cd_html(&b, "<button>Sign out</button>\n</form>\n");
	cd_page_form_send(call, 200, &csrf, &b);
}

static int sign_out(struct cd_call *call)
{
	struct cd_session_filter f = {0};
	struct cd_session s;
	struct cd_person p;
	int r;

	if (!cd_page_person(call, &s, &p))
		return 0;
	f.id = s.id;
	r = cd_ctl_begin(call->ctl);
	if (r < 0)
		return r;
	r = cd_sessions_end(call->ctl, &f, CD_END_SIGNED_OUT, NULL);
	if (!r)
		r = cd_audit_page(call, p.name, "signout", CD_STR("session"),
				  s.id);
	return cd_ctl_end(call->ctl, r);
}

void answer_post_signout(struct cd_call *call)
{
	struct cd_http_answer *a;
	struct cd_form form;
	struct cd_buf b;
	int r;

	if (!cd_page_on_auth_host(call))
		return;
	if (cd_page_form(call, &form)) {
		r = sign_out(call);
		if (r < 0) {
			cd_page_fail(call, r);
		} else {
			cd_buf_init(&b, CD_PAGE_MAX);
			cd_html_begin(&b, "You are signed out");
			cd_html(&b, "<p><a href=\"/.cordon/signin\">Sign in "
				    "again</a></p>\n");
			a = cd_page_answer(200, &b);
			if (a)
				cd_page_cookie(a, CD_COOKIE_AUTH, CD_STR(""),
					       -1);
			cd_page_send(call, a);
		}
	}
	cd_form_done(&form);
}
