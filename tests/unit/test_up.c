// SPDX-License-Identifier: Apache-2.0
/*
 * The parts of `cordon up` that need no daemon: options, sockets and the name
 * of who holds a port, the generated nginx.conf, folders and their removal.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/up.h"
#include "tap.h"

static int parse(struct up *up, int argc, const char **argv)
{
	*up = (struct up){.lock = -1, .record = -1};
	return up_options_parse(up, argc, (char **)(uintptr_t)argv);
}

#define PARSE(up, ...)                                       \
	({                                                   \
		const char *argv_[] = {"up", __VA_ARGS__};   \
		parse(up, (int)CD_ARRAY_SIZE(argv_), argv_); \
	})

/* Errors are for people; here they would only be in the way. */
static void quiet(void)
{
	if (!freopen("/dev/null", "w", stderr))
		abort();
}

TEST(defaults_of_the_demo_and_of_an_installation_differ)
{
	struct up demo, real;

	ok_eq_int(PARSE(&demo, "--demo"), 0);
	ok_eq_int(PARSE(&real, "--workers=2"), 0);
	ok_eq_str(demo.opt.run, "/run/cordon-demo");
	ok_eq_str(real.opt.run, "/run/cordon");
	ok_true(strcmp(demo.opt.state, real.opt.state) != 0);
	ok_eq_str(demo.auth_url, "https://localhost:8443");
	ok_eq_str(real.auth_url, "https://localhost");
	ok_eq_uint(demo.http_port, 8080);
	ok_eq_uint(real.workers, 2);
}

TEST(options_are_refused_that_could_break_out_of_a_configuration)
{
	struct up up;

	quiet();
	ok_eq_int(PARSE(&up, "--domain", "a b"), -2);
	ok_eq_int(PARSE(&up, "--domain", "x;y"), -2);
	ok_eq_int(PARSE(&up, "--domain", "UPPER"), -2);
	ok_eq_int(PARSE(&up, "--domain", ""), -2);
	ok_eq_int(PARSE(&up, "--domain", "."), -2);
	ok_eq_int(PARSE(&up, "--run", "relative"), -2);
	ok_eq_int(PARSE(&up, "--run", "/"), -2);
	ok_eq_int(PARSE(&up, "--run", "/run/x;y"), -2);
	ok_eq_int(PARSE(&up, "--run", "/run/../etc"), -2);
	ok_eq_int(PARSE(&up, "--state", "/var/lib/new\nline"), -2);
	ok_eq_int(PARSE(&up, "--port", "0"), -2);
	ok_eq_int(PARSE(&up, "--port", "65536"), -2);
	ok_eq_int(PARSE(&up, "--port", "-1"), -2);
	ok_eq_int(PARSE(&up, "--port"), -2);
	ok_eq_int(PARSE(&up, "--workers", "13"), -2);
	ok_eq_int(PARSE(&up, "--portx", "1"), -2);
	ok_eq_int(PARSE(&up, "demo"), -2);
}

/* A port that is free at the moment, and a socket that holds it. */
static unsigned int take_port(int *ret_fd)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		abort();
	*ret_fd = fd;
	return ntohs(sa.sin_port);
}

TEST(the_holder_of_a_port_has_a_name_and_a_number)
{
	char holder[128] = "", want[64];
	int fd;
	unsigned int port = take_port(&fd);

	ok_true(up_port_holder(port, holder, sizeof(holder)));
	snprintf(want, sizeof(want), "unit-up (pid %d)", (int)getpid());
	ok_eq_str(holder, want);
	close(fd);
	ok_false(up_port_holder(port, holder, sizeof(holder)));
}

TEST(a_taken_port_is_refused_and_a_free_one_bound)
{
	struct up up;
	char port[16];
	int fd;

	quiet();
	snprintf(port, sizeof(port), "%u", take_port(&fd));
	ok_eq_int(PARSE(&up, "--listen", "127.0.0.1", "--port", port,
			"--http-port", "0", "--tcp-port", "0"),
		  0);
	ok_eq_int(up_ports_bind(&up), -1);
	close(fd);
	ok_eq_int(up_ports_bind(&up), 0);
	ok_eq_uint(up.n_sockets, 1);
	ok_true(strstr(up.sockets[0].text, "127.0.0.1:"));
	up_ports_close(&up);
	up.opt.listen = "not-an-address";
	ok_eq_int(up_ports_bind(&up), -1);
	ok_eq_uint(up.n_sockets, 0);
}

