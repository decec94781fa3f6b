// SPDX-License-Identifier: Apache-2.0
/*
 * The demo organisation: two real programs in namespaces of their own, a
 * policy over them, three people with passwords and second factors made at
 * this start. The secrets are kept in run/demo/accounts, for root alone, as
 * long as the demo runs: `cordon demo code NAME` needs them.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/up.h"
#include "token/base64.h"

#define PROMETHEUS_ADDR "10.77.0.2:9090"
#define STATS_IP "10.77.1.2"
#define STATS_PORT "8080"
#define TEMPLATE_MAX 65536
#define PASSWORD_LEN 15
#define TOTP_BYTES 20
#define USUAL_RUN "/run/cordon-demo"

struct person {
	const char *name, *group, *display;
	char password[PASSWORD_LEN + 1];
	char totp[40]; /* base32 */
};

struct up_demo {
	char gw[64], prometheus[64], stats[64];
	char netns[3][PATH_MAX];
	struct person people[3];
	char link[512];
};

static const struct person people[3] = {
	{"alice", "finance", "Alice (finance)", "", ""},
	{"bob", "vendors", "Bob (vendors)", "", ""},
	{"carol", "ops", "Carol (ops)", "", ""},
};

static int may_unshare(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWNET) < 0 ? errno : 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return EAGAIN;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EAGAIN;
}

int up_demo_check(struct up *up)
{
	static const char *const programs[][2] = {
		{"/usr/sbin/ip", "iproute2"},
		{"/usr/bin/prometheus", "prometheus"},
		{"/usr/bin/websocketd", "websocketd"},
	};
	static const char *const dirs[] = {"/src/cli/demo",
					   "/../share/cordon/demo"};
	int err = may_unshare();

	if (err)
		return up_fail("the demo needs network namespaces, and this "
			       "machine does not permit them (%s); in a "
			       "container, run it with --privileged",
			       strerror(err));
	for (size_t i = 0; i < CD_ARRAY_SIZE(programs); i++) {
		if (access(programs[i][0], X_OK) < 0)
			return up_fail("%s is missing: apt-get install "
				       "--no-install-recommends %s",
				       programs[i][0], programs[i][1]);
	}
	for (size_t i = 0; i < CD_ARRAY_SIZE(dirs); i++) {
		snprintf(up->share, sizeof(up->share), "%.3000s%s", up->self,
			 dirs[i]);
		if (access(up->share, R_OK) == 0)
			return 0;
	}
	return up_fail("the demo's files are not installed beside this "
		       "program");
}

static void name_namespaces(struct up *up, struct up_demo *d)
{
	char tag[16] = "";

	if (strcmp(up->opt.run, USUAL_RUN) != 0)
		snprintf(tag, sizeof(tag), "%06x-",
			 (unsigned int)(cd_str_hash(cd_str_from(up->opt.run)) &
					0xffffff));
	snprintf(d->gw, sizeof(d->gw), "cdn-demo-%sgw", tag);
	snprintf(d->prometheus, sizeof(d->prometheus), "cdn-demo-%sprometheus",
		 tag);
	snprintf(d->stats, sizeof(d->stats), "cdn-demo-%sstats", tag);
	up_path(d->netns[0], "/run/netns", "%s", d->gw);
	up_path(d->netns[1], "/run/netns", "%s", d->prometheus);
	up_path(d->netns[2], "/run/netns", "%s", d->stats);
}

const char *up_demo_netns(struct up *up)
{
	return up->demo ? up->demo->netns[0] : NULL;
}

/* Fills in @SITE@ (localhost:8443), @PROMETHEUS@ and @STATS@. */
static int expand(struct up *up, const char *file, struct cd_buf *out)
{
	char path[PATH_MAX], text[TEMPLATE_MAX], site[300];
	const char *p = text, *at;
	const struct {
		const char *name, *value;
	} words[] = {
		{"@SITE@", site},
		{"@PROMETHEUS@", PROMETHEUS_ADDR},
		{"@STATS@", STATS_IP ":" STATS_PORT},
	};
	ssize_t n;
	int fd;

	up_path(path, up->share, "%s", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return up_fail("cannot read %s: %s", path, strerror(errno));
	text[n] = '\0';
	snprintf(site, sizeof(site), "%s", up->auth_url + strlen("https://"));
	while ((at = strchr(p, '@'))) {
		size_t i;

		cd_buf_put(out, p, (size_t)(at - p));
		for (i = 0; i < CD_ARRAY_SIZE(words); i++) {
			if (!strncmp(at, words[i].name, strlen(words[i].name)))
				break;
		}
		if (i < CD_ARRAY_SIZE(words)) {
			cd_buf_puts(out, words[i].value);
			p = at + strlen(words[i].name);
		} else {
			cd_buf_char(out, *at);
			p = at + 1;
		}
	}
	cd_buf_puts(out, p);
	return out->err ? up_fail("%s is too long", path) : 0;
}

int up_demo_policy(struct up *up, char **ret_text)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, 2 * TEMPLATE_MAX);
	if (expand(up, "demo.cordon", &b))
		return -1;
	*ret_text = cd_buf_take(&b);
	return *ret_text ? 0 : up_fail("out of memory");
}

