// SPDX-License-Identifier: Apache-2.0
/*
 * `cordon up`: the whole of Cordon on one machine, without systemd. This file
 * is the order of things; each step is in a file of its own. Everything that
 * was begun is undone on every way out, in reverse: what must go even after
 * kill -9 is recorded (up_dirs.c) before it is made.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/up.h"

#define BUNDLE_MS 20000

/* How the program ends: DESIGN's exit codes. */
enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

static void notify(void *ctx, enum cd_supervise_event event,
		   const struct cd_service *service, pid_t pid, uint64_t start,
		   int status)
{
	struct up *up = ctx;
	char text[64];

	if (event == CD_SERVICE_STARTED)
		up_record(up, "child %d %llu %s\n", (int)pid,
			  (unsigned long long)start, service->name);
	if (event == CD_SERVICE_ENDED)
		fprintf(stderr, "cordon up: %s %s, starting it again\n",
			service->name,
			cd_process_status_text(status, text, sizeof(text)));
}

static bool exists(void *path)
{
	return access(path, F_OK) == 0;
}

static int wait_for(struct up *up, const char *name, const char *what)
{
	char path[PATH_MAX];
	int err;

	up_path(path, up->opt.run, "%s", name);
	err = cd_supervisor_wait(up->supervisor, exists, path, BUNDLE_MS);
	if (err == -ECANCELED)
		return -1;
	return err ? up_fail("no %s after %d s; see %s/log", what,
			     BUNDLE_MS / 1000, up->opt.state) :
		     0;
}

/* The demo's authority outlives it, so that a browser that was told to trust
 * it once need not be told again. It can vouch for names below the demo's
 * domain only. Everything else of the key broker is new at each start. */
static int ca_restore(struct up *up)
{
	char path[PATH_MAX];
	int err;

	up_path(path, up->opt.state, "keys");
	err = up_tree_copy(up->opt.ca, path, &up->ids[UP_KEYS], 0700, 0600);
	return err ? up_fail("cannot use %s: %s", up->opt.ca, strerror(-err)) :
		     0;
}

static int ca_keep(struct up *up)
{
	static const struct {
		const char *name;
		mode_t mode;
	} files[] = {{"server-ca.key", 0600}, {"server-ca.pem", 0644}};
	char from[PATH_MAX], to[PATH_MAX];

	for (size_t i = 0; i < CD_ARRAY_SIZE(files); i++) {
		int err;

		up_path(from, up->opt.state, "keys/%s", files[i].name);
		up_path(to, up->opt.ca, "%s", files[i].name);
		err = up_file_copy(from, to, NULL, files[i].mode);
		if (err)
			return up_fail("cannot keep %s: %s", to,
				       strerror(-err));
	}
	return 0;
}

static int begin(struct up *up)
{
	if (geteuid() != 0)
		return up_fail("needs root, because it starts every part as a "
			       "user of its own (try sudo)");
	if (access("/usr/sbin/nginx", X_OK) < 0)
		return up_fail("nginx is missing: apt-get install "
			       "--no-install-recommends nginx "
			       "libnginx-mod-stream");
	if (up->opt.demo && up_demo_check(up))
		return -1;
	if (up_users_find(up) || up_lock_take(up) || up_leftovers_clear(up))
		return -1;
	if (up_ports_bind(up) || up_dirs_make(up) || up_programs_stage(up))
		return -1;
	if (cd_supervisor_new(notify, up, &up->supervisor) < 0)
		return up_fail("cannot supervise: %s", strerror(errno));
	return 0;
}

static int start(struct up *up)
{
	char *policy cd_auto(cd_freep) = NULL;
	char cert[300];

	if (up->opt.demo && ca_restore(up))
		return -1;
	if (up_parts_start(up))
		return -1;
	if (up->opt.demo &&
	    (ca_keep(up) || up_demo_prepare(up) || up_demo_policy(up, &policy)))
		return -1;
	if (up_policy_ensure(up, policy))
		return -1;
	snprintf(cert, sizeof(cert), "tls/%s.pem", up->opt.domain);
	if (wait_for(up, "policy/current", "policy from the control plane") ||
	    wait_for(up, cert, "certificate for the sign-in host"))
		return -1;
	if (up_nginx_configure(up) || up_nginx_start(up))
		return -1;
	return up->opt.demo ? up_demo_people(up) : 0;
}

static void print_ready(struct up *up)
{
	char link[512] = "";

	if (up->opt.demo) {
		up_demo_print(up);
	} else {
		printf("cordon up: ready, %s\n", up->auth_url);
		if (up_setup_link(up, link, sizeof(link)) == 0 && link[0])
			printf("First administrator, once:  %s\n", link);
	}
	fflush(stdout);
}

static void tick(void *ctx)
{
	up_logs_trim(ctx);
}

static void finish(struct up *up)
{
	if (up->supervisor)
		cd_supervisor_stop(up->supervisor);
	up_demo_done(up);
	up_ports_close(up);
	up_dirs_remove(up);
	cd_supervisor_free(&up->supervisor);
}

int cd_cli_up(int argc, char **argv)
{
	static struct up up = {.lock = -1, .record = -1};
	int err = up_options_parse(&up, argc, argv), sig;

	if (err)
		return err > 0 ? EXIT_DONE : EXIT_USAGE;
	err = begin(&up);
	if (!err)
		err = start(&up);
	if (!err) {
		print_ready(&up);
		cd_supervisor_run(up.supervisor, tick, &up);
	}
	sig = up.supervisor ? cd_supervisor_signal(up.supervisor) : 0;
	if (sig == SIGINT)
		fputs("\ncordon up: stopping\n", stderr);
	finish(&up);
	return sig || !err ? EXIT_DONE : EXIT_REFUSED;
}