static char *read_all(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static char *configure(struct up *up, const char *dir)
{
	static char path[PATH_MAX];

	up->opt.run = dir;
	up->n_sockets = 2;
	up->sockets[0] = (struct up_socket){.text = "127.0.0.1:9", 0};
	up->sockets[0].role = UP_HTTPS;
	up->sockets[1] = (struct up_socket){.text = "[::1]:10", 0};
	up->sockets[1].role = UP_HTTP;
	ok_eq_int(up_nginx_configure(up), 0);
	return read_all(up_path(path, dir, "nginx.conf"));
}

TEST(nginx_conf_has_what_the_options_say)
{
	char dir[] = "/tmp/cordon-up-XXXXXX";
	struct up up;
	char *text;

	if (!mkdtemp(dir))
		abort();
	ok_eq_int(PARSE(&up, "--demo"), 0);
	text = configure(&up, dir);
	ok_true(strstr(text, "listen 127.0.0.1:9 ssl http2 default_server;"));
	ok_true(strstr(text, "listen [::1]:10 default_server;"));
	ok_true(strstr(text, "return 308 https://$host:8443$request_uri;"));
	ok_true(strstr(text, "ssl_protocols TLSv1.2 TLSv1.3;"));
	ok_true(strstr(text, "proxy_ignore_headers X-Accel-Redirect "));
	ok_false(strstr(text, "add_header Strict"));
	ok_false(strstr(text, "stream {")); /* no such socket */
	ok_eq_int(PARSE(&up, "--domain", "corp.example"), 0);
	text = configure(&up, dir);
	ok_true(strstr(text, "add_header Strict-Transport-Security"));
	ok_true(strstr(text, "return 308 https://$host$request_uri;"));
	ok_eq_int(PARSE(&up, "--domain", "192.0.2.7"), 0);
	ok_false(strstr(configure(&up, dir), "add_header Strict"));
	ok_eq_int(up_tree_remove(dir), 0);
}

/* A link in a tree that is removed must not lead out of it. */
TEST(a_tree_is_removed_without_following_links)
{
	char dir[] = "/tmp/cordon-up-XXXXXX", path[PATH_MAX], other[PATH_MAX];

	if (!mkdtemp(dir))
		abort();
	mkdir(up_path(path, dir, "keep"), 0700);
	close(creat(up_path(other, dir, "keep/file"), 0600));
	mkdir(up_path(path, dir, "tree"), 0700);
	mkdir(up_path(path, dir, "tree/sub"), 0700);
	close(creat(up_path(path, dir, "tree/sub/file"), 0600));
	ok_eq_int(symlink("../../keep", up_path(path, dir, "tree/sub/link")),
		  0);
	ok_eq_int(up_tree_remove(up_path(path, dir, "tree")), 0);
	ok_eq_int(access(path, F_OK), -1);
	ok_eq_int(access(other, F_OK), 0);
	ok_eq_int(up_tree_remove(up_path(path, dir, "absent")), 0);
	ok_eq_int(up_tree_remove(dir), 0);
}

/* Root writes in folders of users who may have put a link there. */
TEST(a_file_is_written_past_links_that_somebody_planted)
{
	char dir[] = "/tmp/cordon-up-XXXXXX", path[PATH_MAX], link[PATH_MAX];
	struct up up = {.lock = -1, .record = -1};
	char text[16] = "";
	struct stat st;
	int fd;

	quiet();
	if (!mkdtemp(dir))
		abort();
	fd = open(up_path(path, dir, "victim"), O_RDWR | O_CREAT, 0600);
	ok_eq_int(write(fd, "precious", 8), 8);
	ok_eq_int(symlink(path, up_path(link, dir, "client-ca.pem.new")), 0);
	ok_eq_int(symlink(path, up_path(link, dir, "nginx.conf")), 0);
	up.ids[UP_GW] = up.ids[UP_AGENT] = (struct up_ids){64734, 64734};
	snprintf(up.bin, sizeof(up.bin), "%s", dir); /* no program there */
	up_path(link, dir, "client-ca.pem");
	ok_eq_int(up_output_store(&up, "--x", link, UP_GW, 0644), -1);
	ok_true(PARSE(&up, "--domain", "x.test") == 0);
	ok_true(configure(&up, dir)[0] == '#');
	ok_eq_int(pread(fd, text, sizeof(text), 0), 8);
	ok_eq_str(text, "precious");
	ok_eq_int(fstat(fd, &st), 0);
	ok_eq_uint(st.st_uid, geteuid());
	ok_eq_uint(st.st_mode & 07777, 0600);
	close(fd);
	ok_eq_int(up_tree_remove(dir), 0);
}

TEST(a_folder_that_is_somebody_elses_is_not_taken)
{
	char dir[] = "/tmp/cordon-up-XXXXXX", path[PATH_MAX];
	struct up up;

	quiet();
	if (!mkdtemp(dir))
		abort();
	ok_eq_int(PARSE(&up, "--demo", "--run", dir), 0);
	close(creat(up_path(path, dir, "important"), 0600));
	ok_eq_int(up_lock_take(&up), -1);
	unlink(path);
	if (geteuid() == 0) {
		struct up second = {.opt = up.opt, .lock = -1, .record = -1};

		ok_eq_int(up_lock_take(&up), 0);
		ok_eq_int(up_lock_take(&second), -1); /* already running */
		ok_eq_int(access(up_path(path, dir, "up.pid"), F_OK), 0);
		up_dirs_remove(&up);
		ok_eq_int(access(dir, F_OK), -1);
	} else {
		rmdir(dir);
	}
}
