// SPDX-License-Identifier: Apache-2.0
/*
 * Log lines: one event is one line, whatever a stranger puts into it, and a
 * source that repeats itself is limited and counted.
 */
#include "tap.h"

#include <fcntl.h>
#include <unistd.h>

#include "sys/log.h"

TEST(a_line_has_its_shape)
{
	const struct cd_log_item items[] = {cd_log_num("serial", 7),
					    cd_log_z("by", "root"),
					    cd_log_err(-2),
					    {.type = CD_LOG_END}};
	char line[512];

	cd_log_init("cordond", CD_LOG_L_INFO);
	cd_log_format(line, sizeof(line), INT64_C(1795460400000000001),
		      CD_LOG_L_INFO, "POLICY_APPLIED", items);
	ok_eq_str(line, "2026-11-23T19:00:00.000000001Z info cordond "
			"POLICY_APPLIED serial=7 by=\"root\" "
			"error=\"No such file or directory\"");
}

TEST(no_byte_leaves_its_quotes)
{
	char evil[256], line[4096];

	for (int i = 0; i < 256; i++)
		evil[i] = (char)i;
	cd_log_format(line, sizeof(line), 0, CD_LOG_L_WARN, "X",
		      (const struct cd_log_item[]){
			      cd_log_str("v", cd_str_make(evil, 256)),
			      {.type = CD_LOG_END}});
	for (const char *p = line; *p; p++)
		ok_true(*p >= 0x20 && *p < 0x7f);
	ok_true(strstr(line, "\\x0a") && strstr(line, "\\\"") &&
		strstr(line, "\\x1b") && strstr(line, "\\xff"));
}

TEST(long_values_and_lines_are_cut)
{
	static char big[100000];
	char line[300];
	size_t n;

	memset(big, 'a', sizeof(big));
	n = cd_log_format(line, sizeof(line), 0, CD_LOG_L_ERROR, "X",
			  (const struct cd_log_item[]){
				  cd_log_str("v", cd_str_make(big, 100000)),
				  cd_log_str("w", cd_str_make(big, 100000)),
				  {.type = CD_LOG_END}});
	ok_eq_uint(n, sizeof(line) - 1);
	ok_eq_uint(strlen(line), n);
}

/* What fn writes to standard error. */
static char *captured(void (*fn)(void))
{
	static char text[65536];
	char path[] = "/tmp/test-log-XXXXXX";
	int file = mkstemp(path), saved = dup(2);
	ssize_t n;

	unlink(path);
	dup2(file, 2);
	fn();
	dup2(saved, 2);
	close(saved);
	n = pread(file, text, sizeof(text) - 1, 0);
	close(file);
	text[n > 0 ? n : 0] = 0;
	return text;
}

static size_t lines_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void chatter(void)
{
	for (int i = 0; i < 1000; i++)
		CD_LOG_WARN("FLOOD", cd_log_num("i", i));
	CD_LOG_INFO("OTHER_SOURCE");
}

TEST(a_source_that_repeats_itself_is_limited)
{
	char *text = captured(chatter);
	size_t n = lines_of(text);

	/* two windows when a second turned in between */
	ok_true(n >= CD_LOG_BURST + 1 && n <= 2 * CD_LOG_BURST + 2);
	ok_true(strstr(text, " OTHER_SOURCE\n") != NULL);
}

static void after_the_flood(void)
{
	static struct cd_log_source source = {.window = -1, .suppressed = 990};

	cd_log_write(&source, CD_LOG_L_WARN, "FLOOD", NULL);
	cd_log_write(&source, CD_LOG_L_DEBUG, "NOT_SHOWN", NULL);
}

TEST(what_was_left_out_is_counted)
{
	char *text = captured(after_the_flood);

	ok_true(strstr(text, "LOG_SUPPRESSED of=\"FLOOD\" lines=990") != NULL);
	ok_true(strstr(text, "NOT_SHOWN") == NULL);
	ok_eq_uint(lines_of(text), 2);
}
