/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the policy in force is in two rows (policy and bundle) and in
 * memory; memory is replaced only after the commit. Bundles are signed again
 * at half of their life, so that enforcement points cut off from here notice
 * after that life and not before.
 */
#include "controller/policy_state.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/http.h"
#include "controller/api.h"
#include "controller/audit.h"
#include "controller/clock.h"
#include "controller/feed.h"
#include "controller/feed_copy.h"
#include "controller/keys_client.h"
#include "controller/stream.h"
#include "controller/work.h"
#include "sys/log.h"
#include "sys/store.h"

const struct cd_snapshot *cd_policy_snapshot(const struct cd_ctl *ctl)
{
	return ctl->policy->snapshot;
}

int64_t cd_policy_serial(const struct cd_ctl *ctl)
{
	return ctl->policy->serial;
}

static void hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = 0;
}

/* ---- from text to image ---- */

/* A version that is not in force yet. */
struct draft {
	struct cd_policy *policy; /* borrows the text of its files */
	void *image;
	size_t size;
	const struct cd_snapshot *snapshot;
	struct cd_test_result tests;
	char hash[CD_POLICY_HEX];
};

static void draft_done(struct draft *d)
{
	cd_policy_free(&d->policy);
	free(d->image);
}

static int parse_files(json_t *files, struct cd_diag *diag,
		       struct cd_policy **ret_policy)
{
	size_t n = json_array_size(files), i;
	struct cd_source *sources cd_auto(cd_freep) = NULL;
	json_t *file, *text;

	if (!n || n > CD_MAX_FILES) {
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    "a policy has 1 to %d files", CD_MAX_FILES);
		return CD_E_LIMIT;
	}
	sources = cd_calloc(n, sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	json_array_foreach(files, i, file)
	{
		text = json_object_get(file, "text");
		sources[i].name =
			json_string_value(json_object_get(file, "name"));
		sources[i].text = cd_str_make(json_string_value(text),
					      json_string_length(text));
	}
	return cd_policy_parse(sources, n, diag, ret_policy);
}

/* Also in a thread: of ctl it reads the options only. */
static int compile(const struct cd_ctl *ctl, json_t *files,
		   struct cd_diag *diag, struct draft *d)
{
	struct cd_feed_loader feeds;
	uint8_t hash[CD_SHA256_SIZE];
	int r;

	r = parse_files(files, diag, &d->policy);
	if (!r)
		r = cd_feed_loader_init(&feeds, ctl->opt.state, diag);
	if (!r) {
		feeds.loader.now = cd_now() * INT64_C(1000000000);
		r = cd_policy_compile(d->policy, &feeds.loader, diag, &d->image,
				      &d->size);
	}
	if (!r)
		r = cd_snapshot_open(d->image, d->size, &d->snapshot);
	if (!r)
		r = cd_policy_run_tests(d->policy, d->snapshot,
					cd_now() * INT64_C(1000000000), diag,
					&d->tests);
	if (r < 0)
		return r;
	cd_sha256(d->image, d->size, hash);
	hex(hash, sizeof(hash), d->hash);
	return 0;
}

/* ---- bundles ---- */

/* A new signed bundle of a version's image, and its record. */
static int add_bundle(struct cd_ctl *ctl, int64_t version, const void *image,
		      size_t size, struct cd_policy_state *next)
{
	struct cd_bundle_header h = {.not_before = cd_now()};
	struct cd_change c = {.kind = CD_RECORD_BUNDLE};
	uint8_t bytes[CD_BUNDLE_HEADER];
	struct cd_sha256 sha;
	int64_t n;
	int r;

	r = cd_store_int(ctl->store, &next->bundle,
			 "UPDATE setting SET value = value + 1"
			 " WHERE name = 'bundle' RETURNING value",
			 "");
	if (r < 0)
		return r;
	h.serial = (uint64_t)next->bundle;
	h.not_after = h.not_before + ctl->opt.bundle_life;
	h.audience[0] = '*';
	h.snapshot_size = size;
	h.confirm_by = next->confirm_by;
	cd_sha256(image, size, h.hash);
	r = cd_bundle_encode(&h, bytes);
	if (!r)
		r = cd_keys_sign_bundle(ctl->keys, bytes);
	if (r < 0)
		return r;
	cd_sha256_init(&sha);
	cd_sha256_add(&sha, bytes, sizeof(bytes));
	cd_sha256_add(&sha, image, size);
	cd_sha256_final(&sha, next->bundle_hash);
	next->not_after = h.not_after;
	n = cd_store_run(ctl->store, "DELETE FROM bundle WHERE serial < ?1",
			 "i", next->bundle - 1);
	if (n >= 0)
		n = cd_store_run(ctl->store,
				 "INSERT INTO bundle(serial, hash, policy,"
				 " header, not_after)"
				 " VALUES(?1, ?2, ?3, ?4, ?5)",
				 "ibibi", next->bundle,
				 cd_str_make(next->bundle_hash, CD_SHA256_SIZE),
				 version, cd_str_make(bytes, sizeof(bytes)),
				 h.not_after);
	if (n < 0)
		return (int)n;
	c.u.bundle.serial = h.serial;
	c.u.bundle.size = CD_BUNDLE_HEADER + size;
	memcpy(c.u.bundle.hash, next->bundle_hash, CD_SHA256_SIZE);
	return cd_stream_append(ctl, &c);
}

