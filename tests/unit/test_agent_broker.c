/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's root half: which bundle comes into force. Every flipped bit is
 * refused and the policy in force stays; what a restart or a lost run folder
 * leaves is right again.
 */
#include "tap.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/broker.h"
#include "rng.h"
#include "snapshot/write.h"
#include "sys/file.h"
#include "sys/ipc.h"

/* In memory where there is such a folder: thousands of fsync. */
static char dir[64] = "/dev/shm/cordon-broker-XXXXXX";
static char policy[80], state[80], current[96];
static struct cd_sign_key *key;

static int64_t wall = 1700000000, up_ms = 77000;

static int64_t now_fn(void)
{
	return wall;
}

static bool time_runs; /* for a process that nobody moves the clock of */

static int64_t monotonic_fn(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return time_runs ? ts.tv_sec * 1000 + ts.tv_nsec / 1000000 : up_ms;
}

static void pass(int64_t seconds)
{
	wall += seconds;
	up_ms += 1000 * seconds;
}

static struct cd_agent_broker make(void)
{
	struct cd_agent_broker b = {.policy_dir = policy,
				    .state_dir = state,
				    .name = CD_STR("gw1"),
				    .now = now_fn,
				    .monotonic = monotonic_fn};

	if (!key) {
		if (!mkdtemp(dir)) {
			snprintf(dir, sizeof(dir), "/tmp/cordon-broker-XXXXXX");
			cd_assert(mkdtemp(dir));
		}
		snprintf(policy, sizeof(policy), "%s/policy", dir);
		snprintf(state, sizeof(state), "%s/state", dir);
		snprintf(current, sizeof(current), "%s/current", policy);
		mkdir(policy, 0755);
		mkdir(state, 0700);
		ok_eq_int(cd_sign_key_new(&key), 0);
	}
	cd_sign_key_public(key, &b.key);
	return b;
}

/* A bundle of an empty policy; on trial for that many seconds, 0: it is not. */
static struct cd_str trial(uint64_t serial, int64_t seconds)
{
	static char *bytes;
	struct cd_bundle_header h = {.serial = serial,
				     .not_before = wall - 1000,
				     .not_after = wall + 1000000,
				     .confirm_by = seconds ? wall + seconds : 0,
				     .audience = "gw1"};
	struct cd_writer w;
	void *image = NULL;
	size_t size = 0;

	cd_writer_init(&w);
	ok_eq_int(cd_writer_finish(&w, &image, &size), 0);
	cd_writer_done(&w);
	free(bytes);
	bytes = malloc(CD_BUNDLE_HEADER + size);
	cd_assert(bytes);
	memcpy(bytes + CD_BUNDLE_HEADER, image, size);
	h.snapshot_size = size;
	cd_sha256(image, size, h.hash);
	free(image);
	ok_eq_int(cd_bundle_encode(&h, (uint8_t *)bytes), 0);
	ok_eq_int(cd_ed25519_sign(key, cd_str_make(bytes, CD_BUNDLE_SIGNED),
				  (uint8_t *)bytes + CD_BUNDLE_AT_SIGNATURE),
		  0);
	return cd_str_make(bytes, CD_BUNDLE_HEADER + size);
}

static struct cd_str bundle(uint64_t serial)
{
	return trial(serial, 0);
}

/* Signs again what was changed on purpose. */
static void sign(struct cd_str b)
{
	char *p = (char *)(uintptr_t)b.ptr;
	uint8_t hash[CD_SHA256_SIZE];

	cd_sha256(p + CD_BUNDLE_HEADER, b.len - CD_BUNDLE_HEADER, hash);
	memcpy(p + CD_BUNDLE_AT_HASH, hash, sizeof(hash));
	ok_eq_int(cd_ed25519_sign(key, cd_str_make(p, CD_BUNDLE_SIGNED),
				  (uint8_t *)p + CD_BUNDLE_AT_SIGNATURE),
		  0);
}

static uint64_t in_force(void)
{
	struct cd_bundle_header h = {0};
	char *data = NULL;
	size_t len = 0;

	if (cd_file_read(current, 1u << 20, &data, &len) == 0)
		cd_bundle_decode(cd_str_make(data, len), &h);
	free(data);
	return h.serial;
}

static int accept_bundle(struct cd_agent_broker *b, struct cd_str bytes)
{
	struct cd_bundle_header h;

	return cd_agent_broker_accept(b, bytes, NULL, &h);
}

