/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One refresh is: due, (fetched,) read and checked in a thread, ended. The
 * thread gets a job with copies of all it needs and knows the feed by name
 * and place only, since a new policy may have replaced the list meanwhile.
 */
#include "controller/feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "controller/api.h"
#include "controller/feed_copy.h"
#include "controller/note.h"
#include "controller/policy.h"
#include "controller/work.h"
#include "sys/conf.h"
#include "sys/file.h"
#include "sys/httpc.h"
#include "sys/log.h"

enum outcome { NEVER, GOOD, BAD };

struct feed {
	struct cd_ctl *ctl;
	char *name, *location;
	bool is_url;
	bool busy; /* fetched, or in a thread */
	struct cd_httpc_call *call; /* NULL: not being fetched */
	unsigned int hops;
	int64_t refresh, due; /* seconds; monotonic */
	enum outcome outcome;
	char why[CD_FEED_WHY]; /* when BAD */
	struct cd_feed_head head;
};

struct cd_feeds {
	struct cd_conf conf;
	struct cd_httpc *http;
	char dir[4096];
	struct feed **list;
	size_t n, fetching;
	bool dirty, compiling;
	int64_t compile_at; /* not before; monotonic */
	char refused[CD_FEED_WHY]; /* why the last compile was, or empty */
};

static int64_t uptime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec;
}

/* ---- outcomes ---- */

static void tell(struct feed *f, enum outcome now, const char *detail)
{
	struct cd_note n = {
		.event_class = now == BAD ? CD_EVENT_FEED_FAILED :
					    CD_EVENT_FEED_REFRESHED,
		.target = cd_str_from(f->name),
		.detail = cd_str_from(detail),
		.failed = now == BAD,
	};

	cd_note(f->ctl, &n);
	if (now == BAD)
		CD_LOG_WARN("FEED_FAILED", cd_log_z("feed", f->name),
			    cd_log_z("why", detail));
	else
		CD_LOG_INFO("FEED_REFRESHED", cd_log_z("feed", f->name),
			    cd_log_z("what", detail));
}

static void end(struct feed *f)
{
	int64_t wait = f->refresh;

	if (f->outcome == BAD)
		wait = CD_MIN(wait, (int64_t)CD_FEED_RETRY_S);
	f->busy = false;
	f->due = uptime() + wait;
}

static void failed(struct feed *f, const char *why)
{
	if (f->outcome != BAD || strcmp(f->why, why))
		tell(f, BAD, why);
	f->outcome = BAD;
	snprintf(f->why, sizeof(f->why), "%s", why);
	end(f);
}

static void succeeded(struct feed *f, bool changed)
{
	char detail[100];

	snprintf(detail, sizeof(detail), "%zu entries%s", f->head.entries,
		 changed ? ", changed" : "");
	if (changed || f->outcome == BAD)
		tell(f, GOOD, detail);
	f->outcome = GOOD;
	f->ctl->feeds->dirty |= changed;
	end(f);
}

/* ---- reading and checking, in a thread ---- */

struct job {
	struct cd_ctl *ctl;
	char *name, *location, *dir;
	bool is_url;
	struct cd_buf answer; /* of a url */
	struct cd_feed_head head;
	/* results */
	bool ran, changed;
	int err;
	char why[CD_FEED_WHY];
};

static void job_free(struct job **job)
{
	struct job *j = CD_TAKE(*job);

	if (!j)
		return;
	free(j->name);
	free(j->location);
	free(j->dir);
	cd_buf_done(&j->answer);
	free(j);
}

static int job_text(struct job *j, char **ret_text, size_t *ret_len)
{
	int r;

	if (j->is_url) {
		*ret_len = j->answer.len;
		*ret_text = cd_buf_take(&j->answer);
		return 0;
	}
	r = cd_file_read(j->location, CD_FEED_FILE_MAX, ret_text, ret_len);
	if (r < 0)
		snprintf(j->why, sizeof(j->why), "%.300s: %s", j->location,
			 cd_strerror(r));
	return r;
}

