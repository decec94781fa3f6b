/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key broker as it runs: a real process, asked by children of other
 * users. Every verb is tried by everyone who may not use it.
 */
#include "tap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "controller/keys_client.h"
#include "controller/keys_store.h"
#include "shm/session_table.h"
#include "sys/ipc.h"
#include "token/base64.h"
#include "token/jwt.h"
#include "token/token.h"
#include "token/totp.h"
#include "token/trust.h"
#include "token/x509.h"

#define UID_CONTROLLER 64731
#define UID_KEYS 64732
#define UID_GATEWAY 64734
#define UID_STRANGER 64799
#define ISSUER "https://auth.example.com"

static char dir[64], sock[96];
static pid_t broker;

/* ---- the process ---- */

static const char *in_dir(const char *name)
{
	static char path[4][160];
	static unsigned int i;
	char *p = path[i++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static bool answers(void)
{
	struct cd_keys *k = NULL;
	struct cd_buf b cd_auto(cd_buf_done);
	int r;

	cd_buf_init(&b, 4096);
	cd_assert(cd_keys_new(sock, &k) == 0);
	r = cd_keys_public(k, CD_PUBLIC_TRUST, &b);
	cd_keys_free(&k);
	return r == 0;
}

static void start_broker(void)
{
	char run[96], state[96], exe[512];
	const char *build = getenv("CORDON_BUILD");

	snprintf(run, sizeof(run), "%s/run", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(exe, sizeof(exe), "%s/cordond", build ? build : "build");
	broker = fork();
	if (broker == 0) {
		int log = open(in_dir("log"), O_WRONLY | O_CREAT | O_APPEND,
			       0600);

		dup2(log, 2);
		execl(exe, exe, "--keys", "--run", run, "--state", state,
		      "--issuer", ISSUER, "--uid-controller", "64731",
		      "--uid-gateway", "64734", "--user", "64732:64732",
		      (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000; i++) {
		int status;

		/* an answer, not a socket: keys are made behind it */
		if (answers())
			return;
		if (waitpid(broker, &status, WNOHANG) == broker) {
			broker = 0;
			break;
		}
		usleep(10000);
	}
	fail("the broker does not come up");
}

static void stop_broker(int sig)
{
	int status = 0;

	if (broker > 0) {
		kill(broker, sig);
		waitpid(broker, &status, 0);
		if (sig == SIGTERM)
			ok_eq_int(status, 0);
	}
	broker = 0;
}

static bool setup(void)
{
	if (geteuid() != 0) {
		skip("needs root: the broker knows its peers by their users");
		return false;
	}
	if (!dir[0]) {
		strcpy(dir, "/tmp/cordon-keys-XXXXXX");
		cd_assert(mkdtemp(dir));
		chmod(dir, 0755);
		mkdir(in_dir("run"), 0755);
		mkdir(in_dir("run/shm"), 0755);
		mkdir(in_dir("state"), 0755);
		snprintf(sock, sizeof(sock), "%s/run/keys/keys.sock", dir);
	}
	if (!broker)
		start_broker();
	return broker > 0;
}

/* Runs fn in a child of that user; the child's exit status. */
static int as_user(uid_t uid, int (*fn)(void *arg), void *arg)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (uid && (setresgid(uid, uid, uid) < 0 ||
			    setresuid(uid, uid, uid) < 0))
			_exit(99);
		_exit(fn(arg));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

/* ---- one raw request ---- */

struct ask {
	uint16_t verb;
	struct cd_buf body, answer;
	uint16_t status;
};

static int exchange(int fd, struct ask *a)
{
	int64_t deadline = cd_ipc_deadline(5000);
	uint8_t head[CD_BROKER_FRAME];
	struct cd_reader r = cd_reader_make(head, sizeof(head));
	struct cd_buf q cd_auto(cd_buf_done);
	uint32_t len;
	void *room;

	cd_buf_init(&q, 1u << 20);
	cd_broker_put(&q, a->verb, 0, cd_buf_get(&a->body));
	if (cd_ipc_write(fd, cd_buf_get(&q), deadline) < 0 ||
	    cd_ipc_read(fd, head, sizeof(head), deadline) < 0)
		return -1;
	len = cd_read_u32(&r);
	cd_read_u16(&r);
	a->status = cd_read_u16(&r);
	cd_buf_init(&a->answer, CD_BROKER_BODY_MAX);
	room = cd_buf_extend(&a->answer, len - 4);
	return cd_ipc_read(fd, room, len - 4, deadline);
}

/* Exit status: the broker's answer, or 100 for none. */
static int ask_raw(void *arg)
{
	struct ask *a = arg;
	int fd = cd_ipc_connect(sock, 5000), r;

	if (fd < 0)
		return 101;
	r = exchange(fd, a);
	close(fd);
	return r < 0 ? 100 : a->status;
}

/* ---- who may ask what ---- */

TEST(first_start_makes_whole_private_keys)
{
	static const char *const files[] = {"bundle.key",    "changes.key",
					    "assertion.key", "seal.key",
					    "server-ca.key", "server-ca.pem",
					    "client-ca.key", "client-ca.pem",
					    "complete"};
	struct stat st;

	if (!setup())
		return;
	ok_eq_int(stat(in_dir("state/keys"), &st), 0);
	ok_eq_uint(st.st_mode & 0777, 0700);
	ok_eq_uint(st.st_uid, UID_KEYS);
	for (size_t i = 0; i < CD_ARRAY_SIZE(files); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/state/keys/%s", dir, files[i]);
		ok_eq_int(stat(path, &st), 0);
		ok_eq_uint(st.st_mode & 0777, 0600);
		ok_eq_uint(st.st_uid, UID_KEYS);
	}
}

TEST(every_verb_refuses_every_other_user)
{
	static const uid_t users[] = {0, UID_CONTROLLER, UID_KEYS, UID_GATEWAY,
				      UID_STRANGER};
	unsigned int denied = 0, heard = 0;

	if (!setup())
		return;
	for (uint16_t verb = CD_VERB_PUBLIC_KEYS; verb <= CD_VERB_ASSERT;
	     verb++)
		for (size_t i = 0; i < CD_ARRAY_SIZE(users); i++) {
			struct ask a = {.verb = verb};
			bool may = (cd_verb_peers(verb) & CD_PEER_ANYONE) ||
				   (cd_verb_peers(verb) & CD_PEER_CONTROLLER &&
				    users[i] == UID_CONTROLLER) ||
				   (cd_verb_peers(verb) & CD_PEER_GATEWAY &&
				    users[i] == UID_GATEWAY);
			int got;

			/* an empty body: BAD when heard, DENIED when not */
			cd_buf_init(&a.body, 0);
			got = as_user(users[i], ask_raw, &a);
			if (!ok_eq_int(got,
				       may ? CD_BROKER_BAD : CD_BROKER_DENIED))
				note("%s as %u", cd_verb_name(verb),
				     (unsigned int)users[i]);
			may ? heard++ : denied++;
		}
	ok_eq_uint(heard, 5 + 8 + 1);
	ok_eq_uint(denied, 50 - 14);
}

/* ---- what cordond asks ---- */

#define CHECK(cond)                                                         \
	do {                                                                \
		if (!(cond)) {                                              \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			fflush(stdout);                                     \
			return 1;                                           \
		}                                                           \
	} while (0)

static int sign_things(void *arg cd_unused)
{
	struct cd_keys *k = NULL;
	struct cd_buf b;
	struct cd_trust t;
	struct cd_changes ch;
	struct cd_bundle_header h = {.serial = 1,
				     .not_after = 1,
				     .snapshot_size = 1,
				     .audience = "local"};
	uint8_t head[CD_BUNDLE_HEADER];
	size_t used;

	CHECK(cd_keys_new(sock, &k) == 0);
	cd_buf_init(&b, 65536);
	CHECK(cd_keys_public(k, CD_PUBLIC_TRUST, &b) == 0);
	CHECK(cd_trust_parse(cd_buf_get(&b), &t) == 0);
	cd_buf_clear(&b);
	CHECK(cd_bundle_encode(&h, head) == 0);
	CHECK(cd_keys_sign_bundle(k, head) == 0);
	CHECK(cd_ed25519_verify(&t.bundle, cd_str_make(head, CD_BUNDLE_SIGNED),
				head + CD_BUNDLE_AT_SIGNATURE) == 0);
	CHECK(cd_ed25519_verify(&t.changes, cd_str_make(head, CD_BUNDLE_SIGNED),
				head + CD_BUNDLE_AT_SIGNATURE) < 0);
	/* each key signs its own kind of message only */
	head[0] ^= 1;
	CHECK(cd_keys_sign_bundle(k, head) == -EINVAL);
	CHECK(cd_keys_sign_batch(k, 3, 4, CD_STR("*"), CD_STR_NULL, 0, &b) ==
	      0);
	CHECK(cd_changes_verify(cd_buf_get(&b), &t.changes, CD_STR("local"),
				&ch, &used) == 0);
	CHECK(ch.first == 3 && ch.last == 4 && used == b.len);
	cd_buf_done(&b);
	cd_keys_free(&k);
	return 0;
}

TEST(signs_bundles_and_changes)
{
	if (setup())
		ok_eq_int(as_user(UID_CONTROLLER, sign_things, NULL), 0);
}

static int certificates(void *arg cd_unused)
{
	struct cd_str names[] = {CD_STR_INIT("payroll.example.com")};
	struct cd_tls_key *key = NULL;
	struct cd_secret *pem = NULL;
	struct cd_keys *k = NULL;
	struct cd_cert_info info;
	struct cd_buf csr, out;
	uint8_t hash[32];

	cd_buf_init(&csr, CD_CSR_MAX);
	cd_buf_init(&out, 65536);
	CHECK(cd_keys_new(sock, &k) == 0);
	CHECK(cd_tls_key_new(&key) == 0 && cd_csr_new(key, &csr) == 0);
	CHECK(cd_tls_key_pem(key, &pem) == 0);
	CHECK(cd_keys_issue_leaf(k, names, 1, 0, cd_buf_get(&csr), &out) == 0);
	CHECK(cd_cert_read(cd_buf_get(&out), pem, &info) == 0);
	CHECK(cd_cert_has_name(cd_buf_get(&out), names[0]));
	CHECK(info.not_after > time(NULL) + 29 * 86400);
	names[0] = CD_STR("two.example.com,other.example.com");
	CHECK(cd_keys_issue_leaf(k, names, 1, 0, cd_buf_get(&csr), &out) ==
	      -EINVAL);
	cd_buf_clear(&out);
	CHECK(cd_keys_issue_client(k, CD_STR("alice"), 7, 600, cd_buf_get(&csr),
				   &out, hash) == 0);
	CHECK(cd_cert_read(cd_buf_get(&out), pem, &info) == 0);
	CHECK(!memcmp(hash, info.hash, 32));
	CHECK(cd_keys_issue_client(k, CD_STR("alice, bob"), 7, 600,
				   cd_buf_get(&csr), &out, hash) == -EINVAL);
	return 0;
}

TEST(issues_certificates)
{
	if (setup())
		ok_eq_int(as_user(UID_CONTROLLER, certificates, NULL), 0);
}

static int second_factor(void *arg cd_unused)
{
	struct cd_secret *base32 = NULL, *uri = NULL, *out = NULL, *raw = NULL;
	struct cd_str ctx = CD_STR("user:1");
	struct cd_keys *k = NULL;
	struct cd_buf sealed, key, box;
	uint64_t step = 0, now = (uint64_t)time(NULL) / 30;
	char code[7];

	cd_buf_init(&sealed, 4096);
	cd_buf_init(&key, 64);
	cd_buf_init(&box, 4096);
	CHECK(cd_keys_new(sock, &k) == 0);
	CHECK(cd_keys_totp_new(k, ctx, CD_STR("Cordon"), CD_STR("alice"),
			       &sealed, &base32, &uri) == 0);
	CHECK(cd_base32_decode(cd_secret_reveal(base32), &key) == 0);
	CHECK(cd_secret_from(cd_buf_get(&key), &raw) == 0);
	CHECK(!memmem(sealed.data, sealed.len, key.data, key.len));
	CHECK(cd_totp_code(raw, now, code) == 0);
	CHECK(cd_keys_totp_verify(k, ctx, cd_buf_get(&sealed),
				  cd_str_from(code), 0, &step) == 0);
	CHECK(step == now);
	CHECK(cd_keys_totp_verify(k, ctx, cd_buf_get(&sealed),
				  cd_str_from(code), step,
				  &step) == CD_E_DENIED);
	CHECK(cd_keys_totp_verify(k, CD_STR("user:2"), cd_buf_get(&sealed),
				  cd_str_from(code), 0, &step) == CD_E_DENIED);
	/* a second factor never comes out again */
	CHECK(cd_keys_unseal(k, CD_STR("totp"), ctx, cd_buf_get(&sealed),
			     &out) == CD_E_DENIED);
	CHECK(cd_keys_unseal(k, CD_STR("oidc"), ctx, cd_buf_get(&sealed),
			     &out) == CD_E_DENIED);
	CHECK(cd_keys_seal(k, CD_STR("oidc"), ctx, CD_STR("s3cret"), &box) ==
	      0);
	CHECK(cd_keys_unseal(k, CD_STR("oidc"), ctx, cd_buf_get(&box), &out) ==
	      0);
	CHECK(cd_secret_equal_bytes(out, CD_STR("s3cret")));
	return 0;
}

TEST(keeps_second_factors)
{
	if (setup())
		ok_eq_int(as_user(UID_CONTROLLER, second_factor, NULL), 0);
}

/* ---- assertions ---- */

static struct cd_table *table;
static struct cd_secret *alice_token, *mallory_token;
static uint8_t alice_key[32], mallory_key[32];

static void put_session(const char *who, const uint8_t key[32], uint64_t id,
			const char *app, uint32_t expires)
{
	struct cd_str groups[] = {CD_STR_INIT("finance")};
	struct cd_subject_row s = {.name = cd_str_from(who),
				   .groups = groups,
				   .n_groups = 1,
				   .disabled = !strcmp(who, "mallory")};
	struct cd_session_row row = {.id = id,
				     .subject = cd_str_from(who),
				     .app = cd_str_from(app),
				     .created = (uint32_t)time(NULL),
				     .last_seen = (uint32_t)time(NULL),
				     .expires = expires,
				     .state = CD_SESSION_LIVE};

	memcpy(row.key, key, 32);
	ok_eq_int(cd_table_subject_put(table, &s), 0);
	ok_eq_int(cd_table_session_put(table, &row), 0);
}

static void make_table(void)
{
	struct cd_table_limits n = {1000, 100, 100};

	cd_table_free(&table);
	ok_eq_int(cd_table_create(in_dir("run/shm/sessions"), &n, 0644, &table),
		  0);
	chmod(in_dir("run/shm/sessions"), 0644);
	if (!alice_token) {
		ok_eq_int(cd_token_new(&alice_token, alice_key), 0);
		ok_eq_int(cd_token_new(&mallory_token, mallory_key), 0);
	}
	put_session("alice", alice_key, 1, "payroll",
		    (uint32_t)time(NULL) + 600);
	put_session("mallory", mallory_key, 2, "payroll",
		    (uint32_t)time(NULL) + 600);
	ok_eq_int(cd_table_publish(table), 0);
}

static void put_assert(struct ask *a, struct cd_str token, const char *app)
{
	a->verb = CD_VERB_ASSERT;
	cd_buf_init(&a->body, 4096);
	cd_broker_put_str(&a->body, token);
	cd_broker_put_str(&a->body, cd_str_from(app));
}

static int assert_status(const struct cd_secret *token, const char *app)
{
	struct ask a = {0};
	int status;

	put_assert(&a, cd_secret_reveal(token), app);
	status = as_user(UID_GATEWAY, ask_raw, &a);
	cd_buf_done(&a.body);
	return status;
}

static int assert_alice(void *arg cd_unused)
{
	struct cd_jwt_expect e = {.typ = CD_STR(CD_ASSERTION_TYPE),
				  .iss = CD_STR(ISSUER),
				  .aud = CD_STR("payroll"),
				  .now = time(NULL)};
	struct cd_jwks *set = NULL;
	struct cd_jwt *jwt = NULL;
	struct cd_keys *k = NULL;
	struct ask a = {0};
	struct cd_reader r;
	struct cd_buf jwks;
	int64_t exp;

	cd_buf_init(&jwks, 4096);
	CHECK(cd_keys_new(sock, &k) == 0);
	CHECK(cd_keys_public(k, CD_PUBLIC_JWKS, &jwks) == 0);
	CHECK(cd_jwks_parse(cd_buf_get(&jwks), &set) == 0);
	put_assert(&a, cd_secret_reveal(alice_token), "payroll");
	CHECK(ask_raw(&a) == CD_BROKER_OK);
	r = cd_reader_make(a.answer.data, a.answer.len);
	exp = (int64_t)cd_read_u64(&r);
	CHECK(cd_jwt_verify(cd_read_bytes(&r, cd_reader_left(&r)), set, &e,
			    &jwt) == 0);
	CHECK(cd_str_equal(jwt->sub, CD_STR("alice")));
	CHECK(jwt->exp == exp && exp > time(NULL) + 50);
	CHECK(memmem(jwt->payload.ptr, jwt->payload.len,
		     "\"groups\":[\"finance\"]", 20));
	return 0;
}

TEST(asserts_only_for_a_live_session_of_that_app)
{
	struct cd_secret *unknown cd_auto(cd_secret_free) = NULL;
	struct cd_secret *odd cd_auto(cd_secret_free) = NULL;
	uint8_t key[32];

	if (!setup())
		return;
	ok_eq_int(cd_token_new(&unknown, key), 0);
	ok_eq_int(cd_secret_from(CD_STR("alice"), &odd), 0);
	/* no table at all yet */
	ok_eq_int(assert_status(unknown, "payroll"), CD_BROKER_INTERNAL);
	make_table();
	ok_eq_int(as_user(UID_GATEWAY, assert_alice, NULL), 0);
	ok_eq_int(assert_status(unknown, "payroll"), CD_BROKER_REFUSED);
	ok_eq_int(assert_status(odd, "payroll"), CD_BROKER_REFUSED);
	ok_eq_int(assert_status(alice_token, "files"), CD_BROKER_REFUSED);
	ok_eq_int(assert_status(alice_token, ""), CD_BROKER_REFUSED);
	ok_eq_int(assert_status(mallory_token, "payroll"), CD_BROKER_REFUSED);
	/* revoked: in the same file */
	ok_eq_int(cd_table_session_remove(table, alice_key), 0);
	ok_eq_int(assert_status(alice_token, "payroll"), CD_BROKER_REFUSED);
	/* back, in another file */
	make_table();
	ok_eq_int(as_user(UID_GATEWAY, assert_alice, NULL), 0);
	/* expired */
	put_session("alice", alice_key, 1, "payroll", 1000);
	ok_eq_int(assert_status(alice_token, "payroll"), CD_BROKER_REFUSED);
	put_session("alice", alice_key, 1, "payroll",
		    (uint32_t)time(NULL) + 600);
}

/* 100 at once, each on a connection of its own, half of them pipelined. */
static int hundred(void *arg cd_unused)
{
	int fds[100];
	struct ask a = {0};
	struct cd_buf q;
	int64_t deadline = cd_ipc_deadline(20000);

	put_assert(&a, cd_secret_reveal(alice_token), "payroll");
	cd_buf_init(&q, 65536);
	cd_broker_put(&q, a.verb, 0, cd_buf_get(&a.body));
	cd_broker_put(&q, a.verb, 0, cd_buf_get(&a.body));
	for (int i = 0; i < 100; i++) {
		fds[i] = cd_ipc_connect(sock, 5000);
		CHECK(fds[i] >= 0);
		CHECK(cd_ipc_write(fds[i], cd_buf_get(&q), deadline) == 0);
	}
	for (int i = 0; i < 200; i++) {
		uint8_t head[8];
		struct cd_reader r = cd_reader_make(head, 8);
		char body[4096];
		uint32_t len;

		CHECK(cd_ipc_read(fds[i % 100], head, 8, deadline) == 0);
		len = cd_read_u32(&r);
		CHECK(cd_read_u16(&r) == CD_VERB_ASSERT);
		CHECK(cd_read_u16(&r) == CD_BROKER_OK);
		CHECK(len > 200 && len < sizeof(body));
		CHECK(cd_ipc_read(fds[i % 100], body, len - 4, deadline) == 0);
	}
	return 0;
}

TEST(asserts_hundreds_at_once)
{
	if (!setup())
		return;
	make_table();
	ok_eq_int(as_user(UID_GATEWAY, hundred, NULL), 0);
}

/* ---- hostile bytes, hostile peers ---- */

static int send_rubbish(void *arg)
{
	struct cd_str bytes = *(struct cd_str *)arg;
	int fd = cd_ipc_connect(sock, 5000);
	char c;

	CHECK(fd >= 0);
	CHECK(cd_ipc_write(fd, bytes, cd_ipc_deadline(5000)) == 0);
	/* the end of the connection, not an answer */
	return cd_ipc_read(fd, &c, 1, cd_ipc_deadline(5000)) == -ECONNRESET ?
		       0 :
		       1;
}

TEST(rubbish_ends_the_connection_only)
{
	static const struct cd_str frames[] = {
		CD_STR_INIT("\0\0\0\0\1\0\0\0"), /* length below 4 */
		CD_STR_INIT("\xff\xff\xff\xff\1\0\0\0"), /* far too long */
		CD_STR_INIT("\4\0\0\0\x63\0\0\0"), /* no such verb */
		CD_STR_INIT("\5\0\0\0\1\0\1\0\0"), /* an answer */
		CD_STR_INIT("GET / HTTP/1.1\r\n\r\n"),
	};

	if (!setup())
		return;
	for (size_t i = 0; i < CD_ARRAY_SIZE(frames); i++)
		ok_eq_int(as_user(UID_STRANGER, send_rubbish,
				  (void *)(uintptr_t)&frames[i]),
			  0);
	ok_eq_int(as_user(UID_CONTROLLER, sign_things, NULL), 0);
}

static int take_all_places(void *arg cd_unused)
{
	unsigned int open = 0;

	for (int i = 0; i < 300; i++)
		open += cd_ipc_connect(sock, 1000) >= 0;
	CHECK(open > 100);
	/* while they are held, somebody else is served */
	return as_user(UID_STRANGER, send_rubbish,
		       &(struct cd_str)CD_STR_INIT("\0\0\0\0"));
}

TEST(one_user_cannot_take_every_place)
{
	if (setup())
		ok_eq_int(as_user(0, take_all_places, NULL), 0);
}

/* ---- restart and damage ---- */

static void read_trust(struct cd_buf *out)
{
	struct cd_keys *k = NULL;

	cd_buf_init(out, 4096);
	ok_eq_int(cd_keys_new(sock, &k), 0);
	ok_eq_int(cd_keys_public(k, CD_PUBLIC_TRUST, out), 0);
	cd_keys_free(&k);
}

TEST(keys_survive_kill_and_damage_stops)
{
	struct cd_buf before cd_auto(cd_buf_done) = {0};
	struct cd_buf after cd_auto(cd_buf_done) = {0};
	int status;

	if (!setup())
		return;
	read_trust(&before);
	stop_broker(SIGKILL);
	start_broker();
	read_trust(&after);
	ok_eq_str(before.data, after.data);
	stop_broker(SIGTERM);
	/* a key is missing: no new one is made in silence */
	ok_eq_int(rename(in_dir("state/keys/bundle.key"), in_dir("aside")), 0);
	broker = fork();
	if (broker == 0) {
		int null = open("/dev/null", O_WRONLY);
		char exe[512];
		const char *build = getenv("CORDON_BUILD");

		dup2(null, 2);
		snprintf(exe, sizeof(exe), "%s/cordond",
			 build ? build : "build");
		execl(exe, exe, "--keys", "--run", in_dir("run"), "--state",
		      in_dir("state"), "--issuer", ISSUER, "--uid-controller",
		      "1", "--user", "64732:64732", (char *)NULL);
		_exit(127);
	}
	waitpid(broker, &status, 0);
	broker = 0;
	ok_eq_int(WEXITSTATUS(status), 1);
	ok_eq_int(access(in_dir("state/keys/bundle.key"), F_OK), -1);
	ok_eq_int(rename(in_dir("aside"), in_dir("state/keys/bundle.key")), 0);
	/* others may read the folder: refused */
	struct cd_keystore_options o = {.now = time(NULL)};
	struct cd_keystore ks;
	const char *what = "";

	chmod(in_dir("state/keys"), 0755);
	ok_eq_int(chown(in_dir("state/keys"), 0, 0), 0);
	ok_eq_int(cd_keystore_open(in_dir("state/keys"), &o, &ks, &what),
		  -EACCES);
}

/* Binds as root, listens as another user, answers nothing: whatever it were
 * sent would be read here. Child's pid. */
static pid_t impostor(const char *path, uid_t uid)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int ready[2];
	pid_t pid;
	char c;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	cd_assert(pipe(ready) == 0);
	pid = fork();
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		close(ready[0]);
		if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
		    setresgid(uid, uid, uid) < 0 ||
		    setresuid(uid, uid, uid) < 0 || listen(fd, 8) < 0 ||
		    write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	cd_assert(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	return pid;
}

static int asked(const char *path)
{
	struct cd_buf b cd_auto(cd_buf_done);
	struct cd_keys *k = NULL;
	int r;

	cd_buf_init(&b, 4096);
	cd_assert(cd_keys_new(path, &k) == 0);
	r = cd_keys_public(k, CD_PUBLIC_TRUST, &b);
	cd_keys_free(&k);
	return r;
}

TEST(nobody_is_taken_for_the_broker)
{
	const char *folder = in_dir("taken"), *path;
	pid_t pid;

	if (!setup())
		return;
	path = in_dir("taken/s");
	cd_assert(mkdir(folder, 0755) == 0);
	cd_assert(chown(folder, UID_KEYS, UID_KEYS) == 0);
	pid = impostor(path, UID_CONTROLLER);
	ok_eq_int(asked(path), -EPERM);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(path);
	/* the owner itself, where others could have been before it */
	pid = impostor(path, UID_KEYS);
	cd_assert(chmod(folder, 0775) == 0);
	ok_eq_int(asked(path), -EPERM);
	cd_assert(chmod(folder, 01777) == 0);
	ok_eq_int(asked(path), -EPERM);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(path);
	rmdir(folder);
	ok_eq_int(asked(path), -ENOTCONN);
}

static int takes_the_name(void *arg)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", (char *)arg);
	if (unlink(sun.sun_path) < 0 && errno != ENOENT)
		return errno;
	return bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? errno : 0;
}

TEST(nobody_else_binds_the_brokers_name)
{
	if (!setup())
		return;
	/* as cordon up leaves it, with cordond in the folder's group */
	cd_assert(chown(in_dir("run"), 0, UID_CONTROLLER) == 0);
	cd_assert(chmod(in_dir("run"), 01775) == 0);
	stop_broker(SIGKILL);
	ok_eq_int(as_user(UID_CONTROLLER, takes_the_name, sock), EACCES);
	unlink(sock);
	ok_eq_int(as_user(UID_CONTROLLER, takes_the_name, sock), EACCES);
	start_broker();
	ok_eq_int(asked(sock), 0);
}

/* Nothing that the broker was told or made may be in its log. */
TEST(log_holds_no_secret)
{
	static char log[1 << 20];
	ssize_t n;
	int fd;

	if (geteuid() != 0) {
		skip("needs root");
		return;
	}
	fd = open(in_dir("log"), O_RDONLY);
	n = read(fd, log, sizeof(log) - 1);
	close(fd);
	if (!ok_true(n > 0))
		return;
	ok_true(strstr(log, "KEY_USE verb=\"ASSERT\" uid=64734") != NULL);
	ok_true(strstr(log, "status=\"DENIED\"") != NULL);
	ok_true(strstr(log, cd_secret_reveal(alice_token).ptr) == NULL);
	ok_true(strstr(log, "s3cret") == NULL);
	ok_true(strstr(log, "PRIVATE KEY") == NULL);
	ok_true(strstr(log, "eyJ") == NULL);
}

__attribute__((destructor)) static void clean(void)
{
	char cmd[128];

	cd_table_free(&table);
	cd_secret_free(&alice_token);
	cd_secret_free(&mallory_token);
	stop_broker(SIGKILL);
	if (dir[0]) {
		snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
		if (system(cmd) != 0)
			printf("# %s stays\n", dir);
	}
}
