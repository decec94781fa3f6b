/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single-use links: a person chooses a password and enrols a second factor;
 * a browser is bound to a device.
 *
 * The new second factor is made when the form is shown and travels through it
 * sealed: nothing is stored before the link is redeemed, a link preview uses
 * nothing up, and a form with a mistake in it shows the same secret again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/audit.h"
#include "controller/device.h"
#include "controller/keys_client.h"
#include "controller/link.h"
#include "controller/page_signin.h"
#include "controller/work.h"
#include "sys/store.h"
#include "token/base64.h"

enum { FACTOR_TOTP = 2, DEVICE_COOKIE_LIFE = 400 * 86400 };

static void link_is_gone(struct cd_call *call)
{
	cd_page_error(call, 404, "This link does not work any more",
		      "It was used, replaced by a newer one, or is too old. "
		      "Ask your administrator for a new one.");
}

/* ---- the form ---- */

/* What the form carries of the second factor. */
struct enrolment {
	struct cd_str sealed; /* base64url */
	struct cd_str base32, uri;
};

static void put_enrolment(struct cd_buf *b, const struct enrolment *e)
{
	cd_html(b,
		"<h2>Second factor</h2>\n"
		"<p>Add this secret to an authenticator app, then type the "
		"code it shows.</p>\n"
		"<dl><dt>Secret</dt><dd><code id=\"secret\">%S</code></dd>\n"
		"<dt>Link for the app</dt><dd><a href=\"%S\"><code>%S</code>"
		"</a></dd></dl>\n"
		"<input type=\"hidden\" name=\"sealed\" value=\"%S\">\n"
		"<input type=\"hidden\" name=\"base32\" value=\"%S\">\n"
		"<input type=\"hidden\" name=\"uri\" value=\"%S\">\n"
		"<label for=\"code\">Code</label>\n"
		"<input id=\"code\" name=\"code\" inputmode=\"numeric\""
		" autocomplete=\"one-time-code\" maxlength=\"6\" required>\n",
		e->base32, e->uri, e->uri, e->sealed, e->base32, e->uri);
}

static void setup_form(struct cd_call *call, unsigned int status,
		       const char *error, const char *user, const char *token,
		       const struct enrolment *e)
{
	struct cd_csrf csrf;
	struct cd_buf b;

	if (!cd_page_form_begin(call, "Set up your account", error, &csrf, &b))
		return;
	cd_html(&b,
		"<p>Your sign-in name is <strong>%s</strong>.</p>\n"
		"<form method=\"post\" action=\"/.cordon/setup\">\n"
		"<input type=\"hidden\" name=\"user\" value=\"%s\""
		" autocomplete=\"username\">\n"
		"<label for=\"password\">New password</label>\n"
		"<input id=\"password\" name=\"password\" type=\"password\""
		" minlength=\"%d\" required autocomplete=\"new-password\""
		" aria-describedby=\"rule\">\n"
		"<p class=\"hint\" id=\"rule\">At least %d characters. A few "
		"words are easier to type than a short riddle.</p>\n"
		"<label for=\"again\">The same again</label>\n"
		"<input id=\"again\" name=\"again\" type=\"password\" required"
		" autocomplete=\"new-password\">\n"
		"<input type=\"hidden\" name=\"token\" value=\"%s\">\n",
		user, user, (int64_t)CD_PASSWORD_MIN, (int64_t)CD_PASSWORD_MIN,
		token);
	cd_csrf_put(&csrf, &b);
	put_enrolment(&b, e);
	cd_html(&b, "<button>Finish</button>\n</form>\n");
	cd_page_form_send(call, status, &csrf, &b);
}

/* A fresh secret for a form that is shown for the first time. */
static void fresh_form(struct cd_call *call, const struct cd_person *p,
		       const char *token)
{
	struct cd_secret *base32 cd_auto(cd_secret_free) = NULL;
	struct cd_secret *uri cd_auto(cd_secret_free) = NULL;
	struct cd_buf sealed cd_auto(cd_buf_done), text cd_auto(cd_buf_done);
	struct enrolment e;
	char context[32];
	int r;

	cd_buf_init(&sealed, 512);
	cd_buf_init(&text, 1024);
	r = cd_keys_totp_new(call->ctl->keys, cd_person_context(p->id, context),
			     CD_STR("Cordon"), cd_str_from(p->name), &sealed,
			     &base32, &uri);
	if (r < 0) {
		cd_page_fail(call, r);
		return;
	}
	cd_base64url_put(&text, sealed.data, sealed.len);
	e.sealed = cd_buf_get(&text);
	e.base32 = cd_secret_reveal(base32);
	e.uri = cd_secret_reveal(uri);
	setup_form(call, 200, NULL, p->name, token, &e);
}

