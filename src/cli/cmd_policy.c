// SPDX-License-Identifier: Apache-2.0
/*
 * check, fmt and the JSON forms: what can be done to policy files without a
 * running Cordon.
 */
#include "cli/policy_files.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/time.h"
#include "policy/ast.h"
#include "sys/file.h"
#include "sys/loader.h"

/* One verb's work on files; everything is freed in one place. */
struct work {
	struct cd_policy_files files;
	struct cd_diag *diag;
	struct cd_policy *policy;
	void *image;
	size_t image_size;
	struct cd_test_result tests;
};

static void work_done(struct work *w)
{
	cd_policy_free(&w->policy);
	cd_diag_free(&w->diag);
	cd_policy_files_done(&w->files);
	free(w->image);
}

static int start(struct cd_cli *cli, char **paths, int n, struct work *w)
{
	int r = cd_policy_files_read(cli, paths, (size_t)n, &w->files);

	if (!r && cd_diag_new(&w->diag))
		r = cd_cli_fail(cli, "%s", cd_strerror(-ENOMEM));
	return r;
}

static int parse(struct work *w)
{
	return cd_policy_parse(w->files.sources, w->files.n, w->diag,
			       &w->policy);
}

/* Messages, and one for an error that left none. */
static int tell(struct cd_cli *cli, const struct work *w, int err)
{
	cd_policy_files_show(&w->files, w->diag);
	if (err && cd_diag_errors(w->diag) == 0)
		cd_cli_fail(cli, "%s", cd_strerror(err));
	return err ? CD_EXIT_REFUSED : CD_EXIT_DONE;
}

/* ---- check ------------------------------------------------------------- */
static int check(struct work *w, int64_t now)
{
	const struct cd_snapshot *snapshot;
	struct cd_loader loader;
	int err = parse(w);

	cd_file_loader_init(&loader);
	loader.now = now;
	if (!err)
		err = cd_policy_compile(w->policy, &loader, w->diag, &w->image,
					&w->image_size);
	if (!err)
		err = cd_snapshot_open(w->image, w->image_size, &snapshot);
	if (!err)
		err = cd_policy_run_tests(w->policy, snapshot, now, w->diag,
					  &w->tests);
	return err;
}

static void check_json(const struct work *w, int err)
{
	json_t *o = json_pack("{s:b, s:s?, s:I, s:I, s:I, s:I, s:o}", "ok",
			      !err, "error", err ? cd_strerror(err) : NULL,
			      "errors", (json_int_t)cd_diag_errors(w->diag),
			      "warnings", (json_int_t)cd_diag_warnings(w->diag),
			      "tests_passed", (json_int_t)w->tests.passed,
			      "tests_failed", (json_int_t)w->tests.failed,
			      "messages",
			      cd_policy_files_json(&w->files, w->diag));

	cd_cli_print_json(o);
	json_decref(o);
}

static int64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * CD_NS_PER_S + ts.tv_nsec;
}

int cd_cmd_check(struct cd_cli *cli, int argc, char **argv)
{
	const char *now_text = NULL;
	const struct cd_cli_option options[] = {
		{"now", "RFC3339", &now_text, NULL,
		 "instant for tests that name none (default: now)"},
		{NULL, NULL, NULL, NULL, NULL},
	};
	struct work w cd_auto(work_done) = {.image = NULL};
	int64_t now = clock_now();
	int r = cd_cli_parse(cli, argc, argv, options, 0, CD_MAX_FILES, &argc);
	int err;

	if (r >= 0)
		return r;
	if (now_text && cd_rfc3339_parse(cd_str_from(now_text), &now))
		return cd_cli_usage(cli, "--now is not an RFC 3339 time");
	r = start(cli, argv + 1, argc, &w);
	if (r)
		return r;
	err = check(&w, now);
	if (cli->json) {
		check_json(&w, err);
		return err ? CD_EXIT_REFUSED : CD_EXIT_DONE;
	}
	r = tell(cli, &w, err);
	if (!r)
		printf("ok: %zu file%s, %u rules, %zu tests passed\n",
		       w.files.n, w.files.n == 1 ? "" : "s",
		       w.policy->n_of_kind[CD_AST_RULE], w.tests.passed);
	return r;
}

/* ---- fmt --------------------------------------------------------------- */
struct fmt {
	bool write, check;
};

/* Keeps owner and mode, and a link: what it leads to is written. */
static int write_back(const char *path, struct cd_str text)
{
	char *real cd_auto(cd_freep) = realpath(path, NULL);
	struct stat st;

	if (!real || stat(real, &st))
		return -errno;
	return cd_file_write(real, text, st.st_mode & 07777, st.st_uid,
			     st.st_gid);
}

static void put_json(const struct cd_source *source, struct cd_str text,
		     bool same)
{
	json_t *o = json_pack("{s:s, s:b, s:s#}", "name", source->name,
			      "canonical", same, "text", text.ptr,
			      (int)text.len);

	cd_cli_print_json(o);
	json_decref(o);
}

