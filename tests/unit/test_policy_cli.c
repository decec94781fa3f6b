// SPDX-License-Identifier: Apache-2.0
/*
 * check, fmt and policy as people run them: exit codes, where the messages
 * go, and that the language's own example passes.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "tap.h"

static char dir[] = "/tmp/cordon-policy-XXXXXX";

__attribute__((constructor)) static void make_dir(void)
{
	if (!mkdtemp(dir))
		abort();
}

__attribute__((destructor)) static void remove_dir(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		fprintf(stderr, "%s is left\n", dir);
}

static void write_file(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!ok_true(f))
		return;
	fputs(text, f);
	fclose(f);
}

static const char *read_file(const char *name)
{
	static char text[8][65536];
	static int turn;
	char path[200], *out = text[turn++ % 8];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (f) {
		n = fread(out, 1, sizeof(text[0]) - 1, f);
		fclose(f);
	}
	out[n] = 0;
	return out;
}

/* Runs the words with output in DIR/out and DIR/err; NAMES beginning with @
 * are files of DIR. The exit code. */
static int run(const char *words)
{
	char copy[1000], paths[10][300], *argv[12] = {(char[]){"cordon"}};
	char *save = NULL, *w;
	int argc = 1, r, out, err;

	snprintf(copy, sizeof(copy), "%s", words);
	for (w = strtok_r(copy, " ", &save); w && argc < 11;
	     w = strtok_r(NULL, " ", &save)) {
		snprintf(paths[argc - 1], sizeof(paths[0]), "%s%s%s",
			 w[0] == '@' ? dir : "", w[0] == '@' ? "/" : "",
			 w + (w[0] == '@'));
		argv[argc] = paths[argc - 1];
		argc++;
	}
	fflush(stdout);
	out = dup(1);
	err = dup(2);
	snprintf(copy, sizeof(copy), "%s/out", dir);
	ok_true(freopen(copy, "w", stdout));
	snprintf(copy, sizeof(copy), "%s/err", dir);
	ok_true(freopen(copy, "w", stderr));
	r = cd_cli_main(argc, argv);
	fflush(stdout);
	fflush(stderr);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	return r;
}

/* The same on a file below the source tree. */
static int run_on(const char *verb, const char *file)
{
	const char *top = getenv("CORDON_SOURCE");
	char words[500];

	snprintf(words, sizeof(words), "%s %s/%s", verb, top ? top : ".", file);
	return run(words);
}

TEST(the_example_checks_and_passes)
{
	ok_eq_int(run_on("check", "tests/case/example.cordon"), 0);
	ok_eq_str(read_file("out"), "ok: 1 file, 7 rules, 1 tests passed\n");
	ok_true(strstr(read_file("err"), "error") == NULL);
	ok_true(strstr(read_file("err"),
		       "example.cordon:19:3: warning: the waf is not enforced"));
	ok_eq_int(run_on("check --json", "tests/case/example.cordon"), 0);
	ok_true(strstr(read_file("out"), "\"ok\":true"));
	ok_true(strstr(
		read_file("out"),
		"\"line\":19,\"column\":3,\"text\":\"the waf is not enforced"));
}

TEST(asserts_are_refused_for_now)
{
	ok_eq_int(run_on("check", "tests/case/example-asserts.cordon"), 1);
	ok_true(strstr(read_file("err"),
		       "assert is not available in this version"));
	ok_eq_str(read_file("out"), "");
}

TEST(errors_show_the_line_and_a_caret)
{
	write_file("bad.cordon",
		   "version 1\nallow \"\xc3\xa9\" form any to any\n");
	ok_eq_int(run("check @bad.cordon"), 1);
	ok_true(strstr(read_file("err"),
		       "bad.cordon:2:12: error: expected 'from', found 'form' "
		       "(did you mean 'from'?)\n"
		       "  allow \"\xc3\xa9\" form any to any\n"
		       "            ^\n"));
	ok_eq_str(read_file("out"), "");
}

/* The same with DIR/in on standard input. */
static int run_fed(const char *words)
{
	int r, in = dup(0);
	char path[200];

	snprintf(path, sizeof(path), "%s/in", dir);
	ok_true(freopen(path, "r", stdin));
	r = run(words);
	dup2(in, 0);
	close(in);
	return r;
}