static void job_run(void *arg)
{
	struct job *j = arg;
	struct cd_str location = cd_str_from(j->location), text;
	char *bytes cd_auto(cd_freep) = NULL;
	struct cd_feed_found found;
	size_t len = 0;

	j->ran = true;
	j->err = job_text(j, &bytes, &len);
	if (j->err)
		return;
	text = cd_str_make(bytes, len);
	j->err = cd_feed_check(text, &found);
	if (j->err) {
		cd_feed_why(location, &found, j->why, sizeof(j->why));
		return;
	}
	j->head.entries = found.entries;
	j->err = cd_feed_keep(j->dir, location, text, &j->head, &j->changed);
	if (j->err)
		snprintf(j->why, sizeof(j->why), "no copy could be kept: %s",
			 cd_strerror(j->err));
}

static struct feed *find(struct cd_feeds *all, const char *name,
			 const char *location)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->list[i]->name, name) &&
		    !strcmp(all->list[i]->location, location))
			return all->list[i];
	return NULL;
}

static void job_done(void *arg)
{
	struct job *j cd_auto(job_free) = arg;
	struct feed *f = NULL;

	if (j->ran && j->ctl->feeds)
		f = find(j->ctl->feeds, j->name, j->location);
	if (!f)
		return; /* we stop, or another policy is in force */
	if (j->err) {
		failed(f, j->why);
		return;
	}
	f->head = j->head;
	succeeded(f, j->changed);
}

/* answer: its body is taken; NULL for a file. */
static void submit(struct feed *f, struct cd_httpc_answer *answer)
{
	struct job *j cd_auto(job_free) = calloc(1, sizeof(*j));

	if (!j) {
		failed(f, cd_strerror(-ENOMEM));
		return;
	}
	j->ctl = f->ctl;
	j->name = cd_str_dup(cd_str_from(f->name));
	j->location = cd_str_dup(cd_str_from(f->location));
	j->dir = cd_str_dup(cd_str_from(f->ctl->feeds->dir));
	j->is_url = f->is_url;
	if (answer) {
		j->answer = answer->body;
		answer->body = (struct cd_buf){.max = 0};
		memcpy(j->head.etag, answer->etag, sizeof(j->head.etag));
		memcpy(j->head.modified, answer->modified,
		       sizeof(j->head.modified));
	}
	if (!j->name || !j->location || !j->dir)
		failed(f, cd_strerror(-ENOMEM));
	else if (cd_work_submit(f->ctl->work, job_run, job_done, j))
		failed(f, "too much else to do");
	else
		j = NULL;
}

/* ---- fetching ---- */

static bool is_plain(const char *url)
{
	return cd_str_has_prefix(cd_str_from(url), CD_STR("http://"));
}

static void fetch(struct feed *f, const char *url);

static void follow_redirect(struct feed *f, const char *to)
{
	if (f->hops++ == CD_FEED_HOPS)
		failed(f, "too many redirects");
	/* A list fetched from far may not lead to this machine's plain http. */
	else if (is_plain(to) && !is_plain(f->location))
		failed(f, "a redirect leads away from https");
	else
		fetch(f, to);
}

static void unchanged(struct feed *f)
{
	int r = cd_feed_touch(f->ctl->feeds->dir, cd_str_from(f->location));

	if (r < 0) {
		/* Without a copy there is nothing to compare with. */
		f->head = (struct cd_feed_head){.changed = 0};
		failed(f, "its copy is gone");
		return;
	}
	f->head.checked = cd_now();
	succeeded(f, false);
}

static void on_answer(void *ctx, struct cd_httpc_answer *a)
{
	struct feed *f = ctx;
	char why[300];

	f->call = NULL;
	f->ctl->feeds->fetching--;
	if (a->err) {
		snprintf(why, sizeof(why), "%s%s%s", cd_strerror(a->err),
			 a->why[0] ? ": " : "", a->why);
		failed(f, why);
	} else if (a->status == 200) {
		submit(f, a);
	} else if (a->status == 304 && f->head.changed) {
		unchanged(f);
	} else if (a->status / 100 == 3 && a->redirect[0]) {
		follow_redirect(f, a->redirect);
	} else {
		snprintf(why, sizeof(why), "the server answered HTTP %u",
			 a->status);
		failed(f, why);
	}
}