static int write_text(const char *path, struct cd_str text, mode_t mode)
{
	int fd = up_file_new(path);
	ssize_t n = fd < 0 ? -1 : write(fd, text.ptr, text.len);

	if (fd >= 0 && fchmod(fd, mode) < 0)
		n = -1;
	if (fd >= 0)
		close(fd);
	return n == (ssize_t)text.len ?
		       0 :
		       up_fail("cannot write %s: %s", path, strerror(errno));
}

/* Programs of the demo read copies: a clone in /root is not theirs to see. */
static int copy_files(struct up *up)
{
	struct cd_buf b cd_auto(cd_buf_done);
	char from[PATH_MAX], to[PATH_MAX];

	cd_buf_init(&b, 2 * TEMPLATE_MAX);
	up_path(to, up->opt.state, "demo");
	up_path(from, up->share, "www");
	if (up_tree_copy(up->share, to, NULL, 0755, 0644) < 0)
		return up_fail("cannot copy %s", up->share);
	up_path(to, up->opt.state, "demo/www");
	if (up_tree_copy(from, to, NULL, 0755, 0644) < 0)
		return up_fail("cannot copy %s", from);
	up_path(to, up->opt.state, "demo/data");
	if (mkdir(to, 0700) < 0 ||
	    chown(to, up->ids[UP_DEMO].uid, up->ids[UP_DEMO].gid) < 0)
		return up_fail("cannot make %s", to);
	if (expand(up, "prometheus.yml", &b))
		return -1;
	up_path(to, up->opt.state, "demo/prometheus.yml");
	return write_text(to, cd_buf_get(&b), 0644);
}

static int start_program(struct up *up, const char *name, const char **argv,
			 const char *netns)
{
	struct cd_service s = {
		.name = name,
		.spawn = {.argv = argv,
			  .uid = up->ids[UP_DEMO].uid,
			  .gid = up->ids[UP_DEMO].gid,
			  .netns = netns},
	};

	return up_service_start(up, &s);
}

static int start_programs(struct up *up, struct up_demo *d)
{
	static char config[PATH_MAX], data[PATH_MAX], url[400], www[PATH_MAX],
		script[PATH_MAX];
	static const char *prometheus[] = {
		"/usr/bin/prometheus",
		config,
		data,
		url,
		"--web.listen-address=" PROMETHEUS_ADDR,
		"--storage.tsdb.retention.time=2h",
		"--log.level=warn",
		NULL,
	};
	static const char *stats[] = {
		"/usr/bin/websocketd",
		"--address=" STATS_IP,
		"--port=" STATS_PORT,
		"--maxforks=64",
		"--loglevel=error",
		www,
		"/bin/sh",
		script,
		NULL,
	};
	const char *state = up->opt.state;

	snprintf(config, sizeof(config), "--config.file=%s/demo/prometheus.yml",
		 state);
	snprintf(data, sizeof(data), "--storage.tsdb.path=%s/demo/data", state);
	snprintf(url, sizeof(url), "--web.external-url=https://prometheus.%s/",
		 up->auth_url + strlen("https://"));
	snprintf(www, sizeof(www), "--staticdir=%s/demo/www", state);
	snprintf(script, sizeof(script), "%s/demo/stats.sh", state);
	if (start_program(up, "prometheus", prometheus, d->netns[1]) ||
	    start_program(up, "stats", stats, d->netns[2]))
		return -1;
	return 0;
}

int up_demo_prepare(struct up *up)
{
	struct up_demo *d = cd_calloc(1, sizeof(*d));
	const char *names[UP_NS_MAX];

	if (!d)
		return up_fail("out of memory");
	name_namespaces(up, d);
	memcpy(d->people, people, sizeof(people));
	names[0] = d->gw;
	names[1] = d->prometheus;
	names[2] = d->stats;
	up->demo = d;
	if (up_net_make(up, names, 3) || copy_files(up))
		return -1;
	return start_programs(up, d);
}

