/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cordon events: what happened. One event a line, aligned enough to read;
 * with --json one object a line.
 */
#include "cli/cli.h"

#include "event/event.h"

#define FOLLOW_WAIT_S 25

static const char *const own_terms[] = {"since",    "until",	"class",
					"activity", "severity", "node"};

static bool is_term(struct cd_str name)
{
	for (size_t i = 0; i < CD_ARRAY_SIZE(own_terms); i++)
		if (cd_str_equal(name, cd_str_from(own_terms[i])))
			return true;
	return cd_event_field_find(name) != 0;
}

static const char *nearest(struct cd_str name)
{
	const struct cd_event_field_row *row;
	const char *near = NULL;
	unsigned int best = 4;

	for (size_t i = 0; (row = cd_event_field_at(i)); i++) {
		unsigned int d =
			cd_str_distance(name, cd_str_from(row->name), best);

		if (d < best) {
			best = d;
			near = row->name;
		}
	}
	return near;
}

/* FIELD=VALUE words as a query. False: told. */
static bool put_terms(const struct cd_cli *cli, struct cd_buf *url, int n,
		      char **words)
{
	for (int i = 0; i < n; i++) {
		struct cd_str value,
			name = cd_str_split(cd_str_from(words[i]), '=', &value);
		const char *near;
		char quoted[160];

		if (value.ptr && is_term(name)) {
			cd_buf_printf(url, "&%.*s=%s", CD_STR_FMT(name),
				      cd_cli_path("%s", value.ptr).text);
			continue;
		}
		near = nearest(name);
		cd_quote(value.ptr ? name : cd_str_from(words[i]), quoted,
			 sizeof(quoted));
		if (!value.ptr)
			cd_cli_usage(cli, "%s is not FIELD=VALUE", quoted);
		else if (near)
			cd_cli_usage(cli,
				     "events have no %s; did you mean '%s'?",
				     quoted, near);
		else
			cd_cli_usage(cli, "events have no %s", quoted);
		return false;
	}
	return true;
}

static enum cd_cli_color color_of(const json_t *e)
{
	const char *severity = cd_cli_text(e, "severity");
	const char *verdict = cd_cli_text(e, "verdict");

	if (!strcmp(severity, "high") || !strcmp(severity, "critical") ||
	    !strcmp(verdict, "deny"))
		return CD_COLOR_BAD;
	if (!strcmp(severity, "medium") || !strcmp(verdict, "challenge") ||
	    !strcmp(verdict, "request"))
		return CD_COLOR_WARN;
	return CD_COLOR_NONE;
}

static void put_word(struct cd_buf *b, const char *before, const json_t *e,
		     const char *key)
{
	const char *text = cd_cli_text(e, key);

	if (!text[0])
		return;
	cd_buf_puts(b, before);
	cd_cli_put_safe(b, cd_str_from(text));
}

static void put_failed(struct cd_buf *b, const json_t *e)
{
	const json_t *first = json_array_get(json_object_get(e, "failed"), 0);

	if (!first)
		return;
	put_word(b, ": ", first, "attr");
	put_word(b, " ", first, "need");
	put_word(b, ", has ", first, "have");
}

static void show(const json_t *e)
{
	static const struct {
		const char *before, *key;
	} words[] = {
		{" ", "verdict"},
		{" ", "outcome"},
		{" ", "user"},
		{"@", "device"},
		{" ", "actor"},
		{" ", "action"},
		{" -> ", "app"},
		{" ", "method"},
		{" ", "path"},
		{" ", "target"},
		{" status=", "status"},
		{" count=", "count"},
		{" from ", "src_ip"},
		{" by ", "rule"},
		{" ", "reason"},
		{" factor=", "factor"},
		{" policy=", "policy_serial"},
		{" session=", "session"},
		{" ", "detail"},
	};
	const char *ts = cd_cli_text(e, "ts");
	enum cd_cli_color color = color_of(e);
	struct cd_buf b;

	cd_buf_init(&b, 1 << 20);
	/* milliseconds are enough to read; --json has them all */
	cd_buf_printf(&b, "%.23s%s  ", ts, strlen(ts) > 23 ? "Z" : "");
	put_word(&b, "", e, "class");
	put_word(&b, ".", e, "activity");
	for (size_t i = 0; i < CD_ARRAY_SIZE(words); i++)
		put_word(&b, words[i].before, e, words[i].key);
	put_failed(&b, e);
	printf("%s%s%s\n", color ? cd_cli_color(stdout, color) : "",
	       b.data ? b.data : "", color ? cd_cli_plain(stdout) : "");
	cd_buf_done(&b);
}

/* One answer: prints its events, *ret_next is where the next begins. */
static int turn(struct cd_cli *cli, const char *url, char *ret_next,
		size_t size)
{
	struct cd_buf body = {.max = 0};
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	json_t *e;
	size_t i;
	int r = cd_cli_fetch(cli, url, (FOLLOW_WAIT_S + 30) * 1000, &body);

	if (r)
		return r;
	answer = json_loadb(body.data ? body.data : "", body.len, 0, NULL);
	cd_buf_done(&body);
	if (!answer)
		return cd_cli_fail(cli, "cordond's answer is no JSON");
	json_array_foreach(json_object_get(answer, "items"), i, e)
	{
		if (cli->json)
			cd_cli_print_json(e);
		else
			show(e);
	}
	if (fflush(stdout) != 0)
		return CD_EXIT_REFUSED; /* the end says why */
	snprintf(ret_next, size, "%s", cd_cli_text(answer, "next"));
	return 0;
}

int cd_cmd_events(struct cd_cli *cli, int argc, char **argv)
{
	const char *limit = "100";
	bool follow = false;
	const struct cd_cli_option options[] = {
		{"follow", NULL, NULL, &follow, "go on as events come"},
		{"limit", "N", &limit, NULL, "at most the newest N (100)"},
		{NULL, NULL, NULL, NULL, NULL}};
	struct cd_buf terms cd_auto(cd_buf_done) = {.max = 1 << 16};
	char url[8192], next[32];
	int r = cd_cli_parse(cli, argc, argv, options, 0, 32, &argc);

	if (r >= 0)
		return r;
	if (!put_terms(cli, &terms, argc, argv + 1))
		return CD_EXIT_USAGE;
	snprintf(url, sizeof(url), "/v1/events?limit=%s%s",
		 cd_cli_path("%s", limit).text, terms.data ? terms.data : "");
	r = turn(cli, url, next, sizeof(next));
	while (!r && follow) {
		snprintf(url, sizeof(url),
			 "/v1/events?after=%s&follow=1&wait=%d&limit=1000%s",
			 next, FOLLOW_WAIT_S, terms.data ? terms.data : "");
		r = turn(cli, url, next, sizeof(next));
	}
	return r;
}