bool cd_policy_bundle_record(struct cd_ctl *ctl, struct cd_change *ret)
{
	const struct cd_policy_state *p = ctl->policy;

	if (!p->bundle)
		return false;
	*ret = (struct cd_change){.kind = CD_RECORD_BUNDLE};
	ret->u.bundle.serial = (uint64_t)p->bundle;
	ret->u.bundle.size = CD_BUNDLE_HEADER + p->size;
	memcpy(ret->u.bundle.hash, p->bundle_hash, CD_SHA256_SIZE);
	return true;
}

void answer_agent_bundle(struct cd_call *call)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_buf out cd_auto(cd_buf_done);
	uint8_t hash[CD_SHA256_SIZE];
	int r;

	cd_buf_init(&out, CD_BUNDLE_HEADER + (size_t)CD_BUNDLE_IMAGE_MAX);
	r = cd_hex_parse(call->param[0], hash, sizeof(hash)) ? 0 : -EINVAL;
	if (!r)
		r = cd_query_start(&q, call->ctl->store,
				   "SELECT b.header, ifnull(b.image, p.image)"
				   " FROM bundle b"
				   " JOIN policy p ON p.serial = b.policy"
				   " WHERE b.hash = ?1",
				   "b", cd_str_make(hash, sizeof(hash)));
	r = cd_query_one(&q, r);
	if (r < 0) {
		cd_call_fail(call, r);
		return;
	}
	cd_buf_str(&out, cd_query_str(&q, 0));
	cd_buf_str(&out, cd_query_str(&q, 1));
	if (out.err)
		cd_call_fail(call, out.err);
	else
		cd_call_bytes(call, "application/octet-stream",
			      cd_buf_get(&out));
}

/* ---- into force ---- */

struct request {
	json_t *files;
	const char *who, *note, *action;
	int64_t confirm; /* seconds; 0: none */
};

static int insert_version(struct cd_ctl *ctl, const struct request *rq,
			  const struct draft *d, int64_t confirm_by)
{
	char *text = json_dumps(rq->files, JSON_COMPACT);
	int64_t n;

	if (!text)
		return -ENOMEM;
	n = cd_store_run(ctl->store,
			 "INSERT INTO policy(hash, files, applied, by, note,"
			 " confirm_by, image) VALUES(?1, ?2, ?3, ?4, ?5, ?6,"
			 " ?7)",
			 "zzizzib", d->hash, text, cd_now(), rq->who, rq->note,
			 confirm_by, cd_str_make(d->image, d->size));
	free(text);
	return n < 0 ? (int)n : 0;
}

