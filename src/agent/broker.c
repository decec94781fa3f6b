/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting a bundle. Order of writes: the copy in the state folder, the file
 * that workers map, then the serial. A power cut between any two of them
 * leaves an older serial behind, never a newer one than what is in force, so
 * that the same bundle can be accepted again.
 *
 * Two copies are kept: `bundle`, the last that was not on trial, and `trial`.
 */
#include "agent/broker.h"

#include <cordon/snapshot.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/ipc.h"
#include "sys/log.h"

#define PATH_BYTES 512
#define TRY_AGAIN_MS 1000
#define LOOK_MS 60000
#define BUNDLE_MAX ((size_t)CD_BUNDLE_HEADER + CD_BUNDLE_IMAGE_MAX)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* ---- the last serial ---- */

static int path_in(const char *dir, const char *name, char out[PATH_BYTES])
{
	return cd_path_join(out, PATH_BYTES, dir, name) ? 0 : -ENAMETOOLONG;
}

static uint64_t read_serial(const char *path)
{
	char *text = NULL;
	size_t len = 0;
	uint64_t n = 0;

	if (cd_file_read(path, 32, &text, &len) == 0)
		cd_str_parse_u64(cd_str_trim(cd_str_make(text, len)), &n);
	free(text);
	return n;
}

static int write_serial(const struct cd_agent_broker *b)
{
	char path[PATH_BYTES], text[32];
	int n = snprintf(text, sizeof(text), "%llu\n",
			 (unsigned long long)b->serial);
	int r = path_in(b->state_dir, "serial", path);

	if (r < 0)
		return r;
	return cd_file_write(path, cd_str_make(text, (size_t)n), 0600,
			     (uid_t)-1, (gid_t)-1);
}

/* ---- publishing ---- */

static int publish(const struct cd_agent_broker *b, struct cd_str bundle)
{
	char path[PATH_BYTES];
	int r = path_in(b->policy_dir, "current", path);

	return r < 0 ? r :
		       cd_file_write(path, bundle, 0644, (uid_t)-1, (gid_t)-1);
}

static int keep(const struct cd_agent_broker *b, const char *name,
		struct cd_str bundle)
{
	char path[PATH_BYTES];
	int r = path_in(b->state_dir, name, path);

	return r < 0 ? r :
		       cd_file_write(path, bundle, 0600, (uid_t)-1, (gid_t)-1);
}

/* Every offset, before anything maps it. The image is 8-aligned: it follows
 * 4096 bytes of header in heap memory. */
static int check_image(struct cd_str bundle, struct cd_diag *diag)
{
	const struct cd_snapshot *snapshot;
	int r = cd_snapshot_open(bundle.ptr + CD_BUNDLE_HEADER,
				 bundle.len - CD_BUNDLE_HEADER, &snapshot);

	if (r == CD_E_VERSION)
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    "bundle refused: its snapshot is newer than this "
			    "program; the policy in force stays");
	else if (r < 0)
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    "bundle refused: its snapshot cannot be opened");
	return r < 0 ? r : cd_snapshot_check(snapshot, diag);
}

static int verify(const struct cd_agent_broker *b, struct cd_str bundle,
		  uint64_t last, struct cd_diag *diag,
		  struct cd_bundle_header *ret)
{
	struct cd_bundle_expect expect = {
		.key = b->key,
		.audience = b->name,
		.last_serial = last,
		.now = b->now(),
	};
	int r = cd_bundle_verify(bundle, &expect, diag, ret);

	return r < 0 ? r : check_image(bundle, diag);
}

/* A trial is at most as long as it was meant to be, whatever this host's
 * clock says. */
static void set_trial(struct cd_agent_broker *b,
		      const struct cd_bundle_header *h)
{
	int64_t left =
		CD_MIN(h->confirm_by - b->now(), h->confirm_by - h->not_before);

	b->trial_ends =
		h->confirm_by ? b->monotonic() + 1000 * CD_MAX(left, 0) : 0;
}

static void forget_trial(struct cd_agent_broker *b)
{
	char path[PATH_BYTES];

	b->trial_ends = 0;
	if (path_in(b->state_dir, "trial", path) == 0)
		unlink(path); /* one that stays has an older serial */
}

static int put_into_force(struct cd_agent_broker *b, struct cd_str bundle,
			  const struct cd_bundle_header *h)
{
	int r = publish(b, bundle);

	if (r < 0)
		return r;
	b->serial = CD_MAX(b->serial, h->serial);
	r = write_serial(b);
	if (r < 0)
		CD_LOG_ERROR("SERIAL_NOT_KEPT", cd_log_err(r));
	if (h->confirm_by)
		set_trial(b, h);
	else
		forget_trial(b);
	return 0;
}

int cd_agent_broker_accept(struct cd_agent_broker *b, struct cd_str bundle,
			   struct cd_diag *diag, struct cd_bundle_header *ret)
{
	struct cd_bundle_header h;
	int r = verify(b, bundle, b->serial, diag, &h);

