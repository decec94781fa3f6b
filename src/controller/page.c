/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSRF: a signed double submit. The cookie is random, the form field is its
 * HMAC under a key of this process; __Host- keeps sibling hosts from planting
 * a cookie. On top, an Origin header that is there must be ours.
 *
 * Referrer-Policy is same-origin, not no-referrer: under no-referrer browsers
 * send "Origin: null" with our own forms.
 */
#include "controller/page.h"

#include <stdio.h>

#include "controller/policy.h"
#include "token/base64.h"
#include "token/sha256.h"

/* ---- answers ---- */

static void put_headers(struct cd_http_answer *a)
{
	static const struct {
		const char *name, *value;
	} headers[] = {
		{"Cache-Control", "no-store"},
		{"Content-Security-Policy",
		 "default-src 'none'; style-src 'self'; form-action 'self';"
		 " base-uri 'none'; frame-ancestors 'none'"},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		{"Referrer-Policy", "same-origin"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
	};
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(headers); i++)
		cd_http_answer_header(a, headers[i].name, headers[i].value);
}

struct cd_http_answer *cd_page_answer(unsigned int status, struct cd_buf *html)
{
	struct cd_http_answer *a = NULL;

	cd_html_end(html);
	if (!html->err)
		a = cd_http_answer_new(status, "text/html; charset=utf-8",
				       cd_buf_get(html));
	cd_buf_wipe(html);
	if (a)
		put_headers(a);
	return a;
}

struct cd_http_answer *cd_page_redirect(struct cd_str location)
{
	struct cd_http_answer *a =
		cd_http_answer_new(303, "text/plain", CD_STR("\n"));

	if (!a)
		return NULL;
	put_headers(a);
	if (cd_http_answer_header(a, "Location", location.ptr) < 0)
		cd_http_answer_unref(&a);
	return a;
}

void cd_page_cookie(struct cd_http_answer *answer, const char *name,
		    struct cd_str value, int64_t life)
{
	struct cd_buf line;

	cd_buf_init(&line, 512);
	cd_buf_printf(&line, "%s=%.*s; Path=/; Secure; HttpOnly; SameSite=Lax",
		      name, CD_STR_FMT(value));
	if (life)
		cd_buf_printf(&line, "; Max-Age=%lld",
			      (long long)CD_MAX(life, 0));
	if (!line.err)
		cd_http_answer_header(answer, "Set-Cookie", line.data);
	cd_buf_wipe(&line);
}

void cd_page_send(struct cd_call *call, struct cd_http_answer *answer)
{
	cd_http_send(call->req, answer);
	cd_http_answer_unref(&answer);
}

void cd_page_reply(struct cd_call *call, unsigned int status,
		   struct cd_buf *html)
{
	cd_page_send(call, cd_page_answer(status, html));
}

void cd_page_go(struct cd_call *call, struct cd_str location)
{
	cd_page_send(call, cd_page_redirect(location));
}

void cd_page_error(struct cd_call *call, unsigned int status, const char *title,
		   const char *text)
{
	struct cd_buf b;

	cd_buf_init(&b, CD_PAGE_MAX);
	cd_html_begin(&b, title);
	cd_html(&b, "<p>%s</p>\n", text);
	cd_page_number(call, &b);
	cd_html(&b, "<p><a href=\"%s/\">Start page</a></p>\n",
		call->ctl->opt.auth_url);
	cd_page_reply(call, status, &b);
}

void cd_page_fail(struct cd_call *call, int err)
{
	if (err == -ENOSPC)
		cd_page_error(call, 507, "The disk is full",
			      "Nothing was changed. Tell your administrator.");
	else
		cd_page_error(call, 503, "Please try again",
			      "Cordon cannot do this just now.");
}

/* ---- requests ---- */

struct cd_str cd_page_addr(const struct cd_call *call)
{
	return cd_str_from(cd_http_header(call->req, "X-Cordon-Client-Addr"));
}

struct cd_str cd_page_trace(const struct cd_call *call)
{
	return cd_str_from(cd_http_header(call->req, "X-Cordon-Trace"));
}

void cd_page_number(const struct cd_call *call, struct cd_buf *html)
{
	struct cd_str trace = cd_page_trace(call);

	if (trace.len)
		cd_html(html, "<p class=\"hint\">Number <code>%S</code></p>\n",
			trace);
}

static bool host_name(const struct cd_call *call, char *out, size_t size)
{
	return cd_host_of(cd_str_from(cd_http_header(call->req, "Host")), out,
			  size);
}

bool cd_page_on_auth_host(struct cd_call *call)
{
	char host[256], ours[256];
	struct cd_buf url;

	if (!cd_url_host(cd_str_from(call->ctl->opt.auth_url), ours,
			 sizeof(ours)) ||
	    (host_name(call, host, sizeof(host)) && !strcmp(host, ours)))
		return true;
	cd_buf_init(&url, 4096);
	cd_buf_printf(&url, "%s", call->ctl->opt.auth_url);
	cd_buf_url(&url, cd_str_from(cd_http_path(call->req)));
	cd_page_go(call, cd_buf_get(&url));
	cd_buf_done(&url);
	return false;
}

bool cd_page_app_of_host(const struct cd_call *call, struct cd_app *ret)
{
	const struct cd_snapshot *snapshot = cd_policy_snapshot(call->ctl);
	char host[256];

	return snapshot && host_name(call, host, sizeof(host)) &&
	       cd_snapshot_app_by_host(snapshot, cd_str_from(host), ret) &&
	       ret->kind == CD_APP_HTTP;
}