/* A file left out in silence would be a deny left out. */
TEST(decide_takes_every_file_that_is_named)
{
	write_file("app.cordon", "version 1\napp wiki\n"
				 "  url https://wiki.example.com\n"
				 "  upstream http://127.0.0.1:3000\n");
	write_file("open.cordon",
		   "version 1\nallow \"all\" from any to app wiki\n");
	write_file("shut.cordon",
		   "version 1\ndeny \"none\" from any to app wiki\n");
	write_file("in", "{\"app\":\"wiki\"}\n");
	ok_eq_int(run_fed("decide --policy @app.cordon --policy @open.cordon"),
		  0);
	ok_true(strstr(read_file("out"), "\"verdict\":\"allow\""));
	ok_eq_int(run_fed("decide --policy @shut.cordon --policy @open.cordon "
			  "@app.cordon"),
		  0);
	ok_true(strstr(read_file("out"), "\"rule\":\"none\""));
	ok_eq_int(run_fed("decide --policy @app.cordon --policy -"), 2);
	ok_true(strstr(read_file("err"), "standard input holds the requests"));
}

TEST(decide_takes_folders_and_shows_the_line_of_an_error)
{
	char path[300], words[400];

	snprintf(path, sizeof(path), "%s/some", dir);
	ok_eq_int(mkdir(path, 0700), 0);
	write_file("some/a.cordon", "version 1\napp wiki\n"
				    "  url https://wiki.example.com\n"
				    "  upstream http://127.0.0.1:3000\n");
	write_file("some/b.cordon",
		   "version 1\nallow \"all\" from any to app wiki\n");
	write_file("in", "{\"app\":\"wiki\"}\n");
	snprintf(words, sizeof(words), "decide --policy %s", path);
	ok_eq_int(run_fed(words), 0);
	ok_true(strstr(read_file("out"), "\"verdict\":\"allow\""));
	write_file("some/b.cordon",
		   "version 1\nallow \"all\" from any to app wikki\n");
	ok_eq_int(run_fed(words), 1);
	ok_true(strstr(read_file("err"),
		       "some/b.cordon:2:29: error: there is no app 'wikki' "
		       "(did you mean 'wiki'?)\n"));
	ok_true(strstr(read_file("err"), "^\n"));
}

/* Nothing is put into force by asking: assertions need no proof for that. */
TEST(decide_answers_from_a_policy_with_asserts)
{
	write_file("asserts.cordon",
		   "version 1\nhosts web where tier=web\n"
		   "allow \"all\" from any to hosts web\n"
		   "assert no path from internet to hosts web\n");
	write_file("in", "{\"dst.labels\":{\"tier\":\"web\"}}\n");
	ok_eq_int(run_fed("decide --policy @asserts.cordon"), 0);
	ok_true(strstr(read_file("err"),
		       "asserts.cordon:4:1: warning: assert is not available"));
}

TEST(a_policy_may_come_from_a_pipe)
{
	char words[100];
	int ends[2];

	if (!ok_eq_int(pipe(ends), 0))
		return;
	ok_eq_int(write(ends[1], "version 1\n", 10), 10);
	close(ends[1]);
	snprintf(words, sizeof(words), "fmt /dev/fd/%d", ends[0]);
	ok_eq_int(run(words), 0);
	ok_eq_str(read_file("out"), "version 1\n");
	close(ends[0]);
}

TEST(fmt_writes_what_a_link_leads_to)
{
	char from[200], to[200];
	struct stat st;

	write_file("real.cordon", "version   1\n");
	snprintf(from, sizeof(from), "%s/real.cordon", dir);
	snprintf(to, sizeof(to), "%s/link.cordon", dir);
	ok_eq_int(symlink("real.cordon", to), 0);
	ok_eq_int(run("fmt -w @link.cordon"), 0);
	ok_true(lstat(to, &st) == 0 && S_ISLNK(st.st_mode));
	ok_eq_str(read_file("real.cordon"), "version 1\n");
	ok_eq_int(run("fmt -w -"), 2);
	ok_true(strstr(read_file("err"), "standard input cannot be changed"));
}

TEST(json_for_programs_is_one_line)
{
	const char *out;

	write_file("one.cordon", "version 1\nservice a tcp/1\n");
	ok_eq_int(run("policy json --json @one.cordon"), 0);
	out = read_file("out");
	ok_true(out[0] == '{' && strchr(out, '\n') == out + strlen(out) - 1);
	ok_eq_int(run("help why --json"), 0);
	out = read_file("out");
	ok_true(strstr(out, "\"name\":\"why\"") && !strstr(out, "rollback"));
	ok_eq_int(run("help nothing --json"), 2);
}

