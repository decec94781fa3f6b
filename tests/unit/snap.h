/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of what stands on a compiled policy: policy text in, snapshot
 * out, decisions of JSON requests. Feeds are given by the test; zones come
 * from two small files made here, so that the machine's tzdata plays no part.
 */
#ifndef TESTS_SNAP_H
#define TESTS_SNAP_H

#include <cordon/policy.h>

#include "base/buf.h"
#include "base/time.h"
#include "decide/input.h"

#include "tap.h"

/* CET-1CEST,M3.5.0,M10.5.0/3 without a transition in the file itself. */
static const char snap_berlin[] =
	"TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
	"\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0"
	"TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
	"\0\0\0\0\0\0\0\1\0\0\0\4\0\0\x0e\x10\0\0CET\0"
	"\nCET-1CEST,M3.5.0,M10.5.0/3\n";

struct snap {
	void *image;
	size_t size;
	const struct cd_snapshot *s;
	struct cd_diag *diag;
	const char *feed; /* text of every feed, or NULL: there is none */
};

static int snap_copy(const char *bytes, size_t size, char **ret, size_t *len)
{
	*ret = cd_str_dup(cd_str_make(bytes, size));
	*len = size;
	return *ret ? 0 : -ENOMEM;
}

static int snap_feed(void *ctx, struct cd_str location, char **ret, size_t *len)
{
	const struct snap *s = ctx;

	(void)location;
	return s->feed ? snap_copy(s->feed, strlen(s->feed), ret, len) :
			 -ENOENT;
}

static int snap_zone(void *ctx, struct cd_str zone, char **ret, size_t *len)
{
	(void)ctx;
	if (!cd_str_equal(zone, CD_STR("Europe/Berlin")))
		return -ENOENT;
	return snap_copy(snap_berlin, sizeof(snap_berlin) - 1, ret, len);
}

/* Compiles; s->diag holds the messages either way. */
__attribute__((unused)) static int snap_try(struct snap *s, const char *text)
{
	struct cd_source source = {"test.cordon", cd_str_from(text)};
	struct cd_loader loader = {
		.ctx = s, .feed = snap_feed, .zone = snap_zone};
	struct cd_policy *policy = NULL;
	int err;

	cd_diag_free(&s->diag);
	err = cd_diag_new(&s->diag);
	if (!err)
		err = cd_policy_parse(&source, 1, s->diag, &policy);
	if (!err)
		err = cd_policy_compile(policy, &loader, s->diag, &s->image,
					&s->size);
	if (!err)
		err = cd_snapshot_open(s->image, s->size, &s->s);
	cd_policy_free(&policy);
	return err;
}

__attribute__((unused)) static void snap_done(struct snap *s)
{
	free(s->image);
	cd_diag_free(&s->diag);
	*s = (struct snap){0};
}

__attribute__((unused)) static void snap_messages(const struct snap *s)
{
	for (size_t i = 0; i < cd_diag_count(s->diag); i++)
		note("%u:%u %s", cd_diag_get(s->diag, i)->line,
		     cd_diag_get(s->diag, i)->column,
		     cd_diag_get(s->diag, i)->text);
}

/* Compiles and checks what must compile and hold. */
__attribute__((unused)) static bool snap_make(struct snap *s, const char *text)
{
	int err = snap_try(s, text);

	if (!err)
		err = cd_snapshot_check(s->s, s->diag);
	if (!err)
		return true;
	snap_messages(s);
	snap_done(s);
	return fail("policy does not compile: %s", cd_strerror(err));
}

/* A decision of a JSON request (' stands for "), as
 * "verdict REASON rule | attr need have; ..." */
__attribute__((unused)) static const char *
snap_decide(const struct snap *s, const char *json, struct cd_decision *ret)
{
	static char line[4096];
	struct cd_arena *arena = NULL;
	struct cd_decision d;
	struct cd_request r;
	char text[2048], need[256], have[256];
	char error[CD_INPUT_ERROR_MAX];
	struct cd_buf out;
	size_t n = strlen(json);

	cd_arena_new(1 << 20, &arena);
	memcpy(text, json, n + 1);
	for (size_t i = 0; i < n; i++)
		text[i] = text[i] == '\'' ? '"' : text[i];
	if (cd_input_json(cd_str_make(text, n), arena, &r, error)) {
		snprintf(line, sizeof(line), "error: %s", error);
		cd_arena_free(&arena);
		return line;
	}
	d = cd_input_decide(s->s, &r);
	cd_buf_init(&out, sizeof(line) - 1);
	cd_buf_printf(&out, "%s %s %.*s",
		      cd_verdict_name((enum cd_verdict)d.verdict),
		      cd_reason_name((enum cd_reason)d.reason),
		      CD_STR_FMT(cd_rule_name(s->s, d.rule)));
	for (unsigned int i = 0; i < d.n_failed; i++) {
		cd_failure_need(s->s, &d.failed[i], CD_FOR_ADMIN, need,
				sizeof(need));
		cd_failure_have(s->s, &r, &d.failed[i], CD_FOR_ADMIN, have,
				sizeof(have));
		cd_buf_printf(
			&out, "%s%s %s (%s)", i ? "; " : " | ",
			d.failed[i].attr < CD_ATTR_COUNT ?
				cd_attr_get((enum cd_attr)d.failed[i].attr)
					->name :
				"obligations",
			need, have);
	}
	snprintf(line, sizeof(line), "%s", out.data);
	cd_buf_done(&out);
	cd_arena_free(&arena);
	if (ret)
		*ret = d;
	return line;
}

#define ok_decides(s, json, want) ok_eq_str(snap_decide(s, json, NULL), want)

#endif