static int write_version(struct cd_ctl *ctl, const struct request *rq,
			 const struct draft *d, struct cd_policy_state *next)
{
	char target[32];
	json_t *after;
	int64_t n;
	int r;

	next->confirm_by = rq->confirm ? cd_now() + rq->confirm : 0;
	r = insert_version(ctl, rq, d, next->confirm_by);
	if (r < 0)
		return r;
	next->serial = cd_store_last_id(ctl->store);
	r = add_bundle(ctl, next->serial, d->image, d->size, next);
	if (r < 0)
		return r;
	/* The image of the version before stays while its bundle is fetched. */
	n = cd_store_run(ctl->store,
			 "UPDATE policy SET image = NULL"
			 " WHERE serial NOT IN (SELECT policy FROM bundle)"
			 " AND image IS NOT NULL",
			 "");
	if (n < 0)
		return (int)n;
	after = json_pack("{s:s, s:I}", "hash", d->hash, "serial",
			  (json_int_t)next->serial);
	snprintf(target, sizeof(target), "policy %lld",
		 (long long)next->serial);
	r = cd_audit(ctl, rq->who, rq->action, cd_str_from(target), NULL,
		     after);
	json_decref(after);
	return r;
}

/* The last version below `serial` that is not on trial, 0 for none. One that
 * was never confirmed keeps its deadline in its row: nobody returns to it. */
static int64_t last_kept(struct cd_ctl *ctl, int64_t serial)
{
	int64_t last = 0;

	cd_store_int(ctl->store, &last,
		     "SELECT ifnull(max(serial), 0) FROM policy"
		     " WHERE serial < ?1 AND confirm_by = 0",
		     "i", serial);
	return last;
}

/* The draft's image becomes the state's. */
static void adopt(struct cd_policy_state *p, struct draft *d,
		  const struct cd_policy_state *next)
{
	free(p->image);
	*p = *next;
	p->image = CD_TAKE(d->image);
	p->size = d->size;
	p->snapshot = d->snapshot;
	memcpy(p->hash, d->hash, sizeof(p->hash));
}

static int put_into_force(struct cd_ctl *ctl, const struct request *rq,
			  struct draft *d)
{
	struct cd_policy_state next = {0};
	int r;

	r = cd_ctl_begin(ctl);
	if (r < 0)
		return r;
	r = write_version(ctl, rq, d, &next);
	if (r < 0) {
		cd_ctl_rollback(ctl);
		return r;
	}
	r = cd_ctl_commit(ctl);
	if (r < 0)
		return r;
	adopt(ctl->policy, d, &next);
	cd_feeds_follow(ctl, d->policy);
	CD_LOG_INFO("POLICY_APPLIED", cd_log_num("serial", next.serial),
		    cd_log_z("by", rq->who), cd_log_z("note", rq->note));
	return 0;
}

static json_t *applied_json(const struct cd_ctl *ctl, const struct draft *d,
			    const struct cd_diag *diag, bool dry)
{
	const struct cd_policy_state *p = ctl->policy;

	return json_pack("{s:I, s:s, s:I, s:{s:I, s:I}, s:o, s:o*}", "serial",
			 (json_int_t)(dry ? 0 : p->serial), "hash", d->hash,
			 "rules",
			 (json_int_t)cd_snapshot_rule_count(dry ? d->snapshot :
								  p->snapshot),
			 "tests", "passed", (json_int_t)d->tests.passed,
			 "failed", (json_int_t)d->tests.failed, "warnings",
			 cd_json_diag(diag, CD_WARNING), "confirm_by",
			 dry ? NULL : cd_json_time(p->confirm_by));
}

static void apply(struct cd_call *call, const struct request *rq, bool dry)
{
	struct draft d cd_auto(draft_done) = {0};
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	int r = cd_diag_new(&diag);

	if (!r)
		r = compile(call->ctl, rq->files, diag, &d);
	if (r < 0 && cd_diag_errors(diag)) {
		cd_call_diag(call, 422, "POLICY",
			     "the policy was refused; the one in force stays",
			     diag);
		return;
	}
	if (!r && !dry)
		r = put_into_force(call->ctl, rq, &d);
	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_json(call, 200, applied_json(call->ctl, &d, diag, dry));
}

/* Enforcement points return by themselves, cut off from here too, to the bundle
 * they had: it must be there, and not past its not-after by then. */
static bool may_try(struct cd_call *call, int64_t confirm)
{
	struct cd_ctl *ctl = call->ctl;
	int64_t most = ctl->opt.bundle_life / 2;
	bool asked = json_object_get(call->body, "confirm") != NULL;

	/* who asks for a trial of 0 s does not want none */
	if (confirm < asked || confirm > most) {
		cd_call_error(call, 400, "BAD_REQUEST",
			      "a trial is of 1 to %lld seconds, half of the "
			      "life of a bundle",
			      (long long)most);
		return false;
	}
	if (confirm && !last_kept(ctl, ctl->policy->serial + 1)) {
		cd_call_error(call, 409, "CONFLICT",
			      "there is no policy to return to: apply the "
			      "first one without a trial");
		return false;
	}
	return true;
}

