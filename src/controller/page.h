/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all pages share: who is signed in here, forms that only our own pages
 * can post, cookies, redirects, and the headers every answer carries.
 *
 * Requests come from the gateway alone (the socket's mode proves that), which
 * sets the X-Cordon-* headers itself and drops those of the client.
 */
#ifndef CD_CONTROLLER_PAGE_H
#define CD_CONTROLLER_PAGE_H

#include <cordon/snapshot.h>

#include "controller/api.h"
#include "controller/form.h"
#include "controller/html.h"
#include "controller/people.h"
#include "controller/redirect.h"
#include "controller/session.h"

#define CD_COOKIE_APP "__Host-cordon"
#define CD_COOKIE_AUTH "__Host-cordon-auth"
#define CD_COOKIE_DEVICE "__Host-cordon-device"
#define CD_COOKIE_CSRF "__Host-cordon-csrf"
#define CD_COOKIE_STATE "__Host-cordon-state"

/* ---- answers ---- */

/* Closes the document, wipes the buffer; NULL without memory. */
struct cd_http_answer *cd_page_answer(unsigned int status, struct cd_buf *html);
struct cd_http_answer *cd_page_redirect(struct cd_str location);
/* life: seconds; 0: until the browser closes; negative: forget it. */
void cd_page_cookie(struct cd_http_answer *answer, const char *name,
		    struct cd_str value, int64_t life);
/* Sends and drops the reference. */
void cd_page_send(struct cd_call *call, struct cd_http_answer *answer);

/* Answer and send in one. */
void cd_page_reply(struct cd_call *call, unsigned int status,
		   struct cd_buf *html);
void cd_page_go(struct cd_call *call, struct cd_str location);
/* A page that says one thing, with the request's number and a link back to
 * the start page. */
void cd_page_error(struct cd_call *call, unsigned int status, const char *title,
		   const char *text);
/* For an error number. */
void cd_page_fail(struct cd_call *call, int err);

/* ---- requests ---- */

/* Address of the browser, as the gateway saw it. */
struct cd_str cd_page_addr(const struct cd_call *call);
/* Number of the request's trace, the same in every event about it. */
struct cd_str cd_page_trace(const struct cd_call *call);
/* That number for people, who give it to their administrator. */
void cd_page_number(const struct cd_call *call, struct cd_buf *html);
/* Is this the sign-in host? Otherwise the browser was sent there. */
bool cd_page_on_auth_host(struct cd_call *call);
/* The app whose host this is. */
bool cd_page_app_of_host(const struct cd_call *call, struct cd_app *ret);
/* An HTTP app of the policy by name. */
bool cd_page_app(const struct cd_call *call, struct cd_str name,
		 struct cd_app *ret);

/* The person session of this browser: false: nobody is signed in. */
bool cd_page_person(struct cd_call *call, struct cd_session *ret_session,
		    struct cd_person *ret_person);

/* ---- forms ---- */

struct cd_csrf {
	char cookie[CD_TOKEN_TEXT + 1];
	char field[CD_TOKEN_TEXT + 1]; /* HMAC of the cookie */
	bool fresh; /* the cookie must be set */
};

/* Begins a page with forms: its title and, unless NULL, what was wrong with
 * the form that was posted. False: an answer was given, there is no buffer. */
bool cd_page_form_begin(struct cd_call *call, const char *title,
			const char *error, struct cd_csrf *csrf,
			struct cd_buf *html);
/* The hidden field of a form. */
void cd_csrf_put(const struct cd_csrf *csrf, struct cd_buf *html);
/* Sends the page, and the cookie that its fields go with. */
void cd_page_form_send(struct cd_call *call, unsigned int status,
		       const struct cd_csrf *csrf, struct cd_buf *html);

/* Parses the body and checks origin and CSRF token: false: an answer was
 * given. The form is the caller's to end in either case. */
bool cd_page_form(struct cd_call *call, struct cd_form *form);

#endif