void up_demo_done(struct up *up)
{
	struct up_demo *d = up->demo;

	if (!d)
		return;
	up_net_remove(d->gw);
	up_net_remove(d->prometheus);
	up_net_remove(d->stats);
	cd_wipe(d, sizeof(*d));
	free(d);
	up->demo = NULL;
}

/* Letters and digits that are not mistaken for one another, 4.9 bits each;
 * 12 of them in groups of four. */
static int make_password(char *out)
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
	unsigned char r;

	for (size_t i = 0; i < PASSWORD_LEN - 1;) {
		if ((i + 1) % 5 == 0) {
			out[i++] = '-';
			continue;
		}
		if (getrandom(&r, 1, 0) != 1)
			return -1;
		/* 248 = 8 * 31: no letter is likelier than another */
		if (r < 248)
			out[i++] = letters[r % 31];
	}
	return 0;
}

static int make_totp(char *out, size_t size)
{
	unsigned char bytes[TOTP_BYTES];
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, 64);
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -1;
	cd_base32_put(&b, bytes, sizeof(bytes));
	cd_wipe(bytes, sizeof(bytes));
	if (b.err || b.len >= size)
		return -1;
	memcpy(out, b.data, b.len + 1);
	cd_wipe(b.data, b.len);
	return 0;
}

int up_demo_people(struct up *up)
{
	struct up_demo *d = up->demo;
	struct cd_buf b cd_auto(cd_buf_done);
	char path[PATH_MAX];
	int err = 0;

	cd_buf_init(&b, 4096);
	for (size_t i = 0; i < CD_ARRAY_SIZE(d->people); i++) {
		struct person *p = &d->people[i];

		if (make_password(p->password) ||
		    make_totp(p->totp, sizeof(p->totp)))
			return up_fail("no random numbers");
		if (up_person_add(up, p->name, p->display, p->group,
				  p->password, p->totp))
			return -1;
		cd_buf_printf(&b, "%s %s %s\n", p->name, p->password, p->totp);
	}
	up_path(path, up->opt.run, "demo");
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return up_fail("cannot make %s: %s", path, strerror(errno));
	up_path(path, up->opt.run, "demo/accounts");
	err = write_text(path, cd_buf_get(&b), 0600);
	cd_wipe(b.data, b.len);
	if (!err)
		err = up_setup_link(up, d->link, sizeof(d->link));
	return err;
}

/* How this program is called from where the person stands. */
static void name_command(const struct up *up, char *out, size_t size)
{
	char here[PATH_MAX];
	size_t n;

	snprintf(out, size, "%s/cordon", up->self);
	if (!getcwd(here, sizeof(here)))
		return;
	n = strlen(here);
	if (n > 1 && !strncmp(up->self, here, n) && up->self[n] == '/')
		snprintf(out, size, "%s/cordon", up->self + n + 1);
}

static void print_hints(const struct up *up, const char *cordon)
{
	char run[PATH_MAX] = "";

	if (strcmp(up->opt.run, USUAL_RUN) != 0)
		snprintf(run, sizeof(run), " --run %s", up->opt.run);
	for (size_t i = 0; i < CD_ARRAY_SIZE(up->demo->people); i++) {
		const struct person *p = &up->demo->people[i];

		printf("  %-6s %-8s password %s   code: %s demo code %s%s\n",
		       p->name, p->group, p->password, cordon, p->name, run);
	}
	printf("\nTry:\n"
	       "  1. Open prometheus as alice; as bob only /api/... opens, and "
	       "the refusal says why:\n"
	       "     %s why bob prometheus /classic/graph%s\n"
	       "  2. Watch stats as carol, then end it from another shell, "
	       "within a second:\n"
	       "     %s user disable carol%s\n"
	       "  3. See every decision with its inputs:\n"
	       "     %s events --follow%s\n\n",
	       cordon, run, cordon, run, cordon, run);
}

void up_demo_print(struct up *up)
{
	const char *site = up->auth_url + strlen("https://");
	char cordon[PATH_MAX + 16];

	name_command(up, cordon, sizeof(cordon));
	printf("\nCordon runs. Sign in and start:  %s\n"
	       "  https://prometheus.%s  a program with a web page and an API\n"
	       "  https://stats.%s       a live stream (WebSocket)\n\n"
	       "First administrator, once:  %s\n\n",
	       up->auth_url, site, site, up->demo->link);
	print_hints(up, cordon);
	if (!strcmp(up->opt.domain, "localhost"))
		printf("Browser on another machine:  ssh -L %u:localhost:%u "
		       "HOST\n",
		       up->port, up->port);
	printf("Trust its certificates: import %s/server-ca.pem. Ctrl-C stops "
	       "all.\n",
	       up->opt.ca);
}
