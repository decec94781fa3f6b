/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cordon why alice@laptop-7 -> payroll [GET] [/path] [at TIME]
 *            [from ADDRESS] [with risk.user=medium ...]
 *
 * An unquoted "->" never arrives: the shell takes "-> payroll" as an output
 * file. So the arrow may be left out, and the whole may be one quoted word.
 */
#include "cli/cli.h"

#include <stdlib.h>

#define WORDS_MAX 64

/* Splits quoted questions into words; all words point into `text`. */
static int split(char *text, char **words)
{
	static const char blanks[] = " \t\n";
	int n = 0;

	for (text += strspn(text, blanks); *text && n < WORDS_MAX;
	     text += strspn(text, blanks)) {
		words[n++] = text;
		text += strcspn(text, blanks);
		if (*text)
			*text++ = 0;
	}
	return n;
}

static void set_subject(json_t *q, char *word)
{
	char *at = strchr(word, '@');

	if (at)
		*at++ = 0;
	if (word[0] && strcmp(word, "anonymous") != 0)
		json_object_set_new(q, "user", json_string(word));
	if (at && at[0])
		json_object_set_new(q, "device", json_string(at));
}

static bool is_method(const char *word)
{
	return word[0] &&
	       strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(word);
}

/* ATTR=VALUE: numbers and yes/no stay text, as a policy writes them. */
static bool set_with(json_t *q, char *word)
{
	char *eq = strchr(word, '=');
	json_t *with = json_object_get(q, "with");

	if (!eq)
		return false;
	if (!with) {
		with = json_object();
		json_object_set_new(q, "with", with);
	}
	*eq = 0;
	if (json_object_get(with, word)) {
		*eq = '=';
		return false;
	}
	json_object_set_new(with, word, json_string(eq + 1));
	return true;
}

/* Sets what is not set yet; false: it is. */
static bool set_once(json_t *q, const char *key, const char *text)
{
	if (json_object_get(q, key))
		return false;
	json_object_set_new(q, key, json_string(text));
	return true;
}

/* One word behind subject and app. Words used, or 0: not understood, or said
 * before. */
static int set_rest(json_t *q, int left, char **words, bool *with)
{
	static const struct {
		const char *word, *key;
	} keys[] = {{"at", "time"}, {"from", "src_ip"}};

	for (size_t i = 0; i < CD_ARRAY_SIZE(keys); i++) {
		if (strcmp(words[0], keys[i].word) != 0 || left < 2)
			continue;
		return set_once(q, keys[i].key, words[1]) ? 2 : 0;
	}
	if (!strcmp(words[0], "with")) {
		*with = true;
		return 1;
	}
	if (*with && set_with(q, words[0]))
		return 1;
	if (words[0][0] == '/')
		return set_once(q, "path", words[0]);
	return is_method(words[0]) && set_once(q, "method", words[0]);
}

/* The question of these words; NULL: *ret_wrong is the one not understood. */
static json_t *question(int n, char **words, const char **ret_wrong)
{
	json_t *q = json_object();
	bool with = false;
	int i = 0;

	*ret_wrong = n ? words[n - 1] : "";
	if (i < n && strcmp(words[i], "->") != 0)
		set_subject(q, words[i++]);
	if (i < n && (!strcmp(words[i], "->") || !strcmp(words[i], "to")))
		i++;
	if (i >= n) {
		json_decref(q);
		return NULL;
	}
	json_object_set_new(q, "app", json_string(words[i++]));
	while (i < n) {
		int used = set_rest(q, n - i, words + i, &with);

		if (!used) {
			*ret_wrong = words[i];
			json_decref(q);
			return NULL;
		}
		i += used;
	}
	return q;
}

static enum cd_cli_color color_of(const char *verdict)
{
	return !strcmp(verdict, "allow") ? CD_COLOR_GOOD :
	       !strcmp(verdict, "deny")	 ? CD_COLOR_BAD :
					   CD_COLOR_WARN;
}

static void put(struct cd_buf *b, const char *text)
{
	cd_cli_put_safe(b, cd_str_from(text));
}

static void put_failed(struct cd_buf *b, const json_t *failed)
{
	json_t *f;
	size_t i;

	json_array_foreach(failed, i, f)
	{
		cd_buf_puts(b, i ? "       " : "needs  ");
		put(b, cd_cli_text(f, "attr"));
		cd_buf_char(b, ' ');
		put(b, cd_cli_text(f, "need"));
		cd_buf_puts(b, ", has ");
		put(b, cd_cli_text(f, "have"));
		cd_buf_char(b, '\n');
	}
}

static void put_map(struct cd_buf *b, const char *title, const json_t *map)
{
	const char *key;
	json_t *value;
	bool first = true;

	json_object_foreach((json_t *)(uintptr_t)map, key, value)
	{
		cd_buf_puts(b, first ? title : "       ");
		first = false;
		put(b, key);
		cd_buf_char(b, ' ');
		put(b, cd_cli_text(map, key));
		cd_buf_char(b, '\n');
	}
}

static void show(const json_t *a)
{
	const char *verdict = cd_cli_text(a, "verdict");
	const char *rule = cd_cli_text(a, "rule");
	const char *explained = cd_cli_text(a, "explained");
	struct cd_buf b;

	printf("%s%s%s", cd_cli_color(stdout, color_of(verdict)), verdict,
	       cd_cli_plain(stdout));
	cd_buf_init(&b, 1 << 20);
	if (rule[0]) {
		cd_buf_puts(&b, " by \"");
		put(&b, rule);
		cd_buf_char(&b, '"');
	}
	cd_buf_puts(&b, ": ");
	put(&b, cd_cli_text(a, "text"));
	cd_buf_puts(&b, " (");
	put(&b, cd_cli_text(a, "reason"));
	cd_buf_puts(&b, ")\n");
	if (explained[0] && strcmp(explained, rule) != 0) {
		cd_buf_puts(&b, "nearest \"");
		put(&b, explained);
		cd_buf_puts(&b, "\"\n");
	}
	put_failed(&b, json_object_get(a, "failed"));
	put_map(&b, "with   ", json_object_get(a, "obligations"));
	if (json_array_size(json_object_get(a, "watched"))) {
		cd_buf_puts(&b, "report  in feed ");
		put(&b, cd_cli_text(a, "watched"));
		cd_buf_puts(&b, ", which decides nothing yet\n");
	}
	put_map(&b, "inputs ", json_object_get(a, "inputs"));
	fputs(b.data ? b.data : "", stdout);
	cd_buf_done(&b);
}

int cd_cmd_why(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	const char *wrong;
	char *words[WORDS_MAX], quoted[160];
	json_t *q;
	int n, r = cd_cli_parse(cli, argc, argv, NULL, 1, WORDS_MAX, &argc);

	if (r >= 0)
		return r;
	if (argc == 1) {
		n = split(argv[1], words);
	} else {
		n = argc;
		memcpy(words, argv + 1, (size_t)n * sizeof(*words));
	}
	q = question(n, words, &wrong);
	if (!q)
		return cd_cli_usage(cli,
				    "%s is not understood here. Say: cordon "
				    "why 'alice@laptop -> payroll'",
				    cd_quote(cd_str_from(wrong), quoted,
					     sizeof(quoted)));
	r = cd_cli_call(cli, "POST", "/v1/why", q, &answer);
	if (r)
		return r;
	if (cli->json)
		cd_cli_print_json(answer);
	else
		show(answer);
	return !strcmp(cd_cli_text(answer, "verdict"), "allow") ?
		       CD_EXIT_DONE :
		       CD_EXIT_REFUSED;
}