void answer_policy_apply(struct cd_call *call)
{
	const char *note = cd_body_text(call, "note");
	struct request rq = {
		.files = json_object_get(call->body, "files"),
		.who = call->who,
		.note = note ? note : "",
		.action = "policy.apply",
		.confirm = cd_body_int(call, "confirm", 0),
	};

	if (may_try(call, rq.confirm))
		apply(call, &rq, cd_body_bool(call, "dry_run", false));
}

/* ---- confirming and going back ---- */

int cd_policy_files(struct cd_ctl *ctl, int64_t serial, json_t **ret_files)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_str text;
	int r = cd_query_start(&q, ctl->store,
			       "SELECT files FROM policy WHERE serial = ?1",
			       "i", serial);

	r = cd_query_one(&q, r);
	if (r < 0)
		return r;
	text = cd_query_str(&q, 0);
	*ret_files = json_loadb(text.ptr, text.len, 0, NULL);
	return *ret_files ? 0 : CD_E_CORRUPT;
}

static int64_t version_before(struct cd_ctl *ctl)
{
	return last_kept(ctl, ctl->policy->serial);
}

/* Enforcement points learn it by a bundle that is no trial. */
static int write_confirmed(struct cd_ctl *ctl, const char *who,
			   struct cd_policy_state *next)
{
	int64_t n;
	int r;

	next->confirm_by = 0;
	n = cd_store_run(ctl->store,
			 "UPDATE policy SET confirm_by = 0 WHERE serial = ?1",
			 "i", next->serial);
	r = n < 0 ? (int)n :
		    add_bundle(ctl, next->serial, next->image, next->size,
			       next);
	return r < 0 ? r :
		       cd_audit(ctl, who, "policy.confirm", CD_STR("policy"),
				NULL, NULL);
}

void answer_policy_confirm(struct cd_call *call)
{
	struct cd_policy_state *p = call->ctl->policy;
	struct cd_policy_state next = *p;
	int r;

	if (!p->confirm_by || p->confirm_by <= cd_now()) {
		cd_call_error(call, 409, "CONFLICT", "%s",
			      p->confirm_by ? "too late: the policy before "
					      "is coming back" :
					      "nothing waits to be confirmed");
		return;
	}
	r = cd_ctl_begin(call->ctl);
	if (!r)
		r = cd_ctl_end(call->ctl,
			       write_confirmed(call->ctl, call->who, &next));
	if (r < 0) {
		cd_call_fail(call, r);
		return;
	}
	*p = next;
	cd_call_json(call, 200,
		     json_pack("{s:I, s:s}", "serial", (json_int_t)p->serial,
			       "hash", p->hash));
}

void answer_policy_rollback(struct cd_call *call)
{
	struct request rq = {
		.who = call->who,
		.note = "rollback",
		.action = "policy.rollback",
	};
	int64_t serial = cd_body_int(call, "serial", 0);
	int r;

	if (!serial)
		serial = version_before(call->ctl);
	r = cd_policy_files(call->ctl, serial, &rq.files);
	if (r == CD_E_NOTFOUND && serial)
		cd_call_error(call, 404, "NOT_FOUND",
			      "there is no version %lld", (long long)serial);
	else if (r == CD_E_NOTFOUND)
		cd_call_error(call, 404, "NOT_FOUND",
			      "there is no version to go back to");
	else if (r < 0)
		cd_call_fail(call, r);
	else
		apply(call, &rq, false);
	json_decref(rq.files);
}

/* The deadline passed: the text of the version before, as a new version. */
static void go_back(struct cd_ctl *ctl)
{
	struct draft d cd_auto(draft_done) = {0};
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct request rq = {
		.who = "cordond",
		.note = "not confirmed in time",
		.action = "policy.return",
	};
	int64_t serial = version_before(ctl);
	int r = cd_diag_new(&diag);

	if (!r)
		r = cd_policy_files(ctl, serial, &rq.files);
	if (!r)
		r = compile(ctl, rq.files, diag, &d);
	if (!r)
		r = put_into_force(ctl, &rq, &d);
	json_decref(rq.files);
	if (r < 0) {
		CD_LOG_ERROR("POLICY_RETURN_FAILED",
			     cd_log_num("serial", serial), cd_log_err(r));
		ctl->policy->retry_at = cd_steady() + 10;
	}
}

