/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cordon-agent as it runs, both halves, against a cordond that answers from
 * files: what lies in the folder `serve` is what it says. The test plays the
 * control plane, the gateway (which maps what the agent publishes) and the
 * accidents.
 */
#include "tap.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "event/event.h"
#include "shm/control.h"
#include "shm/ring.h"
#include "shm/session_table.h"
#include "snapshot/write.h"
#include "sys/file.h"
#include "sys/httpd.h"
#include "token/bundle.h"
#include "token/change.h"
#include "token/trust.h"
#include "token/x509.h"

#define UID_AGENT 64733
#define GID_GATEWAY 64734
#define WAIT_S 20

static char dir[] = "/tmp/cordon-agent-XXXXXX";
static struct cd_sign_key *bundle_key, *changes_key, *other_key;
static pid_t fake, agent;
static int64_t now;

static const char *at(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

static const char *at(const char *fmt, ...)
{
	static char path[8][256];
	static unsigned int i;
	char *p = path[i++ % 8];
	size_t n = (size_t)snprintf(p, 256, "%s/", dir);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p + n, 256 - n, fmt, ap);
	va_end(ap);
	return p;
}

static void write_file(const char *path, struct cd_str s)
{
	ok_eq_int(cd_file_write(path, s, 0644, (uid_t)-1, (gid_t)-1), 0);
}

/* ---- the cordond of files ---- */

static struct cd_ca *ca;

static void answer_file(struct cd_http_req *req, const char *path)
{
	char *data = NULL;
	size_t len = 0;

	if (cd_file_read(path, 1u << 24, &data, &len) == 0)
		cd_http_reply(req, 200, "application/octet-stream",
			      cd_str_make(data, len));
	else
		cd_http_reply(req, 404, NULL, CD_STR_NULL);
	free(data);
}

#define AT_KIND (CD_CHANGE_HEADER + 12)
#define AT_NONCE (CD_CHANGE_HEADER + 16)

/* A resync is made for one poll; with the file `replay` it stays another's. */
static void for_this_poll(struct cd_str batch, const char *nonce)
{
	uint8_t *p = (uint8_t *)(uintptr_t)batch.ptr;
	struct cd_changes c = {0};
	uint64_t n = 0;

	if (batch.len < AT_NONCE + 8 || p[AT_KIND] != CD_RECORD_RESYNC_BEGIN ||
	    access(at("replay"), F_OK) == 0 ||
	    cd_str_parse_u64(cd_str_from(nonce), &n) < 0)
		return;
	for (int i = 0; i < 8; i++)
		p[AT_NONCE + i] = (uint8_t)(n >> 8 * i);
	memcpy(&c.first, p + 8, 8);
	memcpy(&c.last, p + 16, 8);
	memcpy(&c.count, p + 28, 4);
	cd_assert(cd_changes_header(c.first, c.last, CD_STR("gw1"),
				    cd_str_make(p + CD_CHANGE_HEADER,
						batch.len - CD_CHANGE_HEADER),
				    c.count, p) == 0);
	cd_assert(cd_ed25519_sign(changes_key, cd_str_make(p, CD_CHANGE_SIGNED),
				  p + CD_CHANGE_SIGNED) == 0);
}

static void answer_batch(struct cd_http_req *req, const char *path)
{
	char *data = NULL;
	size_t len = 0;

	if (cd_file_read(path, 1u << 24, &data, &len) < 0) {
		cd_http_reply(req, 404, NULL, CD_STR_NULL);
		return;
	}
	for_this_poll(cd_str_make(data, len), cd_http_query(req, "nonce"));
	cd_http_reply(req, 200, "application/octet-stream",
		      cd_str_make(data, len));
	free(data);
}

/* Polls are answered 204 at once when there is nothing, so slow them down:
 * an agent asks again immediately. */
static void answer_stream(struct cd_http_req *req)
{
	const char *from = cd_http_query(req, "from");
	struct timespec nap = {0, 5000000};

	write_file(at("asked"), cd_str_from(from));
	if (access(at("serve/stream-%s", from), R_OK) == 0) {
		answer_batch(req, at("serve/stream-%s", from));
		return;
	}
	nanosleep(&nap, NULL);
	cd_http_reply(req, 204, NULL, CD_STR_NULL);
}