static void fetch(struct feed *f, const char *url)
{
	char etag[300], modified[100];
	const char *headers[] = {"User-Agent: cordon", NULL, NULL, NULL};
	struct cd_httpc_request q = {
		.url = url,
		.headers = headers,
		.ca_file = f->ctl->feeds->conf.feed_ca_file,
		.answer_max = CD_FEED_URL_MAX,
		.timeout_ms = CD_FEED_TIMEOUT_MS,
	};
	size_t n = 1;
	int r = -EINVAL;

	snprintf(etag, sizeof(etag), "If-None-Match: %s", f->head.etag);
	snprintf(modified, sizeof(modified), "If-Modified-Since: %s",
		 f->head.modified);
	if (f->head.etag[0])
		headers[n++] = etag;
	if (f->head.modified[0])
		headers[n++] = modified;
	if (cd_url_is_safe(cd_str_from(url)))
		r = cd_httpc_start(f->ctl->feeds->http, &q, on_answer, f,
				   &f->call);
	if (r < 0)
		failed(f,
		       r == -EINVAL ? "the url is not https" : cd_strerror(r));
	else
		f->ctl->feeds->fetching++;
}

static void refresh(struct feed *f)
{
	f->busy = true;
	f->hops = 0;
	if (f->is_url)
		fetch(f, f->location);
	else
		submit(f, NULL);
}

/* ---- the list ---- */

static void feed_free(struct feed *f)
{
	if (!f)
		return;
	if (f->call) {
		cd_httpc_cancel(f->call);
		f->ctl->feeds->fetching--;
	}
	free(f->name);
	free(f->location);
	free(f);
}

static struct feed *feed_new(struct cd_ctl *ctl, const struct cd_feed *from)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->ctl = ctl;
	f->name = cd_str_dup(from->name);
	f->location = cd_str_dup(from->location);
	f->is_url = from->is_url;
	if (!f->name || !f->location) {
		feed_free(f);
		return NULL;
	}
	cd_feed_head_read(ctl->feeds->dir, from->location, &f->head);
	return f;
}

/* The feed of the old list, out of it, or a new one. */
static struct feed *take_or_make(struct cd_ctl *ctl, const struct cd_feed *from)
{
	struct cd_feeds *all = ctl->feeds;

	for (size_t i = 0; i < all->n; i++) {
		struct feed *f = all->list[i];

		if (f && cd_str_equal(cd_str_from(f->name), from->name) &&
		    cd_str_equal(cd_str_from(f->location), from->location)) {
			all->list[i] = NULL;
			return f;
		}
	}
	return feed_new(ctl, from);
}

static void sweep(struct cd_feeds *all)
{
	struct cd_str *used = cd_calloc(all->n + 1, sizeof(*used));

	for (size_t i = 0; used && i < all->n; i++)
		used[i] = cd_str_from(all->list[i]->location);
	if (used)
		cd_feed_sweep(all->dir, used, all->n);
	free(used);
}

void cd_feeds_follow(struct cd_ctl *ctl, const struct cd_policy *policy)
{
	struct cd_feeds *all = ctl->feeds;
	struct cd_feed from;
	struct feed **list;
	size_t n = 0, kept = 0;

	while (cd_policy_feed(policy, n, &from))
		n++;
	list = cd_calloc(n + 1, sizeof(struct feed *));
	if (!list)
		return;
	for (size_t i = 0; i < n && cd_policy_feed(policy, i, &from); i++) {
		struct feed *f = take_or_make(ctl, &from);

		if (!f)
			continue;
		f->refresh = from.refresh;
		f->due = uptime();
		list[kept++] = f;
	}
	for (size_t i = 0; i < all->n; i++)
		feed_free(all->list[i]);
	free(all->list);
	all->list = list;
	all->n = kept;
	/* A copy may be newer than the image: cordond ended between the two. */
	all->dirty = kept > 0;
	all->refused[0] = 0;
	sweep(all);
}

bool cd_feeds_hurry(struct cd_ctl *ctl, const char *name)
{
	struct cd_feeds *all = ctl->feeds;
	bool any = !name;

	for (size_t i = 0; i < all->n; i++) {
		if (name && strcmp(all->list[i]->name, name))
			continue;
		all->list[i]->due = uptime();
		any = true;
	}
	cd_feeds_tick(ctl);
	return any;
}