TEST(accepts_newer_serials_only)
{
	struct cd_agent_broker b = make();
	struct stat st;

	ok_eq_int(cd_agent_broker_start(&b), 0);
	ok_eq_uint(b.serial, 0);
	ok_eq_int(accept_bundle(&b, bundle(3)), 0);
	ok_eq_uint(in_force(), 3);
	ok_eq_int(stat(current, &st), 0);
	ok_eq_uint(st.st_mode & 07777, 0644);
	ok_eq_int(accept_bundle(&b, bundle(3)), CD_E_SIGNATURE);
	ok_eq_int(accept_bundle(&b, bundle(2)), CD_E_SIGNATURE);
	ok_eq_int(accept_bundle(&b, bundle(4)), 0);
	ok_eq_uint(in_force(), 4);
}

TEST(every_flipped_bit_keeps_the_old)
{
	struct cd_agent_broker b = make();
	struct cd_str bytes;
	char *p;

	ok_eq_int(cd_agent_broker_start(&b), 0);
	bytes = bundle(9);
	p = (char *)(uintptr_t)bytes.ptr;
	for (size_t i = 0; i < bytes.len; i += i < 256		    ? 1 :
					       i < CD_BUNDLE_HEADER ? 61 :
								      7) {
		p[i] ^= (char)(1 << i % 8);
		if (accept_bundle(&b, bytes) == 0)
			fail("accepted with byte %zu changed", i);
		p[i] ^= (char)(1 << i % 8);
	}
	ok_eq_uint(b.serial, 4);
	ok_eq_uint(in_force(), 4);
}

/* Signed, and still not to be mapped: the broker looks at every offset. */
TEST(a_signed_image_is_checked_too)
{
	struct cd_agent_broker b = make();
	struct cd_diag *diag = NULL;
	struct cd_bundle_header h;
	struct cd_str bytes;
	unsigned int refused = 0, tried = 0;

	ok_eq_int(cd_agent_broker_start(&b), 0);
	for (size_t i = 0; i < 200; i++) {
		bytes = bundle(10);
		if (CD_BUNDLE_HEADER + i >= bytes.len)
			break;
		((char *)(uintptr_t)bytes.ptr)[CD_BUNDLE_HEADER + i] ^= 0x7f;
		sign(bytes);
		tried++;
		refused += accept_bundle(&b, bytes) < 0;
		b.serial = 4;
	}
	note("%u of %u refused", refused, tried);
	ok_true(refused > tried / 2);
	/* a newer layout: kept, and said */
	bytes = bundle(11);
	for (size_t i = 8; i < 16; i++) {
		const struct cd_snapshot *s;
		char *p = (char *)(uintptr_t)bytes.ptr + CD_BUNDLE_HEADER + i;
		char was = *p;

		*p = 0x7f;
		if (cd_snapshot_open(bytes.ptr + CD_BUNDLE_HEADER,
				     bytes.len - CD_BUNDLE_HEADER,
				     &s) == CD_E_VERSION)
			break;
		*p = was;
	}
	sign(bytes);
	b.serial = 4;
	ok_eq_int(cd_diag_new(&diag), 0);
	ok_eq_int(cd_agent_broker_accept(&b, bytes, diag, &h), CD_E_VERSION);
	ok_true(cd_diag_count(diag) == 1 &&
		strstr(cd_diag_get(diag, 0)->text, "newer than this program"));
	cd_diag_free(&diag);
}

TEST(a_restart_remembers)
{
	struct cd_agent_broker b = make();
	char path[128];

	ok_eq_int(cd_agent_broker_start(&b), 0);
	ok_eq_int(accept_bundle(&b, bundle(20)), 0);
	b = make();
	ok_eq_int(cd_agent_broker_start(&b), 0);
	ok_eq_uint(b.serial, 20);
	ok_eq_int(accept_bundle(&b, bundle(20)), CD_E_SIGNATURE);
	/* a reboot empties the run folder: the kept one is in force again */
	ok_eq_int(unlink(current), 0);
	b = make();
	ok_eq_int(cd_agent_broker_start(&b), 0);
	ok_eq_uint(b.serial, 20);
	ok_eq_uint(in_force(), 20);
	/* the kept one is damaged: no policy, and no older one either */
	ok_eq_int(unlink(current), 0);
	snprintf(path, sizeof(path), "%s/bundle", state);
	ok_eq_int(cd_file_write(path, CD_STR("rubbish"), 0600, (uid_t)-1,
				(gid_t)-1),
		  0);
	b = make();
	ok_eq_int(cd_agent_broker_start(&b), 0);
	ok_eq_uint(b.serial, 20);
	ok_eq_uint(in_force(), 0);
	ok_eq_int(accept_bundle(&b, bundle(19)), CD_E_SIGNATURE);
	ok_eq_int(accept_bundle(&b, bundle(21)), 0);
	/* a power cut before the serial was written: the file itself says */
	snprintf(path, sizeof(path), "%s/serial", state);
	ok_eq_int(unlink(path), 0);
	b = make();
	ok_eq_int(cd_agent_broker_start(&b), 0);
	ok_eq_uint(b.serial, 21);
}