static int put(struct cd_cli *cli, const struct fmt *fmt,
	       const struct cd_source *source, struct cd_str text)
{
	bool same = cd_str_equal(source->text, text);
	int err;

	if (cli->json)
		put_json(source, text, same);
	if (fmt->check) {
		if (!same && !cli->json)
			printf("%s\n", source->name);
		return same ? CD_EXIT_DONE : CD_EXIT_REFUSED;
	}
	if (!fmt->write && cli->json)
		return CD_EXIT_DONE;
	if (!fmt->write) {
		fwrite(text.ptr, 1, text.len, stdout);
		return CD_EXIT_DONE;
	}
	if (same)
		return CD_EXIT_DONE;
	err = write_back(source->name, text);
	return err ? cd_cli_fail(cli, "cannot write %s: %s", source->name,
				 cd_strerror(err)) :
		     CD_EXIT_DONE;
}

/* Each file by itself: a folder half of which does not parse is formatted by
 * halves, and says so. */
static int format(struct cd_cli *cli, const struct fmt *fmt, struct work *w,
		  size_t i)
{
	struct cd_policy *policy cd_auto(cd_policy_free) = NULL;
	char *text cd_auto(cd_freep) = NULL;
	size_t len;
	int err = cd_policy_parse(&w->files.sources[i], 1, w->diag, &policy);

	if (!err)
		err = cd_policy_format(policy, 0, &text, &len);
	if (err && cd_diag_errors(w->diag) == 0)
		cd_cli_fail(cli, "%s: %s", w->files.sources[i].name,
			    cd_strerror(err));
	if (err)
		return CD_EXIT_REFUSED;
	return put(cli, fmt, &w->files.sources[i], cd_str_make(text, len));
}

int cd_cmd_fmt(struct cd_cli *cli, int argc, char **argv)
{
	struct fmt fmt = {false, false};
	const struct cd_cli_option options[] = {
		{"write", NULL, NULL, &fmt.write, "change the files (also -w)"},
		{"check", NULL, NULL, &fmt.check,
		 "name the files that would change; exit 1 if any"},
		{NULL, NULL, NULL, NULL, NULL},
	};
	static char write_option[] = "--write";
	struct work w cd_auto(work_done) = {.image = NULL};
	int r, worst = 0;

	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "-w"))
			argv[i] = write_option;
	r = cd_cli_parse(cli, argc, argv, options, 0, CD_MAX_FILES, &argc);
	if (r >= 0)
		return r;
	if (fmt.write && fmt.check)
		return cd_cli_usage(cli, "--write or --check, not both");
	for (int i = 1; fmt.write && i <= argc; i++)
		if (!strcmp(argv[i], "-"))
			return cd_cli_usage(
				cli,
				"standard input cannot be changed: leave out -w");
	r = start(cli, argv + 1, argc, &w);
	if (r)
		return r;
	for (size_t i = 0; i < w.files.n; i++) {
		r = format(cli, &fmt, &w, i);
		worst = r > worst ? r : worst;
	}
	cd_policy_files_show(&w.files, w.diag);
	return worst;
}

/* ---- JSON -------------------------------------------------------------- */
/* For programs: on one line, as everything is that --json gives. */
static void put_line(const char *text, size_t len)
{
	json_t *tree = json_loadb(text, len, 0, NULL);

	cd_cli_print_json(tree);
	json_decref(tree);
}

int cd_cmd_policy_json(struct cd_cli *cli, int argc, char **argv)
{
	struct work w cd_auto(work_done) = {.image = NULL};
	char *text cd_auto(cd_freep) = NULL;
	size_t len;
	int err,
		r = cd_cli_parse(cli, argc, argv, NULL, 0, CD_MAX_FILES, &argc);

	if (r >= 0)
		return r;
	r = start(cli, argv + 1, argc, &w);
	if (r)
		return r;
	err = parse(&w);
	if (!err)
		err = cd_policy_to_json(w.policy, &text, &len);
	if (!err && cli->json)
		put_line(text, len);
	else if (!err)
		fwrite(text, 1, len, stdout);
	return tell(cli, &w, err);
}

/* Policies concatenate, so the files of one JSON do. */
static int print_all(const struct cd_policy *policy)
{
	int err = 0;

	for (size_t i = 0; !err && i < policy->n_files; i++) {
		char *text cd_auto(cd_freep) = NULL;
		size_t len;

		err = cd_policy_format(policy, i, &text, &len);
		if (err)
			break;
		if (i)
			putchar('\n');
		fwrite(text, 1, len, stdout);
	}
	return err;
}

int cd_cmd_policy_from_json(struct cd_cli *cli, int argc, char **argv)
{
	struct work w cd_auto(work_done) = {.image = NULL};
	static char standard_input[] = "-";
	char *paths[] = {standard_input};
	int err, r = cd_cli_parse(cli, argc, argv, NULL, 0, 1, &argc);

	if (r >= 0)
		return r;
	r = start(cli, argc ? argv + 1 : paths, 1, &w);
	if (r)
		return r;
	err = cd_policy_from_json(w.files.sources[0].text, w.diag, &w.policy);
	if (!err)
		err = print_all(w.policy);
	return tell(cli, &w, err);
}