static void renew(struct cd_ctl *ctl)
{
	struct cd_policy_state *p = ctl->policy, next = *p;
	int r = cd_ctl_begin(ctl);

	if (!r)
		r = cd_ctl_end(ctl, add_bundle(ctl, p->serial, p->image,
					       p->size, &next));
	if (!r) {
		*p = next;
		return;
	}
	CD_LOG_WARN("BUNDLE_RENEW_FAILED", cd_log_err(r));
	p->retry_at = cd_steady() + 10;
}

void cd_policy_tick(struct cd_ctl *ctl)
{
	struct cd_policy_state *p = ctl->policy;
	int64_t now = cd_now();

	if (!p->serial || cd_steady() < p->retry_at)
		return;
	if (p->confirm_by && now >= p->confirm_by)
		go_back(ctl);
	else if (p->not_after - now < ctl->opt.bundle_life / 2 ||
		 p->not_after - now > ctl->opt.bundle_life + 3600)
		renew(ctl); /* the second: the clock was set back */
}

void cd_policy_clock_back(struct cd_ctl *ctl, int64_t by)
{
	if (ctl->policy->confirm_by)
		ctl->policy->confirm_by -= by;
}

/* ---- the same text with other feeds ---- */

struct again {
	struct cd_ctl *ctl;
	json_t *files;
	int64_t serial; /* of the version that was in force */
	struct draft d;
	struct cd_diag *diag;
	int err; /* -ECANCELED: it never ran */
};

static void again_free(struct again **again)
{
	struct again *a = CD_TAKE(*again);

	if (!a)
		return;
	draft_done(&a->d);
	cd_diag_free(&a->diag);
	json_decref(a->files);
	free(a);
}

static void again_run(void *arg)
{
	struct again *a = arg;

	a->err = compile(a->ctl, a->files, a->diag, &a->d);
}

/* The version stays, its image changes. Whoever is fetching the bundle before
 * still finds the bytes of that one. */
static int write_image(struct cd_ctl *ctl, const struct draft *d,
		       struct cd_policy_state *next)
{
	int64_t n = cd_store_run(ctl->store,
				 "UPDATE bundle SET image = (SELECT image FROM"
				 " policy WHERE serial = ?1)"
				 " WHERE policy = ?1 AND image IS NULL",
				 "i", next->serial);

	if (n >= 0)
		n = cd_store_run(ctl->store,
				 "UPDATE policy SET image = ?2, hash = ?3"
				 " WHERE serial = ?1",
				 "ibz", next->serial,
				 cd_str_make(d->image, d->size), d->hash);
	return n < 0 ? (int)n :
		       add_bundle(ctl, next->serial, d->image, d->size, next);
}

static int publish(struct again *a)
{
	struct cd_ctl *ctl = a->ctl;
	struct cd_policy_state next = *ctl->policy;
	int r;

	if (!strcmp(a->d.hash, ctl->policy->hash))
		return 0;
	r = cd_ctl_begin(ctl);
	if (!r)
		r = cd_ctl_end(ctl, write_image(ctl, &a->d, &next));
	if (r < 0)
		return r;
	adopt(ctl->policy, &a->d, &next);
	CD_LOG_INFO("FEEDS_IN_FORCE", cd_log_num("serial", next.serial),
		    cd_log_num("bundle", next.bundle));
	return 0;
}

static void again_done(void *arg)
{
	struct again *a cd_auto(again_free) = arg;
	size_t i;

	if (a->err == -ECANCELED)
		return;
	/* Another version came meanwhile: its own compile read the feeds. */
	if (!a->err && a->serial == a->ctl->policy->serial)
		a->err = publish(a);
	for (i = 0; a->err && i < cd_diag_count(a->diag); i++)
		if (cd_diag_get(a->diag, i)->severity == CD_ERROR)
			break;
	cd_feeds_compiled(a->ctl, a->err,
			  a->err && i < cd_diag_count(a->diag) ?
				  cd_diag_get(a->diag, i)->text :
				  cd_strerror(a->err));
}