/* ---- trials ---- */

/* A host that never had a policy. */
static struct cd_agent_broker make_new(void)
{
	struct cd_agent_broker b = make();
	static const char *const names[] = {"bundle", "trial", "serial"};
	char path[128];

	unlink(current);
	for (size_t i = 0; i < CD_ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", state, names[i]);
		unlink(path);
	}
	ok_eq_int(cd_agent_broker_start(&b), 0);
	ok_eq_uint(b.serial, 0);
	return b;
}

TEST(a_trial_that_nobody_confirms_ends)
{
	struct cd_agent_broker b = make_new();
	struct cd_bundle_header h = {0};

	ok_eq_int(accept_bundle(&b, bundle(1)), 0);
	ok_eq_int(accept_bundle(&b, trial(2, 300)), 0);
	ok_eq_uint(in_force(), 2);
	pass(299);
	ok_true(!cd_agent_broker_end_trial(&b, &h));
	ok_eq_uint(in_force(), 2);
	pass(1);
	ok_true(cd_agent_broker_end_trial(&b, &h));
	ok_eq_uint(h.serial, 1);
	ok_eq_uint(in_force(), 1);
	ok_true(!cd_agent_broker_end_trial(&b, &h));
	/* what was tried does not come back by itself */
	ok_eq_uint(b.serial, 2);
	ok_eq_int(accept_bundle(&b, trial(2, 300)), CD_E_SIGNATURE);
	ok_eq_int(accept_bundle(&b, bundle(1)), CD_E_SIGNATURE);
	b = make();
	ok_eq_int(cd_agent_broker_start(&b), 0);
	ok_eq_uint(b.serial, 2);
	ok_eq_uint(in_force(), 1);
	/* the controller's word, later: newer serials as ever */
	ok_eq_int(accept_bundle(&b, bundle(3)), 0);
	ok_eq_uint(in_force(), 3);
}

TEST(a_confirmed_trial_stays)
{
	struct cd_agent_broker b = make_new();
	struct cd_bundle_header h;

	ok_eq_int(accept_bundle(&b, bundle(1)), 0);
	ok_eq_int(accept_bundle(&b, trial(2, 300)), 0);
	ok_eq_int(accept_bundle(&b, bundle(3)), 0); /* the same, confirmed */
	pass(1000);
	ok_true(!cd_agent_broker_end_trial(&b, &h));
	b = make();
	ok_eq_int(cd_agent_broker_start(&b), 0);
	ok_eq_uint(in_force(), 3);
}

/* Two trials in a row: neither was confirmed, so neither is returned to. */
TEST(a_trial_after_a_trial_ends_in_what_was_before_both)
{
	struct cd_agent_broker b = make_new();
	struct cd_bundle_header h;

	ok_eq_int(accept_bundle(&b, bundle(1)), 0);
	ok_eq_int(accept_bundle(&b, trial(2, 300)), 0);
	pass(200);
	ok_eq_int(accept_bundle(&b, trial(3, 300)), 0);
	pass(200);
	ok_true(!cd_agent_broker_end_trial(&b, &h));
	pass(100);
	ok_true(cd_agent_broker_end_trial(&b, &h));
	ok_eq_uint(in_force(), 1);
}