/* The link of this address, not used up; *ret_id is what it is for. */
static int peek_link(struct cd_call *call, enum cd_link_kind kind,
		     int64_t *ret_id)
{
	return cd_link_peek(call->ctl->store, kind,
			    cd_str_from(cd_http_query(call->req, "token")),
			    cd_now(), ret_id);
}

static void link_failed(struct cd_call *call, int err)
{
	if (err == CD_E_NOTFOUND)
		link_is_gone(call);
	else
		cd_page_fail(call, err);
}

void answer_page_setup(struct cd_call *call)
{
	struct cd_person p;
	int64_t id = 0;
	int r;

	if (!cd_page_on_auth_host(call))
		return;
	r = peek_link(call, CD_LINK_SETUP, &id);
	if (!r)
		r = cd_person_by_id(call->ctl, id, &p);
	if (r < 0)
		link_failed(call, r);
	else
		fresh_form(call, &p, cd_http_query(call->req, "token"));
}

/* ---- redeeming ---- */

struct setup {
	struct cd_call *call;
	struct cd_form form;
	struct cd_person person;
	struct cd_secret *password;
	struct cd_password_cost cost;
	struct cd_buf sealed;
	char *hash;
	uint64_t step;
	int err;
};

static void setup_free(struct setup *s)
{
	cd_form_done(&s->form);
	cd_secret_free(&s->password);
	cd_buf_wipe(&s->sealed);
	free(s->hash);
	free(s);
}

static const char *get(const struct setup *s, const char *name)
{
	return cd_form_get(&s->form, name);
}

static void again(struct setup *s, const char *error)
{
	struct enrolment e = {
		cd_str_from(get(s, "sealed")),
		cd_str_from(get(s, "base32")),
		cd_str_from(get(s, "uri")),
	};

	/* What comes back is shown as text; a link must be what we made. */
	if (!cd_str_has_prefix(e.uri, CD_STR("otpauth://")))
		e.uri = CD_STR("");
	setup_form(s->call, 403, error, s->person.name, get(s, "token"), &e);
}

/* The link, the credentials and the session: all or nothing. */
static int redeem(struct setup *s, struct cd_secret **ret_token)
{
	struct cd_session_filter all = {.person = s->person.id};
	struct cd_ctl *ctl = s->call->ctl;
	int64_t id = 0;
	int r = cd_ctl_begin(ctl);

	if (r < 0)
		return r;
	r = cd_link_redeem(ctl->store, CD_LINK_SETUP,
			   cd_str_from(get(s, "token")), cd_now(), &id);
	if (!r && id != s->person.id)
		r = CD_E_NOTFOUND;
	if (!r)
		r = cd_person_set_credentials(ctl, id, cd_str_from(s->hash),
					      cd_buf_get(&s->sealed));
	if (!r)
		r = cd_use_code(ctl, id, s->step);
	if (!r)
		r = cd_sessions_end(ctl, &all, CD_END_REVOKED, NULL);
	if (!r)
		r = cd_person_publish(ctl, id);
	if (!r)
		r = cd_audit_page(s->call, s->person.name, "setup.redeem",
				  cd_str_from(s->person.name), 0);
	if (!r && !s->person.disabled)
		r = cd_person_sign_in(s->call, &s->person, FACTOR_TOTP,
				      ret_token);
	return cd_ctl_end(ctl, r);
}

static void setup_done(void *arg)
{
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	struct setup *s = arg;
	struct cd_http_answer *a;
	int r = s->err;

	if (!r)
		r = redeem(s, &token);
	if (r == CD_E_NOTFOUND) {
		link_is_gone(s->call);
	} else if (r < 0) {
		cd_page_fail(s->call, r);
	} else {
		a = cd_page_redirect(CD_STR("/"));
		if (a && token)
			cd_page_cookie(a, CD_COOKIE_AUTH,
				       cd_secret_reveal(token), 0);
		cd_page_send(s->call, a);
	}
	setup_free(s);
}

static void setup_run(void *arg)
{
	struct setup *s = arg;

	s->err = cd_password_hash(s->password, &s->cost, &s->hash);
}

/* The code proves that the secret arrived in the app. */
static int check_code(struct setup *s)
{
	char context[32];
	int r = cd_base64url_decode(cd_str_from(get(s, "sealed")), &s->sealed);

	if (r < 0)
		return r;
	return cd_keys_totp_verify(s->call->ctl->keys,
				   cd_person_context(s->person.id, context),
				   cd_buf_get(&s->sealed),
				   cd_str_from(get(s, "code")), 0, &s->step);
}

/* What is wrong with the passwords, or NULL. */
static const char *password_fault(const struct setup *s)
{
	size_t len = strlen(get(s, "password"));

	if (strcmp(get(s, "password"), get(s, "again")))
		return "The two passwords are not the same.";
	if (len < CD_PASSWORD_MIN)
		return "The password is too short.";
	if (len > CD_PASSWORD_MAX)
		return "The password is too long.";
	if (!strcmp(get(s, "password"), s->person.name))
		return "The password must not be your name.";
	return NULL;
}