/* Two feeds may have one place, and so one copy: one at a time writes it. */
static bool is_being_read(const struct cd_feeds *all, const char *location)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->list[i]->busy &&
		    !strcmp(all->list[i]->location, location))
			return true;
	return false;
}

void cd_feeds_tick(struct cd_ctl *ctl)
{
	struct cd_feeds *all = ctl->feeds;
	int64_t now = uptime();

	for (size_t i = 0; i < all->n; i++) {
		struct feed *f = all->list[i];

		if (f->due <= now && !is_being_read(all, f->location) &&
		    (!f->is_url || all->fetching < CD_FEED_FETCHES))
			refresh(f);
	}
	if (!all->dirty || all->compiling || now < all->compile_at)
		return;
	all->dirty = false;
	all->compiling = !cd_policy_compile_again(ctl);
	if (!all->compiling) {
		all->dirty = true;
		all->compile_at = now + 10;
	}
}

void cd_feeds_compiled(struct cd_ctl *ctl, int err, const char *why)
{
	struct cd_feeds *all = ctl->feeds;

	all->compiling = false;
	if (!err) {
		all->refused[0] = 0;
		return;
	}
	if (err != CD_E_CHECK && err != CD_E_LIMIT) {
		all->dirty = true;
		all->compile_at = uptime() + 10;
	}
	CD_LOG_WARN("FEEDS_NOT_IN_FORCE", cd_log_err(err),
		    cd_log_z("why", why));
	if (!strcmp(all->refused, why))
		return;
	snprintf(all->refused, sizeof(all->refused), "%s", why);
	cd_note(ctl, &(struct cd_note){
			     .event_class = CD_EVENT_FEED_FAILED,
			     .target = CD_STR("policy"),
			     .detail = cd_str_from(all->refused),
			     .failed = true,
		     });
}

/* ---- what is known ---- */

static json_t *feed_json(const struct feed *f)
{
	static const char *const states[] = {"waiting", "good", "failed"};

	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:o*, s:o*, s:s*}", "name",
			 f->name, "location", f->location, "state",
			 states[f->outcome], "refresh", (json_int_t)f->refresh,
			 "entries", (json_int_t)f->head.entries, "checked",
			 cd_json_time(f->head.checked), "changed",
			 cd_json_time(f->head.changed), "error",
			 f->outcome == BAD ? f->why : NULL);
}

json_t *cd_feeds_json(struct cd_ctl *ctl)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ctl->feeds->n; i++)
		json_array_append_new(list, feed_json(ctl->feeds->list[i]));
	return list;
}

void answer_feeds_list(struct cd_call *call)
{
	cd_call_json(call, 200, cd_json_items(cd_feeds_json(call->ctl)));
}

void answer_feeds_refresh(struct cd_call *call)
{
	if (!cd_feeds_hurry(call->ctl, cd_body_text(call, "name")))
		cd_call_error(call, 404, "NO_FEED",
			      "the policy in force has no feed of this name");
	else
		answer_feeds_list(call);
}

/* ---- life ---- */

int cd_feeds_new(struct cd_ctl *ctl, struct cd_diag *diag,
		 struct cd_feeds **ret_feeds)
{
	struct cd_feeds *all = calloc(1, sizeof(*all));
	char path[4096];
	int r;

	if (!all)
		return -ENOMEM;
	*ret_feeds = all; /* the caller frees it */
	snprintf(path, sizeof(path), "%s/cordon.conf", ctl->opt.conf);
	r = cd_conf_load(path, diag, &all->conf);
	if (!r)
		r = cd_feed_dir(ctl->opt.state, all->dir, sizeof(all->dir));
	if (!r)
		r = cd_httpc_new(ctl->base, &all->http);
	return r;
}

void cd_feeds_free(struct cd_feeds **feeds)
{
	struct cd_feeds *all = CD_TAKE(*feeds);

	if (!all)
		return;
	if (all->http)
		cd_httpc_free(&all->http); /* no call comes back from here on */
	for (size_t i = 0; i < all->n; i++) {
		all->list[i]->call = NULL;
		feed_free(all->list[i]);
	}
	free(all->list);
	cd_conf_done(&all->conf);
	free(all);
}
