/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cordond: the control plane. With --keys it is the key broker instead, a
 * process of its own that holds every private key.
 */
#include <cordon/version.h>

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "controller/ctl.h"
#include "controller/keys_main.h"
#include "sys/drop.h"
#include "sys/log.h"

static void print_help(FILE *out)
{
	struct cd_buf text cd_auto(cd_buf_done);

	cd_buf_init(&text, 16384);
	cd_options_help(&text);
	fprintf(out,
		"usage: cordond [OPTION]...\n"
		"       cordond --keys [OPTION]...	the key broker\n"
		"       cordond --version | --help\n\n%s",
		text.data ? text.data : "");
}

/* An agent's poll is a descriptor: as many as we may have. */
static void raise_file_limit(void)
{
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int serve(int argc, char **argv, struct cd_diag *diag)
{
	struct cd_ctl *ctl cd_auto(cd_ctl_free) = NULL;
	struct cd_options opt;
	int r;

	if (cd_options_parse(argc, argv, diag, &opt) < 0)
		return 2;
	cd_log_init("cordond", CD_LOG_L_INFO);
	raise_file_limit();
	r = cd_process_harden(); /* passwords pass through */
	if (!r)
		r = cd_ctl_new(&opt, diag, &ctl);
	if (!r)
		r = cd_ctl_run(ctl);
	return r < 0 ? 1 : 0;
}

/* "cordond: FILE:LINE: text (hint)" */
static void print_messages(const struct cd_diag *diag)
{
	const struct cd_message *m;
	size_t i;

	for (i = 0; i < cd_diag_count(diag); i++) {
		m = cd_diag_get(diag, i);
		fputs("cordond: ", stderr);
		if (m->file && m->line)
			fprintf(stderr, "%s:%u: ", m->file, m->line);
		else if (m->file)
			fprintf(stderr, "%s: ", m->file);
		fprintf(stderr, "%s%s%s%s\n", m->text, m->hint ? " (" : "",
			m->hint ? m->hint : "", m->hint ? ")" : "");
	}
}

int main(int argc, char **argv)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	int r;

	if (cd_keys_is_wanted(argc, argv))
		return cd_keys_main(argc, argv);
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("cordond %s\n", cd_version());
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		print_help(stdout);
		return 0;
	}
	if (cd_diag_new(&diag) < 0)
		return 1;
	r = serve(argc, argv, diag);
	print_messages(diag);
	if (r == 2)
		fputs("Try --help.\n", stderr);
	return r;
}