static void answer_csr(struct cd_http_req *req)
{
	struct cd_str name = cd_str_from(cd_http_query(req, "name"));
	struct cd_buf out cd_auto(cd_buf_done);

	cd_buf_init(&out, 65536);
	if (cd_ca_issue_leaf(ca, cd_http_body(req), &name, 1, time(NULL), 86400,
			     &out) < 0)
		cd_http_reply(req, 422, NULL, CD_STR_NULL);
	else
		cd_http_reply(req, 200, "application/x-pem-file",
			      cd_buf_get(&out));
}

/* Keeps what came, one behind the other. */
static void take_post(struct cd_http_req *req, const char *file)
{
	struct cd_str body = cd_http_body(req);
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0600);

	cd_fd_write_all(fd, body.ptr, body.len);
	close(fd);
	cd_http_reply(req, 200, "application/json", CD_STR("{\"accepted\":1}"));
}

static void answer(void *ctx cd_unused, struct cd_http_req *req)
{
	const char *path = cd_http_path(req);

	if (!strcmp(path, "/v1/stream"))
		answer_stream(req);
	else if (!strncmp(path, "/v1/bundle/", 11))
		answer_file(req, at("serve/bundle-%s", path + 11));
	else if (!strcmp(path, "/v1/tls/names"))
		answer_file(req, at("serve/names"));
	else if (!strcmp(path, "/v1/tls/csr"))
		answer_csr(req);
	else if (!strcmp(path, "/v1/events") || !strcmp(path, "/v1/seen"))
		take_post(req, at("got-%s", path + 4));
	else
		cd_http_reply(req, 404, NULL, CD_STR_NULL);
}

static void be_fake(void)
{
	struct cd_httpd_config c = {.path = at("run/agent.sock"),
				    .mode = 0666,
				    .gid = (gid_t)-1,
				    .body_max = 1u << 20,
				    .connections_max = 64,
				    .handle = answer};
	struct event_base *base = event_base_new();
	struct cd_httpd *httpd = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(300);
	if (cd_httpd_new(base, &c, &httpd) < 0)
		_exit(3);
	event_base_dispatch(base);
	_exit(0);
}

static void start_fake(void)
{
	fflush(stdout);
	fake = fork();
	if (fake == 0)
		be_fake();
}

static void stop(pid_t *pid, int sig)
{
	int status;

	if (*pid > 0) {
		kill(*pid, sig);
		waitpid(*pid, &status, 0);
	}
	*pid = 0;
}

/* ---- the agent ---- */