/* 0: it goes on in a thread; CD_E_DENIED: an answer was given. */
static int setup_start(struct setup *s)
{
	const char *fault;
	int64_t id = 0;
	int r;

	r = cd_link_peek(s->call->ctl->store, CD_LINK_SETUP,
			 cd_str_from(get(s, "token")), cd_now(), &id);
	if (!r)
		r = cd_person_by_id(s->call->ctl, id, &s->person);
	if (r < 0)
		return r;
	fault = password_fault(s);
	if (!fault) {
		r = check_code(s);
		if (r == CD_E_DENIED || r == -EINVAL || r == CD_E_CORRUPT)
			fault = "The code did not fit the secret below. Check "
				"the clock of your phone.";
		else if (r < 0)
			return r;
	}
	if (fault) {
		again(s, fault);
		return CD_E_DENIED;
	}
	s->err = -EAGAIN;
	r = cd_secret_from(cd_str_from(get(s, "password")), &s->password);
	return r < 0 ? r :
		       cd_work_submit(s->call->ctl->work, setup_run, setup_done,
				      s);
}

void answer_post_setup(struct cd_call *call)
{
	struct setup *s;
	int r;

	if (!cd_page_on_auth_host(call))
		return;
	s = calloc(1, sizeof(*s));
	if (!s) {
		cd_page_fail(call, -ENOMEM);
		return;
	}
	s->call = call;
	s->cost = call->ctl->password_cost;
	cd_buf_init(&s->sealed, 512);
	if (!cd_page_form(call, &s->form) ||
	    cd_page_throttled(call, CD_STR("/setup"))) {
		setup_free(s);
		return;
	}
	r = setup_start(s);
	if (!r)
		return;
	if (r != CD_E_DENIED)
		link_failed(call, r);
	setup_free(s);
}

/* ---- devices ---- */

static void device_form(struct cd_call *call, const struct cd_device *d,
			const char *token)
{
	struct cd_csrf csrf;
	struct cd_buf b;

	if (!cd_page_form_begin(call, "Bind this browser", NULL, &csrf, &b))
		return;
	cd_html(&b,
		"<p>Sign-ins from this browser will count as coming from the "
		"device <strong>%s</strong>.</p>\n"
		"<form method=\"post\" action=\"/.cordon/device\">\n"
		"<input type=\"hidden\" name=\"token\" value=\"%s\">\n",
		d->name, token);
	cd_csrf_put(&csrf, &b);
	cd_html(&b, "<button>Bind it</button>\n</form>\n");
	cd_page_form_send(call, 200, &csrf, &b);
}

void answer_page_device(struct cd_call *call)
{
	struct cd_device d;
	int64_t id = 0;
	int r;

	if (!cd_page_on_auth_host(call))
		return;
	r = peek_link(call, CD_LINK_DEVICE, &id);
	if (!r)
		r = cd_device_by_id(call->ctl, id, &d);
	if (r < 0)
		link_failed(call, r);
	else
		device_form(call, &d, cd_http_query(call->req, "token"));
}

static int bind_device(struct cd_call *call, struct cd_str link,
		       struct cd_secret **ret_token)
{
	uint8_t key[CD_TOKEN_KEY];
	struct cd_device d;
	int64_t id = 0;
	int r = cd_token_new(ret_token, key);

	if (!r)
		r = cd_ctl_begin(call->ctl);
	if (r < 0)
		return r;
	r = cd_link_redeem(call->ctl->store, CD_LINK_DEVICE, link, cd_now(),
			   &id);
	if (!r)
		r = cd_device_enrol(call->ctl, id,
				    cd_str_make(key, sizeof(key)));
	if (!r)
		r = cd_device_by_id(call->ctl, id, &d);
	if (!r)
		r = cd_audit_page(call, "link", "device.bind",
				  cd_str_from(d.name), 0);
	return cd_ctl_end(call->ctl, r);
}

void answer_post_device(struct cd_call *call)
{
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	struct cd_http_answer *a;
	struct cd_form form;
	int r;

	if (!cd_page_on_auth_host(call))
		return;
	if (cd_page_form(call, &form)) {
		r = bind_device(call, cd_str_from(cd_form_get(&form, "token")),
				&token);
		if (r < 0) {
			link_failed(call, r);
		} else {
			a = cd_page_redirect(CD_STR("/.cordon/signin"));
			if (a)
				cd_page_cookie(a, CD_COOKIE_DEVICE,
					       cd_secret_reveal(token),
					       DEVICE_COOKIE_LIFE);
			cd_page_send(call, a);
		}
	}
	cd_form_done(&form);
}