TEST(a_clock_set_back_makes_no_trial_longer)
{
	struct cd_agent_broker b = make_new();
	struct cd_bundle_header h;
	struct cd_str bytes;

	ok_eq_int(accept_bundle(&b, bundle(1)), 0);
	ok_eq_int(accept_bundle(&b, trial(2, 300)), 0);
	wall -= 86400;
	up_ms += 300000;
	ok_true(cd_agent_broker_end_trial(&b, &h));
	ok_eq_uint(in_force(), 1);
	/* a host whose clock was behind all the time: as long as was meant */
	wall += 86400;
	bytes = trial(3, 300); /* signed 1,000 s ago */
	wall -= 86400;
	ok_eq_int(accept_bundle(&b, bytes), 0);
	up_ms += 1299999;
	ok_true(!cd_agent_broker_end_trial(&b, &h));
	up_ms += 1;
	ok_true(cd_agent_broker_end_trial(&b, &h));
	/* set ahead: over at once for a restart, and then it is refused */
	ok_eq_int(accept_bundle(&b, trial(4, 300)), 0);
	bytes = trial(5, 300);
	wall += 86400;
	ok_eq_int(accept_bundle(&b, bytes), CD_E_EXPIRED);
	b = make();
	ok_eq_int(cd_agent_broker_start(&b), 0);
	ok_eq_uint(in_force(), 1);
}

TEST(a_trial_without_a_policy_before_stays)
{
	struct cd_agent_broker b = make_new();
	struct cd_bundle_header h;

	ok_eq_int(accept_bundle(&b, trial(1, 10)), 0);
	pass(10);
	ok_true(!cd_agent_broker_end_trial(&b, &h));
	ok_eq_uint(in_force(), 1);
	ok_eq_int(b.trial_ends, 0);
}

/* What must be in force, by a model that knows no files. */
struct wanted {
	uint64_t plain, trial; /* serials, 0: none */
	int64_t ends; /* of the trial, wall clock */
	uint64_t last, current;
};

static void time_in_model(struct wanted *w)
{
	if (w->trial && w->current == w->trial && wall >= w->ends) {
		w->current = w->plain ? w->plain : w->current;
		w->trial = 0;
	}
}

static void random_accept(struct cd_agent_broker *b, struct rng *r,
			  struct wanted *w)
{
	bool is_trial = rng_chance(r, 1, 2);
	int64_t seconds = is_trial ? 1 + (int64_t)rng_below(r, 20) : 0;
	uint64_t serial = w->last + rng_below(r, 3);
	int got;

	if (serial == 0)
		return;
	got = accept_bundle(b, trial(serial, seconds));
	ok_eq_int(got, serial > w->last ? 0 : CD_E_SIGNATURE);
	if (serial <= w->last)
		return;
	w->last = w->current = serial;
	w->trial = is_trial ? serial : 0;
	w->ends = wall + seconds;
	if (!is_trial)
		w->plain = serial;
}

static void random_restart(struct cd_agent_broker *b, struct rng *r,
			   struct wanted *w)
{
	if (rng_chance(r, 1, 2) && w->current) {
		ok_eq_int(unlink(current), 0); /* a reboot */
		w->current = w->trial && wall < w->ends ? w->trial : w->plain;
		if (w->current != w->trial)
			w->trial = 0;
	}
	*b = make();
	ok_eq_int(cd_agent_broker_start(b), 0);
	time_in_model(w);
}

TEST(random_lives_agree_with_the_model)
{
	struct cd_agent_broker b = make_new();
	struct rng r = rng_init(12);
	uint64_t steps = 100000 / rng_env("CORDON_PART", 100);
	unsigned int returned = 0;
	struct cd_bundle_header h;
	struct wanted w = {0};

	for (uint64_t i = 0; i < steps; i++) {
		switch (rng_below(&r, 4)) {
		case 0:
			random_accept(&b, &r, &w);
			break;
		case 1:
			random_restart(&b, &r, &w);
			break;
		default:
			pass((int64_t)rng_below(&r, 8));
			returned += cd_agent_broker_end_trial(&b, &h);
			time_in_model(&w);
		}
		if (!ok_eq_uint(in_force(), w.current) ||
		    !ok_eq_uint(b.serial, w.last))
			break;
	}
	note("%llu steps, %u returns", (unsigned long long)steps, returned);
	ok_true(returned >= steps / 50);
}

/* ---- over the pair ---- */

static int serve(int *ret_sock)
{
	int pair[2];
	pid_t pid;

	cd_assert(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct cd_agent_broker b = make();

		close(pair[0]);
		if (!freopen("/dev/null", "w", stderr))
			_exit(9);
		cd_agent_broker_start(&b);
		_exit(cd_agent_broker_serve(&b, pair[1]) == 0 ? 0 : 1);
	}
	close(pair[1]);
	*ret_sock = pair[0];
	return pid;
}