bool cd_page_app(const struct cd_call *call, struct cd_str name,
		 struct cd_app *ret)
{
	const struct cd_snapshot *snapshot = cd_policy_snapshot(call->ctl);

	return snapshot && name.len &&
	       cd_snapshot_app_by_name(snapshot, name, ret) &&
	       ret->kind == CD_APP_HTTP && ret->url.len;
}

bool cd_page_person(struct cd_call *call, struct cd_session *ret_session,
		    struct cd_person *ret_person)
{
	struct cd_str token;

	return cd_http_cookie(call->req, CD_COOKIE_AUTH, &token) &&
	       !cd_session_by_token(call->ctl, token, ret_session) &&
	       ret_session->kind == CD_SESSION_PERSON &&
	       !cd_person_by_id(call->ctl, ret_session->person, ret_person) &&
	       !ret_person->disabled;
}

/* ---- forms ---- */

static int csrf_field(const struct cd_ctl *ctl, struct cd_str cookie,
		      char out[CD_TOKEN_TEXT + 1])
{
	uint8_t mac[CD_SHA256_SIZE];
	struct cd_buf text;
	int r;

	cd_hmac_sha256(cd_str_make(ctl->page_key, sizeof(ctl->page_key)),
		       cookie, mac);
	cd_buf_init(&text, 64);
	cd_base64url_put(&text, mac, sizeof(mac));
	r = text.err ? text.err : text.len == CD_TOKEN_TEXT ? 0 : -EINVAL;
	if (!r)
		memcpy(out, text.data, CD_TOKEN_TEXT + 1);
	cd_buf_done(&text);
	return r;
}

static int csrf_init(struct cd_csrf *csrf, const struct cd_call *call)
{
	struct cd_secret *fresh cd_auto(cd_secret_free) = NULL;
	uint8_t key[CD_TOKEN_KEY];
	struct cd_str cookie;
	int r;

	memset(csrf, 0, sizeof(*csrf));
	if (!cd_http_cookie(call->req, CD_COOKIE_CSRF, &cookie) ||
	    cd_token_key(cookie, key) < 0) {
		r = cd_token_new(&fresh, key);
		if (r < 0)
			return r;
		cookie = cd_secret_reveal(fresh);
		csrf->fresh = true;
	}
	memcpy(csrf->cookie, cookie.ptr, CD_TOKEN_TEXT);
	return csrf_field(call->ctl, cd_str_from(csrf->cookie), csrf->field);
}

void cd_csrf_put(const struct cd_csrf *csrf, struct cd_buf *html)
{
	cd_html(html, "<input type=\"hidden\" name=\"csrf\" value=\"%s\">\n",
		csrf->field);
}

static void csrf_cookie(const struct cd_csrf *csrf,
			struct cd_http_answer *answer)
{
	if (csrf->fresh && answer)
		cd_page_cookie(answer, CD_COOKIE_CSRF,
			       cd_str_from(csrf->cookie), 0);
}

bool cd_page_form_begin(struct cd_call *call, const char *title,
			const char *error, struct cd_csrf *csrf,
			struct cd_buf *html)
{
	int r = csrf_init(csrf, call);

	if (r < 0) {
		cd_page_fail(call, r);
		return false;
	}
	cd_buf_init(html, CD_PAGE_MAX);
	cd_html_begin(html, title);
	if (error) {
		cd_html(html, "<p class=\"error\" role=\"alert\">%s</p>\n",
			error);
		cd_page_number(call, html);
	}
	return true;
}

void cd_page_form_send(struct cd_call *call, unsigned int status,
		       const struct cd_csrf *csrf, struct cd_buf *html)
{
	struct cd_http_answer *a = cd_page_answer(status, html);

	csrf_cookie(csrf, a);
	cd_page_send(call, a);
}

static bool origin_is_ours(const struct cd_call *call)
{
	const char *origin = cd_http_header(call->req, "Origin");
	const char *site = cd_http_header(call->req, "Sec-Fetch-Site");

	if (site && strcmp(site, "same-origin"))
		return false;
	return !origin || !strcmp(origin, call->ctl->opt.auth_url);
}

static bool token_is_ours(const struct cd_call *call,
			  const struct cd_form *form)
{
	const char *field = cd_form_get(form, "csrf");
	char want[CD_TOKEN_TEXT + 1];
	struct cd_str cookie;

	return cd_http_cookie(call->req, CD_COOKIE_CSRF, &cookie) &&
	       cookie.len == CD_TOKEN_TEXT &&
	       !csrf_field(call->ctl, cookie, want) &&
	       strlen(field) == CD_TOKEN_TEXT &&
	       cd_equal_ct(field, want, CD_TOKEN_TEXT);
}

bool cd_page_form(struct cd_call *call, struct cd_form *form)
{
	if (cd_form_parse(form, cd_http_body(call->req)) < 0) {
		cd_page_error(call, 400, "This form cannot be read",
			      "Go back, reload the page and try again.");
		return false;
	}
	if (!origin_is_ours(call) || !token_is_ours(call, form)) {
		cd_page_error(call, 403, "This form is too old",
			      "It was not made by this page, or long ago. "
			      "Go back, reload the page and try again.");
		return false;
	}
	return true;
}

void answer_page_style(struct cd_call *call)
{
	struct cd_http_answer *a =
		cd_http_answer_new(200, "text/css", cd_str_from(cd_style_css));

	if (a) {
		cd_http_answer_header(a, "Cache-Control",
				      "public, max-age=3600");
		cd_http_answer_header(a, "X-Content-Type-Options", "nosniff");
	}
	cd_page_send(call, a);
}