static void start_agent(void)
{
	const char *build = getenv("CORDON_BUILD");
	char exe[512];

	snprintf(exe, sizeof(exe), "%s/cordon-agent", build ? build : "build");
	fflush(stdout);
	agent = fork();
	if (agent == 0) {
		int log = open(at("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(log, 2);
		execl(exe, exe, "--run", at("run"), "--state", at("state"),
		      "--name", "gw1", "--user", "64733:64733", "--slots", "3",
		      (char *)NULL);
		_exit(127);
	}
}

/* The front half: the child of the agent's process. */
static pid_t front_pid(void)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", agent, agent);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return atoi(text);
}

/* ---- the control plane's side ---- */

static struct cd_buf records;
static uint32_t n_records;

static void put(uint64_t seq, struct cd_change *c)
{
	if (!records.max)
		cd_buf_init(&records, CD_CHANGE_BATCH_MAX);
	c->seq = seq;
	ok_eq_int(cd_change_encode(c, &records), 0);
	n_records++;
}

static void put_kind(uint64_t seq, uint16_t kind, uint64_t value)
{
	static struct cd_change c;

	memset(&c, 0, sizeof(c));
	c.kind = kind;
	c.u.gone = value;
	put(seq, &c);
}

static void put_alice(uint64_t seq, const char *group)
{
	static struct cd_change c;

	memset(&c, 0, sizeof(c));
	c.kind = CD_RECORD_SUBJECT;
	c.u.subject.id = 1;
	c.u.subject.name = CD_STR("alice");
	c.u.subject.n_groups = 1;
	c.u.subject.groups[0] = cd_str_from(group);
	put(seq, &c);
}

static void put_session(uint64_t seq, uint8_t number)
{
	static struct cd_change c;

	memset(&c, 0, sizeof(c));
	c.kind = CD_RECORD_SESSION;
	c.u.session = (struct cd_change_session){.id = number,
						 .subject = 1,
						 .kind = CD_SESSION_APP,
						 .app = CD_STR("payroll"),
						 .created = now - 100,
						 .auth_time = now,
						 .expires = now + 3600};
	c.u.session.key[0] = number;
	put(seq, &c);
}

static void put_end(uint64_t seq, uint8_t number)
{
	static struct cd_change c;

	memset(&c, 0, sizeof(c));
	c.kind = CD_RECORD_SESSION_END;
	c.u.session_end.id = number;
	c.u.session_end.key[0] = number;
	c.u.session_end.why = CD_END_REVOKED;
	put(seq, &c);
}

/* Makes the batch of what was put, signed, and offers it at `from`. */
static struct cd_str offer(uint64_t from, uint64_t first, uint64_t last,
			   const struct cd_sign_key *key)
{
	static struct cd_buf out;
	uint8_t head[CD_CHANGE_HEADER];

	cd_buf_done(&out);
	cd_buf_init(&out, CD_CHANGE_BATCH_MAX + CD_CHANGE_HEADER);
	ok_eq_int(cd_changes_header(first, last, CD_STR("gw1"),
				    cd_buf_get(&records), n_records, head),
		  0);
	ok_eq_int(cd_ed25519_sign(key, cd_str_make(head, CD_CHANGE_SIGNED),
				  head + CD_CHANGE_SIGNED),
		  0);
	cd_buf_put(&out, head, sizeof(head));
	cd_buf_str(&out, cd_buf_get(&records));
	cd_buf_clear(&records);
	n_records = 0;
	write_file(at("serve/stream-%llu", (unsigned long long)from),
		   cd_buf_get(&out));
	return cd_buf_get(&out);
}

static void take_back(uint64_t from)
{
	unlink(at("serve/stream-%llu", (unsigned long long)from));
}

/* A bundle in the folder, and the record that announces it. flip: a bit of it
 * is wrong, and the announcement is of those wrong bytes. */
static int64_t confirm_by; /* of the next bundles */

static void put_bundle(uint64_t seq, uint64_t serial, size_t flip)
{
	static struct cd_change c;
	static char bytes[CD_BUNDLE_HEADER + 65536];
	struct cd_bundle_header h = {.serial = serial,
				     .not_before = now - 60,
				     .not_after = now + 3600,
				     .confirm_by = confirm_by,
				     .audience = "gw1"};
	struct cd_writer w;
	void *image = NULL;
	size_t size = 0;
	char hex[65];

	cd_writer_init(&w);
	ok_eq_int(cd_writer_finish(&w, &image, &size), 0);
	cd_writer_done(&w);
	cd_assert(size <= 65536);
	memcpy(bytes + CD_BUNDLE_HEADER, image, size);
	free(image);
	h.snapshot_size = size;
	cd_sha256(bytes + CD_BUNDLE_HEADER, size, h.hash);
	ok_eq_int(cd_bundle_encode(&h, (uint8_t *)bytes), 0);
	cd_ed25519_sign(bundle_key, cd_str_make(bytes, CD_BUNDLE_SIGNED),
			(uint8_t *)bytes + CD_BUNDLE_AT_SIGNATURE);
	if (flip)
		bytes[flip] ^= 4;
	memset(&c, 0, sizeof(c));
	c.kind = CD_RECORD_BUNDLE;
	c.u.bundle.serial = serial;
	c.u.bundle.size = CD_BUNDLE_HEADER + size;
	cd_sha256(bytes, CD_BUNDLE_HEADER + size, c.u.bundle.hash);
	for (size_t i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", c.u.bundle.hash[i]);
	write_file(at("serve/bundle-%s", hex),
		   cd_str_make(bytes, CD_BUNDLE_HEADER + size));
	put(seq, &c);
}

/* ---- the gateway's side ---- */

static uint64_t in_force(void)
{
	struct cd_bundle_header h = {0};
	char *data = NULL;
	size_t len = 0;

	if (cd_file_read(at("run/policy/current"), 1u << 20, &data, &len) == 0)
		cd_bundle_decode(cd_str_make(data, len), &h);
	free(data);
	return h.serial;
}

static bool session_is(uint8_t number, const char *group)
{
	static struct cd_session_view v;
	uint8_t key[32] = {number};
	struct cd_table_map *map = NULL;
	bool is = cd_table_map(at("run/shm/sessions"), &map) == 0 &&
		  cd_session_lookup(map, key, &v) == 0;

	if (is && group)
		is = v.n_groups == 1 &&
		     cd_str_equal(v.groups[0].s, cd_str_from(group));
	cd_table_unmap(&map);
	return is;
}

static bool asked_is(const char *from)
{
	char *data = NULL;
	size_t len = 0;
	bool is = cd_file_read(at("asked"), 64, &data, &len) == 0 &&
		  cd_str_equal(cd_str_make(data, len), cd_str_from(from));

	free(data);
	return is;
}

static bool file_has(const char *name, const char *text)
{
	char *data = NULL;
	size_t len = 0;
	bool has = cd_file_read(at("%s", name), 1u << 24, &data, &len) == 0 &&
		   memmem(data, len, text, strlen(text));

	free(data);
	return has;
}

static bool log_has(const char *text)
{
	return file_has("log", text);
}

static int64_t ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits for a state of the world, not for a time. */
#define eventually(cond)                                                   \
	({                                                                 \
		int64_t until_ = ms() + WAIT_S * 1000;                     \
		bool held_ = false;                                        \
		while (!(held_ = (cond)) && ms() < until_)                 \
			usleep(5000);                                      \
		held_ || tap_fail(__FILE__, __LINE__, "never: %s", #cond); \
	})

/* ---- tests, one story ---- */

static bool ready(void)
{
	struct cd_trust trust;
	struct cd_buf text cd_auto(cd_buf_done);

	cd_buf_init(&text, CD_TRUST_MAX);
	if (geteuid() != 0) {
		skip("needs root: the agent's halves are of different users");
		return false;
	}
	if (agent)
		return true;
	now = time(NULL);
	cd_assert(mkdtemp(dir));
	chmod(dir, 0755);
	mkdir(at("serve"), 0755);
	mkdir(at("run"), 0755);
	mkdir(at("run/shm"), 0755);
	mkdir(at("run/tls"), 0755);
	cd_assert(chown(at("run/shm"), 0, GID_GATEWAY) == 0);
	cd_assert(chown(at("run/tls"), 0, GID_GATEWAY) == 0);
	mkdir(at("state"), 0755);
	mkdir(at("state/broker"), 0700);
	cd_assert(cd_sign_key_new(&bundle_key) == 0);
	cd_assert(cd_sign_key_new(&changes_key) == 0);
	cd_assert(cd_sign_key_new(&other_key) == 0);
	cd_sign_key_public(bundle_key, &trust.bundle);
	cd_sign_key_public(changes_key, &trust.changes);
	cd_sign_key_public(other_key, &trust.assertion);
	cd_trust_put(&trust, &text);
	write_file(at("state/broker/trust"), cd_buf_get(&text));
	cd_assert(cd_ca_new(CD_CA_SERVER, CD_STR("Test CA"), NULL, 0, now,
			    &ca) == 0);
	start_fake();
	start_agent();
	return true;
}

TEST(comes_up_before_cordond_says_anything)
{
	struct stat st;

	if (!ready())
		return;
	eventually(access(at("run/shm/sessions"), R_OK) == 0);
	eventually(asked_is("0"));
	ok_eq_int(stat(at("run/shm/sessions"), &st), 0);
	ok_eq_uint(st.st_mode & 0777, 0640);
	ok_eq_uint(st.st_uid, UID_AGENT);
	ok_eq_uint(st.st_gid, GID_GATEWAY);
	ok_eq_int(stat(at("run/shm/rings/2"), &st), 0);
	ok_eq_uint(st.st_mode & 0777, 0660);
	ok_eq_uint(st.st_gid, GID_GATEWAY);
	ok_eq_int(stat(at("run/shm/control"), &st), 0);
	ok_eq_uint(st.st_mode & 0777, 0644);
	ok_eq_int(stat(at("state/broker"), &st), 0);
	ok_eq_uint(st.st_uid, 0);
	ok_eq_uint(st.st_mode & 0777, 0700);
	ok_eq_uint(in_force(), 0);
}

TEST(takes_state_and_policy)
{
	const struct cd_control *c = NULL;
	struct stat st;

	if (!ready())
		return;
	eventually(cd_control_map(at("run/shm/control"), &c) == 0);
	put_kind(10, CD_RECORD_RESYNC_BEGIN, 0);
	put_alice(10, "finance");
	put_session(10, 1);
	put_bundle(10, 5, 0);
	put_kind(10, CD_RECORD_RESYNC_END, 3);
	offer(0, 10, 10, changes_key);
	eventually(session_is(1, "finance"));
	eventually(asked_is("11")); /* the acknowledgement */
	eventually(in_force() == 5);
	eventually(c && cd_control_read(&c->policy_gen) > 0 &&
		   cd_control_read(&c->table_gen) > 0);
	ok_eq_int(stat(at("run/policy/current"), &st), 0);
	ok_eq_uint(st.st_uid, 0);
	ok_eq_uint(st.st_mode & 0777, 0644);
	cd_control_unmap_const(&c);
}

TEST(applies_changes_in_order)
{
	if (!ready())
		return;
	put_alice(11, "vendors");
	put_session(12, 2);
	offer(11, 11, 12, changes_key);
	eventually(session_is(1, "vendors"));
	eventually(session_is(2, NULL));
	eventually(asked_is("13"));
	put_end(13, 2);
	offer(13, 13, 13, changes_key);
	eventually(!session_is(2, NULL));
	ok_true(session_is(1, NULL));
	eventually(asked_is("14"));
}

TEST(a_gap_is_met_with_a_resync)
{
	if (!ready())
		return;
	take_back(0);
	put_kind(30, CD_RECORD_RESYNC_BEGIN, 0);
	put_alice(30, "ops");
	put_session(30, 3);
	put_kind(30, CD_RECORD_RESYNC_END, 2);
	offer(0, 30, 30, changes_key);
	put_end(16, 1);
	offer(14, 16, 16, changes_key); /* 14 and 15 are missing */
	eventually(session_is(3, "ops"));
	ok_false(session_is(1, NULL));
	eventually(asked_is("31"));
	ok_true(log_has("RESYNC_ASKED"));
	take_back(14);
}

TEST(a_batch_of_another_key_is_refused)
{
	if (!ready())
		return;
	put_end(31, 3);
	offer(31, 31, 31, bundle_key);
	eventually(log_has("BATCH_REFUSED"));
	/* its way out is a resync; what it knew stays meanwhile */
	ok_true(session_is(3, NULL));
	take_back(31);
	eventually(asked_is("31"));
	ok_true(session_is(3, NULL));
}

TEST(a_flipped_bit_keeps_the_old_policy)
{
	if (!ready())
		return;
	put_bundle(31, 6, CD_BUNDLE_AT_NOT_AFTER);
	offer(31, 31, 31, changes_key);
	eventually(log_has("its signature is not by the pinned key"));
	ok_eq_uint(in_force(), 5);
	put_bundle(32, 7, CD_BUNDLE_HEADER + 3);
	offer(32, 32, 32, changes_key);
	eventually(log_has("its hash is not as signed"));
	ok_eq_uint(in_force(), 5);
	/* an older one is not even fetched; a good one is taken */
	put_bundle(33, 4, 0);
	put_bundle(34, 8, 0);
	offer(33, 33, 34, changes_key);
	eventually(in_force() == 8);
	eventually(asked_is("35"));
}

TEST(makes_and_keeps_certificates)
{
	struct cd_secret *key cd_auto(cd_secret_free) = NULL;
	struct cd_cert_info info;
	struct stat st, again;
	char *pem = NULL;
	size_t len = 0;

	if (!ready())
		return;
	write_file(at("serve/names"),
		   CD_STR("{\"items\":[\"payroll.example.com\","
			  "\"*.apps.example.com\",\"bad,name\","
			  "\"../../x\"]}"));
	put_bundle(35, 9, 0); /* a new policy: look soon */
	offer(35, 35, 35, changes_key);
	eventually(access(at("run/tls/payroll.example.com.pem"), F_OK) == 0);
	eventually(access(at("run/tls/_.apps.example.com.pem"), F_OK) == 0);
	ok_eq_int(stat(at("run/tls/payroll.example.com.pem"), &st), 0);
	ok_eq_uint(st.st_mode & 0777, 0640);
	ok_eq_uint(st.st_gid, GID_GATEWAY);
	ok_eq_int(cd_file_read(at("run/tls/payroll.example.com.pem"), 65536,
			       &pem, &len),
		  0);
	ok_eq_int(cd_secret_from(cd_str_make(pem, len), &key), 0);
	ok_eq_int(cd_cert_read(cd_str_make(pem, len), key, &info), 0);
	ok_true(cd_cert_has_name(cd_str_make(pem, len),
				 CD_STR("payroll.example.com")));
	free(pem);
	/* another look leaves a fresh one alone, and makes what is gone */
	unlink(at("run/tls/_.apps.example.com.pem"));
	put_bundle(36, 10, 0);
	offer(36, 36, 36, changes_key);
	eventually(access(at("run/tls/_.apps.example.com.pem"), F_OK) == 0);
	ok_eq_int(stat(at("run/tls/payroll.example.com.pem"), &again), 0);
	ok_true(st.st_ino == again.st_ino);
}

static uint32_t last_seen(uint8_t number)
{
	static struct cd_session_view v;
	uint8_t key[32] = {number};
	struct cd_table_map *map = NULL;
	uint32_t when = 0;

	if (cd_table_map(at("run/shm/sessions"), &map) == 0 &&
	    cd_session_lookup(map, key, &v) == 0)
		when = v.last_seen;
	cd_table_unmap(&map);
	return when;
}

/* What a worker writes into its ring: a use of a session, and an event. */
static void work(struct cd_ring *ring, enum cd_event_class c, int64_t ts)
{
	static struct cd_event_ids ids;
	struct cd_event_encoder e;
	uint8_t record[CD_EVENT_MAX];

	cd_event_begin(&e, record, sizeof(record), c,
		       cd_event_id_next(&ids, ts), ts);
	cd_event_put_num(&e, CD_EVENT_F_SESSION, 3);
	if (c != CD_EVENT_SEEN)
		cd_event_puts(&e, CD_EVENT_F_DETAIL, "hello from a worker");
	ok_true(cd_ring_put(ring, record, cd_event_end(&e)));
}

TEST(carries_events_and_last_use)
{
	struct cd_ring *ring = NULL;

	if (!ready())
		return;
	ok_true(session_is(3, NULL));
	ok_eq_int(last_seen(3), now - 100);
	ok_eq_int(cd_ring_claim(at("run/shm/rings"), 0, &ring), 0);
	work(ring, CD_EVENT_SEEN, (now - 50) * INT64_C(1000000000));
	work(ring, CD_EVENT_DECISION, (now + 1) * INT64_C(1000000000));
	eventually(last_seen(3) == (uint32_t)now - 50);
	eventually(file_has("got-events", "hello from a worker"));
	eventually(file_has("got-seen", "{\"seen\":[[\"3\","));
	/* a clock that runs ahead buys nobody a longer session */
	work(ring, CD_EVENT_SEEN, (now + 99999) * INT64_C(1000000000));
	eventually(last_seen(3) >= (uint32_t)now);
	ok_true(last_seen(3) <= (uint32_t)time(NULL));
	cd_ring_close(&ring);
}

TEST(survives_kills_of_either_half)
{
	pid_t front;

	if (!ready())
		return;
	eventually(asked_is("37"));
	take_back(0);
	put_kind(40, CD_RECORD_RESYNC_BEGIN, 0);
	put_alice(40, "after");
	put_session(40, 4);
	put_kind(40, CD_RECORD_RESYNC_END, 2);
	offer(0, 40, 40, changes_key);
	front = front_pid();
	ok_true(front > 0);
	kill(front, SIGKILL);
	eventually(session_is(4, "after")); /* somebody asked from 0 again */
	eventually(front_pid() > 0 && front_pid() != front);
	ok_false(session_is(3, NULL));
	ok_eq_uint(in_force(), 10);
	/* the root half: its front goes with it, nothing keeps the socket */
	front = front_pid();
	stop(&agent, SIGKILL);
	eventually(kill(front, 0) < 0 && errno == ESRCH);
	ok_true(session_is(4, NULL)); /* workers keep what they mapped */
	unlink(at("asked"));
	start_agent();
	eventually(asked_is("41"));
	ok_eq_uint(in_force(), 10);
	put_bundle(41, 10, 0);
	put_bundle(42, 11, 0);
	offer(41, 41, 42, changes_key);
	eventually(in_force() == 11);
}

TEST(an_older_resync_is_refused)
{
	pid_t front;

	if (!ready())
		return;
	/* the one of number 40, which answered another's poll */
	write_file(at("replay"), CD_STR(""));
	ok_eq_int(truncate(at("log"), 0), 0);
	front = front_pid();
	kill(front, SIGKILL);
	eventually(log_has("BATCH_REFUSED"));
	ok_true(session_is(4, "after"));
	unlink(at("asked"));
	unlink(at("replay"));
	eventually(asked_is("43"));
	ok_eq_uint(in_force(), 11);
}

TEST(cordond_away_and_back)
{
	int64_t began;

	if (!ready())
		return;
	eventually(asked_is("43"));
	stop(&fake, SIGKILL);
	eventually(log_has("STREAM_LOST"));
	ok_true(session_is(4, NULL));
	ok_eq_uint(in_force(), 11);
	put_end(43, 4);
	put_bundle(44, 12, 0);
	offer(43, 43, 44, changes_key);
	began = ms();
	start_fake();
	eventually(!session_is(4, NULL) && in_force() == 12);
	note("converged %d ms after cordond was back", (int)(ms() - began));
	ok_true(ms() - began <= 5000);
}

static uint64_t policy_gen(void)
{
	const struct cd_control *c = NULL;
	uint64_t gen;

	ok_eq_int(cd_control_map(at("run/shm/control"), &c), 0);
	gen = c ? cd_control_read(&c->policy_gen) : 0;
	cd_control_unmap_const(&c);
	return gen;
}

/* A change that cut this host off from cordond: it returns by itself. */
TEST(a_trial_ends_while_cordond_is_away)
{
	uint64_t gen;

	if (!ready())
		return;
	confirm_by = time(NULL) + 3;
	put_bundle(45, 13, 0);
	confirm_by = 0;
	offer(45, 45, 45, changes_key);
	eventually(in_force() == 13);
	gen = policy_gen();
	stop(&fake, SIGKILL);
	eventually(in_force() == 12);
	eventually(policy_gen() > gen);
	eventually(log_has("TRIAL_ENDED"));
	/* cordond was going back, too: its own bundle comes behind */
	put_bundle(46, 14, 0);
	offer(46, 46, 46, changes_key);
	start_fake();
	eventually(in_force() == 14);
	eventually(file_has("got-events", "not confirmed in time"));
}

TEST(stops_cleanly)
{
	int status = -1;
	pid_t front;

	if (!ready())
		return;
	front = front_pid();
	kill(agent, SIGTERM);
	eventually(waitpid(agent, &status, WNOHANG) == agent);
	ok_eq_int(status, 0);
	agent = 0;
	eventually(kill(front, 0) < 0 && errno == ESRCH);
}

__attribute__((destructor)) static void clean(void)
{
	char cmd[128];

	stop(&agent, SIGKILL);
	stop(&fake, SIGKILL);
	cd_sign_key_free(&bundle_key);
	cd_sign_key_free(&changes_key);
	cd_sign_key_free(&other_key);
	cd_ca_free(&ca);
	cd_buf_done(&records);
	if (strchr(dir, 'X') && access(dir, F_OK) < 0)
		return;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	if (system(cmd) != 0)
		printf("# %s stays\n", dir);
}
