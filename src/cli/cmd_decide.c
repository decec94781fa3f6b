/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cordon decide: requests in, decisions out, one JSON object a line; for
 * tests and other programs. Needs no daemon: the policy comes from files. A
 * request that gives no time is asked at --now, without that at this moment;
 * "time": null asks without one.
 */
#include "cli/policy_files.h"

#include <time.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/obligations.h"
#include "base/time.h"
#include "decide/input.h"
#include "sys/loader.h"

/* Memory of one request. */
#define ARENA_MAX ((size_t)64 << 20)

static int compile(struct cd_cli *cli, const struct cd_policy_files *f,
		   void **ret_image, const struct cd_snapshot **ret_snapshot)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct cd_policy *policy cd_auto(cd_policy_free) = NULL;
	struct cd_loader files;
	size_t size = 0;
	int err = cd_diag_new(&diag);

	cd_file_loader_init(&files);
	files.unproved = true;
	if (!err)
		err = cd_policy_parse(f->sources, f->n, diag, &policy);
	if (!err)
		err = cd_policy_compile(policy, &files, diag, ret_image, &size);
	if (!err)
		err = cd_snapshot_open(*ret_image, size, ret_snapshot);
	if (diag)
		cd_policy_files_show(f, diag);
	return err ? cd_cli_fail(cli, "the policy is not usable: %s",
				 cd_strerror(err)) :
		     0;
}

/* ---- output --------------------------------------------------------------- */
static void put_rule(struct cd_json_writer *w, const struct cd_snapshot *s,
		     uint32_t rule)
{
	if (rule == CD_NO_RULE)
		cd_json_put_null(w);
	else
		cd_json_put_str(w, cd_rule_name(s, rule));
}

static void put_failed(struct cd_json_writer *w, const struct cd_snapshot *s,
		       const struct cd_request *r, const struct cd_decision *d)
{
	char text[512];

	cd_json_array(w);
	for (unsigned int i = 0; i < d->n_failed; i++) {
		const struct cd_failure *f = &d->failed[i];

		cd_json_object(w);
		cd_json_key(w, "attr");
		cd_json_puts(w,
			     f->attr < CD_ATTR_COUNT ?
				     cd_attr_get((enum cd_attr)f->attr)->name :
				     "obligations");
		cd_json_key(w, "need");
		cd_failure_need(s, f, CD_FOR_ADMIN, text, sizeof(text));
		cd_json_puts(w, text);
		cd_json_key(w, "have");
		cd_failure_have(s, r, f, CD_FOR_ADMIN, text, sizeof(text));
		cd_json_puts(w, text);
		cd_json_object_end(w);
	}
	cd_json_array_end(w);
}

static void put_report(struct cd_json_writer *w, const struct cd_snapshot *s,
		       const struct cd_decision *d)
{
	if (d->n_report == 0)
		return;
	cd_json_key(w, "report");
	cd_json_array(w);
	for (unsigned int i = 0; i < d->n_report; i++) {
		cd_json_object(w);
		cd_json_key(w, "rule");
		put_rule(w, s, d->report[i].rule);
		cd_json_key(w, "verdict");
		cd_json_puts(w, cd_verdict_name(
					(enum cd_verdict)d->report[i].verdict));
		cd_json_object_end(w);
	}
	cd_json_array_end(w);
}

static void put_watched(struct cd_json_writer *w, const struct cd_snapshot *s,
			const struct cd_decision *d)
{
	if (d->n_watched == 0)
		return;
	cd_json_key(w, "watched");
	cd_json_array(w);
	for (unsigned int i = 0; i < d->n_watched; i++)
		cd_json_put_str(w, cd_feed_name(s, d->watched[i]));
	cd_json_array_end(w);
}

static void put_decision(struct cd_json_writer *w, const struct cd_snapshot *s,
			 struct cd_request *r)
{
	struct cd_decision d = cd_input_decide(s, r);
	char text[CD_RFC3339_SIZE];

	cd_json_object(w);
	cd_json_key(w, "verdict");
	cd_json_puts(w, cd_verdict_name((enum cd_verdict)d.verdict));
	cd_json_key(w, "rule");
	put_rule(w, s, d.rule);
	cd_json_key(w, "reason");
	cd_json_puts(w, cd_reason_name((enum cd_reason)d.reason));
	cd_json_key(w, "failed");
	put_failed(w, s, r, &d);
	cd_json_key(w, "obligations");
	cd_obligations_put(w, &d.obligations);
	if (d.recheck_at != INT64_MAX) {
		cd_rfc3339_format(d.recheck_at, text, sizeof(text));
		cd_json_key(w, "recheck_at");
		cd_json_puts(w, text);
	}
	put_report(w, s, &d);
	put_watched(w, s, &d);
	cd_json_object_end(w);
}