static int status_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

TEST(messages)
{
	struct cd_agent_broker_result res;
	struct cd_str bytes;
	struct cd_agent_broker b = make_new();
	char kind = 0;
	int sock;
	pid_t pid;

	ok_eq_int(accept_bundle(&b, bundle(21)), 0);
	pid = serve(&sock);
	ok_eq_int(cd_agent_broker_read(sock, &res, &kind), 0);
	ok_eq_int(kind, 'H');
	ok_eq_uint(res.serial, 21);
	ok_eq_int(cd_agent_broker_ask(sock, bundle(22)), 0);
	ok_eq_int(cd_agent_broker_read(sock, &res, &kind), 0);
	ok_eq_int(kind, 'R');
	ok_eq_int(res.result, 0);
	ok_eq_uint(res.serial, 22);
	ok_eq_uint(in_force(), 22);
	bytes = bundle(23);
	((char *)(uintptr_t)bytes.ptr)[CD_BUNDLE_AT_SERIAL] ^= 1;
	ok_eq_int(cd_agent_broker_ask(sock, bytes), 0);
	ok_eq_int(cd_agent_broker_read(sock, &res, &kind), 0);
	ok_eq_int(res.result, CD_E_SIGNATURE);
	ok_eq_uint(res.serial, 22);
	ok_true(strstr(res.text, "not by the pinned key") != NULL);
	ok_eq_int(cd_agent_broker_ask(sock, CD_STR("tiny")), 0);
	ok_eq_int(cd_agent_broker_read(sock, &res, &kind), 0);
	ok_true(res.result < 0);
	close(sock);
	ok_eq_int(status_of(pid), 0); /* a closed pair is a clean end */
}

/* The front is told when a trial ends, without having asked. */
TEST(the_end_of_a_trial_is_told)
{
	struct cd_agent_broker b = make_new();
	struct cd_agent_broker_result res;
	char kind = 0;
	int sock;
	pid_t pid;

	ok_eq_int(accept_bundle(&b, bundle(21)), 0);
	time_runs = true;
	pid = serve(&sock);
	ok_eq_int(cd_agent_broker_read(sock, &res, &kind), 0);
	ok_eq_int(kind, 'H');
	ok_eq_int(cd_agent_broker_ask(sock, trial(22, 1)), 0);
	ok_eq_int(cd_agent_broker_read(sock, &res, &kind), 0);
	ok_eq_int(kind, 'R');
	ok_eq_uint(in_force(), 22);
	ok_eq_int(cd_agent_broker_read(sock, &res, &kind), 0);
	ok_eq_int(kind, 'T');
	ok_eq_uint(res.serial, 21);
	ok_eq_uint(in_force(), 21);
	close(sock);
	ok_eq_int(status_of(pid), 0);
	time_runs = false;
	ok_eq_int(accept_bundle(&b, bundle(22)), 0);
}

/* What can change under the reader is not read. */
TEST(unsealed_bytes_are_refused)
{
	struct cd_agent_broker_result res;
	struct cd_str bytes;
	char kind;
	int sock, fd = memfd_create("x", MFD_ALLOW_SEALING);
	pid_t pid;

	(void)make();
	pid = serve(&sock);
	bytes = bundle(30);
	ok_eq_int(cd_agent_broker_read(sock, &res, &kind), 0);
	ok_eq_int(cd_fd_write_all(fd, bytes.ptr, bytes.len), 0);
	ok_eq_int(cd_ipc_send(sock, CD_STR("B"), fd), 0);
	ok_eq_int(cd_agent_broker_read(sock, &res, &kind), 0);
	ok_eq_int(res.result, CD_E_CORRUPT);
	ok_eq_uint(in_force(), 22);
	/* anything but its one message ends the service */
	ok_eq_int(cd_ipc_send(sock, CD_STR("X"), fd), 0);
	ok_eq_int(status_of(pid), 1);
	close(fd);
	close(sock);
}

__attribute__((destructor)) static void clean(void)
{
	char cmd[128];

	cd_sign_key_free(&key);
	if (!policy[0])
		return;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	if (system(cmd) != 0)
		printf("# %s stays\n", dir);
}
