/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start page: the apps that the person may open, as the policy decides
 * now, and the person's own sessions with a button to end each.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/audit.h"
#include "controller/judge.h"
#include "controller/page.h"
#include "controller/policy.h"

enum { SESSIONS_SHOWN = 100 };

/* ---- apps ---- */

static void put_app(struct cd_call *call, struct cd_buf *b,
		    const struct cd_app *app, const struct cd_decision *d)
{
	cd_html(b, "<li><a href=\"%S/\">%S</a>", app->url, app->name);
	if (d->verdict == CD_CHALLENGE)
		cd_html(b, " <span class=\"hint\">asks for a fresh proof"
			   "</span>");
	else if (d->verdict == CD_ASK)
		cd_html(b, " <span class=\"hint\">needs approval</span>");
	cd_html(b, "</li>\n");
	(void)call;
}

static void put_apps(struct cd_call *call, struct cd_buf *b,
		     const struct cd_session *s, const struct cd_person *p)
{
	const struct cd_snapshot *snapshot = cd_policy_snapshot(call->ctl);
	uint32_t n = snapshot ? cd_snapshot_app_count(snapshot) : 0, i;
	struct cd_decision d;
	struct cd_app app;
	bool any = false;

	cd_html(b, "<h2>Apps</h2>\n<ul class=\"apps\">\n");
	for (i = 0; i < n; i++) {
		if (!cd_snapshot_app(snapshot, i, &app) ||
		    app.kind != CD_APP_HTTP || !app.url.len)
			continue;
		d = cd_judge(call->ctl, s, p, app.name, CD_STR("/"),
			     cd_page_addr(call));
		if (d.verdict == CD_DENY)
			continue;
		put_app(call, b, &app, &d);
		any = true;
	}
	cd_html(b, "</ul>\n");
	if (!any)
		cd_html(b, "<p>There is no app that you may open now.</p>\n");
}

/* ---- sessions ---- */

static const char *text(json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static void put_session(struct cd_buf *b, json_t *s, const char *own,
			const struct cd_csrf *csrf)
{
	bool here = !strcmp(text(s, "id"), own);
	const char *app = text(s, "app");

	cd_html(b, "<tr><td>%s</td><td>%s</td><td>%s</td><td>",
		here ? "sign-in, this browser" :
		*app ? app :
		       "sign-in",
		text(s, "addr"), text(s, "seen"));
	if (!here) {
		cd_html(b,
			"<form method=\"post\""
			" action=\"/.cordon/session/end\">"
			"<input type=\"hidden\" name=\"id\" value=\"%s\">",
			text(s, "id"));
		cd_csrf_put(csrf, b);
		cd_html(b, "<button>End</button></form>");
	}
	cd_html(b, "</td></tr>\n");
}

static void put_sessions(struct cd_call *call, struct cd_buf *b,
			 const struct cd_session *own,
			 const struct cd_csrf *csrf)
{
	json_t *list = cd_sessions_json(call->ctl, own->person, CD_STR_NULL,
					SESSIONS_SHOWN);
	char id[24];
	json_t *item;
	size_t i;

	snprintf(id, sizeof(id), "%lld", (long long)own->id);
	cd_html(b, "<h2>Your sessions</h2>\n<table>\n<thead><tr>"
		   "<th scope=\"col\">What</th><th scope=\"col\">From</th>"
		   "<th scope=\"col\">Last used</th><th scope=\"col\"></th>"
		   "</tr></thead>\n<tbody>\n");
	json_array_foreach(list, i, item) put_session(b, item, id, csrf);
	cd_html(b, "</tbody>\n</table>\n");
	json_decref(list);
}

static void home(struct cd_call *call, const struct cd_session *s,
		 const struct cd_person *p)
{
	struct cd_csrf csrf;
	struct cd_buf b;

	if (!cd_page_form_begin(call, "Start page", NULL, &csrf, &b))
		return;
	cd_html(&b,
		"<p>Signed in as <strong>%s</strong>. "
		"<a href=\"/.cordon/signout\">Sign out</a></p>\n",
		p->display[0] ? p->display : p->name);
	put_apps(call, &b, s, p);
	put_sessions(call, &b, s, &csrf);
	cd_page_form_send(call, 200, &csrf, &b);
}

void answer_page_home(struct cd_call *call)
{
	struct cd_session s;
	struct cd_person p;

	if (!cd_page_on_auth_host(call))
		return;
	if (cd_page_person(call, &s, &p))
		home(call, &s, &p);
	else
		cd_page_go(call, CD_STR("/.cordon/signin"));
}

/* ---- ending one ---- */

/* Only one's own: the number alone gives no right. */
static int end_own(struct cd_call *call, const struct cd_person *p,
		   struct cd_str id)
{
	struct cd_session_filter f = {.person = p->id};
	uint64_t n = 0;
	int r = cd_str_parse_u64(id, &n);

	if (r < 0 || !n || n > INT64_MAX)
		return -EINVAL;
	f.id = (int64_t)n;
	r = cd_ctl_begin(call->ctl);
	if (r < 0)
		return r;
	r = cd_sessions_end(call->ctl, &f, CD_END_SIGNED_OUT, NULL);
	if (!r)
		r = cd_audit_page(call, p->name, "session.end", id, f.id);
	return cd_ctl_end(call->ctl, r);
}

void answer_post_session_end(struct cd_call *call)
{
	struct cd_form form;
	struct cd_session s;
	struct cd_person p;
	int r;

	if (!cd_page_on_auth_host(call))
		return;
	if (cd_page_form(call, &form)) {
		r = cd_page_person(call, &s, &p) ?
			    end_own(call, &p,
				    cd_str_from(cd_form_get(&form, "id"))) :
			    0;
		if (r < 0 && r != -EINVAL)
			cd_page_fail(call, r);
		else
			cd_page_go(call, CD_STR("/"));
	}
	cd_form_done(&form);
}
