/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one file of cases. A case file is written and read by people:
 *
 *	# comment
 *	policy example.cordon          a file beside this one; or `policy`
 *	policy                         followed by indented lines of policy
 *	  allow "x" from any to any
 *	feed /etc/x.netset 203.0.113.0/24 198.51.100.7
 *	now 2026-11-23T10:00:00Z
 *	let alice subject=person user.name=alice user.groups=finance,ops
 *	ask alice kind=http app=payroll http.path=/x mfa.age=13h
 *	  challenge STEP_UP "finance uses payroll" failed mfa.age
 *
 * `ask` begins with the name of a `let` or with `-`. The answer line is the
 * verdict, the reason, the rule in quotes or `none`, then optionally
 * `failed ATTR,...` (exactly these, in order), `max D`, `record`,
 * `recheck RFC3339`, `report "RULE"`. One TAP point an ask.
 */
#include <cordon/policy.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/time.h"
#include "decide/input.h"

#define LETS 64
#define FEEDS 8

struct line {
	struct cd_str text; /* without indentation */
	bool indented;
	unsigned int nr;
};

struct run {
	const char *path;
	struct cd_arena *arena;
	struct line *lines;
	size_t n, at;
	struct cd_str now;
	struct {
		struct cd_str name, values;
	} lets[LETS];
	size_t n_lets;
	struct {
		struct cd_str path, text;
	} feeds[FEEDS];
	size_t n_feeds;
	const struct cd_snapshot *snapshot;
	void *image;
	unsigned int points, failures;
};

static _Noreturn void die(const struct run *t, const char *what)
{
	printf("Bail out! %s:%u: %s\n", t->path,
	       t->at < t->n ? t->lines[t->at].nr : 0, what);
	exit(1);
}

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	char *p = NULL;
	size_t cap = 0;
	ssize_t n = f ? getdelim(&p, &cap, 0, f) : -1;

	if (f)
		fclose(f);
	if (n < 0) {
		free(p);
		return NULL;
	}
	*len = (size_t)n;
	return p;
}

static struct cd_str word(struct cd_str *rest)
{
	struct cd_str w = cd_str_split(cd_str_trim(*rest), ' ', rest);

	*rest = cd_str_trim(*rest);
	return w;
}

/* ---- policy ------------------------------------------------------------ */
static int feed(void *ctx, struct cd_str location, char **ret, size_t *len)
{
	const struct run *t = ctx;

	for (size_t i = 0; i < t->n_feeds; i++) {
		if (!cd_str_equal(t->feeds[i].path, location))
			continue;
		*ret = cd_str_dup(t->feeds[i].text);
		*len = t->feeds[i].text.len;
		for (char *p = *ret; p && *p; p++)
			*p = *p == ' ' ? '\n' : *p;
		return *ret ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

static int zone(void *ctx, struct cd_str name, char **ret, size_t *len)
{
	char path[256];

	(void)ctx;
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s",
		 CD_STR_FMT(name));
	*ret = NULL;
	*len = 0;
	FILE *f = fopen(path, "rb");
	if (!f)
		return -ENOENT;
	*ret = malloc(1 << 16);
	if (*ret)
		*len = fread(*ret, 1, 1 << 16, f);
	fclose(f);
	return *ret ? 0 : -ENOMEM;
}

static void print_diag(const struct cd_diag *diag)
{
	for (size_t i = 0; i < cd_diag_count(diag); i++) {
		const struct cd_message *m = cd_diag_get(diag, i);

		printf("# %s:%u:%u: %s%s%s\n", m->file ? m->file : "?", m->line,
		       m->column, m->text, m->hint ? ": " : "",
		       m->hint ? m->hint : "");
	}
}

static void compile(struct run *t, struct cd_str text)
{
	struct cd_loader loader = {.ctx = t, .feed = feed, .zone = zone};
	struct cd_source source = {.name = t->path, .text = text};
	struct cd_policy *policy = NULL;
	struct cd_diag *diag = NULL;
	struct cd_test_result result = {0};
	size_t size = 0;
	int64_t now = 0;
	int err = cd_diag_new(&diag);

	free(t->image);
	t->image = NULL;
	(void)cd_rfc3339_parse(t->now, &now);
	if (!err)
		err = cd_policy_parse(&source, 1, diag, &policy);
	if (!err)
		err = cd_policy_compile(policy, &loader, diag, &t->image,
					&size);
	if (!err)
		err = cd_snapshot_open(t->image, size, &t->snapshot);
	if (!err)
		err = cd_snapshot_check(t->snapshot, diag);
	if (!err)
		err = cd_policy_run_tests(policy, t->snapshot, now, diag,
					  &result);
	print_diag(diag);
	cd_policy_free(&policy);
	cd_diag_free(&diag);
	if (err)
		die(t, "the policy does not build");
}

static void policy_file(struct run *t, struct cd_str name)
{
	const char *slash = strrchr(t->path, '/');
	char path[1024];
	size_t len;
	char *text;

	snprintf(path, sizeof(path), "%.*s%.*s",
		 slash ? (int)(slash - t->path + 1) : 0, t->path,
		 CD_STR_FMT(name));
	text = read_file(path, &len);
	if (!text)
		die(t, "no such policy file");
	compile(t, cd_str_make(text, len));
	free(text);
}

static void policy_here(struct run *t)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, 1 << 20);
	cd_buf_puts(&b, "version 1\n");
	/* Two blanks of indentation belong to the case file. */
	while (t->at + 1 < t->n && t->lines[t->at + 1].indented) {
		struct cd_str l = t->lines[++t->at].text;

		cd_buf_str(&b, cd_str_make(l.ptr, l.len));
		cd_buf_char(&b, '\n');
	}
	compile(t, cd_buf_get(&b));
}