	if (r < 0)
		return r;
	r = keep(b, h.confirm_by ? "trial" : "bundle", bundle);
	if (r == 0)
		r = put_into_force(b, bundle, &h);
	if (r == 0)
		*ret = h;
	else
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    "bundle not published: %s", cd_strerror(r));
	return r;
}

/* ---- what was kept ---- */

/* A copy from the state folder, in force again if it is still good and its
 * serial is above that. Nothing is written in the state folder but the serial,
 * so that a full disk stops no return. */
static int again(struct cd_agent_broker *b, const char *name, uint64_t above,
		 struct cd_bundle_header *ret)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	char path[PATH_BYTES], *data = NULL;
	size_t len = 0;
	int r = path_in(b->state_dir, name, path);

	cd_diag_new(&diag);
	if (r == 0)
		r = cd_file_read(path, BUNDLE_MAX, &data, &len);
	if (r == 0)
		r = verify(b, cd_str_make(data, len), above, diag, ret);
	if (r == 0)
		r = put_into_force(b, cd_str_make(data, len), ret);
	free(data);
	if (r != -ENOENT)
		CD_LOG_INFO("BUNDLE_AGAIN", cd_log_z("copy", name),
			    cd_log_err(r),
			    cd_log_z("why", diag && cd_diag_count(diag) ?
						    cd_diag_get(diag, 0)->text :
						    ""));
	return r;
}

bool cd_agent_broker_end_trial(struct cd_agent_broker *b,
			       struct cd_bundle_header *ret)
{
	uint64_t serial = b->serial;
	int r;

	if (!b->trial_ends || b->monotonic() < b->trial_ends)
		return false;
	r = again(b, "bundle", 0, ret);
	if (r == 0) {
		CD_LOG_WARN("TRIAL_ENDED",
			    cd_log_num("serial", (int64_t)serial),
			    cd_log_num("now", (int64_t)ret->serial));
		return true;
	}
	CD_LOG_ERROR("TRIAL_STAYS", cd_log_num("serial", (int64_t)serial),
		     cd_log_z("why", "not confirmed in time, and the bundle "
				     "before it could not be put back"),
		     cd_log_err(r));
	if (r == -ENOENT || r <= CD_E_SYNTAX)
		forget_trial(b);
	else /* the run folder is full, or such: it may pass */
		b->trial_ends = b->monotonic() + TRY_AGAIN_MS;
	return false;
}

/* ---- start ---- */

/* The bundle that lies in the run folder, serial 0 for none. Only root can
 * have put it there; its signature is looked at all the same. */
static struct cd_bundle_header published(const struct cd_agent_broker *b)
{
	struct cd_bundle_header h = {0}, none = {0};
	char path[PATH_BYTES], *data = NULL;
	size_t len = 0;

	if (path_in(b->policy_dir, "current", path) < 0 ||
	    cd_file_read(path, BUNDLE_MAX, &data, &len) < 0)
		return none;
	if (cd_bundle_decode(cd_str_make(data, len), &h) < 0 ||
	    cd_ed25519_verify(&b->key, cd_str_make(data, CD_BUNDLE_SIGNED),
			      h.signature) < 0)
		h = none;
	free(data);
	return h;
}

int cd_agent_broker_start(struct cd_agent_broker *b)
{
	char path[PATH_BYTES];
	struct cd_bundle_header h;
	int r = path_in(b->state_dir, "serial", path);

	if (r < 0)
		return r;
	h = published(b);
	b->serial = CD_MAX(read_serial(path), h.serial);
	if (h.serial)
		set_trial(b, &h);
	else if (again(b, "trial", b->serial ? b->serial - 1 : 0, &h) < 0)
		again(b, "bundle", 0, &h);
	cd_agent_broker_end_trial(b, &h);
	return 0;
}

/* ---- serving ---- */

static int say(int sock, struct cd_buf *b)
{
	int r = b->err ? b->err : cd_ipc_send(sock, cd_buf_get(b), -1);

	cd_buf_done(b);
	return r;
}

static int say_hello(int sock, uint64_t serial)
{
	struct cd_buf b;

	cd_buf_init(&b, CD_BROKER_MESSAGE);
	cd_buf_char(&b, 'H');
	cd_buf_u64(&b, serial);
	return say(sock, &b);
}

static int say_result(int sock, int result, uint64_t serial,
		      const uint8_t hash[CD_SHA256_SIZE],
		      const struct cd_diag *diag)
{
	struct cd_buf b;

	cd_buf_init(&b, CD_BROKER_MESSAGE);
	cd_buf_char(&b, 'R');
	cd_buf_u32(&b, (uint32_t)result);
	cd_buf_u64(&b, serial);
	cd_buf_put(&b, hash, CD_SHA256_SIZE);
	if (diag && cd_diag_count(diag) > 0) {
		struct cd_str t = cd_str_from(cd_diag_get(diag, 0)->text);

		cd_buf_put(&b, t.ptr, CD_MIN(t.len, CD_BROKER_MESSAGE - b.len));
	}
	return say(sock, &b);
}