int cd_policy_compile_again(struct cd_ctl *ctl)
{
	struct again *a cd_auto(again_free) = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->ctl = ctl;
	a->serial = ctl->policy->serial;
	a->err = -ECANCELED;
	r = cd_diag_new(&a->diag);
	if (!r)
		r = cd_policy_files(ctl, a->serial, &a->files);
	if (!r)
		r = cd_work_submit(ctl->work, again_run, again_done, a);
	if (!r)
		a = NULL;
	return r;
}

/* ---- start ---- */

static int load_rows(struct cd_ctl *ctl, struct cd_policy_state *p,
		     struct cd_buf *image)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_str hash;
	int r;

	r = cd_query_start(&q, ctl->store,
			   "SELECT p.serial, p.confirm_by, b.serial, b.hash,"
			   " b.not_after, p.image FROM bundle b"
			   " JOIN policy p ON p.serial = b.policy"
			   " ORDER BY b.serial DESC LIMIT 1",
			   "");
	if (!r)
		r = cd_query_step(&q);
	if (r <= 0)
		return r;
	p->serial = cd_query_int(&q, 0);
	p->confirm_by = cd_query_int(&q, 1);
	p->bundle = cd_query_int(&q, 2);
	hash = cd_query_str(&q, 3);
	if (hash.len != sizeof(p->bundle_hash))
		return CD_E_CORRUPT;
	memcpy(p->bundle_hash, hash.ptr, hash.len);
	p->not_after = cd_query_int(&q, 4);
	cd_buf_str(image, cd_query_str(&q, 5));
	return image->err ? image->err : 1;
}

/* A snapshot of another version of the compiler: make it from the text. */
static int recompile(struct cd_ctl *ctl, struct cd_policy_state *p,
		     struct cd_diag *diag)
{
	struct draft d cd_auto(draft_done) = {0};
	struct request rq = {
		.who = "cordond",
		.note = "compiled again for this version of Cordon",
		.action = "policy.recompile",
	};
	int r = cd_policy_files(ctl, p->serial, &rq.files);

	if (p->confirm_by)
		rq.confirm = CD_MAX(p->confirm_by - cd_now(), 1);
	if (!r)
		r = compile(ctl, rq.files, diag, &d);
	if (!r)
		r = put_into_force(ctl, &rq, &d);
	json_decref(rq.files);
	return r;
}

/* Text of a version that an older Cordon took may not parse: it stays in
 * force, and its feeds as they are. */
static int follow_feeds(struct cd_ctl *ctl, struct cd_policy_state *p)
{
	struct cd_policy *policy cd_auto(cd_policy_free) = NULL;
	json_t *files = NULL;
	int r = cd_policy_files(ctl, p->serial, &files);

	if (!r)
		r = parse_files(files, NULL, &policy);
	if (!r)
		cd_feeds_follow(ctl, policy);
	else
		CD_LOG_WARN("FEEDS_UNKNOWN", cd_log_err(r));
	cd_policy_free(&policy); /* before the text that it borrows */
	json_decref(files);
	return 0;
}

int cd_policy_state_new(struct cd_ctl *ctl, struct cd_diag *diag,
			struct cd_policy_state **ret_state)
{
	struct cd_policy_state *p = calloc(1, sizeof(*p));
	struct cd_buf image cd_auto(cd_buf_done);
	uint8_t hash[CD_SHA256_SIZE];
	int r;

	cd_buf_init(&image, CD_MAX_SNAPSHOT_SIZE);
	if (!p)
		return -ENOMEM;
	*ret_state = p; /* the caller frees it, and recompile looks there */
	r = load_rows(ctl, p, &image);
	if (r <= 0)
		return r;
	p->size = image.len;
	cd_sha256(image.data, image.len, hash);
	hex(hash, sizeof(hash), p->hash);
	p->image = cd_buf_take(&image);
	r = cd_snapshot_open(p->image, p->size, &p->snapshot);
	return r < 0 ? recompile(ctl, p, diag) : follow_feeds(ctl, p);
}

void cd_policy_state_free(struct cd_policy_state **state)
{
	struct cd_policy_state *p = CD_TAKE(*state);

	if (!p)
		return;
	free(p->image);
	free(p);
}