/* ---- asking ------------------------------------------------------------ */
static void set(struct run *t, struct cd_request *r, struct cd_str pair)
{
	char error[CD_INPUT_ERROR_MAX];
	struct cd_str value, key = cd_str_split(pair, '=', &value);
	enum cd_attr attr = cd_attr_find(key);

	if (cd_str_equal(key, CD_STR("kind"))) {
		r->kind = cd_input_kind(value);
		if (!r->kind)
			die(t, "no such kind");
		return;
	}
	if (cd_str_equal(key, CD_STR("best")))
		r->best_factor = (int32_t)(value.ptr[0] - '0');
	else if (cd_str_equal(key, CD_STR("cannot")))
		r->capabilities &=
			~(uint32_t)(cd_str_equal(value, CD_STR("ask")) ?
					    CD_CAN_ASK :
					    CD_CAN_RECORD);
	else if (cd_str_equal(key, CD_STR("stale")))
		r->v[cd_attr_find(value)].age = UINT32_MAX;
	else if (attr == CD_ATTR_NONE)
		die(t, "unknown attribute");
	else if (cd_input_text(r, attr, value, t->arena, error))
		die(t, error);
}

static void set_all(struct run *t, struct cd_request *r, struct cd_str values)
{
	while (values.len)
		set(t, r, word(&values));
}

static void ask(struct run *t, struct cd_str line, struct cd_request *r)
{
	struct cd_str who = word(&line);
	size_t i = 0;

	cd_request_init(r);
	set(t, r, CD_STR("subject=unknown"));
	if (t->now.len) {
		int64_t ns;

		if (cd_rfc3339_parse(t->now, &ns))
			die(t, "now is no RFC 3339 instant");
		cd_request_set_int(r, CD_ATTR_TIME, ns);
	}
	while (i < t->n_lets && !cd_str_equal(t->lets[i].name, who))
		i++;
	if (i < t->n_lets)
		set_all(t, r, t->lets[i].values);
	else if (!cd_str_equal(who, CD_STR("-")))
		die(t, "no `let` of this name");
	set_all(t, r, line);
}

/* What was decided, in the words of an answer line. */
static void describe(const struct run *t, const struct cd_decision *d,
		     struct cd_str wanted, struct cd_buf *b)
{
	char text[CD_RFC3339_SIZE];

	cd_buf_printf(b, "%s %s ", cd_verdict_name((enum cd_verdict)d->verdict),
		      cd_reason_name((enum cd_reason)d->reason));
	if (d->rule == CD_NO_RULE)
		cd_buf_puts(b, "none");
	else
		cd_buf_printf(b, "\"%.*s\"",
			      CD_STR_FMT(cd_rule_name(t->snapshot, d->rule)));
	/* only what the case asks about */
	if (memmem(wanted.ptr, wanted.len, " failed ", 8))
		for (size_t i = 0; i < d->n_failed; i++)
			cd_buf_printf(
				b, "%s%s", i ? "," : " failed ",
				cd_attr_get((enum cd_attr)d->failed[i].attr)
					->name);
	if (memmem(wanted.ptr, wanted.len, " max ", 5)) {
		cd_duration_format(d->obligations.max, text, sizeof(text));
		cd_buf_printf(b, " max %s", text);
	}
	if (d->obligations.record || d->obligations.record_required)
		cd_buf_puts(b, " record");
	if (memmem(wanted.ptr, wanted.len, " recheck ", 9)) {
		cd_rfc3339_format(d->recheck_at, text, sizeof(text));
		cd_buf_printf(b, " recheck %s",
			      d->recheck_at == INT64_MAX ? "never" : text);
	}
	if (memmem(wanted.ptr, wanted.len, " report ", 8))
		for (size_t i = 0; i < d->n_report; i++)
			cd_buf_printf(b, " report \"%.*s\"",
				      CD_STR_FMT(cd_rule_name(
					      t->snapshot, d->report[i].rule)));
}