/* ---- one line -------------------------------------------------------------- */
struct stream {
	const struct cd_snapshot *s;
	const int64_t *now; /* NULL: not given */
	struct cd_buf line, out;
	bool refused; /* a line was no request */
};

static int64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * CD_NS_PER_S + t.tv_nsec;
}

static int answer(struct stream *st)
{
	struct cd_arena *arena cd_auto(cd_arena_free) = NULL;
	struct cd_json_writer w;
	struct cd_request r;
	char error[CD_INPUT_ERROR_MAX] = "too long";
	int err = cd_arena_new(ARENA_MAX, &arena);

	if (err)
		return err;
	cd_buf_clear(&st->out);
	cd_json_writer_init(&w, &st->out, 0);
	err = st->line.err ?
		      -EINVAL :
		      cd_input_json(cd_buf_get(&st->line), arena, &r, error);
	if (err) {
		st->refused = true;
		cd_json_object(&w);
		cd_json_key(&w, "error");
		cd_json_puts(&w, err == -EINVAL ? error : cd_strerror(err));
		cd_json_object_end(&w);
	} else {
		if (r.v[CD_ATTR_TIME].state == CD_UNKNOWN)
			cd_request_set_int(&r, CD_ATTR_TIME,
					   st->now ? *st->now : clock_now());
		put_decision(&w, st->s, &r);
	}
	cd_buf_char(&st->out, '\n');
	if (st->out.err)
		return st->out.err;
	if (fwrite(st->out.data, 1, st->out.len, stdout) != st->out.len)
		return -EIO;
	return 0;
}

/* Reads a line without its end; false at the end of input. */
static bool next_line(struct cd_buf *line)
{
	int c = getc_unlocked(stdin);

	cd_buf_clear(line);
	if (c == EOF)
		return false;
	for (; c != EOF && c != '\n'; c = getc_unlocked(stdin))
		cd_buf_char(line, (char)c);
	return true;
}

static int run(const struct cd_cli *cli, const struct cd_snapshot *s,
	       const int64_t *now)
{
	struct stream st = {.s = s, .now = now};
	int err = 0;

	cd_buf_init(&st.line, CD_INPUT_LINE_MAX);
	cd_buf_init(&st.out, (size_t)1 << 20);
	while (!err && next_line(&st.line))
		err = answer(&st);
	if (!err && fflush(stdout) != 0)
		err = -errno;
	cd_buf_done(&st.line);
	cd_buf_done(&st.out);
	if (err)
		return cd_cli_fail(cli, "%s", cd_strerror(err));
	if (ferror(stdin))
		return cd_cli_fail(cli, "standard input cannot be read");
	return st.refused ? CD_EXIT_REFUSED : CD_EXIT_DONE;
}

int cd_cmd_decide(struct cd_cli *cli, int argc, char **argv)
{
	const char *policy = NULL, *now_text = NULL;
	const struct cd_cli_option options[] = {
		{"policy", "FILE...", &policy, NULL,
		 "the policy's files or folders; further ones follow"},
		{"now", "RFC3339", &now_text, NULL,
		 "instant of requests that give no time, instead of this moment"},
		{NULL, NULL, NULL, NULL, NULL},
	};
	struct cd_policy_files files cd_auto(cd_policy_files_done) = {0};
	const struct cd_snapshot *s = NULL;
	void *image cd_auto(cd_freep) = NULL;
	int64_t now = 0;
	int r = cd_cli_parse(cli, argc, argv, options, 0, CD_MAX_FILES, &argc);

	if (r >= 0)
		return r;
	if (!policy)
		return cd_cli_usage(cli, "--policy FILE is missing");
	if (now_text && cd_rfc3339_parse(cd_str_from(now_text), &now))
		return cd_cli_usage(cli, "--now %s is no RFC 3339 instant",
				    now_text);
	for (int i = 1; i <= argc; i++)
		if (!strcmp(argv[i], "-"))
			return cd_cli_usage(
				cli, "standard input holds the requests");
	r = cd_policy_files_read(cli, argv + 1, (size_t)argc, &files);
	if (!r)
		r = compile(cli, &files, &image, &s);
	return r ? r : run(cli, s, now_text ? &now : NULL);
}