/* Of two values one would be left out: `session revoke --user a --user b`
 * must not leave the sessions of a. */
TEST(an_option_has_one_value)
{
	write_file("in", "");
	ok_eq_int(run_fed("decide --policy @x --now 2026-01-01T00:00:00Z "
			  "--now=2027-01-01T00:00:00Z"),
		  2);
	ok_true(strstr(read_file("err"), "--now is given twice"));
	ok_eq_int(run("session revoke --user alice --user bob"), 2);
	ok_true(strstr(read_file("err"), "--user is given twice"));
	ok_eq_int(run("status --run /nonexistent --run=/nonexistent"), 2);
}

TEST(a_failing_test_fails_the_check)
{
	write_file("test.cordon",
		   "hosts h where a=b\n"
		   "allow \"x\" from hosts h to hosts h\n"
		   "test \"t\" given subject=host, src.labels=a=c\n"
		   "  to hosts h expect allow\n");
	ok_eq_int(run("check --now 2026-11-23T00:00:00Z @test.cordon"), 1);
	ok_true(strstr(read_file("err"), "test.cordon:3:1: error"));
	ok_eq_int(run("check --json @test.cordon"), 1);
	ok_true(strstr(read_file("out"), "\"tests_failed\":1"));
	ok_eq_int(run("check --now yesterday @test.cordon"), 2);
}

TEST(folders_hold_policies_by_name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/d", dir);
	ok_eq_int(mkdir(path, 0700), 0);
	ok_eq_int(run("check @d"), 1);
	write_file("d/b.cordon", "allow \"x\" from any to hosts h\n");
	write_file("d/a.cordon", "hosts h where a=b\n");
	write_file("d/c.txt", "nonsense\n");
	ok_eq_int(run("check @d"), 0);
	ok_eq_str(read_file("out"), "ok: 2 files, 1 rules, 0 tests passed\n");
	ok_eq_int(run("check @nowhere"), 1);
	ok_true(strstr(read_file("err"), "cannot read"));
}

TEST(fmt_prints_checks_and_writes)
{
	char path[200];
	struct stat st;

	write_file("f.cordon", "hosts   h where a=b\n");
	snprintf(path, sizeof(path), "%s/f.cordon", dir);
	ok_eq_int(chmod(path, 0640), 0);
	ok_eq_int(run("fmt @f.cordon"), 0);
	ok_eq_str(read_file("out"), "hosts h where a=b\n");
	ok_eq_int(run("fmt --check @f.cordon"), 1);
	ok_true(strstr(read_file("out"), "f.cordon\n"));
	ok_eq_str(read_file("f.cordon"), "hosts   h where a=b\n");
	ok_eq_int(run("fmt -w @f.cordon"), 0);
	ok_eq_str(read_file("f.cordon"), "hosts h where a=b\n");
	ok_true(!stat(path, &st) && (st.st_mode & 07777) == 0640);
	ok_eq_int(run("fmt --check @f.cordon"), 0);
	ok_eq_int(run("fmt -w --check @f.cordon"), 2);
	write_file("f.cordon", "hosts\n");
	ok_eq_int(run("fmt -w @f.cordon"), 1);
	ok_eq_str(read_file("f.cordon"), "hosts\n");
}

TEST(json_there_and_back)
{
	ok_eq_int(run_on("fmt", "tests/case/everything.cordon"), 0);
	write_file("want", read_file("out"));
	ok_eq_int(run_on("policy json", "tests/case/everything.cordon"), 0);
	write_file("tree.json", read_file("out"));
	ok_eq_int(run("policy from-json @tree.json"), 0);
	ok_eq_str(read_file("out"), read_file("want"));
	write_file("tree.json", "{\"cordon\":1}");
	ok_eq_int(run("policy from-json @tree.json"), 1);
	ok_true(strstr(read_file("err"), "json:1:"));
}

TEST(the_reference_lists_the_tables)
{
	ok_eq_int(run("policy reference"), 0);
	ok_true(strstr(read_file("out"), "| `mfa.age` | duration | "));
	ok_true(strstr(read_file("out"), "| `upstream` | "));
	ok_true(strstr(read_file("out"), "| 4096 | elements of one list |"));
}