/* The bytes behind a descriptor that can no longer change, copied. */
static int read_bundle(int fd, char **ret, size_t *ret_len)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 ||
	    st.st_size < CD_BUNDLE_HEADER || st.st_size > (off_t)BUNDLE_MAX)
		return CD_E_CORRUPT;
	/* the writer left the position at the end */
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return cd_fd_read(fd, BUNDLE_MAX, ret, ret_len);
}

static void log_result(int r, const struct cd_bundle_header *h,
		       const struct cd_diag *diag)
{
	if (r == 0)
		CD_LOG_INFO("BUNDLE_ACCEPTED",
			    cd_log_num("serial", (int64_t)h->serial),
			    cd_log_num("not_after", h->not_after));
	else
		CD_LOG_WARN("BUNDLE_REFUSED", cd_log_err(r),
			    cd_log_z("why", diag && cd_diag_count(diag) ?
						    cd_diag_get(diag, 0)->text :
						    ""));
}

static int take(struct cd_agent_broker *b, int sock, int fd)
{
	struct cd_bundle_header h = {0};
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	char *data = NULL;
	size_t len = 0;
	int r = cd_diag_new(&diag);

	if (r == 0)
		r = read_bundle(fd, &data, &len);
	if (r == 0)
		r = cd_agent_broker_accept(b, cd_str_make(data, len), diag, &h);
	free(data);
	log_result(r, &h, diag);
	return say_result(sock, r, b->serial, h.hash, diag);
}

static int say_trial(int sock, const struct cd_bundle_header *h)
{
	struct cd_buf b;

	cd_buf_init(&b, CD_BROKER_MESSAGE);
	cd_buf_char(&b, 'T');
	cd_buf_u64(&b, h->serial);
	cd_buf_put(&b, h->hash, sizeof(h->hash));
	return say(sock, &b);
}

/* Until there is something to read; a trial may end meanwhile. */
static int wait_for_front(struct cd_agent_broker *b, int sock)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	struct cd_bundle_header h;
	int64_t left;
	int n;

	for (;;) {
		left = CD_MAX(b->trial_ends - b->monotonic(), 0);
		n = poll(&p, 1,
			 b->trial_ends ? (int)CD_MIN(left, LOOK_MS) : -1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (cd_agent_broker_end_trial(b, &h)) {
			int r = say_trial(sock, &h);

			if (r < 0)
				return r;
		}
		if (n > 0)
			return 0;
	}
}

int cd_agent_broker_serve(struct cd_agent_broker *b, int sock)
{
	struct cd_bundle_header h;
	int r;

	cd_agent_broker_end_trial(b, &h);
	r = say_hello(sock, b->serial);
	while (r == 0 && (r = wait_for_front(b, sock)) == 0) {
		char message[8];
		int fd = -1;
		ssize_t n = cd_ipc_recv(sock, message, sizeof(message), &fd);

		if (n == 0)
			return 0;
		if (n == 1 && message[0] == 'B' && fd >= 0)
			r = take(b, sock, fd);
		else
			r = n < 0 ? (int)n : CD_E_CORRUPT;
		if (fd >= 0)
			close(fd);
	}
	return r;
}

/* ---- the front's side ---- */

int cd_agent_broker_ask(int sock, struct cd_str bundle)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = cd_fd_write_all(fd, bundle.ptr, bundle.len);
	if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
		r = -errno;
	if (r == 0)
		r = cd_ipc_send(sock, CD_STR("B"), fd);
	close(fd);
	return r;
}

int cd_agent_broker_read(int sock, struct cd_agent_broker_result *ret,
			 char *ret_kind)
{
	char message[CD_BROKER_MESSAGE];
	struct cd_agent_broker_result res = {0};
	struct cd_reader r;
	struct cd_str hash;
	int fd = -1;
	ssize_t n = cd_ipc_recv(sock, message, sizeof(message), &fd);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	r = cd_reader_make(message, (size_t)n);
	*ret_kind = (char)cd_read_u8(&r);
	if (*ret_kind == 'R') {
		res.result = (int)cd_read_u32(&r);
		res.serial = cd_read_u64(&r);
		hash = cd_read_bytes(&r, CD_SHA256_SIZE);
		if (hash.len)
			memcpy(res.hash, hash.ptr, hash.len);
		memcpy(res.text, r.p, cd_reader_left(&r));
	} else if (*ret_kind == 'T') {
		res.serial = cd_read_u64(&r);
		hash = cd_read_bytes(&r, CD_SHA256_SIZE);
		if (hash.len)
			memcpy(res.hash, hash.ptr, hash.len);
	} else if (*ret_kind == 'H') {
		res.serial = cd_read_u64(&r);
	} else {
		return CD_E_CORRUPT;
	}
	if (r.err)
		return CD_E_CORRUPT;
	*ret = res;
	return 0;
}