static void judge(struct run *t, struct cd_str line)
{
	struct cd_buf got cd_auto(cd_buf_done);
	unsigned int nr = t->lines[t->at].nr;
	struct cd_request r;
	struct cd_decision d;
	bool good;

	if (!t->snapshot)
		die(t, "ask before policy");
	ask(t, line, &r);
	if (t->at + 1 >= t->n || !t->lines[t->at + 1].indented)
		die(t, "an ask needs an answer line");
	t->at++;
	d = cd_decide(t->snapshot, &r);
	cd_buf_init(&got, 4096);
	describe(t, &d, t->lines[t->at].text, &got);
	good = cd_str_equal(cd_buf_get(&got), t->lines[t->at].text);
	t->failures += !good;
	printf("%s %u - line %u: %.*s\n", good ? "ok" : "not ok", ++t->points,
	       nr, CD_STR_FMT(t->lines[t->at].text));
	if (!good)
		fprintf(stderr, "# %s:%u: got %s\n", t->path, nr, got.data);
}

/* ---- the file ---------------------------------------------------------- */
static void let(struct run *t, struct cd_str rest)
{
	if (t->n_lets == LETS)
		die(t, "too many `let`");
	t->lets[t->n_lets].name = word(&rest);
	t->lets[t->n_lets++].values = rest;
}

static void add_feed(struct run *t, struct cd_str rest)
{
	if (t->n_feeds == FEEDS)
		die(t, "too many feeds");
	t->feeds[t->n_feeds].path = word(&rest);
	t->feeds[t->n_feeds++].text = rest;
}

static void step(struct run *t)
{
	struct cd_str rest = t->lines[t->at].text;
	struct cd_str verb = word(&rest);

	if (t->lines[t->at].indented)
		die(t, "an indented line belongs to nothing");
	if (cd_str_equal(verb, CD_STR("policy"))) {
		if (rest.len)
			policy_file(t, rest);
		else
			policy_here(t);
	} else if (cd_str_equal(verb, CD_STR("now"))) {
		t->now = rest;
	} else if (cd_str_equal(verb, CD_STR("let"))) {
		let(t, rest);
	} else if (cd_str_equal(verb, CD_STR("feed"))) {
		add_feed(t, rest);
	} else if (cd_str_equal(verb, CD_STR("ask"))) {
		judge(t, rest);
	} else {
		die(t, "no such word");
	}
}

/* Blank lines and comments go; two blanks of indentation are taken off. */
static void split_lines(struct run *t, struct cd_str text)
{
	unsigned int nr = 0;

	t->lines = calloc(text.len + 1, sizeof(*t->lines));
	if (!t->lines)
		die(t, "no memory");
	while (text.len) {
		struct cd_str l = cd_str_split(text, '\n', &text);
		bool indented = cd_str_has_prefix(l, CD_STR("  "));

		nr++;
		if (cd_str_trim(l).len == 0 || l.ptr[0] == '#')
			continue;
		if (indented) {
			l.ptr += 2;
			l.len -= 2;
		}
		t->lines[t->n++] = (struct line){
			.text = l, .indented = indented, .nr = nr};
	}
}

int main(int argc, char **argv)
{
	struct run t = {.path = argc > 1 ? argv[1] : ""};
	size_t len;
	char *text = read_file(t.path, &len);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!text || cd_arena_new((size_t)64 << 20, &t.arena)) {
		printf("Bail out! usage: case FILE\n");
		return 1;
	}
	split_lines(&t, cd_str_make(text, len));
	for (t.at = 0; t.at < t.n; t.at++)
		step(&t);
	printf("1..%u\n", t.points);
	cd_arena_free(&t.arena);
	free(t.image);
	free(t.lines);
	free(text);
	return t.failures || !t.points;
}
